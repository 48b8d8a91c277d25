"""The students of generative distillation: ConvNet-6, ResNetAP-10 and ResNet-18 with instance norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_architectures.convnet6 import ConvNet6
from ddbench_architectures.instance_resnet import ResNet18IN, ResNetAP10

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import DatasetSpec

ALL = (ConvNet6, ResNetAP10, ResNet18IN)


def conv(inputs: int, outputs: int, kernel: int) -> int:
    """Weights of a convolution without bias, and of the norm behind it."""
    return inputs * outputs * kernel**2 + 2 * outputs


def stages(blocks: int) -> int:
    """Four stages of basic blocks, and a linear layer of ten outputs."""
    total = 512 * 10 + 10
    for inputs, outputs in ((64, 64), (64, 128), (128, 256), (256, 512)):
        total += conv(inputs, outputs, 3) + (2 * blocks - 1) * conv(outputs, outputs, 3)
        total += conv(inputs, outputs, 1) if inputs != outputs else 0
    return total


def convnet(side: int) -> int:
    """Six biased convolutions with norms, and a linear layer on a last map of that side."""
    return conv(3, 128, 3) + 5 * conv(128, 128, 3) + 6 * 128 + 128 * side**2 * 10 + 10


# Component, pixels, parameters derived here, millions of them and billions of operations (twice the products) that the
# papers' networks have.
COUNTS = [
    (ConvNet6(), 224, convnet(3), 0.755, 5.27),
    (ConvNet6(), 256, convnet(4), 0.764, 6.89),
    (ResNetAP10(), 224, conv(3, 64, 7) + stages(1), 4.911, 3.64),
    (ResNetAP10(), 256, conv(3, 64, 7) + stages(1), 4.911, 4.76),
    (ResNet18IN(), 224, conv(3, 64, 7) + stages(2), 11.182, 3.63),
    (ResNet18IN(), 256, conv(3, 64, 7) + stages(2), 11.182, 4.74),
]


@pytest.mark.parametrize(
    ("component", "size", "derived", "millions", "billions"),
    COUNTS,
    ids=[f"{type(component).__name__}-{size}" for component, size, *_ in COUNTS],
)
def test_parameters_and_operations_are_those_of_the_papers_networks(
    component: Any, size: int, derived: int, millions: float, billions: float, describe: Callable[..., DatasetSpec]
) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = component.build(describe(size))
        assert model(torch.zeros(1, 3, size, size)).shape == (1, 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == derived
    assert round(derived / 1e6, 3) == millions
    assert round(counter.get_total_flops() / 1e9, 2) == billions


@pytest.mark.parametrize(
    ("size", "stem", "millions"), [(8, 3, 4.903), (32, 3, 4.903), (64, 3, 4.903), (65, 7, 4.911), (96, 7, 4.911)]
)
def test_up_to_64_pixels_the_stem_is_small(
    size: int, stem: int, millions: float, describe: Callable[..., DatasetSpec]
) -> None:
    with torch.device("meta"):
        pooled, strided = ResNetAP10().build(describe(size)), ResNet18IN().build(describe(size))
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (pooled, strided)]
    assert counts == [conv(3, 64, stem) + stages(1), conv(3, 64, stem) + stages(2)]
    assert round(counts[0] / 1e6, 3) == millions


# ------------------------------------------------------------------------------------------- structure


def normalised(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Take each map of each image to mean 0 and variance 1, then scale and shift it by channel."""
    centred = maps - maps.mean((2, 3), keepdim=True)
    deviation = (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    return centred / deviation * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)


def averaged(maps: Tensor, size: int) -> Tensor:
    """Cut maps into squares and take the mean of each."""
    return maps.unfold(2, size, size).unfold(3, size, size).mean((4, 5))


def resnet_ap10(weights: list[Tensor], images: Tensor) -> Tensor:
    """Compute ResNetAP-10 for large images from its weights, in their order, as the papers describe it."""
    taken = iter(weights)

    def convolved(maps: Tensor) -> Tensor:
        weight = next(taken)
        return functional.conv2d(maps, weight, padding=weight.shape[-1] // 2)

    maps = averaged(normalised(convolved(images), next(taken), next(taken)).relu(), 4)
    for stride in (1, 2, 2, 2):
        hidden = averaged(normalised(convolved(maps), next(taken), next(taken)).relu(), stride)
        hidden = normalised(convolved(hidden), next(taken), next(taken))
        shortcut = maps if stride == 1 else normalised(averaged(convolved(maps), 2), next(taken), next(taken))
        maps = (hidden + shortcut).relu()
    return functional.linear(maps.mean((2, 3)), next(taken), next(taken))


def shaken(model: nn.Module) -> nn.Module:
    """Draw every weight, in float64: a norm's are ones and zeros at first, and tell nothing."""
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.normal_(std=0.3)
    return model


def test_resnet_ap10_computes_what_the_papers_describe(describe: Callable[..., DatasetSpec]) -> None:
    torch.manual_seed(0)
    model = shaken(ResNetAP10(width=4, stem="imagenet").build(describe(64)))
    images = torch.randn(3, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(model(images), resnet_ap10(list(model.parameters()), images))


def test_resnet18_in_is_torchvisions_with_another_norm(describe: Callable[..., DatasetSpec]) -> None:
    torch.manual_seed(0)
    model = shaken(ResNet18IN().build(describe(96)))
    stock = resnet18(num_classes=10, norm_layer=lambda channels: nn.GroupNorm(channels, channels)).double()
    names = stock.state_dict().keys()
    stock.load_state_dict(dict(zip(names, model.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    torch.testing.assert_close(model(images), stock(images))


@pytest.mark.parametrize("family", [ResNetAP10, ResNet18IN], ids=lambda family: family.__name__)
def test_convolutions_are_drawn_as_in_the_papers(family: Any, describe: Callable[..., DatasetSpec]) -> None:
    torch.manual_seed(0)
    for module in family().build(describe(8)).modules():
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            deviation = (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5
            assert float(module.weight.detach().std() / deviation) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.__name__)
def test_every_norm_is_of_one_group_a_channel(family: Any, describe: Callable[..., DatasetSpec]) -> None:
    with torch.device("meta"):
        modules = list(family().build(describe(32)).modules())
    norms = [module for module in modules if isinstance(module, nn.GroupNorm)]
    assert len(norms) == {"ConvNet6": 4, "ResNetAP10": 12, "ResNet18IN": 20}[family.__name__]
    assert all(norm.num_groups == norm.num_channels and norm.affine for norm in norms)
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in modules)


# ----------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.__name__)
@pytest.mark.parametrize("size", [2, 8, 15, 28, 32, 64, 65, 100, 224, 256])
def test_images_of_every_size_give_logits(family: Any, size: int, describe: Callable[..., DatasetSpec]) -> None:
    data = describe(size, 1, num_classes=7)
    family().check(CheckTask(data, 1))
    with torch.device("meta"):
        assert family().build(data)(torch.zeros(4, 1, size, size)).shape == (4, 7)


@pytest.mark.parametrize(
    ("size", "depth", "side"),
    [(2, 1, 1), (4, 1, 2), (8, 2, 2), (16, 3, 2), (28, 3, 3), (32, 4, 2), (64, 5, 2), (128, 6, 2), (512, 6, 8)],
)
def test_convnet6_has_as_many_blocks_as_leave_2x2(
    size: int, depth: int, side: int, describe: Callable[..., DatasetSpec]
) -> None:
    with torch.device("meta"):
        model = ConvNet6(width=8).build(describe(size))
        maps = nn.Sequential(*list(model)[:-2])(torch.zeros(1, 3, size, size))  # type: ignore[call-overload] # a Sequential
    assert sum(isinstance(module, nn.Conv2d) for module in model.modules()) == depth
    assert maps.shape == (1, 8, side, side)


@pytest.mark.parametrize("family", [ResNetAP10, ResNet18IN], ids=lambda family: family.__name__)
@pytest.mark.parametrize(
    ("size", "side"), [(2, 2), (8, 2), (15, 2), (16, 2), (28, 4), (32, 4), (64, 8), (65, 3), (96, 3)]
)
def test_the_last_map_of_a_residual_network_follows_from_the_image_size(
    family: Any, size: int, side: int, describe: Callable[..., DatasetSpec]
) -> None:
    with torch.device("meta"):
        model = family(width=8).build(describe(size))
        maps = nn.Sequential(*list(model)[:-3])(torch.zeros(1, 3, size, size))
    assert maps.shape == (1, 64, side, side)


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.__name__)
@pytest.mark.parametrize("size", [2, 3, 5, 8, 9, 15])
def test_no_network_is_blind_to_small_images(family: Any, size: int, describe: Callable[..., DatasetSpec]) -> None:
    torch.manual_seed(0)
    one, other = family(width=8).build(describe(size)).eval()(torch.randn(2, 3, size, size)).detach()
    assert float((one - other).abs().max()) > 0.01


@pytest.mark.parametrize("family", ALL, ids=lambda family: family.__name__)
def test_a_training_step_gives_every_parameter_a_finite_gradient(
    family: Any, describe: Callable[..., DatasetSpec]
) -> None:
    torch.manual_seed(0)
    model = family(width=8).build(describe(8, 1)).train()
    functional.cross_entropy(model(torch.randn(4, 1, 8, 8)), torch.arange(4)).backward()  # type: ignore[no-untyped-call] # torch's own signature is bare
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


REFUSED = [
    (ConvNet6(), 1, r"^convnet6 cannot halve images of 1x1 pixels; take images of 2x2 at least$"),
    (ResNetAP10(), 1, r"^resnet-ap10: of 1x1 pixels a map of one is left, .* zero; take images of 2x2 at least$"),
    (ResNetAP10(stem="imagenet"), 32, r"^resnet-ap10: of 32x32 pixels a map of one is left, .*; set stem=small$"),
    (ResNet18IN(stem="imagenet"), 8, r"^resnet18-in: of 8x8 pixels a map of one is left, .*; set stem=small$"),
]


@pytest.mark.parametrize(("component", "size", "said"), REFUSED, ids=[said[1:12] for *_, said in REFUSED])
def test_images_too_small_for_the_network_are_refused_in_one_line(
    component: Any, size: int, said: str, describe: Callable[..., DatasetSpec]
) -> None:
    with pytest.raises(UserError, match=said):
        component.check(CheckTask(describe(size), 1))
    component.check(CheckTask(describe(64), 1))


def test_a_chosen_stem_overrules_the_size(describe: Callable[..., DatasetSpec]) -> None:
    with torch.device("meta"):
        for family in (ResNetAP10, ResNet18IN):
            small, large = repr(family().build(describe(64))), repr(family().build(describe(65)))
            assert repr(family(stem="imagenet").build(describe(64))) == large
            assert repr(family(stem="small").build(describe(65))) == small
            assert small != large
