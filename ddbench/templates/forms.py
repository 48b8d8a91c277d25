"""What is special to the package of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED = "--eval convnet --teacher convnet"  # seconds on digits


@dataclass(frozen=True)
class Form:
    """What is special to the package of a kind.

    Attributes:
        try_it: the command that shows it at work.
        gate: options of the sweep that CI compares with a baseline; empty where no number depends on the kind.
        few: arguments with which the component is quick.
        recipe: what its recipe for digits sets; empty where there is none.
        file: the module of the component, if it is not called after the kind.
    """

    try_it: str
    gate: str = ""
    few: str = ""
    recipe: str = ""
    file: str = ""


FORMS: Mapping[str, Form] = {
    "dataset": Form(
        "ddbench run --dataset $name --synth random --eval resnet18", f"--dataset $name --synth random {_FIXED}"
    ),
    "architecture": Form(
        "ddbench run --synth random --eval $name,resnet18", "--synth random --eval $name --teacher convnet"
    ),
    "teacher": Form(
        "ddbench run --synth dwa --teacher $name,resnet18 --eval resnet18",
        "--synth random --teacher $name --eval convnet",
        few="epochs=2",
        recipe="epochs = 30",
    ),
    "generator": Form("ddbench run --synth 'dit[generator=$name]' --eval resnet18"),
    "synthesizer": Form(
        "ddbench run --synth $name,dwa --eval resnet18",
        f"--synth $name {_FIXED}",
        few="iterations=2",
        recipe="iterations = 30",
    ),
    "labeler": Form(
        "ddbench run --synth dwa --labels $name,hard --eval resnet18", f"--labels $name --synth random {_FIXED}"
    ),
    "evaluator": Form(
        "ddbench run --synth dwa,random --evaluator $name --eval resnet18",
        f"--evaluator $name --synth random {_FIXED}",
        few="epochs=2",
        recipe="epochs = 200",
    ),
    "metric": Form("ddbench run --synth dwa --metrics $name --eval resnet18"),
    "executor": Form(
        "ddbench run --synth dwa --executor $name --eval resnet18", f"--executor $name --synth random {_FIXED}"
    ),
    "reporter": Form("ddbench report results --format $name"),
    "diagnostic": Form("ddbench analyze --synth dwa,random --diagnostics $name"),
    "event": Form("$variable=trials.jsonl ddbench run --synth dwa --eval resnet18", file="listener"),
}
"""By what ``--kind`` is called: every kind of component, and event listeners."""
