"""What earlier attempts at a stage have cost, for one that goes on where a killed attempt stopped."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from ddbench.types import Cost

if TYPE_CHECKING:
    from pathlib import Path

NAME = "cost.json"
_EVERY_SECONDS = 10.0  # between two notes: as much as a kill may leave uncounted


@dataclass
class Ledger:
    """The cost of all attempts that left something in a workspace, kept there beside it.

    Attributes:
        path: of the file.
        earlier: what attempts before this one took; None where none of them left anything to go on from.
    """

    path: Path
    earlier: Cost | None
    _noted: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, workspace: Path) -> Ledger:
        """Open a workspace's ledger. One that cannot be read counts for nothing: it is the cost of a kill alone."""
        path, earlier = workspace / NAME, None
        if any(other.name != NAME for other in workspace.iterdir()):
            with suppress(OSError, ValueError, TypeError):
                earlier = Cost(**json.loads(path.read_text(encoding="utf-8")))
        return cls(path, earlier)

    def total(self, spent: Cost) -> Cost:
        """Return the cost of this attempt and of those before it; the device is this one's."""
        before = self.earlier
        if before is None:
            return spent
        return replace(
            spent,
            seconds=before.seconds + spent.seconds,
            peak_memory_bytes=max(before.peak_memory_bytes, spent.peak_memory_bytes),
            forward_images=before.forward_images + spent.forward_images,
            backward_images=before.backward_images + spent.backward_images,
            host_peak_bytes=_higher(before.host_peak_bytes, spent.host_peak_bytes),
        )

    def is_due(self) -> bool:
        """Tell whether the last note is some seconds old."""
        return time.monotonic() - self._noted >= _EVERY_SECONDS

    def note(self, spent: Cost) -> None:
        """Write down what this attempt has cost so far, aside and then into place."""
        aside = self.path.with_suffix(".aside")
        aside.write_text(json.dumps(asdict(self.total(spent))), encoding="utf-8")
        aside.replace(self.path)
        self._noted = time.monotonic()


def _higher(*peaks: int | None) -> int | None:
    return max((peak for peak in peaks if peak is not None), default=None)
