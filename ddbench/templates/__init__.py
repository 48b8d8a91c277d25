"""What ``ddbench new-plugin`` writes: a package of one component that works as it stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from ddbench.errors import UserError
from ddbench.templates.forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "ddbench-"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 24
_ALLOWED = f"take at most {LONGEST} lower-case letters, digits and single hyphens"


@dataclass(frozen=True)
class Package:
    """A package to be written.

    Attributes:
        name: of the plugin and of its component: lower-case letters, digits and single hyphens.
        kind: what it offers, one of ``FORMS``.
    """

    name: str
    kind: str

    def __post_init__(self) -> None:
        """Refuse what cannot be a name.

        Raises:
            UserError: it is none, or the class called after it would hide another.
        """
        if self.name.startswith(PREFIX):
            raise UserError(f"leave out the prefix: ddbench new-plugin {self.name.removeprefix(PREFIX)}")
        if not _NAME.fullmatch(self.name) or len(self.name) > LONGEST:
            raise UserError(f"'{self.name}' cannot be a plugin's name: {_ALLOWED}, as in my-method")
        lines = re.findall(r"^ *(?:from|import|class) .*", _text(f"{self.kind}.py"), re.MULTILINE)
        taken = {word for line in lines for word in re.findall(r"\w+", line)}
        if self.class_name in taken | {"True", "False", "None"}:
            raise UserError(f"a class {self.class_name} would hide another: take a longer name than '{self.name}'")

    @property
    def class_name(self) -> str:
        """Of the component: ``MyMethod``."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def module(self) -> str:
        """What is imported: ``ddbench_my_method``."""
        return self.distribution.replace("-", "_")

    @property
    def distribution(self) -> str:
        """What pip installs: ``ddbench-my-method``."""
        return f"{PREFIX}{self.name}"

    @property
    def try_it(self) -> str:
        """The command that shows the component at work."""
        return Template(FORMS[self.kind].try_it).substitute(self._words())

    def files(self) -> dict[str, str]:
        """Return the text of every file by its path in the package's folder."""
        return dict(self._files())

    def _files(self) -> Iterator[tuple[str, str]]:
        form, event = FORMS[self.kind], "_event" if self.kind == "event" else ""
        yield "pyproject.toml", self._filled("pyproject.toml")
        yield "README.md", self._filled("README.md") + (self._filled("README_gate.md") if form.gate else "")
        yield ".gitignore", self._filled("gitignore")
        checks = self._filled("check.yml") + (self._filled("check_gate.yml") if form.gate else "")
        yield ".github/workflows/check.yml", checks
        yield f"{self.module}/__init__.py", self._filled(f"hook{event}.py")
        yield f"{self.module}/{form.file or self.kind}.py", self._filled(f"{self.kind}.py")
        yield f"{self.module}/py.typed", ""
        if form.recipe:
            yield f"{self.module}/recipes/digits.toml", self._filled("recipe.toml")
        yield f"tests/test_{self.name.replace('-', '_')}.py", self._filled(f"test{event}.py")

    def _filled(self, file: str) -> str:
        return Template(_text(file)).substitute(self._words() | {"try_it": self.try_it})

    def _words(self) -> dict[str, str]:
        form = FORMS[self.kind]
        kind = "event listener" if self.kind == "event" else self.kind
        article = "an" if kind[0] in "aeiou" else "a"
        plain = {"name": self.name, "module": self.module, "variable": self.module.upper()}
        return {
            **plain,
            "distribution": self.distribution,
            "class_name": self.class_name,
            "title": self.name.replace("-", " ").capitalize(),
            "kind": kind,
            "article": article,
            "Article": article.capitalize(),
            "file": form.file or self.kind,
            "few": form.few,
            "checks": ", ".join(sorted([f"check_{self.kind}", "check_plugin"])),
            "recipe": form.recipe,
            "gate": Template(form.gate).substitute(plain) + " --ipc 10 --seeds 0-4",
        }


def write(package: Package, folder: Path) -> None:
    """Write a package into a folder of its own, which must not be there yet.

    Raises:
        UserError: the folder is there, or cannot be written.
    """
    if folder.exists():
        raise UserError(f"{folder} is there already: take another name, or another place with --folder")
    try:
        for name, text in package.files().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from None


def _text(file: str) -> str:
    return (resources.files(__name__) / f"{file}.tmpl").read_text(encoding="utf-8")
