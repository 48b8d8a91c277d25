"""One part of a saved pipeline: a folder with a configuration and weights, as diffusers lays it out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from ddbench.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "config.json"
WHOLE = "diffusion_pytorch_model.safetensors"
INDEX = "diffusion_pytorch_model.safetensors.index.json"
PICKLE = "diffusion_pytorch_model.bin"
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """A folder of a saved pipeline.

    Attributes:
        folder: where.
        source: the generator it belongs to, for messages.
        remedy: what to do where something is missing.
        pickles: take weights from a ``.bin`` file where there are no safetensors. It is read without running code.
    """

    folder: Path
    source: str
    remedy: str
    pickles: bool = False

    def read(self, name: str = CONFIG) -> dict[str, Any]:
        """Return a JSON file's content.

        Raises:
            UserError: there is no such file, or it holds something else.
        """
        try:
            content = json.loads(self._file(name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self._called(name)} cannot be read ({error}): {self.remedy}") from None
        if not isinstance(content, dict):
            raise UserError(f"{self._called(name)} holds no table: {self.remedy}")
        return content

    def number(self, name: str) -> int:
        """Return a whole number of the configuration, 1 or more.

        Raises:
            UserError: it has none of that name.
        """
        value = self.value(CONFIG, name, int, 0)
        if isinstance(value, bool) or value < 1:
            raise UserError(f"{self._called(CONFIG)} has no number '{name}': {self.remedy}")
        return value

    def value(self, file: str, name: str, kind: type[T], default: T) -> T:
        """Return what a JSON file holds under a name; ``default`` where it holds nothing or null.

        Raises:
            UserError: it is of another kind.
        """
        found = self.read(file).get(name)
        if found is None:
            return default
        if not isinstance(found, kind):
            found_kind = type(found).__name__
            raise UserError(f"{self._called(file)}: '{name}' is {found_kind}, not {kind.__name__}: {self.remedy}")
        return found

    def weights(self) -> tuple[Path, ...]:
        """Return the files that hold the weights, several where they are split.

        Raises:
            UserError: one is missing, or they are pickled.
        """
        if (self.folder / INDEX).is_file():  # diffusers looks for it first
            names = self.value(INDEX, "weight_map", dict, {}).values()
            if not names or not all(isinstance(name, str) for name in names):
                raise UserError(f"{self._called(INDEX)}: 'weight_map' names no files: {self.remedy}")
            return tuple(self._file(name) for name in sorted(set(names)))
        if (self.folder / WHOLE).is_file():
            return (self.folder / WHOLE,)
        if not (self.folder / PICKLE).is_file():
            self._file(WHOLE)
        if not self.pickles:
            raise UserError(
                f"{self._called(PICKLE)} is a pickle, and reading one can run code: save the pipeline as safetensors"
            )
        return (self.folder / PICKLE,)

    @property
    def pickled(self) -> bool:
        """Tell whether the weights are in a ``.bin`` file."""
        return self.weights()[0].name == PICKLE

    def check(self) -> None:
        """Refuse a damaged safetensors file, from its beginning and its length.

        Raises:
            UserError: naming the file.
        """
        from safetensors import SafetensorError, safe_open

        for path in self.weights():
            try:
                if path.name != PICKLE:
                    with safe_open(path, framework="pt"):
                        pass
            except (OSError, SafetensorError) as error:
                reason = str(error).partition("\n")[0]
                raise UserError(f"{self._called(path.name)} is damaged ({reason}): {self.remedy}") from None

    def digest(self) -> str:
        """Return a digest of configuration and weights; of the former, not what diffusers notes for itself."""
        config = {name: value for name, value in self.read().items() if not name.startswith("_")}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for path in self.weights():
            digest.update(file_digest(path).encode())
        return digest.hexdigest()

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UserError(f"{self._called(name)} is missing: {self.remedy}")
        return path

    def _called(self, name: str) -> str:
        return f"{self.source}: {self.folder.name}/{name}"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; a second time from memory, as long as size and time of the file are the same."""
    status = path.stat()
    return _file_digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, time: int) -> str:  # noqa: ARG001 - they tell that the file is the same
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
