"""Tables of papers, run from their files in miniature: on digits, one image per class, small networks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import ddbench

if TYPE_CHECKING:
    import pandas as pd

FILES = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


@pytest.fixture
def miniature(tmp_path: Path) -> Any:
    def run(table: str, **changes: Any) -> pd.DataFrame:
        return ddbench.run(
            benchmark=FILES / f"{table}.toml", dataset="digits", ipc=1, seeds=0, executor="serial",
            store=tmp_path / "store", out=tmp_path / "results", **changes,
        )  # fmt: skip

    return run


def test_table_3_compares_three_directions_on_five_students(miniature: Any) -> None:
    frame = miniature("dwa-table-3", teacher="convnet", evaluator="dwa[epochs=2,test_every=2]")
    assert set(frame["status"]) == {"done"}
    assert len(frame) == 3 * 5
    assert set(frame["synthesizer"]) == {
        "dwa", "random-perturbation", "random-perturbation[perturbation=none]"
    }  # fmt: skip
    assert (frame["teacher_top1"] > 90).all()
    forward = frame.groupby("synthesizer")["synthesize_forward_images"].first()
    assert forward["dwa"] > forward["random-perturbation"] > 0, "the K steps of the ascent are passes too"


def test_table_9_distils_from_a_transformer_with_batch_norm_and_teaches_one(miniature: Any) -> None:
    frame = miniature("dwa-table-9", teacher="deit-tiny-bn", eval="deit-tiny,convnet")
    assert set(frame["status"]) == {"done"}
    assert set(frame["teacher"]) == {"deit-tiny-bn"}
    assert set(frame["synthesizer"]) == {"sre2l", "dwa"}
    assert (frame["teacher_top1"] > 80).all()


def test_table_10_tests_on_ever_more_classes(miniature: Any) -> None:
    frame = miniature("dwa-table-10", synth="dwa")
    assert set(frame["status"]) == {"done"}
    by_step = frame.set_index("evaluator")["top1"]
    assert list(by_step.index) == ["continual", *(f"continual[step={step}]" for step in range(2, 6))]
    assert by_step["continual"] > by_step["continual[step=5]"], "two classes are told apart better than ten"
    assert by_step["continual"] > 60


def test_minimax_on_imagewoof_compares_real_images_with_a_diffusion_models_as_it_is_and_tuned(miniature: Any) -> None:
    generator = "generator=scratch[width=16,layers=1,steps=30,warmup_steps=5],steps=2"
    tuned = f"{generator},max_iterations=3"
    synth = f"random,dit[{generator}],minimax[{tuned}],diffusion-memory[{tuned}]"
    frame = miniature("minimax-imagewoof", synth=synth, evaluator="minimax[epochs=2,test_every=1]")
    assert set(frame["status"]) == {"done"}
    assert len(frame) == 4 * 3
    assert set(frame["architecture"]) == {"convnet6", "resnet-ap10", "resnet18-in"}
    assert set(frame["labeler"]) == {"hard"}
    assert set(frame["teacher"]) == {"none"}
    assert list(dict.fromkeys(frame["synthesizer"].str.partition("[")[0])) == [
        "random", "dit", "minimax", "diffusion-memory"
    ]  # fmt: skip
