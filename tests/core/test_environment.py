from __future__ import annotations

import json
import platform
import re
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ddbench import environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Forget what was remembered of this environment, before and after."""
    cached = (environment._versions, environment._cpu, environment._commit, environment.source_digest)
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
    assert found.keys() == {"python", "system", "cpu", "cores", "device", "versions", "commit"}
    assert (found["device"], found["python"]) == ("a device", platform.python_version())
    assert found["versions"]["ddbench"]
    assert found["versions"]["torch"]
    assert found["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(\+dirty)?", found["commit"])


@pytest.mark.usefixtures("forgotten")
def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("ddbench-core-no-such-package",))
    assert environment.capture()["versions"] == {"ddbench-core-no-such-package": None}


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
