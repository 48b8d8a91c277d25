"""Pretrained weights, from local files: nothing here asks a network."""

from __future__ import annotations

import urllib.error
from typing import TYPE_CHECKING, Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.types import CheckTask
from ddbench_architectures.from_torchvision import Torchvision
from ddbench_architectures.resnet import ResNet18
from ddbench_architectures.shufflenet import ShuffleNet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.types import DatasetSpec


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which torchvision looks for weights before it asks the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("component", [ShuffleNet(pretrained=True), Torchvision("shufflenet_v2_x0_5", pretrained=True)])
def test_weights_that_lie_in_the_hubs_folder_are_loaded(
    component: Any, checkpoints: Path, describe: Callable[..., DatasetSpec]
) -> None:
    import torchvision

    name = torchvision.models.ShuffleNet_V2_X0_5_Weights.DEFAULT.url.rpartition("/")[2]
    torch.manual_seed(0)
    expected = torchvision.models.shufflenet_v2_x0_5().state_dict()
    torch.save(expected, checkpoints / name)
    data = describe(224, num_classes=1000)
    component.check(CheckTask(data, 1))
    found = component.build(data).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_a_network_without_weights_has_the_form_of_the_pretrained_one(
    name: str, describe: Callable[..., DatasetSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import WeightsEnum, get_model

    data = describe(96, num_classes=1000)
    with torch.device("meta"):
        published = get_model(name, weights=None, aux_logits=True, init_weights=False).state_dict()
        monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: published)
        loaded, drawn = (Torchvision(name, pretrained=pretrained).build(data) for pretrained in (True, False))
        assert repr(loaded) == repr(drawn)
        assert [vars(model)["transform_input"] for model in (loaded, drawn)] == [True, True]
        assert loaded.train()(torch.zeros(2, 3, 96, 96)).shape == (2, 1000)


def test_offline_one_line_says_what_to_fetch_and_where_to_put_it(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, describe: Callable[..., DatasetSpec]
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError, match="no network") as caught:
        ResNet18(pretrained=True).build(describe(224, num_classes=1000))
    message = str(caught.value)
    assert "\n" not in message
    assert "resnet18-" in message
    assert str(checkpoints) in message


@pytest.mark.parametrize(
    ("size", "channels", "classes", "said"),
    [(224, 3, 10, "know 1000 classes, 'toy' has 10"), (224, 1, 1000, "grey"), (64, 3, 1000, "stem=imagenet")],
)
@pytest.mark.parametrize("component", [ResNet18(pretrained=True), Torchvision("resnet18", pretrained=True)])
def test_weights_for_other_data_are_refused_before_anything_runs(
    component: Any, size: int, channels: int, classes: int, said: str, describe: Callable[..., DatasetSpec]
) -> None:
    with pytest.raises(UserError, match=said):
        component.check(CheckTask(describe(size, channels, classes), 1))


def test_random_weights_are_refused_for_no_data(describe: Callable[..., DatasetSpec]) -> None:
    ResNet18().check(CheckTask(describe(8, 1, 10), 1))


def test_small_images_take_weights_where_the_stock_stem_is_asked(describe: Callable[..., DatasetSpec]) -> None:
    ResNet18(pretrained=True, stem="imagenet").check(CheckTask(describe(64, 3, 1000), 1))
