"""Finds plugins, refuses clashes, and keeps a broken one from harming the others."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from ddbench import hookspecs
from ddbench.errors import UserError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "ddbench"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin as it was found; ``error`` is why it could not be used, in one line, else empty."""

    name: str
    module: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Plugins:
    """All that was found. ``manager`` holds those that work."""

    manager: pluggy.PluginManager
    found: tuple[Plugin, ...]

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """Plugins that could not be used."""
        return tuple(plugin for plugin in self.found if plugin.error)

    def named(self, name: str) -> Plugin:
        """Return the plugin of that name."""
        return next(plugin for plugin in self.found if plugin.name == name)

    def require_no_clash(self) -> None:
        """Raise a UserError if two distributions claim one plugin name: which of them runs would be chance."""
        clash = next((plugin for plugin in self.broken if plugin.error.startswith(_CLASH)), None)
        if clash is not None:
            raise UserError(f"plugin '{clash.name}': {clash.error}; uninstall one of them")


_CLASH = "claimed by more than one distribution"


@functools.cache
def discover() -> Plugins:
    """Find the plugins installed in this environment, through the entry points of group ``ddbench``."""
    return assemble(entry_points(group=GROUP))


def assemble(points: Iterable[EntryPoint]) -> Plugins:
    """Load the plugins behind entry points. Nothing is raised: what fails is kept with its reason."""
    manager = pluggy.PluginManager("ddbench")
    manager.add_hookspecs(hookspecs)
    claims: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
    for point in points:
        claims[point.name][_distribution(point)[0]] = point
    found = tuple(_load(manager, name, list(claims[name].values())) for name in sorted(claims))
    return Plugins(manager, found)


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist is not None else ("unknown", "unknown")


def _load(manager: pluggy.PluginManager, name: str, points: list[EntryPoint]) -> Plugin:
    first = points[0]
    distribution, version = _distribution(first)
    if len(points) > 1:
        names = " and ".join(sorted(_distribution(point)[0] for point in points))
        return Plugin(name, first.value, distribution, version, error=f"{_CLASH}: {names}")
    try:
        module = first.load()
        manager.register(module, name=name)
        hooks = _hooks(manager, module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's module may raise anything; the others must live
        if manager.has_plugin(name):
            manager.unregister(name=name)
        return Plugin(name, first.value, distribution, version, error=one_line(error))
    return Plugin(name, first.value, distribution, version, hooks)


def _hooks(manager: pluggy.PluginManager, module: Any) -> tuple[str, ...]:
    callers = manager.get_hookcallers(module) or []
    unknown = sorted(caller.name for caller in callers if not caller.has_spec())
    if unknown:
        raise UserError(f"implements unknown hooks: {', '.join(unknown)}")
    return tuple(sorted(caller.name for caller in callers))


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its type, unless it is the user's to mend, and its message."""
    text = printable(" ".join(str(error).split()))
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}" if text else type(error).__name__
