"""Where a number was made: recorded beside it, never part of its key."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PACKAGES = ("ddbench", "torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "safetensors", "pillow")
OPTIONAL = ("diffusers", "transformers", "peft", "accelerate", "scipy", "torchmetrics", "xformers")
"""Recorded where they are installed."""

SETTINGS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_DYNAMIC", "MKL_CBWR", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)  # fmt: skip
"""Environment variables that can change the last bits of a sum."""

_SOURCES = ("*.py", "*.toml")  # what decides numbers
_DRIVER = Path("/proc/driver/nvidia/version")


def capture(device: str = "cpu") -> dict[str, Any]:
    """Return versions, system, processor, device, threads and source commit; no user name, no path, no host name.

    ``accelerator`` is there for a device that is not the processor. ``numerics`` is what decides the last bits of a
    sum, with the environment variables in ``SETTINGS`` as far as they are set. ``commit`` ends in ``+dirty`` where
    Python or TOML files of the source tree were edited or added.
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "device": device,
        **({} if device == "cpu" else {"accelerator": accelerator()}),
        "versions": _versions(),
        "threads": _threads(),
        "numerics": _numerics(),
        "commit": own_commit(),
    }


def named(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what an environment holds by name: each version, and each of ``numerics``, by its own."""
    for name, value in environment.items():
        yield from value.items() if isinstance(value, dict) else [(name, value)]


@functools.cache
def _versions() -> dict[str, str | None]:
    optional = {package: _version(package) for package in OPTIONAL}
    installed = {package: found for package, found in optional.items() if found}
    return {package: _version(package) for package in PACKAGES} | installed


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _numerics() -> dict[str, Any]:
    import torch

    return {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        **_libraries(),
        "float32_matmul": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        **{name: os.environ[name] for name in SETTINGS if name in os.environ},
    }


@functools.cache
def _libraries() -> dict[str, str]:
    """Return the versions of the libraries that torch was built with and that add and multiply on the processor."""
    import torch

    built = torch.__config__.show()
    known = {"mkl": r"Math Kernel Library Version (\S+?)-", "onednn": r"MKL-DNN v(\S+)"}
    return {name: found[1] for name, pattern in known.items() if (found := re.search(pattern, built))}


@functools.cache
def accelerator() -> dict[str, Any]:
    """Return the versions of what runs the GPU: CUDA (or ROCm) as torch was built with, cuDNN, and the driver."""
    import torch

    return {
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "cudnn": torch.backends.cudnn.version() if torch.cuda.is_available() else None,  # type: ignore[no-untyped-call]  # torch leaves it untyped
        "driver": _driver(),
    }


def _driver() -> str | None:
    """Return the version of NVIDIA's driver, from the kernel or else from its own tool."""
    try:
        found = re.search(r"Kernel Module\s+(?:for \S+\s+)?(\d[\d.]+)", _DRIVER.read_text(encoding="utf-8"))
    except OSError:
        found = None
    if found:
        return found[1]
    lines = (_output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or "").splitlines()
    return lines[0].strip() if lines else None


@functools.cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


@functools.cache
def own_commit() -> str | None:
    """Return the commit of ddbench's source tree, or the one that it was installed from; None where nobody knows."""
    folder = Path(__file__).parent.parent
    return commit_of(folder) if (folder / ".git").exists() else distribution_commit("ddbench") or _unmoved_commit()


def _unmoved_commit() -> str | None:
    """Return the commit of the checkout that 'pip install .' was given in, while its files are still those installed.

    A checkout that has moved on, or was edited since, says nothing of what runs here.
    """
    folder = _folder_of(_origin("ddbench"))
    if folder is None or not (folder / ".git").exists():
        return None
    here = Path(__file__).parent.parent
    packages = [folder / "ddbench", *(folder / "plugins").glob("ddbench_*")]
    unmoved = all(_sources_digest(package) == _sources_digest(here / package.name) for package in packages)
    return commit_of(folder) if unmoved else None


@functools.cache
def distribution_commit(name: str) -> str | None:
    """Return the commit that a distribution was installed from: of an editable one that of its folder now.

    None for one from an index or a plain folder, and for one that is not installed.
    """
    origin = _origin(name)
    folder = _folder_of(origin)
    if folder is not None and origin["dir_info"].get("editable"):
        return commit_of(folder)
    commit = origin.get("vcs_info", {}).get("commit_id")
    return str(commit) if commit else None


def _origin(name: str) -> dict[str, Any]:
    """Return where a distribution was installed from, as pip tells; empty for one from an index."""
    try:
        text = distribution(name).read_text("direct_url.json")
    except (PackageNotFoundError, OSError):
        return {}
    origin: dict[str, Any] = json.loads(text) if text else {}
    return origin


def _folder_of(origin: Mapping[str, Any]) -> Path | None:
    return Path(url2pathname(urlsplit(origin["url"]).path)) if "dir_info" in origin else None


def commit_of(folder: Path) -> str | None:
    """Return the commit of a checkout, with ``+dirty`` where Python or TOML files under the folder are not as in it."""
    commit = _output("git", "rev-parse", "HEAD", folder=folder)
    edited = _output("git", "status", "--porcelain", "--", *_SOURCES, folder=folder) if commit else ""
    return f"{commit}+dirty" if edited else commit or None


def _output(*command: str, folder: Path | None = None) -> str | None:
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=True)
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
    return _digest(origin.parent, origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin])


def _sources_digest(folder: Path) -> str:
    return _digest(folder, (file for pattern in _SOURCES for file in folder.rglob(pattern)))


def _digest(folder: Path, files: Iterable[Path]) -> str:
    """Return a digest of the names and content of files below a folder, 16 hexadecimal digits."""
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return content.hexdigest()[:16]
