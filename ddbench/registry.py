"""Names to components: looked up lazily, with suggestions; parameters validated at this boundary."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import json
import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ddbench import commandline
from ddbench.errors import UserError, suggestion
from ddbench.plugins import Plugin, discover, one_line
from ddbench.spec import Spec
from ddbench.types import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ddbench.plugins import Plugins


OCCASIONS = ("ipc", "student", "architecture")
"""On what values of a recipe may depend, beside the data set."""

_NONE: Mapping[str, Any] = MappingProxyType({})
_RANGE = re.compile(r"(\d+)-(\d*)")
_DECLARED = {  # class variables, True or False
    "synthesizer": ("isolated", "uses_teacher"),
    "labeler": ("uses_teacher",),
    "metric": ("higher_is_better",),
    "diagnostic": ("uses_teacher",),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A name of one kind, and where its class is."""

    kind: Kind
    name: str
    target: str | type
    plugin: Plugin

    @property
    def family(self) -> bool:
        """Whether the name stands for many: ``timm/*``."""
        return self.name.endswith("/*")

    @property
    def module(self) -> str:
        """Dotted name of the module that holds the class."""
        return self.target.partition(":")[0] if isinstance(self.target, str) else self.target.__module__

    def load(self) -> type:
        """Import the class.

        Raises:
            UserError: its module cannot be imported, or it is not a frozen dataclass with a version.
        """
        target = self.target if isinstance(self.target, type) else self._import(self.target)
        who = f"{self.kind} '{self.name}' of plugin '{self.plugin.name}'"
        if not dataclasses.is_dataclass(target) or not isinstance(getattr(target, "version", None), int):
            raise UserError(f"{who} is not a dataclass with a version")
        unsaid = [name for name in _DECLARED.get(self.kind, ()) if not isinstance(getattr(target, name, None), bool)]
        if unsaid:
            raise UserError(f"{who} lacks the class variable '{unsaid[0]}', True or False")
        return target

    def _import(self, target: str) -> type:
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)  # type: ignore[no-any-return]
        except Exception as error:
            who = f"{self.kind} '{self.name}' of plugin '{self.plugin.name}'"
            raise UserError(f"{who} cannot be imported from {target}: {one_line(error)}") from error


@dataclass(frozen=True)
class Resolved:
    """A component ready to be called.

    Attributes:
        entry: where it came from.
        component: the instance.
        short: its spec as tables show it: parameters that only repeat defaults or recipe are left out.
        full: its spec with every parameter written out.
    """

    entry: Entry
    component: Any
    short: Spec
    full: Spec

    @functools.cached_property
    def shown(self) -> Spec:
        """Its spec as tables show it where the component says that otherwise: a path by the name of what lies there."""
        own = self.component.shown(self.short.mapping()) if hasattr(self.component, "shown") else self.short.mapping()
        return Spec.of(self.short.name, own)

    @functools.cached_property
    def told(self) -> Spec:
        """Its spec as results tell it: what is shown, without paths that leave the working folder."""
        return placeless(self.shown)

    @functools.cached_property
    def identity(self) -> Mapping[str, Any]:
        """What of it enters keys; files are read when it is first asked for.

        Raises:
            UserError: the component cannot tell, since a file is missing or damaged, say.
        """
        try:
            own = self.component.identity() if hasattr(self.component, "identity") else self.full.mapping()
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{self.entry.kind} '{self.short}' cannot be read: {one_line(error)}") from error
        return {"name": self.full.name, "version": type(self.component).version, **own}


class Registry:
    """All components that the plugins hand over."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins
        self.broken = list(plugins.broken)
        self._entries: dict[tuple[str, str], Entry] = {}
        for kind in KINDS:
            for implementation in getattr(plugins.manager.hook, f"ddbench_{kind}s").get_hookimpls():
                self._collect(kind, implementation.plugin_name, implementation.function)

    def _collect(self, kind: Kind, plugin_name: str, hook: Any) -> None:
        plugin = self.plugins.named(plugin_name)
        try:
            components = _named_classes(hook())
        except Exception as error:  # noqa: BLE001 - a stranger's hook may raise anything; the others must live
            self.broken.append(dataclasses.replace(plugin, error=one_line(error)))
            return
        for name, target in components.items():
            rival = self._entries.setdefault((kind, name), Entry(kind, name, target, plugin))
            if rival.plugin.name != plugin_name:
                raise UserError(
                    f"{kind} '{name}' is given by two plugins, '{rival.plugin.name}' ({rival.plugin.distribution}) and "
                    f"'{plugin_name}' ({plugin.distribution}); uninstall one of them"
                )

    def entries(self, kind: Kind | None = None) -> list[Entry]:
        """Return the entries of one kind, or all, sorted by kind and name."""
        order = {name: place for place, name in enumerate(KINDS)}
        chosen = [entry for entry in self._entries.values() if kind in {None, entry.kind}]
        return sorted(chosen, key=lambda entry: (order[entry.kind], entry.name))

    def has(self, kind: Kind, name: str) -> bool:
        """Tell whether a name is known, itself or through its family."""
        return (kind, name) in self._entries or (kind, _family(name)) in self._entries

    def entry(self, kind: Kind, name: str) -> Entry:
        """Look a name up.

        Raises:
            UserError: nobody gives it; the message suggests the nearest name and tells of plugins that failed.
        """
        found = self._entries.get((kind, name)) or self._entries.get((kind, _family(name)))
        if found is None:
            known = [entry.name for entry in self.entries(kind)]
            failed = "".join(f"; plugin '{plugin.name}' failed to load: {plugin.error}" for plugin in self.broken)
            raise UserError(f"unknown {kind} '{name}'{suggestion(name, known)}{failed}")
        return found

    def resolve(
        self,
        kind: Kind,
        spec: Spec,
        recipe: str = "",
        occasion: Mapping[str, str] = _NONE,
        over: Mapping[str, Any] = _NONE,
    ) -> Resolved:
        """Fill in recipe and defaults, validate, and make the component.

        Args:
            kind: of component.
            spec: its name, and the parameters that the user wrote.
            recipe: whose values come before the defaults.
            occasion: ``ipc`` and ``student`` of the cell, for recipes that depend on them (:func:`settled`); a
                teacher's ``architecture`` is known from its spec.
            over: values to lay over the recipe's, as far as the component has such fields.

        Raises:
            UserError: unknown name or parameter, value of a wrong type or range.
        """
        spec = self._teacher(spec) if kind == "teacher" else spec
        if kind == "teacher" and "architecture" in spec.mapping():
            occasion = {**occasion, "architecture": Spec.parse(str(spec.mapping()["architecture"])).name}
        entry = self.entry(kind, spec.name)
        target = entry.load()
        laid_over = {name: value for name, value in over.items() if name in _fields(target)}
        chosen = settled(recipes(entry).get(recipe, {}), occasion) | laid_over
        base = self._family_name(entry, spec) | chosen
        component = _make(entry, target, base | spec.mapping(), str(spec))
        required = {key: value for key, value in spec.mapping().items() if key in required_fields(target)}
        default = parameters(_make(entry, target, base | required, entry.name))
        optional = {key: value for key, value in default.items() if key not in required}
        return self._resolved(entry, spec.name, component, optional)

    def create(self, kind: Kind, full: Spec) -> Any:
        """Make a component again from a spec in which every parameter is written out."""
        entry = self.entry(kind, full.name)
        return _make(entry, entry.load(), self._family_name(entry, full) | full.mapping(), str(full))

    def _teacher(self, spec: Spec) -> Spec:
        """Read a bare architecture as a teacher to train: ``resnet18`` is ``train[architecture=resnet18]``.

        Of its parameters, those that only the architecture has are the architecture's.
        """
        if self.has("teacher", spec.name) or not self.has("architecture", spec.name):
            return spec
        trained = _fields(self.entry("teacher", "train").load())
        built = _fields(self.entry("architecture", spec.name).load()) - trained
        own = {name: value for name, value in spec.params if name in built}
        rest = {name: value for name, value in spec.params if name not in built}
        return Spec.of("train", {**rest, "architecture": str(Spec.of(spec.name, own))})

    @staticmethod
    def _family_name(entry: Entry, spec: Spec) -> dict[str, Any]:
        return {"name": spec.name.removeprefix(entry.name[:-1])} if entry.family else {}

    @staticmethod
    def _resolved(entry: Entry, name: str, component: Any, defaults: Mapping[str, Any]) -> Resolved:
        values = parameters(component)
        if entry.family:
            values.pop("name")
        written = {key: value for key, value in values.items() if key not in defaults or value != defaults[key]}
        return Resolved(entry, component, Spec.of(name, written), Spec.of(name, values))


def _named_classes(answer: Mapping[Any, Any]) -> dict[str, str | type]:
    for name, target in answer.items():
        if not (isinstance(name, str) and isinstance(target, str | type)):
            raise TypeError(f"expected name: 'package.module:Class' or a class, got {name!r}: {target!r}")
    return dict(answer)


def _family(name: str) -> str:
    return f"{name.partition('/')[0]}/*"


def placeless(spec: Spec) -> Spec:
    """Tell a path that leaves the working folder by its last part: results are handed on, and compared elsewhere."""
    texts = {key: commandline.placeless(value) for key, value in spec.params if isinstance(value, str)}
    return spec.with_params(**texts) if texts else spec


def parameters(component: Any) -> dict[str, Any]:
    """Return a component's fields and their values."""
    return {field.name: getattr(component, field.name) for field in dataclasses.fields(component)}


def _fields(target: type) -> set[str]:
    return {field.name for field in dataclasses.fields(target)}


def required_fields(target: type) -> set[str]:
    """Return the names of fields without a default."""
    missing = dataclasses.MISSING
    return {field.name for field in dataclasses.fields(target) if field.default is field.default_factory is missing}


@functools.cache
def recipes(entry: Entry) -> dict[str, dict[str, Any]]:
    """Return an entry's recipes by name: the tables named after it in ``recipes/*.toml`` of its package."""
    tables = recipe_tables(entry.module.partition(".")[0])
    return {recipe: table[entry.name] for recipe, table in sorted(tables.items()) if entry.name in table}


def recipe_tables(package: str) -> dict[str, dict[str, Any]]:
    """Return what the recipes of a package hold, by the name of the recipe.

    Raises:
        UserError: a file is no TOML.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return {}  # a plugin of a single module
    folder = resources.files(package) / "recipes"
    if not folder.is_dir():
        return {}
    files = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    try:
        return {file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8")) for file in files}
    except ValueError as error:
        raise UserError(f"the recipes of {package} cannot be read: {error}") from None


def settled(table: Mapping[str, Any], occasion: Mapping[str, str]) -> dict[str, Any]:
    """Return a recipe's values on an occasion.

    A table may hold ``[name.ipc.10]``, values for that many images per class, ``[name.ipc.2-10]`` and
    ``[name.ipc.501-]`` for as many as lie in a range, and ``[name.student.resnet50]``, values for that evaluation
    architecture; that of a teacher ``[name.architecture.resnet50]``. They are laid over the table's own, in this order.
    """
    values = {key: value for key, value in table.items() if not isinstance(value, dict)}
    for part in OCCASIONS:
        values |= _held_at(table.get(part, {}), occasion.get(part, ""))
    return values


def _held_at(parts: Mapping[str, dict[str, Any]], at: str) -> dict[str, Any]:
    """Return what is held under a name itself, else under the first range of whole numbers that it lies in."""
    ranges = ((_RANGE.fullmatch(name), held) for name, held in parts.items() if at.isdigit())
    inside = (held for found, held in ranges if found and int(found[1]) <= int(at) <= int(found[2] or at))
    return parts.get(at) or next(inside, {})


@functools.cache
def _adapter(target: type) -> Any:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(target)
    except Exception as error:
        raise UserError(
            f"the fields of {target.__module__}.{target.__name__} cannot be read: {one_line(error)}"
        ) from error


def _make(entry: Entry, target: type, values: Mapping[str, Any], written: str) -> Any:
    """Make a component through pydantic, which checks types strictly: as JSON, so that lists serve as tuples."""
    from pydantic import ValidationError

    known = [field.name for field in dataclasses.fields(target)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UserError(f"{entry.kind} '{written}': unknown parameter '{unknown[0]}'{suggestion(unknown[0], known)}")
    try:
        text = json.dumps(values, allow_nan=False)
    except ValueError:
        raise UserError(f"{entry.kind} '{written}': its numbers must be finite") from None
    try:
        return _adapter(target).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "parameters"
        what = f"{where}: {first['msg']} (got {first['input']!r})"
        raise UserError(f"{entry.kind} '{written}': {what}; see 'ddbench info {entry.name}'") from None


@functools.cache
def registry() -> Registry:
    """Return the registry of the installed plugins.

    Raises:
        UserError: two distributions claim one plugin, or two plugins one component.
    """
    plugins = discover()
    plugins.require_no_clash()
    return Registry(plugins)
