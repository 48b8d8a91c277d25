from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ddbench import UserError
from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import CheckTask, Compute, Place, SqueezeTask
from ddbench_teachers.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = Place(Path(), Path())
TOY = ToyDataset()
DATA = TOY.spec(PLACE)
CHECK = CheckTask(DATA, 1, lambda: ToyNet().build(DATA))


def saved() -> dict[str, Tensor]:
    torch.manual_seed(5)
    return dict(ToyNet().build(DATA).state_dict())


def squeeze(path: Path) -> nn.Module:
    compute = Compute(torch.device("cpu"), "float32", 0, lambda *_, **__: None)
    task = SqueezeTask(DATA, TOY.open("train", PLACE), TOY.open("test", PLACE), lambda: ToyNet().build(DATA), compute)
    return Checkpoint(str(path)).squeeze(task)


def prefixed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": value for name, value in state.items()}


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    "form",
    [
        lambda state: state,
        prefixed,
        without_counters,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": prefixed(state), "optimizer": {"lr": 0.1}},
        lambda state: {"net": state, "acc": 93.5},
        lambda state: {"state_dict": {"model": state}},
    ],
    ids=["bare", "module", "counters", "state_dict", "model", "net", "nested"],
)
def test_weights_are_found_in_every_usual_form(form: Callable[[Any], Any], tmp_path: Path) -> None:
    path = tmp_path / "teacher.pth"
    torch.save(form(saved()), path)
    Checkpoint(str(path)).check(CHECK)
    loaded = squeeze(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in saved().items())


def test_weights_are_read_from_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    save_file(saved(), path)
    Checkpoint(str(path)).check(CHECK)
    loaded = squeeze(path).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in saved().items())


def test_the_content_of_the_file_is_the_identity_and_its_path_is_not(tmp_path: Path) -> None:
    one, two = tmp_path / "one.pt", tmp_path / "two.pt"
    for path in (one, two):
        path.write_bytes(b"the same bytes")
    digest = hashlib.sha256(b"the same bytes").hexdigest()
    assert Checkpoint(str(one)).identity() == Checkpoint(str(two)).identity()
    assert Checkpoint(str(one)).identity() == {"architecture": "resnet18", "sha256": digest}


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        Checkpoint(str(path)).check(CHECK)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_another_number_of_classes_is_refused_by_name_and_shape(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save(ToyNet().build(ToyDataset(classes=7).spec(PLACE)).state_dict(), path)
    assert "5.weight is 7x32, not 3x32; 5.bias is 7, not 3; set architecture=" in refusal(path)


def test_other_names_are_refused_and_the_first_few_are_named(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save({f"features.{name}": value for name, value in saved().items()}, path)
    assert "0.weight is missing; 1.weight is missing; 1.bias is missing and" in refusal(path)


def test_a_weight_too_many_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save({**saved(), "extra": torch.zeros(1)}, path)
    assert "extra is unknown" in refusal(path)


def test_a_missing_file_is_refused_in_check_and_identity_alike(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.pt"
    assert "does not exist" in refusal(path)
    with pytest.raises(UserError, match="cannot be read"):
        Checkpoint(str(path)).identity()


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save(ToyNet().build(DATA), path)
    assert "could run code" in refusal(path)


@pytest.mark.parametrize("name", ["teacher.pt", "teacher.safetensors"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    torch.save(saved(), path)
    path.write_bytes(path.read_bytes()[:200])
    assert "checkpoint" in refusal(path)


@pytest.mark.parametrize(
    "content", [{"epoch": 3}, [1, 2], {}, torch.zeros(3)], ids=["number", "list", "empty", "tensor"]
)
def test_a_file_without_a_state_dictionary_is_refused(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "teacher.pt"
    torch.save(content, path)
    assert "no state dictionary" in refusal(path)
