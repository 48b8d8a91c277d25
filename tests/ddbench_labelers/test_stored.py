from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from ddbench.errors import UserError
from ddbench.testing.bench import Bench
from ddbench.testing.toys import ToyDataset
from ddbench.types import CheckTask, EffortTask, EpochViews, Labels, Measures, Place, RelabelTask
from ddbench_evaluators.standard import Standard
from ddbench_labelers.online import Online
from ddbench_labelers.stored import Stored

EXAM = Standard(epochs=4, batch_size=7, padding=1, test_every=2)
CUTMIX = Standard(epochs=3, batch_size=4, padding=0, min_scale=0.3, mixup=0.0, cutmix=1.0, partner="roll")


def relabel_task(bench: Bench, exam: Standard, seed: int = 0) -> RelabelTask:
    """Return what the stage runner hands over: views under the seed of the student."""
    distilled = bench.distilled(4)
    seen = exam.views(distilled, bench.labels_task(distilled, {}, seed).compute)
    return bench.relabel_task(distilled, seen)


def stored_labels(stored: Stored, bench: Bench, exam: Standard, seed: int = 0) -> Labels:
    task = relabel_task(bench, exam, seed)
    return stored.labels(bench.labels_task(task.distilled, stored.relabel(task), seed))


def online_labels(online: Online, bench: Bench, seed: int = 0) -> Labels:
    return online.labels(bench.labels_task(bench.distilled(4), {}, seed))


def views(bench: Bench, exam: Standard, seed: int = 0) -> list[Any]:
    seen = relabel_task(bench, exam, seed).views
    assert seen is not None
    return [batch for epoch in range(seen.epochs) for batch in seen.of(epoch)]


def train(bench: Bench, labels: Labels, exam: Standard, seed: int = 0) -> tuple[Measures, dict[str, torch.Tensor]]:
    students: list[torch.nn.Module] = []
    task = bench.evaluation_task(bench.distilled(4), labels, seed)

    def build() -> torch.nn.Module:
        students.append(bench.build(task.compute.seed))
        return students[-1]

    measures = exam.evaluate(dataclasses.replace(task, build=build))
    return measures, students[0].state_dict()


@pytest.mark.parametrize("mode", ["eval", "train"])
@pytest.mark.parametrize("exam", [EXAM, CUTMIX])
def test_float32_replays_to_the_last_bit_what_online_says_of_every_view(mode: Any, exam: Standard) -> None:
    bench = Bench()
    stored = stored_labels(Stored(7.0, mode, "float32"), bench, exam)
    online = online_labels(Online(7.0, mode), bench)
    assert stored.temperature == online.temperature
    for batch in views(bench, exam):
        assert torch.equal(stored.targets(batch), online.targets(batch))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_student_of_float32_labels_is_the_student_of_online_labels(mode: Any) -> None:
    bench = Bench()
    measures, weights = train(bench, stored_labels(Stored(7.0, mode, "float32"), bench, EXAM, seed=3), EXAM, seed=3)
    expected_measures, expected_weights = train(bench, online_labels(Online(7.0, mode), bench, seed=3), EXAM, seed=3)
    assert measures == expected_measures
    assert all(torch.equal(weights[name], value) for name, value in expected_weights.items())
    other, _ = train(bench, stored_labels(Stored(1.0, mode, "float32"), bench, EXAM, seed=3), EXAM, seed=3)
    assert other.loss != measures.loss


def test_a_student_of_classes_seen_is_told_what_online_says_and_others_take_no_room() -> None:
    bench = Bench()
    exam = dataclasses.replace(EXAM, tasks=3, step=2)
    stored = Stored(7.0, form="float32")
    task = relabel_task(bench, exam)
    kept = stored.relabel(task)
    assert kept["logits"].shape == (4, 8, 3)  # two of three classes, four images each
    labels, online = stored.labels(bench.labels_task(task.distilled, kept)), online_labels(Online(7.0), bench)
    for batch in views(bench, exam):
        assert torch.equal(labels.targets(batch), online.targets(batch))
    assert train(bench, labels, exam)[0] == train(bench, online, exam)[0]


@pytest.mark.parametrize(("form", "tolerance"), [("float16", 1e-3), ("int8", 1e-2)])
@pytest.mark.parametrize("top_k", [None, 4])
def test_small_forms_come_close(form: Any, tolerance: float, top_k: int | None) -> None:
    bench = Bench(ToyDataset(classes=5))
    stored = stored_labels(Stored(2.0, form=form, top_k=top_k), bench, EXAM)
    online = online_labels(Online(2.0), bench)
    for batch in views(bench, EXAM):
        targets = stored.targets(batch)
        assert torch.allclose(targets.sum(1), torch.ones(len(targets)), atol=1e-6)
        assert torch.allclose(targets, online.targets(batch), rtol=tolerance)


def test_top_k_shares_the_rest_evenly_at_the_temperature_in_use() -> None:
    bench = Bench(ToyDataset(classes=5))
    stored = stored_labels(Stored(2.0, form="float32", top_k=2), bench, EXAM)
    online = online_labels(Online(2.0), bench)
    for batch in views(bench, EXAM):
        found, expected = (labels.targets(batch).sort(dim=1, descending=True).values for labels in (stored, online))
        assert torch.allclose(found[:, :2], expected[:, :2], atol=1e-6)
        assert torch.allclose(found[:, 2:], expected[:, 2:].mean(1, keepdim=True).expand(-1, 3), atol=1e-6)


@pytest.mark.parametrize("form", ["float32", "float16", "int8"])
@pytest.mark.parametrize("top_k", [None, 2])
def test_bytes_stored_are_those_foretold(form: Any, top_k: int | None) -> None:
    bench, stored = Bench(), Stored(form=form, top_k=top_k)
    kept = stored.relabel(relabel_task(bench, EXAM))
    foretold = stored.effort(EffortTask("relabel", bench.data, images=12, views=4 * 12))
    assert sum(part.nbytes for part in kept.values()) == foretold.stored_bytes
    assert sum(passes.images for passes in foretold.passes) == 48
    assert not stored.effort(EffortTask("evaluate", bench.data, images=12, views=48)).passes


def test_the_teacher_is_asked_for_once_and_not_to_replay() -> None:
    bench = Bench()
    stored_labels(Stored(), bench, EXAM).targets(views(bench, EXAM)[0])
    assert bench.teachers == 1


def test_progress_is_told_epoch_by_epoch() -> None:
    bench = Bench()
    task = relabel_task(bench, EXAM)
    Stored().relabel(task)
    assert bench.heard == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_exam_that_does_not_tell_its_views_is_refused() -> None:
    bench = Bench()
    with pytest.raises(UserError, match=r"^labels 'stored' need an exam that tells its views: take"):
        Stored().relabel(bench.relabel_task(bench.distilled()))


@pytest.mark.parametrize("shown", ["twice", "now and then"])
def test_an_exam_that_does_not_show_each_image_once_an_epoch_is_refused(shown: str) -> None:
    bench = Bench()
    told = relabel_task(bench, EXAM)
    assert told.views is not None
    of = told.views.of

    def changed(epoch: int) -> list[Any]:
        batches = list(of(epoch))
        return [*batches, batches[0]] if shown == "twice" else batches[epoch:]

    task = dataclasses.replace(told, views=EpochViews(2, changed))
    with pytest.raises(UserError, match="shows the same images in all epochs, each once"):
        Stored().relabel(task)


@pytest.mark.parametrize("top_k", [3, 1000])
def test_a_top_k_that_leaves_no_class_out_is_refused(top_k: int) -> None:
    with pytest.raises(UserError, match=r"stored\[top_k=\d+\] leaves out none of 3 classes"):
        Stored(top_k=top_k).check(CheckTask(Bench().data, ipc=1))


def test_labels_of_the_first_epochs_alone_are_shown_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    whole, few = Stored(7.0, form="float32"), Stored(7.0, form="float32", epochs=2)
    shown: list[int] = []
    labels = stored_labels(few, bench, EXAM)

    def targets(batch: Any) -> torch.Tensor:
        shown.append(batch.epoch)
        return labels.targets(batch)

    train(bench, dataclasses.replace(labels, targets=targets), EXAM)
    batches = len(shown) // 4
    assert shown == [epoch for epoch in (0, 1, 0, 1) for _ in range(batches)]
    task = relabel_task(bench, EXAM)
    stored, all_stored = few.relabel(task), whole.relabel(task)
    assert sum(part.nbytes for part in stored.values()) * 2 == sum(part.nbytes for part in all_stored.values())
    for name, part in stored.items():
        assert torch.equal(part, all_stored[name][:2])
    told = EffortTask("relabel", bench.data, 12, 4 * 12)
    assert (few.effort(told).stored_bytes * 2, few.effort(told).passes[0].images) == (
        whole.effort(told).stored_bytes,
        24,
    )


def test_an_exam_that_shows_other_views_than_there_are_labels_for_is_refused() -> None:
    bench = Bench()
    labels = stored_labels(Stored(epochs=2), bench, EXAM)
    with pytest.raises(UserError, match=r"labels 'stored\[epochs=2\]' need an exam that shows views again"):
        labels.targets(views(bench, EXAM)[-1])


def test_more_epochs_than_an_exam_has_are_all_of_them_and_none_are_in_no_key() -> None:
    bench = Bench()
    task = relabel_task(bench, EXAM)
    many, whole = Stored(epochs=9).relabel(task), Stored().relabel(task)
    assert all(torch.equal(many[name], part) for name, part in whole.items())
    assert "epochs" not in Stored().identity()
    assert Stored(epochs=2).identity() == dataclasses.asdict(Stored(epochs=2))


FKD_BYTES = {10: 2 * 10 + 4 * 4 + 1 + 8, 1000: 2 * 1000 + 4 * 4 + 1 + 8}  # float16 logits, a box, a mirror, a partner


@pytest.mark.parametrize(
    ("classes", "stored", "views"),
    [
        (10, Stored(form="float16", epochs=22), 400),
        (10, Stored(form="int8", epochs=37), 400),
        (1000, Stored(form="int8", top_k=15), 300),
    ],
)
def test_forms_take_forty_times_fewer_bytes_than_fkd_s_files(classes: int, stored: Stored, views: int) -> None:
    data = ToyDataset(classes=classes).spec(Place(Path(), Path()))
    taken = stored.effort(EffortTask("relabel", data, 100, 100 * views)).stored_bytes
    assert FKD_BYTES[classes] * 100 * views >= 40 * taken
