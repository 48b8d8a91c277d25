"""A plugin and its components held to their promises, as ``ddbench check-plugin`` does."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.registry import required_fields
from ddbench.spec import Spec
from ddbench.testing import elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from subprocess import Popen

    from ddbench.plugins import Plugin
    from ddbench.registry import Entry, Registry
    from ddbench.types import Kind

    Chosen = list[tuple[Entry, Spec]]

TINY = {"iterations": 2, "steps": 2, "epochs": 1, "warmup_epochs": 0, "warmup_steps": 0, "batch_size": 8, "jitter": 1}
"""What fields of these names are set to where a component is tried, so that it is quick."""

TRIED = "can be tried on the toys"


@dataclass(frozen=True)
class Held:
    """What was held to its promises.

    Attributes:
        kind: ``plugin``, ``listener``, or a kind of component.
        name: its own; of a component, with the parameters with which it was tried.
        promises: what is wrong, by the promise's words; empty where it was kept.
        untried: why it could not be tried; empty where it was.
    """

    kind: str
    name: str
    promises: Mapping[str, str]
    untried: str = ""

    @property
    def broken(self) -> dict[str, str]:
        """The promises that were not kept."""
        return {words: trouble for words, trouble in self.promises.items() if trouble}


def inspect(plugin: Plugin, kind: Kind | None = None, spec: Spec | None = None) -> Iterator[Held]:
    """Hold a plugin to its promises, then its components, one after the other; a kind or a spec leaves others out.

    Nothing is raised: what a component raises is what is wrong with it, and the next one's turn comes.
    """
    known = elsewhere.of_module(plugin.module)
    entries = [entry for entry in known.entries(kind) if spec is None or _stands_for(entry, spec)]
    chosen = [(entry, spec or Spec(entry.name)) for entry in entries]
    with elsewhere.ask(plugin.module, ((entry.kind, each) for entry, each in chosen)) as process:
        yield _hold_plugin(plugin, known, chosen, process)
        process.kill()  # unless it has answered
    for entry, each in chosen:
        yield _hold(known, entry, each)
    if "ddbench_event" in plugin.hooks and kind is None and spec is None:
        yield _hold_listener(plugin, known)


def _stands_for(entry: Entry, spec: Spec) -> bool:
    return spec.name == entry.name or (entry.family and spec.name.startswith(entry.name[:-1]))


def _hold_plugin(plugin: Plugin, known: Registry, chosen: Chosen, process: Popen[str]) -> Held:
    from ddbench.testing.conformance.package import check_package
    from ddbench.testing.conformance.promises import promise, recorded

    with recorded() as record:
        check_package(plugin.module)
        with promise("has the same keys in another process"):
            for (entry, spec), there in zip(chosen, elsewhere.told(process), strict=True):
                if elsewhere.key(known, entry.kind, spec) != there:
                    raise AssertionError(f"{entry.kind} '{entry.name}' has another key there: see its identity()")
    return Held("plugin", plugin.name, record)


def _hold(known: Registry, entry: Entry, spec: Spec) -> Held:
    from ddbench.testing.conformance.conduct import alone
    from ddbench.testing.conformance.package import check_recipes
    from ddbench.testing.conformance.promises import promise, recorded

    untried = ""
    with alone(), recorded() as record:
        with promise("can be loaded", vital=True):
            spec = _tiny(known, entry, spec)
        check_recipes(known, entry)
        with promise(TRIED):
            try:
                _require_named(entry, spec)
                _check(entry.kind)(known.resolve(entry.kind, spec).component)
            except UserError as error:
                untried = str(error)
    if not record.get(TRIED, "it was not"):
        del record[TRIED]  # goes without saying
    return Held(entry.kind, str(spec), record, untried)


def _hold_listener(plugin: Plugin, known: Registry) -> Held:
    from ddbench.testing.conformance import check_listener
    from ddbench.testing.conformance.promises import recorded

    hook: Any = known.plugins.manager.hook.ddbench_event.get_hookimpls()[0].function
    with recorded() as record:
        check_listener(hook)
    return Held("listener", plugin.name, record)


def _tiny(known: Registry, entry: Entry, spec: Spec) -> Spec:
    """Return a spec with which a component is quick: the user's parameters, few iterations and epochs for the rest."""
    fields = {field.name: field for field in dataclasses.fields(entry.load())}
    few: dict[str, Any] = {
        name: value for name, value in TINY.items() if name in fields and _more(fields[name].default, value)
    }
    if entry.kind == "teacher" and "architecture" in fields:
        few["architecture"] = "toy-net"
    try:
        known.resolve(entry.kind, Spec.of(spec.name, few | spec.mapping()))
    except UserError:
        return spec  # so few cannot be; what else is wrong is found when it is made
    return Spec.of(spec.name, few | spec.mapping())


def _require_named(entry: Entry, spec: Spec) -> None:
    """Ask for what only the user can say: a path, or which member of a family."""
    if spec.name.endswith("/*"):
        raise UserError(f"it stands for many: name one, as in 'ddbench check-plugin {spec.name[:-1]}...'")
    missing = sorted(required_fields(entry.load()) - {*spec.mapping(), "name" if entry.family else ""})
    if missing:
        example = f"{spec.name}[{missing[0]}=...]"
        raise UserError(f"it needs '{missing[0]}': give it, as in \"ddbench check-plugin '{example}'\"")


def _more(default: Any, value: int) -> bool:
    return type(default) is int and default > value


def _check(kind: Kind) -> Callable[[Any], None]:
    """Return the check of a kind. Some networks want a larger image with colours."""
    from ddbench.testing import conformance, toys
    from ddbench.testing.bench import Bench

    if kind == "architecture":
        large = Bench(toys.ToyDataset(channels=3, size=16))
        return functools.partial(conformance.check_architecture, bench=large)
    check: Callable[[Any], None] = getattr(conformance, f"check_{kind}")
    return check
