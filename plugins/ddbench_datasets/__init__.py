"""Real images with labels: an embedded set, CIFAR, and whatever lies in folders or parquet files."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_datasets() -> dict[str, str | type]:
    """Return the built-in data sets."""
    return {
        "digits": "ddbench_datasets.digits:Digits",
        "cifar10": "ddbench_datasets.cifar:Cifar10",
        "cifar100": "ddbench_datasets.cifar:Cifar100",
        "folder": "ddbench_datasets.folder:Folder",
        "parquet": "ddbench_datasets.parquet:Parquet",
    }
