"""The trials themselves, for a spreadsheet or another program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from ddbench.types import RenderTask


@dataclass(frozen=True)
class Csv:
    """The trials themselves, one row each, all columns of ``ddbench.load``."""

    version: ClassVar[int] = 1

    def render(self, task: RenderTask) -> str:
        """Return comma-separated values with a header."""
        text: str = task.frame.to_csv(index=False, lineterminator="\n")
        return text
