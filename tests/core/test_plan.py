from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from ddbench.errors import UserError
from ddbench.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ddbench.plan import Plan
    from ddbench.registry import Resolved
    from ddbench.spec import Spec
    from ddbench.types import Kind, Stage

    Planned = Callable[..., Plan]


def kinds(plan: Plan) -> dict[str, int]:
    return dict(Counter(stage.kind for stage in plan.stages.values()))


def needed(plan: Plan, present: set[str]) -> set[str]:
    return plan.needed(lambda stage: stage.key in present)


def keys(plan: Plan, *chosen: str) -> set[str]:
    return {key for key, stage in plan.stages.items() if stage.kind in chosen}


def test_every_stage_is_laid_out_once(planned: Planned) -> None:
    plan = planned(eval="toy-net,toy-net[width=4]", seeds="0-2", ipc=4)
    assert kinds(plan) == {"squeeze": 1, "synthesize": 4, "relabel": 1, "evaluate": 6}
    assert len(plan.trials) == 6
    assert all(key == stage.key for key, stage in plan.stages.items())
    assert {key for trial in plan.trials for key in trial.keys} == plan.stages.keys()


def test_more_trials_of_the_same_parts_ask_no_component_again(
    planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    resolve = Registry.resolve

    def noted(registry: Registry, kind: Kind, spec: Spec, *further: Any, **more: Any) -> Resolved:
        asked.append(f"{kind} {spec}")
        return resolve(registry, kind, spec, *further, **more)

    monkeypatch.setattr(Registry, "resolve", noted)
    lists = {"synth": "toy-synth,toy-joint", "eval": "toy-net,toy-net[width=4]", "ipc": "1-3", "synth_seeds": "0-1"}
    planned(**lists, seeds=0)
    once = sorted(asked)
    asked.clear()
    assert len(planned(**lists, seeds="0-9").trials) == 240
    assert sorted(asked) == once
    assert once.count("synthesizer toy-synth") == once.count("architecture toy-net[width=4]") == 1


def test_stages_of_one_exam_share_their_facts(planned: Planned) -> None:
    plan = planned(synth="toy-synth,toy-joint", seeds=0)
    one, other = (plan.stages[trial.evaluate] for trial in plan.trials)
    assert one.key != other.key
    assert one.facts is other.facts


def test_a_small_ipc_is_the_beginning_of_a_large_one(planned: Planned) -> None:
    large, both = planned(ipc=10), planned(ipc="10,4")
    assert kinds(both) == {"squeeze": 1, "synthesize": 10, "relabel": 2, "evaluate": 2}
    assert both.trials[1].shards == both.trials[0].shards[:4] == large.trials[0].shards[:4]
    assert keys(planned(ipc=4), "synthesize") < keys(large, "synthesize")


def test_images_made_together_are_one_stage_for_each_ipc_after_one_preparation(planned: Planned) -> None:
    plan = planned(synth="toy-joint", ipc="2,4")
    assert kinds(plan) == {"prepare": 1, "synthesize": 2, "relabel": 2, "evaluate": 2}
    [prepare] = keys(plan, "prepare")
    assert all(plan.stages[key].inputs == {"state": prepare} for key in keys(plan, "synthesize"))
    assert sorted(plan.stages[key].facts["ipc"] for key in keys(plan, "synthesize")) == [2, 4]


def test_no_teacher_is_made_when_nobody_asks_for_it(planned: Planned) -> None:
    plan = planned(synth="toy-joint", labels="toy-labels")
    assert "squeeze" not in kinds(plan)
    assert plan.trials[0].teacher == ""
    assert "" not in plan.trials[0].keys


def test_a_teacher_nobody_asks_for_changes_no_stage(planned: Planned) -> None:
    one = planned(synth="toy-joint")
    other = planned(synth="toy-joint", teacher="toy-teacher[steps=1]")
    assert one.stages.keys() == other.stages.keys()


def test_a_teacher_that_only_the_labels_ask_for_is_read_by_labels_and_students_alone(planned: Planned) -> None:
    plan = planned(synth="toy-joint", labels="live")
    [squeeze] = keys(plan, "squeeze")
    readers = {stage.kind for stage in plan.stages.values() if squeeze in stage.inputs.values()}
    assert readers == {"relabel", "evaluate"}


def test_labels_of_two_teachers_for_the_same_images_are_two_stages(planned: Planned) -> None:
    plan = planned(synth="toy-joint", labels="live", teacher="toy-teacher,toy-teacher[seed=1]")
    assert kinds(plan) == {"squeeze": 2, "prepare": 1, "synthesize": 1, "relabel": 2, "evaluate": 2}
    for trial in plan.trials:
        assert plan.stages[trial.relabel].inputs["teacher"] == trial.teacher
        assert plan.stages[trial.evaluate].inputs["teacher"] == trial.teacher
    alone = planned(synth="toy-joint", labels="live", teacher="toy-teacher[seed=1]")
    assert plan.trials[1].keys == alone.trials[0].keys


def test_a_plan_of_many_cells_holds_the_stages_that_each_cell_has_alone(planned: Planned) -> None:
    lists: dict[str, list[Any]] = {
        "synth": ["toy-synth", "toy-joint"],
        "labels": ["toy-labels", "live"],
        "teacher": ["toy-teacher", "toy-teacher[seed=1]"],
        "dataset": ["toy", "toy[size=9]"],
        "synth_seeds": [0, 1],
    }
    together = planned(**lists)
    for planned_trial in together.trials:
        cell = planned_trial.trial.cell
        alone = planned(
            synth=cell.synthesizer,
            labels=cell.labeler,
            teacher=cell.teacher if planned_trial.teacher else "toy-teacher",
            synth_seeds=planned_trial.trial.synthesis_seed,
            dataset="toy" if planned_trial.data.image_size == 8 else "toy[size=9]",
        )
        assert alone.trials[0].keys == planned_trial.keys
        assert set(alone.stages) == set(planned_trial.keys)


def test_inputs_come_before_those_who_read_them(planned: Planned) -> None:
    plan = planned(synth="toy-joint,toy-synth", labels="live,toy-labels", ipc="1,3", seeds="0-1", synth_seeds="0-1")
    seen: set[str] = set()
    for key, stage in plan.stages.items():
        assert set(stage.inputs.values()) <= seen
        seen.add(key)


def test_a_student_reads_all_images_and_their_labels(planned: Planned) -> None:
    plan = planned(ipc=3)
    [trial] = plan.trials
    stage = plan.stages[trial.evaluate]
    assert [stage.inputs[f"shard.{index}"] for index in range(3)] == list(trial.shards)
    assert stage.inputs["labels"] == trial.relabel
    assert [plan.stages[key].facts["index"] for key in trial.shards] == [0, 1, 2]


def test_all_is_needed_of_an_empty_store_and_nothing_of_a_full_one(planned: Planned) -> None:
    plan = planned()
    assert needed(plan, set()) == plan.stages.keys()
    assert needed(plan, set(plan.stages)) == set()


def test_nothing_is_needed_behind_an_exam_that_is_there(planned: Planned) -> None:
    plan = planned()
    assert needed(plan, keys(plan, "evaluate")) == set()


def test_of_what_a_missing_exam_reads_only_the_missing_is_needed(planned: Planned) -> None:
    plan = planned(ipc=3)
    [trial] = plan.trials
    assert needed(plan, {trial.teacher, *trial.shards}) == {trial.relabel, trial.evaluate}
    assert needed(plan, {trial.teacher, *trial.shards[:2], trial.relabel}) == {trial.shards[2], trial.evaluate}


def test_a_pruned_teacher_is_needed_only_when_images_are_missing(planned: Planned) -> None:
    plan = planned(ipc=2)
    [trial] = plan.trials
    assert trial.teacher not in needed(plan, {*trial.shards, trial.relabel})
    assert trial.teacher in needed(plan, {trial.shards[0], trial.relabel})


def test_what_one_missing_exam_needs_is_not_asked_for_by_one_that_is_there(planned: Planned) -> None:
    plan = planned(synth="toy-synth,toy-joint")
    there, missing = plan.trials
    assert needed(plan, {there.evaluate}) == {*missing.keys}


def test_a_combination_planned_twice_is_one_trial(planned: Planned) -> None:
    assert len(planned(ipc="2,2", seeds="0,0-1", eval="toy-net,toy-net").trials) == 2


def test_a_component_may_refuse_the_plan(planned: Planned) -> None:
    assert kinds(planned(synth="picky", ipc=1))["synthesize"] == 1
    with pytest.raises(UserError, match="picky makes one image per class, not 2"):
        planned(synth="picky", ipc="1,2")


@pytest.mark.parametrize(
    ("lists", "part"),
    [
        ({"synth": "toy-snyth"}, "unknown synthesizer 'toy-snyth'; did you mean 'toy-synth'?"),
        ({"eval": "toy-net,toy-nett"}, "unknown architecture 'toy-nett'; did you mean 'toy-net'?"),
        ({"labels": "toy-label"}, "unknown labeler"),
        ({"evaluator": "toy-exams"}, "unknown evaluator"),
        ({"dataset": "toyy"}, "unknown dataset"),
        ({"teacher": "toy-teacherr"}, "unknown teacher"),
        ({"teacher": "toy-teacher[architecture=toy-nett]"}, "unknown architecture 'toy-nett'"),
        ({"teacher": 'toy-teacher[architecture="a b"]'}, "cannot read 'a b'"),
        ({"synth": "toy-synth[noise=-1]"}, "noise"),
    ],
    ids=str,
)
def test_a_name_or_parameter_that_cannot_work_ends_the_plan_in_one_line(
    planned: Planned, lists: dict[str, Any], part: str
) -> None:
    with pytest.raises(UserError) as caught:
        planned(**lists)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_planning_writes_nothing(planned: Planned, tmp_path: Path) -> None:
    before = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts)
    planned(synth="toy-joint,toy-synth", labels="live")
    after = sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts and path.suffix != ".py")
    assert [path for path in after if path not in before and "site" not in path.parts] == []


def test_the_table_shows_short_specs_and_a_data_set_by_its_name(planned: Planned) -> None:
    [trial] = planned(
        dataset="located[path=secret]", synth="toy-synth[noise=5,fail_at=9]", eval="toy-net[width=8]"
    ).trials
    cell = trial.trial.cell
    assert [str(cell.dataset), str(cell.synthesizer), str(cell.architecture), str(cell.teacher)] == [
        "toy", "toy-synth[fail_at=9]", "toy-net", "toy-teacher",
    ]  # fmt: skip


def test_a_stage_s_specs_have_every_parameter_written_out(planned: Planned) -> None:
    plan = planned()
    stage: Stage = plan.stages[plan.trials[0].evaluate]
    assert {role: str(spec) for role, spec in stage.specs.items()} == {
        "dataset": "toy[channels=1,classes=3,size=8]",
        "teacher": "toy-teacher[architecture=toy-net,seed=0,steps=15]",
        "teacher_architecture": "toy-net[width=8]",
        "evaluator": "toy-exam[nan=false,steps=15]",
        "student": "toy-net[width=8]",
        "labeler": "toy-labels",
    }


def test_a_student_with_published_weights_is_refused(planned: Planned) -> None:
    with pytest.raises(UserError, match="must start from scratch"):
        planned(eval="resnet18[pretrained=true,stem=imagenet]", dataset="toy[classes=1000,channels=3]")


def test_the_whole_training_set_is_one_stage_and_one_trial_for_all_ipc(planned: Planned) -> None:
    plan = planned(synth="everything", ipc="2,4")
    assert kinds(plan) == {"synthesize": 1, "relabel": 1, "evaluate": 1}
    assert not {"ipc", "index"} & plan.stages[plan.trials[0].shards[0]].facts.keys()
    assert plan.trials[0].trial.cell.ipc == sum(plan.trials[0].data.class_counts) / plan.trials[0].data.num_classes


def test_labels_of_single_views_belong_to_one_exam_and_one_student_s_seed(planned: Planned) -> None:
    plan = planned(
        labels="viewed", evaluator="open-exam,open-exam[steps=3]", eval="toy-net,toy-net[width=4]", seeds="0-1"
    )
    assert kinds(plan) == {"squeeze": 1, "synthesize": 2, "relabel": 4, "evaluate": 8}
    stages = [plan.stages[key] for key in keys(plan, "relabel")]
    assert sorted((stage.facts["evaluator"]["steps"], stage.facts["seed"]) for stage in stages) == [
        (3, 0), (3, 1), (15, 0), (15, 1)
    ]  # fmt: skip


def test_other_labels_serve_every_exam_and_seed(planned: Planned) -> None:
    assert kinds(planned(evaluator="open-exam,toy-exam", seeds="0-1"))["relabel"] == 1


def test_labels_of_single_views_need_an_exam_that_tells_its_views(planned: Planned) -> None:
    with pytest.raises(UserError, match="labels 'viewed' need an exam that tells its views; 'toy-exam' does not"):
        planned(labels="viewed")


def test_a_method_that_draws_nothing_is_distilled_once_whatever_the_seeds(planned: Planned) -> None:
    plan = planned(synth="everything", synth_seeds="3,5", seeds="0-1")
    assert kinds(plan)["synthesize"] == 1
    assert [(trial.trial.synthesis_seed, trial.trial.evaluation_seed) for trial in plan.trials] == [(0, 0), (0, 1)]
