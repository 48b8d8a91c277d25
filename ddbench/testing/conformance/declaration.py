"""What plugins and components must say of themselves, before any of them computes."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import re
from typing import Any

from ddbench.keys import canonical_json
from ddbench.registry import parameters
from ddbench.spec import Spec
from ddbench.testing.conformance.promises import promise, promised

UNCITED = ("executor", "reporter")  # plain infrastructure: there is nothing to cite
SOURCE = re.compile(
    r"\bSource:|\barXiv\b|\((?:[^()]*\D)?(?:19|20)\d\d\b|\b(?:Table|Eq\.|Algorithm) ?\d|\bmade up here\b|\bpapers\b"
    r"|\b(?:torchvision|timm|scikit-learn)\b"
)


def check_component(component: Any, *flags: str, cited: bool = True) -> None:
    """Check a component's declaration, that its class sets the flags named, and that it can be written and sent."""
    check_declaration(type(component), cited=cited)
    for flag in flags:
        with promise("says of itself what the plan must know", vital=True):
            set_ = isinstance(getattr(type(component), flag, None), bool)
            promised(component, set_, f"does not say whether it is '{flag}': set a ClassVar[bool] of that name")
    with promise("has parameters that can be written down and read back"):
        spec = Spec.of("component", parameters(component))
        promised(component, Spec.parse(str(spec)) == spec, f"has parameters that do not read back from '{spec}'")
    with promise("has a key that JSON can hold, the same at every call"):
        _check_identity(component)
    with promise("can be sent to a worker process"):
        _check_pickles(component)


def _check_identity(component: Any) -> None:
    """Check that what enters the key is JSON, with the same content at every call."""
    if not hasattr(component, "identity"):
        return
    first = _canonical(component)
    promised(component, _canonical(component) == first, "has another identity when asked again")


def _canonical(component: Any) -> str:
    try:
        return canonical_json(dict(component.identity()))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{type(component).__name__} has an identity that JSON cannot hold: {error}") from error


def _check_pickles(component: Any) -> None:
    try:
        again = pickle.loads(pickle.dumps(component))  # noqa: S301 - it was made in the line itself
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise AssertionError(f"{type(component).__name__} cannot be pickled: {error}") from error
    promised(component, again == component, "is another when it comes back from a pickle")


def check_declaration(target: type, *, cited: bool = True) -> None:
    """Check that a class is a frozen dataclass with a version, a docstring, a source and a word on every field."""
    with promise("is a frozen dataclass with a version", vital=True):
        frozen = dataclasses.is_dataclass(target) and target.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed hides it
        promised(target, frozen, "is not a frozen dataclass")
        version = getattr(target, "version", None)
        promised(target, type(version) is int and version >= 1, "has no version, a whole number from 1")
    text = _documented(target)
    with promise("says in its docstring what it is, and what each field means"):
        promised(target, text.partition("\n")[0].endswith("."), "has no docstring whose first line is a sentence")
        explained = re.findall(r"^ {4}(\w+): \S", text.partition("\nAttributes:\n")[2], re.MULTILINE)
        for field in dataclasses.fields(target):
            known = field.name in explained
            promised(target, known, f"explains '{field.name}' nowhere in its docstring's Attributes")
    if cited:
        with promise("names its source"):
            sourced = bool(SOURCE.search(text))
            promised(target, sourced, "names no source: say in its docstring where it comes from")


def _documented(target: type) -> str:
    """Return the docstring that a class was given, not that which ``dataclass`` makes up."""
    made_up = target.__doc__ is None or target.__doc__.startswith(f"{target.__name__}(")
    return "" if made_up else inspect.getdoc(target) or ""
