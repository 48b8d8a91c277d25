"""The students that the speed benchmark trains: what they look at, and how many of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Student:
    """One student, and the distilled set it is trained on.

    Attributes:
        architecture: its name.
        image_size: in pixels.
        channels: 1 or 3.
        count: images, of ten classes.
        batch_size: views per step.
        padding: of the random crop.
        flip: mirror every second image.
    """

    architecture: str
    image_size: int
    channels: int
    count: int
    batch_size: int
    padding: int
    flip: bool


STUDENTS = {
    "8x8": Student("convnet", 8, 1, 100, 25, 1, flip=False),
    "32x32": Student("convnet", 32, 3, 100, 100, 4, flip=True),
    "32x32, ResNet-18": Student("resnet18", 32, 3, 100, 100, 4, flip=True),
}
"""By name; one step of the last takes seconds on a processor."""

MIXUP, TEMPERATURE = 0.8, 30.0
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 0.01
