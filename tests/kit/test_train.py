from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's name for it

from ddbench.kit import graphs, optim, rng, train, views
from ddbench.kit.pixels import normalise
from ddbench.kit.reading import Resident
from ddbench.testing.toys import ToyDataset, ToyNet
from ddbench.types import Compute, Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from ddbench.types import Measures, Views

PLACE = Place(Path(), Path())


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[int, int, dict[str, float]]] = []

    def __call__(self, done: int, total: int, **numbers: float) -> None:
        self.calls.append((done, total, dict(numbers)))


def compute(precision: str = "float32") -> Compute:
    return Compute(torch.device("cpu"), precision, 0, Recorder())  # type: ignore[arg-type]


def toy_net(toy: ToyDataset) -> nn.Module:
    with rng.seeded(0, "weights"):
        return ToyNet().build(toy.spec(PLACE))


def fitted(
    epochs: int = 12,
    test_every: int = 5,
    schedule: float = 1.0,
    spoil: int = -1,
    validate: Callable[[nn.Module], train.Score] | None = None,
) -> tuple[Measures, nn.Module]:
    """Train the toy network; ``spoil`` is the epoch, from 0, whose loss is not a number."""
    toy = ToyDataset()
    data, split, work = toy.spec(PLACE), toy.open("train", PLACE), compute()
    model = toy_net(toy)

    def loss(logits: Tensor, batch: Views) -> Tensor:
        value = F.cross_entropy(logits, split.labels[batch.indices])
        return value * float("nan") if batch.epoch == spoil else value

    course = train.Course(
        epochs=epochs,
        batches=4,
        views=partial(views.views, split.images(slice(None)), data, views.Augmentation(), 16, 0),
        loss=loss,
        optimizer=optim.optimizer(model, "sgd", 0.1, 0.9, 0.0),
        schedule=lambda epoch: schedule**epoch,
        test_every=test_every,
    )
    test = partial(train.score, examples=toy.open("test", PLACE), data=data, compute=work)
    return train.fit(model, course, test, work, validate), model


def logits_of(model: nn.Module, toy: ToyDataset) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.eval()(normalise(toy.open("test", PLACE).images(slice(None)), toy.spec(PLACE)))
        return logits.double()


@pytest.mark.parametrize("classes", [3, 7])
def test_the_score_is_scikit_learns(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = ToyDataset(classes=classes)
    model, test = toy_net(toy), toy.open("test", PLACE)
    monkeypatch.setattr(train, "SCORED_AT_ONCE", 16)
    scored = train.score(model, test, toy.spec(PLACE), compute())
    logits, labels = logits_of(model, toy).numpy(), test.labels.numpy()
    top5 = top_k_accuracy_score(labels, logits, k=5) if classes > 5 else 1.0
    assert scored.top1 == pytest.approx(100 * accuracy_score(labels, logits.argmax(1)))
    assert scored.top5 == pytest.approx(100 * top5)
    assert scored.loss == pytest.approx(log_loss(labels, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)))


@pytest.mark.parametrize("classes", [3, 7])
def test_the_calibration_error_is_torchmetrics_over_all_classes(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calibration_error = pytest.importorskip("torchmetrics.functional.classification").multiclass_calibration_error
    toy = ToyDataset(classes=classes)
    model, test = toy_net(toy), toy.open("test", PLACE)
    monkeypatch.setattr(train, "SCORED_AT_ONCE", 16)
    scored = train.score(model, test, toy.spec(PLACE), compute())
    shares = logits_of(model, toy).float().softmax(1)
    expected = calibration_error(shares, test.labels, num_classes=classes, n_bins=15, norm="l1")
    assert scored.calibration_error() == pytest.approx(float(expected), abs=1e-6)
    assert scored.calibration_error() > 0


def test_the_calibration_error_at_a_point_computed_by_hand() -> None:
    sure, unsure = torch.full((4,), 0.97), torch.full((6,), 0.5)
    hits = torch.tensor([1.0, 1, 1, 0, 1, 1, 0, 0, 0, 0])  # three of four, two of six
    scored = train.Score(50.0, 100.0, 1.0, torch.cat((sure, unsure)), hits)
    assert scored.calibration_error() == pytest.approx(0.4 * (0.97 - 0.75) + 0.6 * (0.5 - 1 / 3), abs=1e-6)


def test_a_score_leaves_the_network_as_it_was() -> None:
    toy = ToyDataset()
    model = toy_net(toy).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train.score(model, toy.open("test", PLACE), toy.spec(PLACE), compute())
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_split_held_on_the_device_scores_the_same() -> None:
    toy = ToyDataset()
    test, data = toy.open("test", PLACE), toy.spec(PLACE)
    held = Resident(test.images(slice(None)), test.labels)
    assert train.score(toy_net(toy), held, data, compute()) == train.score(toy_net(toy), test, data, compute())


def test_mixed_precision_scores_about_the_same() -> None:
    toy = ToyDataset()
    scores = [
        train.score(toy_net(toy), toy.open("test", PLACE), toy.spec(PLACE), compute(precision))
        for precision in ("float32", "bfloat16")
    ]
    assert scores[0].loss == pytest.approx(scores[1].loss, rel=0.02)
    assert scores[0].loss != scores[1].loss


def test_a_training_learns_and_tells_the_last_score_beside_the_best() -> None:
    measures, model = fitted()
    assert measures.top1 > 90
    toy = ToyDataset()
    right = logits_of(model, toy).argmax(1) == toy.open("test", PLACE).labels
    assert measures.top1 == pytest.approx(100 * right.double().mean().item())
    assert measures.top1_best == max(point.top1 for point in measures.curve if point.top1 is not None)
    assert measures.top1_best >= measures.top1


def test_the_best_is_not_the_last_where_training_goes_wrong() -> None:
    measures, _ = fitted(epochs=8, test_every=1, schedule=4.0)  # the rate grows without end
    assert measures.top1_best > measures.top1


def test_the_curve_has_every_epoch_and_a_score_every_few_and_at_the_end() -> None:
    curve = fitted(epochs=12, test_every=5)[0].curve
    assert [point.epoch for point in curve] == list(range(1, 13))
    assert [point.epoch for point in curve if point.top1 is not None] == [5, 10, 12]
    assert curve[-1].loss < curve[0].loss


def held_out_scores(*tops: float) -> Callable[[nn.Module], train.Score]:
    scores = iter(tops)
    return lambda _: train.Score(next(scores), 100.0, 0.5)


def test_the_validated_accuracy_is_that_of_the_test_after_the_epoch_that_validated_best() -> None:
    plain, _ = fitted(epochs=8, test_every=2)
    tested = {point.epoch: point.top1 for point in plain.curve if point.top1 is not None}
    measures, _ = fitted(epochs=8, test_every=2, validate=held_out_scores(10.0, 40.0, 30.0, 20.0))
    assert measures.top1_val == tested[4]
    assert [(point.epoch, point.top1) for point in measures.validation] == [(2, 10.0), (4, 40.0), (6, 30.0), (8, 20.0)]
    assert (measures.top1, measures.top1_best, measures.curve) == (plain.top1, plain.top1_best, plain.curve)


def test_of_epochs_that_validate_alike_the_first_is_taken() -> None:
    measures, _ = fitted(epochs=8, test_every=2, schedule=3.0, validate=held_out_scores(10.0, 40.0, 40.0, 20.0))
    tested = {point.epoch: point.top1 for point in measures.curve}
    assert measures.top1_val == tested[4] != tested[6]


def test_without_held_out_images_nothing_is_validated() -> None:
    measures, _ = fitted(epochs=2)
    assert measures.top1_val is None
    assert measures.validation == ()


def test_the_schedule_scales_the_rate_of_an_epoch() -> None:
    still = fitted(epochs=1, schedule=0.0)[1].state_dict()["0.weight"]
    assert torch.equal(still, fitted(epochs=4, schedule=0.0)[1].state_dict()["0.weight"])
    assert not torch.equal(still, fitted(epochs=2, schedule=0.5)[1].state_dict()["0.weight"])


def test_the_same_training_twice_gives_the_same_bits() -> None:
    one, two = fitted(), fitted()
    assert one[0] == two[0]
    assert all(torch.equal(value, two[1].state_dict()[name]) for name, value in one[1].state_dict().items())


def test_a_loss_that_is_no_number_ends_the_training_and_names_the_epoch() -> None:
    with pytest.raises(FloatingPointError, match="loss became nan at epoch 3"):
        fitted(spoil=2)


def test_progress_grows_to_its_total_and_shows_loss_and_accuracy() -> None:
    toy, work = ToyDataset(), compute()
    data, split = toy.spec(PLACE), toy.open("train", PLACE)
    model = toy_net(toy)
    course = train.Course(
        epochs=3,
        batches=4,
        views=partial(views.views, split.images(slice(None)), data, views.Augmentation(), 16, 0),
        loss=lambda logits, batch: F.cross_entropy(logits, split.labels[batch.indices]),
        optimizer=optim.optimizer(model, "adamw", 1e-3, 0.0, 0.01),
        schedule=lambda _: 1.0,
        test_every=2,
    )
    train.fit(model, course, lambda _: train.Score(50.0, 90.0, 1.0), work)
    calls = work.progress.calls  # type: ignore[attr-defined]
    done = [call[0] for call in calls]
    assert done == sorted(done)
    assert done[-1] == 12
    assert {call[1] for call in calls} == {12}
    assert set(calls[-1][2]) == {"loss", "top1"}
    assert calls[-1][2]["top1"] == 50.0


def trained(norm: nn.Module, parts: int, where: str | torch.device = "cpu") -> tuple[Measures, nn.Module, list[str]]:
    """Train a network in so many parts a batch, its weights and views always the same."""
    toy, notes = ToyDataset(), list[str]()
    data, split = toy.spec(PLACE), toy.open("train", PLACE)
    work = replace(compute(), device=torch.device(where), parts=parts, note=notes.append)
    labels = split.labels.to(where)
    with rng.seeded(0, "weights"):
        head = (nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, data.num_classes))
        model = nn.Sequential(nn.Conv2d(data.channels, 8, 3, padding=1), norm, *head).to(where)
    course = train.Course(
        epochs=6,
        batches=4,
        views=partial(views.views, split.images(slice(None)).to(where), data, views.Augmentation(mixup=0.8), 17, 0),
        loss=lambda logits, batch: F.cross_entropy(logits, labels[batch.indices]),
        optimizer=optim.optimizer(model, "adamw", 1e-2, 0.0, 0.01),
        schedule=lambda epoch: 1.0,
        test_every=3,
    )
    test = partial(train.score, examples=toy.open("test", PLACE), data=data, compute=work)
    return train.fit(model, course, test, work), model, notes


def test_a_second_attempt_cuts_batches_where_that_changes_no_number() -> None:
    whole, model, untold = trained(nn.GroupNorm(2, 8), 1)
    cut, other, notes = trained(nn.GroupNorm(2, 8), 2)
    assert [point.loss for point in cut.curve] == pytest.approx([point.loss for point in whole.curve], rel=1e-4)
    assert (cut.top1, cut.loss) == pytest.approx((whole.top1, whole.loss), rel=1e-3)
    for mine, theirs in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    assert (untold, notes) == ([], ["each batch was sent through the network in 2 parts, gradients accumulated"])


def test_a_second_attempt_keeps_batches_whole_where_the_network_looks_at_their_statistics() -> None:
    whole, model, _ = trained(nn.BatchNorm2d(8), 1)
    again, other, notes = trained(nn.BatchNorm2d(8), 2)
    assert [point.loss for point in again.curve] == [point.loss for point in whole.curve]
    assert all(torch.equal(mine, theirs) for mine, theirs in zip(other.buffers(), model.buffers(), strict=True))
    assert len(notes) == 1
    assert notes[0].startswith("what the network keeps for the way back lay in the host's memory")


def test_a_second_attempt_draws_the_numbers_of_the_first() -> None:
    curves = []
    for parts in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            curves.append([point.loss for point in trained(nn.Dropout(0.5), parts)[0].curve])
    assert curves[0] == curves[1]


def test_a_second_attempt_reads_the_batches_of_the_first_and_scores_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "SCORED_AT_ONCE", 7)
    toy, read, seen = ToyDataset(), list[slice](), list[int]()
    test = toy.open("test", PLACE)
    model = toy_net(toy)

    def images(part: slice) -> Tensor:
        read.append(part)
        return test.images(part)

    noted = SimpleNamespace(labels=test.labels, images=images)
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    whole, cut = (train.score(model, noted, toy.spec(PLACE), replace(compute(), parts=parts)) for parts in (1, 2))
    assert read[: len(read) // 2] == read[len(read) // 2 :]
    assert (max(seen[: len(read) // 2]), max(seen[len(read) // 2 :])) == (7, 4)
    assert (cut.top1, cut.loss) == pytest.approx((whole.top1, whole.loss), rel=1e-5)


def test_a_replayed_training_has_the_curve_of_a_plain_one(
    replaying: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for worth in (1, 1000):
        monkeypatch.setattr(graphs, "WORTH_IT", worth)
        runs.append(trained(nn.BatchNorm2d(8), 1, replaying))
    (replayed, _, untold), (plain, _, _) = runs
    assert untold == []
    assert [point.loss for point in replayed.curve] == pytest.approx([point.loss for point in plain.curve], rel=1e-3)
    assert replayed.loss == pytest.approx(plain.loss, rel=1e-2)


def test_what_a_training_held_goes_with_it_and_needs_no_collector(
    emulated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "WORTH_IT", 1)
    gc.collect()
    gc.disable()
    try:
        _, model, notes = trained(nn.BatchNorm2d(8), 1)
        weights = weakref.ref(model.get_parameter("0.weight"))
        del model
        assert weights() is None
    finally:
        gc.enable()
    assert (len(emulated), notes) == (4, [])  # both ways, of whole batches and the last
