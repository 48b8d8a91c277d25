"""Real images with labels: an embedded set, CIFAR, and whatever lies in folders or parquet files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbench import hookimpl

if TYPE_CHECKING:
    from ddbench.types import Event


@hookimpl
def ddbench_datasets() -> dict[str, str | type]:
    """Return the built-in data sets."""
    return {
        "digits": "ddbench_datasets.digits:Digits",
        "cifar10": "ddbench_datasets.cifar:Cifar10",
        "cifar100": "ddbench_datasets.cifar:Cifar100",
        "tiny-imagenet": "ddbench_datasets.tiny_imagenet:TinyImageNet",
        "imagenet1k": "ddbench_datasets.imagenet1k:ImageNet1k",
        "imagenette": "ddbench_datasets.imagenet_subset:Imagenette",
        "imagewoof": "ddbench_datasets.imagenet_subset:Imagewoof",
        "imageidc": "ddbench_datasets.imagenet_subset:ImageIDC",
        "folder": "ddbench_datasets.folder:Folder",
        "parquet": "ddbench_datasets.parquet:Parquet",
    }


@hookimpl
def ddbench_event(event: Event) -> None:
    """End the processes that decode images when a run has ended."""
    if event.name == "run-finished":
        from ddbench_datasets import workers

        workers.close()
