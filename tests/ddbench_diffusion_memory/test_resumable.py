"""Run as a script, it trains in the folder that it is given and is killed in the middle."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from ddbench.types import Compute
from ddbench_diffusion_memory import resumable, sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

STEPS = 12
KILLED_AT = 7


def silent(done: int, total: int, **numbers: float) -> None:
    """Watch nothing."""


def trained(
    workspace: Path,
    before: Callable[[int], None] = lambda i: None,
    *,
    seconds: float = 0,
    seed: int = 0,
    steps: int = STEPS,
    width: int = 3,
    progress: Callable[..., None] = silent,
) -> dict[str, Tensor]:
    """Train a linear layer with AdamW; ``before(i)`` is called in the middle of step i, its gradients computed."""
    torch.manual_seed(seed)
    layer = nn.Linear(5, width)
    live = dict(layer.named_parameters())
    optimizer = torch.optim.AdamW(live.values(), lr=0.1, fused=True)
    average = resumable.Average.of(live, 0.9)

    def step(i: int) -> Mapping[str, Tensor]:
        images = torch.randn(7, 5, generator=torch.Generator().manual_seed(100 * seed + i))
        loss = layer(images).square().mean()
        optimizer.zero_grad()
        loss.backward()
        before(i)
        optimizer.step()
        average.update(i)
        return {"loss": loss.detach()}

    parts: dict[str, resumable.Resumable] = {
        "weights": resumable.Weights(live),
        "optimizer": resumable.OptimizerState(optimizer),
        "average": average,
    }
    compute = Compute(torch.device("cpu"), "float32", seed, progress)
    resumable.run(parts, steps, step, compute, workspace, seconds)
    return {**layer.state_dict(), **{f"average.{name}": tensor for name, tensor in average.kept.items()}}


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def interrupted(at: int, i: int) -> None:
    if i == at:
        raise KeyboardInterrupt


def folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


@pytest.mark.parametrize("at", [0, 1, 5, STEPS - 1])
def test_interrupted_in_a_step_and_resumed_it_ends_at_the_same_bits(at: int, tmp_path: Path) -> None:
    whole = trained(folder(tmp_path, "whole"))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, at))
    called: list[int] = []
    assert same(trained(tmp_path, called.append), whole)
    assert called == list(range(at, STEPS))


def test_a_checkpoint_may_be_steps_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=itertools.count(0, 25).__next__)
    monkeypatch.setattr("ddbench_diffusion_memory.resumable.time", clock)
    whole = trained(folder(tmp_path, "whole"), seconds=60)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, 8), seconds=60)
    called: list[int] = []
    assert same(trained(tmp_path, called.append, seconds=60), whole)
    assert 0 < called[0] < 8


def test_checkpoints_that_take_long_to_write_are_written_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [0.0], list[float]()

    def slow(*given: object) -> None:
        written.append(now[0])
        now[0] += 9

    def step(i: int) -> Mapping[str, float]:
        now[0] += 10
        return {"loss": 0.0}

    monkeypatch.setattr(resumable, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(sealed, "write", slow)
    compute = Compute(torch.device("cpu"), "float32", 0, silent)
    resumable.run({}, 50, step, compute, tmp_path, 60)
    assert written == [60, 60 + 9 + 180, 60 + 9 + 180 + 9 + 180]  # 9 s are a twentieth of 180 s


def test_the_last_checkpoint_leaves_nothing_to_do(tmp_path: Path) -> None:
    whole = trained(tmp_path)
    called: list[int] = []
    assert same(trained(tmp_path, called.append), whole)
    assert called == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_without_warning_and_resumed_it_ends_at_the_same_bits(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, __file__, str(tmp_path)], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    called: list[int] = []
    resumed = trained(tmp_path, called.append)
    assert called == list(range(KILLED_AT, STEPS))
    assert same(resumed, trained(folder(tmp_path, "whole")))


@pytest.mark.parametrize("keep", [0, 40, -1])
def test_a_truncated_checkpoint_is_dropped(keep: int, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, 5))
    path = tmp_path / resumable.CHECKPOINT
    path.write_bytes(path.read_bytes()[:keep])
    assert same(trained(tmp_path), trained(folder(tmp_path, "whole")))


def test_a_checkpoint_with_a_flipped_bit_is_dropped(tmp_path: Path) -> None:
    whole = trained(folder(tmp_path, "whole"))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, 5))
    path = tmp_path / resumable.CHECKPOINT
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    called: list[int] = []
    assert same(trained(tmp_path, called.append), whole)
    assert called[0] == 0


def test_what_a_killed_write_left_does_not_disturb(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, 5))
    (tmp_path / f"{resumable.CHECKPOINT}.part").write_bytes(b"half")
    called: list[int] = []
    trained(tmp_path, called.append)
    assert called[0] == 5
    assert [path.name for path in tmp_path.iterdir()] == [resumable.CHECKPOINT]


@pytest.mark.parametrize("other", [{"seed": 1}, {"steps": STEPS + 1}, {"width": 4}])
def test_the_checkpoint_of_another_training_is_dropped(other: dict[str, Any], tmp_path: Path) -> None:
    trained(tmp_path, **other)
    called: list[int] = []
    assert same(trained(tmp_path, called.append), trained(folder(tmp_path, "whole")))
    assert called == list(range(STEPS))


def test_a_loss_that_is_not_finite_ends_the_training_and_is_not_kept(tmp_path: Path) -> None:
    weight = torch.zeros(1)

    def step(i: int) -> Mapping[str, float]:
        weight.fill_(i)
        return {"loss": math.nan if i == 3 else 0.5}

    parts = {"weights": resumable.Weights({"weight": weight})}
    with pytest.raises(FloatingPointError, match="after step 4"):
        resumable.run(parts, STEPS, step, Compute(torch.device("cpu"), "float32", 0, silent), tmp_path, 0)
    kept = sealed.read(tmp_path / resumable.CHECKPOINT)
    assert kept is not None
    assert kept[0]["weights/weight"].item() == 2


def test_progress_begins_where_the_checkpoint_was(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, partial(interrupted, 10))
    heard: list[tuple[int, int, list[str]]] = []
    trained(tmp_path, progress=lambda done, total, **numbers: heard.append((done, total, list(numbers))))
    assert heard == [(10, STEPS, []), (11, STEPS, ["loss"]), (12, STEPS, ["loss"])]


def test_numbers_on_a_busy_device_are_looked_at_now_and_then() -> None:
    class Watched:
        looks = 0

        def __float__(self) -> float:
            Watched.looks += 1
            return 1.0

    compute = Compute(torch.device("cuda"), "float32", 0, silent)
    resumable.run({}, 120, lambda i: {"loss": Watched()}, compute, Path("nowhere"))  # type: ignore[dict-item]  # as good
    assert Watched.looks == 3  # after 50, 100 and 120


def test_the_average_is_the_sum_of_its_weighted_terms() -> None:
    live = {"w": torch.zeros(1)}
    average = resumable.Average.of(live, 0.3)
    expected, values = 0.0, [4.0, -2.0, 8.0, 1.0, 6.0]
    for i, value in enumerate(values):
        live["w"].fill_(value)
        average.update(i)
        decay = min(0.3, (1 + i) / (10 + i))
        expected = decay * expected + (1 - decay) * value
    assert average.kept["w"].item() == pytest.approx(expected)
    assert [min(0.3, (1 + i) / (10 + i)) < 0.3 for i in range(5)] == [True, True, True, False, False]


def killed(i: int) -> None:
    if i == KILLED_AT:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    trained(Path(sys.argv[1]), killed)
