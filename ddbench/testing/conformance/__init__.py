"""The promises of each kind of component, tried on the toys in seconds.

One line in a plugin's tests each::

    def test_my_method_keeps_its_promises() -> None:
        check_synthesizer(MyMethod(iterations=2))

Every function returns nothing, or raises an AssertionError that says in one sentence which promise is broken. Give a
component parameters with which it is quick, and a :class:`ddbench.testing.bench.Bench` of other data or another
network where the toys do not suit it.
"""

from __future__ import annotations

from ddbench.testing.bench import Bench
from ddbench.testing.conformance.architecture import check_architecture
from ddbench.testing.conformance.dataset import check_dataset
from ddbench.testing.conformance.declaration import check_declaration
from ddbench.testing.conformance.diagnostic import check_diagnostic
from ddbench.testing.conformance.evaluator import check_evaluator
from ddbench.testing.conformance.executor import check_executor
from ddbench.testing.conformance.generator import check_generator
from ddbench.testing.conformance.labeler import check_labeler
from ddbench.testing.conformance.listener import check_listener
from ddbench.testing.conformance.metric import check_metric
from ddbench.testing.conformance.package import check_plugin
from ddbench.testing.conformance.reporter import check_reporter
from ddbench.testing.conformance.synthesizer import check_synthesizer
from ddbench.testing.conformance.teacher import check_teacher

__all__ = [
    "Bench",
    "check_architecture",
    "check_dataset",
    "check_declaration",
    "check_diagnostic",
    "check_evaluator",
    "check_executor",
    "check_generator",
    "check_labeler",
    "check_listener",
    "check_metric",
    "check_plugin",
    "check_reporter",
    "check_synthesizer",
    "check_teacher",
]
