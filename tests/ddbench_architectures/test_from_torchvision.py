from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_architectures.convnet import ConvNet
from ddbench_architectures.from_torchvision import Torchvision

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import DatasetSpec


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5", "regnet_y_400mf", "resnet18"])
@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 3), (96, 1)])
def test_a_name_of_torchvision_is_built_for_the_images(
    name: str, size: int, channels: int, describe: Callable[..., DatasetSpec]
) -> None:
    data = describe(size, channels)
    component = Torchvision(name)
    component.check(CheckTask(data, 1))
    model = component.build(data)
    assert model.training
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 10)


def test_a_networks_stem_is_fitted_up_to_sixty_four_pixels(describe: Callable[..., DatasetSpec]) -> None:
    strides = {size: Torchvision("resnet18").build(describe(size)).conv1.stride for size in (32, 64, 65)}
    assert strides == {32: (1, 1), 64: (1, 1), 65: (2, 2)}


def test_a_vision_transformer_is_built_for_the_image_size(describe: Callable[..., DatasetSpec]) -> None:
    with torch.device("meta"):
        model = Torchvision("vit_b_32").build(describe(64))
    assert model.encoder.pos_embedding.shape == (1, 1 + 2 * 2, 768)  # type: ignore[union-attr] # a class token and 2x2 patches


def test_an_unknown_name_is_refused_with_the_nearest(describe: Callable[..., DatasetSpec]) -> None:
    with pytest.raises(UserError, match=r"no network 'resnet81'; did you mean 'resnet18'\?"):
        Torchvision("resnet81").check(CheckTask(describe(32), 1))


def test_a_name_like_no_other_is_refused_without_listing_hundreds(describe: Callable[..., DatasetSpec]) -> None:
    with pytest.raises(UserError, match="see the model list") as caught:
        Torchvision("zzzzzz").check(CheckTask(describe(32), 1))
    assert len(str(caught.value)) < 200


def test_a_size_that_a_network_cannot_take_is_one_line(describe: Callable[..., DatasetSpec]) -> None:
    with pytest.raises(UserError, match="vit_b_16 cannot take images of 8x8 pixels and 1 channels") as caught:
        Torchvision("vit_b_16").build(describe(8, channels=1))
    assert "\n" not in str(caught.value)


def test_a_convnet_deeper_than_the_image_is_refused(describe: Callable[..., DatasetSpec]) -> None:
    ConvNet(depth=3).check(CheckTask(describe(8), 1))
    with pytest.raises(UserError, match="depth 4 leaves nothing of 8x8 pixels; at most 3"):
        ConvNet(depth=4).check(CheckTask(describe(8), 1))


def test_fitting_the_stem_draws_the_same_weights_from_the_same_seed(describe: Callable[..., DatasetSpec]) -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(Torchvision("squeezenet1_1").build(describe(8, 1)).state_dict())
    assert all(torch.equal(drawn[0][key], drawn[1][key]) for key in drawn[0])
