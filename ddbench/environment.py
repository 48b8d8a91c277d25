"""Where a number was made: recorded beside it, never part of its key."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ddbench", "torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "safetensors", "pillow")


def capture(device: str = "cpu") -> dict[str, Any]:
    """Return versions, system, processor, device and source commit; no user name, no path, no host name."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "device": device,
        "versions": _versions(),
        "commit": _commit(),
    }


@functools.cache
def _versions() -> dict[str, str | None]:
    return {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@functools.cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@functools.cache
def _commit() -> str | None:
    """Return the commit of the source tree, with ``+dirty`` if it was edited; None for an installed package."""
    folder = Path(__file__).parent.parent
    if not (folder / ".git").exists():
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    return f"{commit}+dirty" if commit and _git(folder, "status", "--porcelain") else commit


def _git(folder: Path, *command: str) -> str | None:
    try:
        run = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S607 - git is whatever git the user has
    except (OSError, subprocess.SubprocessError):
        return None
    return run.stdout.strip()


@functools.cache
def source_digest(module: str) -> str:
    """Return a digest of the Python files of a module's top-level package, 16 hexadecimal digits.

    Two results with equal versions and different digests were made by edited code.
    """
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    content = hashlib.sha256()
    for file in files:
        content.update(file.relative_to(origin.parent).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return content.hexdigest()[:16]
