"""Every registered component keeps the promises of its kind, tried on the toys with tiny parameters."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from ddbench.plugins import discover
from ddbench.registry import Registry
from ddbench.spec import Spec
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import (
    check_architecture,
    check_dataset,
    check_diagnostic,
    check_evaluator,
    check_executor,
    check_generator,
    check_labeler,
    check_listener,
    check_metric,
    check_reporter,
    check_synthesizer,
    check_teacher,
)
from ddbench.testing.inspection import TINY
from ddbench.testing.toys import ToyDataset
from ddbench.types import Place

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.types import Kind

REGISTRY = Registry(discover())
REAL_IMAGES = {"random", "dwa", "random-perturbation", "herding", "k-center"}
FAMILIES = {"torchvision/*": "torchvision/resnet18", "timm/*": "timm/resnet18", "vit-bn/*": "vit-bn/test_vit"}
# Their files are held against published checksums or counts: nothing small can stand in.
PUBLISHED = {"cifar10", "cifar100", "tiny-imagenet", "imagenet1k", "imagenette", "imagewoof", "imageidc"}
WEIGHTS_NEEDED = {"pretrained", "folder"}  # tried on files of their own in tests/ddbench_diffusion_memory
CLUSTERS = {"ray", "slurm"}  # tried on clusters of this machine in tests/ddbench_executors
SETS_NEEDED = {"images", "own"}  # tried on files of their own in tests/ddbench_imported


def names(kind: Kind) -> list[str]:
    return [entry.name for entry in REGISTRY.entries(kind)]


def tiny(kind: Kind, name: str, **params: Any) -> Any:
    """Make a component with few iterations and epochs."""
    fields = {field.name for field in dataclasses.fields(REGISTRY.entry(kind, name).load())}
    few = {key: value for key, value in TINY.items() if key in fields}
    return REGISTRY.resolve(kind, Spec.of(name, few | params)).component


@pytest.mark.parametrize("name", sorted(set(names("synthesizer")) - SETS_NEEDED))
def test_a_synthesizer_keeps_its_promises(name: str) -> None:
    component = tiny("synthesizer", name)
    check_synthesizer(component, real_images=name in REAL_IMAGES)


@pytest.mark.parametrize("name", sorted(set(names("generator")) - WEIGHTS_NEEDED))
def test_a_generator_keeps_its_promises(name: str, tmp_path: Path) -> None:
    check_generator(tiny("generator", name))


@pytest.mark.parametrize("name", sorted(set(names("labeler")) - SETS_NEEDED))
def test_a_labeler_keeps_its_promises(name: str) -> None:
    check_labeler(tiny("labeler", name))


@pytest.mark.parametrize("name", names("evaluator"))
def test_an_evaluator_keeps_its_promises(name: str) -> None:
    check_evaluator(tiny("evaluator", name))


@pytest.mark.parametrize("name", names("metric"))
def test_a_metric_keeps_its_promises(name: str) -> None:
    check_metric(tiny("metric", name))


@pytest.mark.parametrize("name", sorted(set(names("executor")) - CLUSTERS))
def test_an_executor_keeps_its_promises(name: str) -> None:
    check_executor(tiny("executor", name, **({"workers": 1} if name == "processes" else {})))


@pytest.mark.parametrize("name", names("reporter"))
def test_a_reporter_keeps_its_promises(name: str) -> None:
    check_reporter(tiny("reporter", name))


LISTENERS = {hook.plugin_name: hook.function for hook in REGISTRY.plugins.manager.hook.ddbench_event.get_hookimpls()}


@pytest.mark.parametrize("name", LISTENERS)
def test_a_listener_keeps_its_promises(name: str) -> None:
    hook: Any = LISTENERS[name]
    check_listener(hook)


@pytest.mark.parametrize("name", names("diagnostic"))
def test_a_diagnostic_keeps_its_promises(name: str) -> None:
    check_diagnostic(tiny("diagnostic", name))


@pytest.mark.parametrize("name", [FAMILIES.get(name, name) for name in names("architecture")])
def test_an_architecture_keeps_its_promises(name: str) -> None:
    check_architecture(tiny("architecture", name), Bench(ToyDataset(channels=3, size=16)))


@pytest.mark.parametrize("name", names("teacher"))
def test_a_teacher_keeps_its_promises(name: str, tmp_path: Path) -> None:
    bench, params = Bench(), {}
    if name == "checkpoint":
        torch.save(bench.build(3).state_dict(), tmp_path / "toy.pt")
        params = {"path": str(tmp_path / "toy.pt")}
    check_teacher(tiny("teacher", name, **params), bench)


@pytest.mark.parametrize("name", sorted(set(names("dataset")) - PUBLISHED))
def test_a_dataset_keeps_its_promises(name: str, tmp_path: Path) -> None:
    params: dict[str, Any] = {}
    if name in WRITERS:
        WRITERS[name](tmp_path / "mine")
        params = {"path": "mine"}
    check_dataset(tiny("dataset", name, **params), Bench(place=Place(tmp_path, tmp_path / "cache")))


def pictures(split: str) -> list[tuple[int, Image.Image]]:
    random = np.random.default_rng(len(split))
    return [(label, Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))) for label in (0, 1, 2, 2, 1, 0)]


def write_folder(folder: Path) -> None:
    for split in ("train", "test"):
        for number, (label, picture) in enumerate(pictures(split)):
            path = folder / split / f"class {label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)


def write_parquet(folder: Path) -> None:
    write_folder(folder.parent / "pictures")
    folder.mkdir()
    for split in ("train", "test"):
        files = sorted((folder.parent / "pictures" / split).rglob("*.png"))
        labels = [int(file.parent.name.split()[1]) for file in files]
        table = pa.table({"image": [file.read_bytes() for file in files], "label": labels})
        pq.write_table(table, folder / f"{split}.parquet")


WRITERS = {"folder": write_folder, "parquet": write_parquet}
