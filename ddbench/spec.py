"""``dwa[rho=0.02]``: a component's name with the parameters that were written down."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./*:+-]*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE = re.compile(r"[A-Za-z0-9_./~:+*@%-]+")
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Spec:
    """A named component and its parameters, in the syntax of the command line.

    ``Spec.parse(str(spec)) == spec`` for every spec. Parameters are kept sorted by name, so that equal
    specs are equal and hash alike. Values are what JSON can hold: None, bool, int, float, str, tuples of them.
    """

    name: str
    params: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, params: Mapping[str, Any] | None = None) -> Spec:
        """Build a spec from a mapping of parameters; lists become tuples."""
        return cls(name, tuple(sorted((key, _frozen(value)) for key, value in (params or {}).items())))

    @classmethod
    def parse(cls, text: str) -> Spec:
        """Read ``name`` or ``name[key=value,...]``.

        Raises:
            UserError: the text does not follow that form.
        """
        text = text.strip()
        name, bracket, rest = text.partition("[")
        if not _NAME.fullmatch(name):
            raise UserError(f"cannot read '{text}': expected name or name[key=value,...]")
        if not bracket:
            return cls(name)
        if not rest.endswith("]"):
            raise UserError(f"cannot read '{text}': the bracket after '{name}' is not closed")
        written = [_parameter(part, text) for part in _split(rest[:-1], text)]
        if len(dict(written)) < len(written):
            raise UserError(f"cannot read '{text}': a parameter is written twice")
        return cls.of(name, dict(written))

    @classmethod
    def parse_list(cls, text: str) -> tuple[Spec, ...]:
        """Read specs separated by commas outside brackets: ``dwa[rho=0.01,steps=3],sre2l``."""
        return tuple(cls.parse(part) for part in _split(text, text))

    def mapping(self) -> dict[str, Any]:
        """Return the parameters as a dictionary."""
        return dict(self.params)

    def with_params(self, **params: Any) -> Spec:
        """Return this spec with some parameters set or replaced."""
        return Spec.of(self.name, {**self.mapping(), **params})

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}[{','.join(f'{key}={_written(value)}' for key, value in self.params)}]"


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _split(text: str, whole: str) -> Iterator[str]:
    """Yield the parts of ``text`` between commas that stand outside brackets and quotes."""
    depth, quoted, escaped, start = 0, False, False, 0
    for position, character in enumerate(text):
        if quoted:
            quoted = character != '"' or escaped
            escaped = character == "\\" and not escaped
        elif character == '"':
            quoted = True
        elif character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        elif character == "," and depth == 0:
            yield text[start:position]
            start = position + 1
        if depth < 0:
            break
    if depth != 0 or quoted:
        raise UserError(f"cannot read '{whole}': brackets or quotes do not match")
    if text[start:].strip() or start:
        yield text[start:]


def _parameter(part: str, whole: str) -> tuple[str, Any]:
    key, equals, value = part.partition("=")
    if not equals or not _KEY.fullmatch(key.strip()):
        raise UserError(f"cannot read '{part.strip()}' in '{whole}': expected key=value")
    return key.strip(), _value(value.strip(), whole)


def _value(text: str, whole: str) -> Any:
    if text.startswith("(") and text.endswith(")"):
        return tuple(_value(part.strip(), whole) for part in _split(text[1:-1], whole) if part.strip())
    if text.startswith('"'):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            raise UserError(f"cannot read the quoted value {text} in '{whole}'") from None
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    if not text:
        raise UserError(f"cannot read '{whole}': a value is missing after '='")
    return text


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({','.join(_written(item) for item in value)}{',' if len(value) == 1 else ''})"
    if not isinstance(value, str):
        return "none" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    plain = _BARE.fullmatch(value) is not None or _is_spec(value)
    return value if plain and _value(value, value) == value else json.dumps(value, ensure_ascii=False)


def _is_spec(text: str) -> bool:
    """Tell whether a string can stand unquoted because it is itself a spec, brackets balanced."""
    try:
        return "[" in text and str(Spec.parse(text)) == text
    except UserError:
        return False
