from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.keys import canonical_json, digest, stage_key
from ddbench.testing import toys as toy_parts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan

FACTS = {"synthesizer": {"name": "dwa", "version": 1, "rho": 0.02}, "seed": 0, "index": 3, "precision": "float32"}

# Written down once. A key that moves orphans every store and flags every result file: whoever means it raises FORMAT,
# or the version of the component, and writes the new digest here; whoever does not has broken something.
GOLDEN_STAGE = "31ea6a8f043fbabf612fa7960497e95db7991e3639580c14e7ccd24a45192222"
GOLDEN_PLAN = {
    "squeeze": "42d25f65de21b373",
    "synthesize": "2bdd7addf939de03",
    "relabel": "f71d0307e49282eb",
    "evaluate": "7c9063edc0fcef7e",
}


def keys(plan: Plan) -> dict[str, set[str]]:
    """Return the keys of a plan's stages by kind."""
    kinds = {stage.kind for stage in plan.stages.values()}
    return {kind: {key for key, stage in plan.stages.items() if stage.kind == kind} for kind in kinds}


def moved(one: Plan, other: Plan) -> set[str]:
    """Return the kinds of stages whose keys differ between two plans."""
    return {kind for kind, found in keys(one).items() if found != keys(other).get(kind)}


def test_a_digest_is_the_sha256_of_sorted_compact_ascii_json() -> None:
    text = '{"a":[1.5,true,null,"\\u00fc"],"b":1}'
    assert canonical_json({"b": 1, "a": (1.5, True, None, "ü")}) == text
    assert digest({"b": 1, "a": [1.5, True, None, "ü"]}) == hashlib.sha256(text.encode()).hexdigest()


def test_a_stage_s_key_covers_format_kind_facts_and_inputs_in_that_order() -> None:
    text = '[1,"relabel",{"seed":0},{"shard.0":"aa","teacher":"bb"}]'
    key = stage_key("relabel", {"seed": 0}, {"teacher": "bb", "shard.0": "aa"})
    assert key == hashlib.sha256(text.encode()).hexdigest()


def test_the_golden_key_has_not_moved() -> None:
    assert stage_key("synthesize", FACTS, {"teacher": "0" * 64}) == GOLDEN_STAGE


def test_the_golden_keys_of_the_toys_have_not_moved(planned: Callable[..., Plan]) -> None:
    found = keys(planned(ipc=1))
    assert {kind: next(iter(each))[:16] for kind, each in found.items() if len(each) == 1} == GOLDEN_PLAN


def test_the_order_of_facts_and_inputs_does_not_matter() -> None:
    assert stage_key("squeeze", {"a": 1, "b": 2}, {"c": "3", "d": "4"}) == stage_key(
        "squeeze", {"b": 2, "a": 1}, {"d": "4", "c": "3"}
    )


def test_tuples_and_lists_are_one_to_a_key() -> None:
    assert digest({"mean": (0.5, (1,))}) == digest({"mean": [0.5, [1]]})


def test_the_order_of_a_list_the_kind_and_each_role_matter() -> None:
    several = [
        stage_key("prepare", {"mean": [1, 2]}, {"a": "x", "b": "y"}),
        stage_key("prepare", {"mean": [2, 1]}, {"a": "x", "b": "y"}),
        stage_key("squeeze", {"mean": [1, 2]}, {"a": "x", "b": "y"}),
        stage_key("prepare", {"mean": [1, 2]}, {"a": "y", "b": "x"}),
        stage_key("prepare", {"mean": [1, "2"]}, {"a": "x", "b": "y"}),
    ]
    assert len(set(several)) == len(several)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_no_recipe_can_mean_have_no_digest(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"rho": [value]})


def test_what_json_cannot_hold_has_no_digest() -> None:
    with pytest.raises(TypeError):
        digest({"folder": object()})


# ------------------------------------------------------------------------------------------- of a whole plan


@pytest.mark.parametrize(
    ("lists", "parts"),
    [
        ({"eval": "toy-net[width=8]"}, set()),
        ({"synth": "toy-synth[noise=5]"}, set()),
        ({"synth": "toy-synth[fail_at=-1,noise=5.0]"}, set()),
        ({"dataset": "toy[size=8]"}, set()),
        ({"teacher": "toy-teacher[architecture=toy-net]"}, set()),
        ({"eval": "toy-net[width=4]"}, {"evaluate"}),
        ({"evaluator": "toy-exam[steps=3]"}, {"evaluate"}),
        ({"seeds": 1}, {"evaluate"}),
        ({"synth": "toy-synth[noise=4]"}, {"synthesize", "relabel", "evaluate"}),
        ({"synth_seeds": 1}, {"synthesize", "relabel", "evaluate"}),
        ({"teacher": "toy-teacher[seed=1]"}, {"squeeze", "synthesize", "relabel", "evaluate"}),
        ({"teacher": "toy-teacher[architecture=toy-net[width=4]]"}, {"squeeze", "synthesize", "relabel", "evaluate"}),
        ({"dataset": "toy[size=9]"}, {"squeeze", "synthesize", "relabel", "evaluate"}),
        ({"precision": "bfloat16"}, {"squeeze", "synthesize", "relabel", "evaluate"}),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_a_choice_moves_the_keys_of_what_it_can_change_and_no_others(
    planned: Callable[..., Plan], lists: dict[str, Any], parts: set[str]
) -> None:
    assert moved(planned(), planned(**lists)) == parts


@pytest.mark.parametrize(
    ("component", "parts"),
    [
        ("ToyExam", {"evaluate"}),
        ("ToyLabels", {"relabel", "evaluate"}),
        ("ToySynth", {"synthesize", "relabel", "evaluate"}),
        ("ToyTeacher", {"squeeze", "synthesize", "relabel", "evaluate"}),
        ("ToyNet", {"squeeze", "synthesize", "relabel", "evaluate"}),
    ],
)
def test_a_raised_version_moves_the_keys_of_its_stages_and_of_what_reads_them(
    planned: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch, component: str, parts: set[str]
) -> None:
    before = planned()
    monkeypatch.setattr(getattr(toy_parts, component), "version", 2)
    assert moved(before, planned()) == parts


def test_a_recipe_s_value_written_out_moves_no_key_and_another_value_does(
    planned: Callable[..., Plan], install: Callable[..., Path]
) -> None:
    site = install("baked", "ddbench_core_baked")
    (site / "ddbench_core_baked" / "recipes").mkdir(parents=True)
    (site / "ddbench_core_baked" / "recipes" / "toy.toml").write_text("[baked]\nnoise = 7.0\n")
    (site / "ddbench_core_baked" / "__init__.py").write_text(
        "from ddbench import hookimpl\n"
        "from ddbench.testing.toys import ToySynth\n"
        "class Baked(ToySynth):\n    __module__ = __name__\n"
        "@hookimpl\ndef ddbench_synthesizers(): return {'baked': Baked}\n"
    )
    assert moved(planned(synth="baked"), planned(synth="baked[noise=7]")) == set()
    assert moved(planned(synth="baked"), planned(synth="baked[noise=5]")) == {"synthesize", "relabel", "evaluate"}


def test_where_a_data_set_or_checkpoint_lies_moves_no_key(planned: Callable[..., Plan]) -> None:
    here = planned(dataset="located", teacher="located-teacher")
    there = planned(dataset="located[path=there]", teacher="located-teacher[path=there]")
    assert here.stages.keys() == there.stages.keys()
    assert "there" not in str([(stage.facts, stage.inputs) for stage in there.stages.values()])


def test_what_a_checkpoint_holds_moves_the_keys_of_all_that_see_it(planned: Callable[..., Plan]) -> None:
    one, other = planned(teacher="located-teacher"), planned(teacher="located-teacher[content=xyz]")
    assert moved(one, other) == {"squeeze", "synthesize", "relabel", "evaluate"}


def test_two_names_of_the_same_data_share_their_keys(planned: Callable[..., Plan]) -> None:
    assert planned(dataset="toy").stages.keys() == planned(dataset="located").stages.keys()


def test_device_executor_and_folders_move_no_key(planned: Callable[..., Plan], tmp_path: Path) -> None:
    from ddbench.runner import Settings, prepare
    from ddbench.spec import Spec

    plan = planned()
    elsewhere = Settings(
        out=tmp_path / "x",
        store=tmp_path / "y",
        data_root=tmp_path / "z",
        download=True,
        device="cpu",
        executor=Spec("serial"),
    )
    assert prepare(plan.benchmark, elsewhere).stages.keys() == plan.stages.keys()
