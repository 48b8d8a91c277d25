from __future__ import annotations

import pytest

from ddbench.testing import toys
from ddbench.testing.bench import Bench
from ddbench.testing.conformance import (
    check_architecture,
    check_dataset,
    check_diagnostic,
    check_evaluator,
    check_generator,
    check_labeler,
    check_plugin,
    check_synthesizer,
    check_teacher,
)


@pytest.mark.parametrize("component", [toys.ToySynth(), toys.ToyJoint(), toys.ToyDrawn()])
def test_toy_synthesizers_keep_their_promises(component: toys.ToySynth | toys.ToyJoint | toys.ToyDrawn) -> None:
    check_synthesizer(component)


def test_a_toy_teacher_keeps_its_promises() -> None:
    check_teacher(toys.ToyTeacher())


def test_a_toy_generator_keeps_its_promises() -> None:
    check_generator(toys.ToyGenerator())


def test_toy_labels_keep_their_promises() -> None:
    check_labeler(toys.ToyLabels())


def test_a_toy_diagnostic_keeps_its_promises() -> None:
    check_diagnostic(toys.ToyLook())


def test_a_toy_exam_keeps_its_promises() -> None:
    check_evaluator(toys.ToyExam())


@pytest.mark.parametrize("dataset", [toys.ToyDataset(), toys.ToyDataset(classes=5, size=12, channels=3)])
def test_a_toy_network_keeps_its_promises_on_any_toy_data(dataset: toys.ToyDataset) -> None:
    check_architecture(toys.ToyNet(), Bench(dataset))


@pytest.mark.parametrize("dataset", [toys.ToyDataset(), toys.ToyDataset(classes=5, size=12, channels=3)])
def test_toy_data_keep_their_promises(dataset: toys.ToyDataset) -> None:
    check_dataset(dataset)


def test_the_toys_are_a_sound_plugin() -> None:
    check_plugin("ddbench.testing.toys")
