"""Which class of the data set a set means by a folder's name or a number."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ddbench.types import DatasetSpec

    Read = Callable[[str], int | None]

_WNID = re.compile(r"n\d{8}")
_NUMBER = re.compile(r"(?:new|class)?[ _-]?(\d+)")
_LISTED = 20  # class names that a message may list
_BOTH = re.compile(r"(\d+)[ _-](.+)")


@dataclass(frozen=True)
class Matched:
    """The data set's label of each name, and in words by what they were matched."""

    labels: tuple[int, ...]
    by: str


def match(names: Sequence[str], data: DatasetSpec, mapping: Mapping[str, Any] | None, where: str) -> Matched:
    """Match names with classes, one to one.

    Without a mapping, by what most names are: number and name (``003_cat``), name, WNID, number from 0 (``3``, ``003``,
    ``new003``), number in ImageNet-1K; the first of these where several serve alike. Names are compared without
    regard to case, spaces, hyphens and underscores.

    Raises:
        UserError: a name means no class, two mean the same, or a class is missing.
    """
    ways = {"the map": _mapped(mapping, data, names)} if mapping is not None else _ways(names, data)
    by = max(ways, key=lambda way: sum(ways[way](name) is not None for name in names))
    found = {name: ways[by](name) for name in names}
    unknown = [name for name, label in found.items() if label is None]
    if unknown:
        raise UserError(
            f"{where}: '{unknown[0]}' is no class of {data.name}{_hint(unknown[0], data)}; "
            "name the classes by a map (classes=, --classes)"
        )
    labels = tuple(label for label in found.values() if label is not None)
    _require_each_once(tuple(names), labels, data, where)
    return Matched(labels, by)


def _hint(name: str, data: DatasetSpec) -> str:
    if _NUMBER.fullmatch(name):
        return f", whose classes have numbers 0 to {data.num_classes - 1}"
    nearest = suggestion(name, data.class_names)
    return nearest if data.num_classes <= _LISTED or nearest.startswith("; did") else ""


def _require_each_once(names: Sequence[str], labels: Sequence[int], data: DatasetSpec, where: str) -> None:
    label, count = Counter(labels).most_common(1)[0]
    if count > 1:
        same = [name for name, each in zip(names, labels, strict=True) if each == label]
        raise UserError(f"{where}: '{same[0]}' and '{same[1]}' both mean class '{data.class_names[label]}': keep one")
    missing = sorted(set(range(data.num_classes)) - set(labels))
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{where} has no images of class '{data.class_names[missing[0]]}'{more}: "
            f"{data.name} has {data.num_classes} classes, the set {len(names)}"
        )


# -------------------------------------------------------------------------------------------- by themselves


def _ways(names: Sequence[str], data: DatasetSpec) -> dict[str, Read]:
    known = _unique(data.class_names)
    ways: dict[str, Read] = {
        "number and name": lambda name: _both(name, data),
        "name": lambda name: known.get(_key(name)),
    }
    if all(map(_WNID.fullmatch, names)):
        wnids = _wnids(names, data)
        ways["WNID"] = wnids.get
    numbers = {number: number for number in range(data.num_classes)}
    ways["number"] = lambda name: _numbered(name, numbers)
    if data.imagenet_classes:
        theirs = {number: label for label, number in enumerate(data.imagenet_classes)}
        ways["number in ImageNet-1K"] = lambda name: _numbered(name, theirs)
    return ways


def _key(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


def _unique(names: Sequence[str]) -> dict[str, int]:
    """Return labels by name, but for names that two classes share (ImageNet-1K has two sorts of crane)."""
    keys = [_key(name) for name in names]
    shared = {key for key, count in Counter(keys).items() if count > 1}
    return {key: label for label, key in enumerate(keys) if key not in shared}


def _both(name: str, data: DatasetSpec) -> int | None:
    found = _BOTH.fullmatch(name)
    if found is None or int(found[1]) >= data.num_classes:
        return None
    label = int(found[1])
    return label if _key(found[2]) == _key(data.class_names[label]) else None


def number_of(name: str) -> int | None:
    """Return the number that a name says: of ``3``, ``003``, ``new003`` and ``class 3``."""
    found = _NUMBER.fullmatch(name)
    return None if found is None else int(found[1])


def _numbered(name: str, labels: Mapping[int, int]) -> int | None:
    number = number_of(name)
    return None if number is None else labels.get(number)


def _wnids(names: Sequence[str], data: DatasetSpec) -> dict[str, int]:
    """Return labels by WNID: through ImageNet-1K's order, else through the words that WordNet has for them."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    if data.imagenet_classes:
        return {info.index_to_label_name(number): label for label, number in enumerate(data.imagenet_classes)}
    known, found = _unique(data.class_names), {}
    for name in names:
        words = str(info.label_name_to_description(name)).split(", ")
        label = next((known[_key(word)] for word in words if _key(word) in known), None)
        found.update({} if label is None else {name: label})
    return found


# -------------------------------------------------------------------------------------------------- by a map


def read_map(path: str) -> dict[str, Any]:
    """Read a map from names of the set to classes, by name or number: a table in TOML or an object in JSON.

    Raises:
        UserError: it cannot be read, or holds something else.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise UserError(f"the map {path} cannot be read ({error.strerror}): name a TOML or JSON file") from None
    except ValueError as error:
        raise UserError(
            f"the map {path} is not {'JSON' if file.suffix.lower() == '.json' else 'TOML'}: {error}"
        ) from None
    found = found.get("classes", found) if isinstance(found, dict) else found
    plain = isinstance(found, dict) and all(isinstance(each, str | int) for each in found.values())
    if not plain or any(isinstance(each, bool) for each in found.values()):
        raise UserError(f"the map {path} must name a class, by name or number, for each name of the set")
    outside = [name for name in found if name in {"", ".", ".."} or set(name) & {"/", "\\"}]
    if outside:
        raise UserError(f"the map {path} names '{outside[0]}', which is no folder in the set: name its class folders")
    return {str(name): each for name, each in found.items()}


def _mapped(mapping: Mapping[str, Any], data: DatasetSpec, names: Sequence[str]) -> Read:
    """Return what a map says of each name.

    Raises:
        UserError: it has a name that the set has not, or a class that the data set has not.
    """
    strange = sorted(set(mapping) - set(names))
    if strange:
        raise UserError(f"the map names '{strange[0]}', which is not in the set{suggestion(strange[0], names)}")
    known = _unique(data.class_names)
    found: dict[str, int] = {}
    for name, meant in mapping.items():
        label = known.get(_key(meant)) if isinstance(meant, str) else meant
        if label is None or not 0 <= label < data.num_classes:
            raise UserError(f"the map sends '{name}' to '{meant}', no class of {data.name}{_hint(str(meant), data)}")
        found[name] = label
    return found.get
