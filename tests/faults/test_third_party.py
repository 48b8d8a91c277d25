"""A stranger's package from nothing to nothing: written, built, installed beside the wheel, run, compared, removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GRID = (
    *("--synth", "my-method,random", "--eval", "convnet", "--ipc", "1", "--seeds", "0-1", "--executor", "serial"),
    *("--teacher", "train[architecture=convnet,epochs=2]", "--evaluator", "standard[epochs=3]", "--device", "cpu"),
)


class Environment:
    """A virtual environment that sees this one's libraries, and has a ddbench of its own."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False)
        self.folder, self.programs = folder, folder / "venv" / "bin"
        paths = sysconfig.get_paths(vars={"base": str(folder / "venv"), "platbase": str(folder / "venv")})
        libraries = dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib"))
        Path(paths["purelib"], "borrowed.pth").write_text("\n".join(libraries) + "\n")

    def pip(self, *arguments: str | Path) -> None:
        """Call pip for this environment; nothing is downloaded."""
        self._run(sys.executable, "-m", "pip", "--python", self.programs / "python", "--no-input", *arguments)

    def install(self, wheel: Path) -> None:
        """Install a wheel alone, whatever the borrowed libraries hold of the kind."""
        self.pip("install", "--no-deps", "--ignore-installed", wheel)

    def ddbench(self, *arguments: str | Path, code: int = 0) -> str:
        """Return what a command prints on stdout."""
        return self._run(self.programs / "ddbench", *arguments, code=code)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ddbench(*arguments, "--json"))

    def _run(self, *command: str | Path, code: int = 0) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"DDBENCH_STORE": str(self.folder / "store"), "PIP_NO_INDEX": "1"}
        run = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert run.returncode == code, run.stderr
        return run.stdout


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Build the wheel of ddbench."""
    hatchling = pytest.importorskip("hatchling.build", reason="wheels are built where hatchling is installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return tmp_path / str(hatchling.build_wheel(str(tmp_path)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="programs of an environment lie elsewhere there")
def test_a_package_comes_and_goes(wheel: Path, tmp_path: Path) -> None:
    pytest.importorskip("pip", reason="packages are built and installed by pip")
    here = Environment(tmp_path)
    here.install(wheel)

    here.ddbench("new-plugin", "my-method")
    here.pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "built", "./my-method")
    here.install(next((tmp_path / "built").glob("ddbench_my_method-0.1.0-*.whl")))

    assert ("my-method", "ddbench-my-method", ["ddbench_synthesizers"], "") in plugins(here)
    assert ("my-method", "ddbench-my-method 0.1.0") in synthesizers(here)
    assert here.ddbench("check-plugin", "my-method").splitlines()[-1].startswith("27 promises kept, 0 broken")

    results = here.json("run", *GRID, "--out", "baseline")
    assert [(row["synthesizer"], row["status"]) for row in results["trials"]] == [
        *[("my-method", "done")] * 2,
        *[("random", "done")] * 2,
    ]
    here.ddbench("run", *GRID, "--out", "head", "--quiet")
    table = here.ddbench("compare", "baseline", "head", "--fail-on", "top1:-1.0", "--format", "markdown")
    assert "my-method" in table

    here.pip("uninstall", "--yes", "ddbench-my-method")

    assert "my-method" not in {name for name, *_ in plugins(here)}
    assert "my-method" not in dict(synthesizers(here))
    assert "my-method" in here.ddbench("report", "baseline")  # what was measured can still be read
    here.ddbench("run", *GRID, code=2)


def plugins(here: Environment) -> list[tuple[Any, ...]]:
    return [(each["name"], each["distribution"], each["hooks"], each["error"]) for each in here.json("plugins")]


def synthesizers(here: Environment) -> list[tuple[str, str]]:
    return [(row["name"], row["origin"]) for row in here.json("ls", "synthesizers")]
