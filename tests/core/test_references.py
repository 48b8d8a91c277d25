"""What metrics compare with is planned, told and computed like any other cell."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan

    Planned = Callable[..., Plan]

METRICS = '''
from dataclasses import dataclass, replace
from typing import ClassVar

from ddbench import Spec, UserError, hookimpl


@hookimpl
def ddbench_metrics():
    return {"wide": Wide, "sizes": Sizes, "broken": Broken}


@dataclass(frozen=True)
class Wide:
    """Twice the accuracy of a wide student."""

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "percent"
    higher_is_better: ClassVar[bool] = True

    def needs(self, cell):
        return [replace(cell, architecture=Spec.parse("toy-net[width=16]")), cell]

    def score(self, frame):
        return 2 * frame["top1"]


@dataclass(frozen=True)
class Sizes(Wide):
    """References that depend on sizes."""

    def needs(self, cell):
        return []

    def sized(self, cell, sizes):
        raise UserError(f"{sizes.nbytes} {sizes.image_bytes} {sizes.largest_ipc} {sizes.train_bytes}")


@dataclass(frozen=True)
class Broken(Wide):
    """Raises."""

    def needs(self, cell):
        raise KeyError("nothing")
'''


@pytest.fixture
def metrics(planned: Planned, install: Callable[..., Path]) -> Planned:
    """Return a function that plans, with metrics of a plugin's own."""
    install("references", "ddbench_references_of_tests", METRICS)
    return planned


def shown(plan: Plan) -> list[str]:
    return [str(trial.trial.cell.architecture) for trial in plan.trials]


def test_references_come_after_the_trials_that_were_asked_for_with_their_seeds(metrics: Planned) -> None:
    plan = metrics(metrics="wide", seeds="0-1", synth_seeds="3,5")
    assert plan.references == 4
    assert shown(plan) == ["toy-net"] * 4 + ["toy-net[width=16]"] * 4
    seeds = [(planned.trial.synthesis_seed, planned.trial.evaluation_seed) for planned in plan.trials]
    assert seeds[:4] == seeds[4:] == [(3, 0), (3, 1), (5, 0), (5, 1)]


def test_a_method_that_draws_nothing_is_compared_under_the_seed_that_it_is_told_under(metrics: Planned) -> None:
    plan = metrics(metrics="ior", synth="herding", labels="hard", synth_seeds="3,5")
    [own, reference] = [planned.trial for planned in plan.trials]
    assert (plan.references, str(reference.cell.synthesizer)) == (1, "random")
    assert own.synthesis_seed == reference.synthesis_seed == 0


def test_a_reference_that_was_asked_for_anyway_is_none(metrics: Planned) -> None:
    plan = metrics(metrics="wide", eval="toy-net,toy-net[width=16]")
    assert plan.references == 0
    assert plan.stages.keys() == metrics(eval="toy-net,toy-net[width=16]").stages.keys()


def test_methods_share_their_references(metrics: Planned) -> None:
    plan = metrics(metrics="ior", synth="toy-synth,toy-synth[noise=20.0]", labels="hard", seeds="0-1")
    assert plan.references == 2
    assert {str(trial.trial.cell.synthesizer) for trial in plan.trials[-2:]} == {"random"}


def test_metrics_move_no_key_of_the_trials_that_were_asked_for(metrics: Planned) -> None:
    plain, scored = metrics(), metrics(metrics="wide,ior,hlr,lrs")
    assert [trial.evaluate for trial in scored.trials[:1]] == [trial.evaluate for trial in plain.trials]
    assert plain.stages.keys() < scored.stages.keys()
    assert plain.references == 0


def test_a_cell_shows_metrics_its_teacher_written_out(metrics: Planned) -> None:
    plan = metrics(metrics="gap", synth="toy-synth", eval="toy-net[width=4]", labels="live")
    assert shown(plan) == ["toy-net[width=4]", "toy-net"]


def test_all_real_images_are_one_reference_for_every_ipc(metrics: Planned) -> None:
    plan = metrics(metrics="hlr", ipc="1,2", labels="hard")
    assert plan.references == 1
    assert (plan.trials[-1].trial.cell.synthesizer, plan.trials[-1].trial.cell.ipc) == (Spec("full"), 20)


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"labels": "hard"}, None),
        ({"labels": "hard", "evaluator": "standard[epochs=2]"}, "384 192 20 3840"),
        ({"labels": "online", "evaluator": "standard[epochs=2]"}, "{} 192 20 3840"),
        ({"labels": "static", "evaluator": "standard[epochs=2]"}, "456 192 20 3840"),
    ],
)
def test_sizes_count_images_and_labels_and_a_live_teacher(
    metrics: Planned, lists: dict[str, str], told: str | None
) -> None:
    with pytest.raises(UserError) as refused:
        metrics(metrics="sizes", **lists)
    taught = 384 + 4 * (8 * 9 + 4 * 8 + 32 * 3 + 3) + 8  # float32, and one int64: how many batches were normalised
    assert str(refused.value) == (told or "None 192 20 3840").format(taught)


def test_a_reference_that_cannot_be_planned_says_whose_it_is(metrics: Planned) -> None:
    with pytest.raises(UserError, match=r"metric 'ior' compares with 'random' at ipc 30 .*: ipc 30 asks for more real"):
        metrics(metrics="ior", ipc=30)


def test_a_metric_that_fails_while_planning_is_named(metrics: Planned) -> None:
    with pytest.raises(UserError, match="metric 'broken' cannot be planned: KeyError"):
        metrics(metrics="broken")


def test_an_unknown_metric_is_refused_before_anything_is_planned(metrics: Planned) -> None:
    with pytest.raises(UserError, match="unknown metric 'lsr'; did you mean 'lrs'"):
        metrics(metrics="lsr")


def test_results_of_references_are_written_like_any_other(
    metrics: Planned, documents: Callable[..., list[dict[str, Any]]]
) -> None:
    found = documents(metrics="wide")
    assert [document["trial"]["architecture"] for document in found] == ["toy-net", "toy-net[width=16]"]
    assert all(document["measures"]["top1"] > 0 for document in found)


def test_a_trial_may_need_itself(metrics: Planned) -> None:
    plan = metrics(metrics="wide", eval="toy-net[width=16]")
    assert plan.references == 0
    assert len(plan.trials) == 1
    assert replace(plan, references=0) == plan
