from __future__ import annotations

import json
import platform
import re
import shutil
import socket
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ddbench import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget what was remembered of this environment, before and after."""
    cached = (
        environment._versions,
        environment._cpu,
        environment.own_commit,
        environment.distribution_commit,
        environment.accelerator,
        environment.source_digest,
    )
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.usefixtures("forgotten")
def test_no_path_host_or_user_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = f"secret{uuid.uuid4().hex}"
    folder = tmp_path / secret
    folder.mkdir()
    for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(socket, "gethostname", lambda: secret)
    monkeypatch.setattr(platform, "node", lambda: secret)
    text = json.dumps(environment.capture("cpu"))
    assert secret not in text
    assert not re.search(r"(?<![\w+])/\w", text)
    assert str(Path(environment.__file__).parents[1]) not in text


def test_versions_device_and_system_are_recorded() -> None:
    found = environment.capture("a device")
    told = {"python", "system", "cpu", "cores", "device", "accelerator", "versions", "threads", "numerics", "commit"}
    assert found.keys() == told
    assert (found["device"], found["python"]) == ("a device", platform.python_version())
    assert found["versions"]["ddbench"]
    assert found["versions"]["torch"]
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(\+dirty)?", found["commit"])


@pytest.mark.usefixtures("forgotten")
def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("ddbench-core-no-such-package",))
    monkeypatch.setattr(environment, "OPTIONAL", ("ddbench-core-no-such-extra", "pytest"))
    assert environment.capture()["versions"] == {
        "ddbench-core-no-such-package": None,
        "pytest": pytest.__version__,  # what is optional is told where it is there
    }


def test_the_processor_has_no_accelerator_and_its_threads_and_settings_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_CBWR", raising=False)
    found = environment.capture()
    assert "accelerator" not in found
    assert found["threads"] == torch.get_num_threads()
    assert found["numerics"]["OMP_NUM_THREADS"] == "3"
    assert found["numerics"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert "MKL_CBWR" not in found["numerics"]


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023", "535.54.03"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build", "570.86.15"),
    ],
)
def test_the_driver_s_version_is_read_from_the_kernel(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, version: str
) -> None:
    (tmp_path / "version").write_text(f"{line}\nGCC version:  gcc version 12.3.0\n")
    monkeypatch.setattr(environment, "_DRIVER", tmp_path / "version")
    assert environment.accelerator()["driver"] == version


@pytest.mark.usefixtures("forgotten")
def test_without_a_driver_there_is_no_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment, "_DRIVER", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.accelerator()["driver"] is None


# ------------------------------------------------------------------------------------------- commits


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a git checkout of one Python file."""
    if shutil.which("git") is None:
        pytest.skip("needs git")
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "method.py").write_text("x = 1\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_checkout_is_dirty_when_its_code_was_edited_and_not_for_results_in_it(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    (checkout / "result.json").write_text("{}")
    assert environment.commit_of(checkout) == commit
    (checkout / "more.py").write_text("y = 1\n")
    assert environment.commit_of(checkout) == f"{commit}+dirty"
    assert environment.commit_of(checkout.parent) is None


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("editable", [True, False])
def test_the_commit_of_a_plugin_is_told_where_it_is_installed_editably(
    install: Callable[..., Path], checkout: Path, editable: bool
) -> None:
    site = install("mine", "mine_plugin", "", distribution="my-method")
    origin = {"url": checkout.as_uri(), "dir_info": {"editable": editable}}
    (site / "my_method-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    commit = git(checkout, "rev-parse", "HEAD")
    assert environment.distribution_commit("my-method") == (commit if editable else None)


@pytest.mark.usefixtures("forgotten")
def test_the_commit_of_a_plugin_installed_from_a_repository_is_the_one_that_was_asked(
    install: Callable[..., Path],
) -> None:
    site = install("mine", "mine_plugin", "", distribution="my-method")
    origin = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}}
    (site / "my_method-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert environment.distribution_commit("my-method") == "c" * 40
    assert environment.distribution_commit("ddbench-core-no-such-package") is None


@pytest.mark.usefixtures("forgotten")
def test_the_commit_of_an_installed_ddbench_is_that_of_its_checkout_while_nothing_there_has_changed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ddbench", "plugins/ddbench_mine"):
        (checkout / name / "recipes").mkdir(parents=True)
        (checkout / name / "__init__.py").write_text("x = 1\n")
    recipe = checkout / "plugins" / "ddbench_mine" / "recipes" / "digits.toml"
    recipe.write_text("a = 1\n")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "sources")
    for package in ("ddbench", "plugins/ddbench_mine"):
        shutil.copytree(checkout / package, tmp_path / "site" / Path(package).name)
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "site" / "ddbench" / "environment.py"))
    origin = {"url": checkout.as_uri(), "dir_info": {}}
    monkeypatch.setattr(environment, "_origin", lambda name: origin if name == "ddbench" else {})

    assert environment.own_commit() == git(checkout, "rev-parse", "HEAD")
    recipe.write_text("a = 2\n")
    git(checkout, "commit", "-qam", "another recipe")
    environment.own_commit.cache_clear()
    assert environment.own_commit() is None


def digest(name: str) -> str:
    environment.source_digest.cache_clear()
    return environment.source_digest(name)


@pytest.mark.usefixtures("forgotten")
def test_a_digest_follows_content_and_names_of_a_package_s_python_files_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "ddbench_core_digest"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    (package / "deep" / "part.py").write_text("y = 1\n")
    first = digest("ddbench_core_digest")
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert digest("ddbench_core_digest.deep.part") == first
    (package / "notes.txt").write_text("unimportant")
    assert digest("ddbench_core_digest") == first
    (package / "deep" / "part.py").write_text("y = 2\n")
    second = digest("ddbench_core_digest")
    assert second != first
    (package / "deep" / "part.py").rename(package / "deep" / "piece.py")
    assert digest("ddbench_core_digest") not in {first, second}


@pytest.mark.usefixtures("forgotten")
def test_a_digest_does_not_depend_on_where_a_package_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib

    found = []
    for place in ("here", "there"):
        package = tmp_path / place / "ddbench_core_moved"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("x = 1\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(tmp_path / place)
            importlib.invalidate_caches()
            found.append(digest("ddbench_core_moved"))
    assert found[0] == found[1] != ""


@pytest.mark.usefixtures("forgotten")
def test_a_plugin_of_one_module_has_a_digest_of_that_file_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "ddbench_core_lone.py").write_text("x = 1\n")
    first = digest("ddbench_core_lone")
    (tmp_path / "neighbour.py").write_text("x = 2\n")
    assert digest("ddbench_core_lone") == first
    (tmp_path / "ddbench_core_lone.py").write_text("x = 3\n")
    assert digest("ddbench_core_lone") not in {first, ""}


def test_what_has_no_source_has_no_digest() -> None:
    assert digest("ddbench_core_no_such_module") == ""
