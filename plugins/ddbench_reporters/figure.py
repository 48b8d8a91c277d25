"""Single figures, as they are in the page."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from ddbench.errors import UserError
from ddbench_reporters.charts import svg
from ddbench_reporters.charts.kinds import CHARTS, Kind
from ddbench_reporters.charts.panel import together, wording
from ddbench_reporters.charts.scene import Scene, documents_by_key
from ddbench_reporters.grid import grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

    from ddbench.types import RenderTask
    from ddbench_reporters.charts.panel import Chart


@dataclass(frozen=True)
class Figure:
    """A figure: a heat map of architectures, accuracy over ipc, accuracy against cost, or training curves.

    Attributes:
        kind: ``heatmap``, methods by evaluation architectures; ``ipc-curve``, accuracy over images per class; ``cost``,
            accuracy against seconds and bytes; ``label-bytes``, accuracy against the bytes of labels alone; ``curves``,
            test accuracy and training loss over epochs.
    """

    version: ClassVar[int] = 1

    kind: Kind = "heatmap"

    def render(self, task: RenderTask) -> str:
        """Return the figure as SVG; where there is nothing to draw, it says so.

        Raises:
            UserError: matplotlib is missing.
        """
        shown, scene = self._chart(task)
        with svg.plain_style():
            drawn = together(shown, scene) if shown.panels else wording(CHARTS[self.kind][1])
            return svg.written(drawn).decode()

    def draw(self, task: RenderTask) -> Drawn:
        """Return the figure, its panels under one legend.

        Raises:
            UserError: there is nothing to draw (exit code 4), or matplotlib is missing.
        """
        shown, scene = self._chart(task)
        if not shown.panels:
            raise _nothing(CHARTS[self.kind][1])
        return together(shown, scene)

    def _chart(self, task: RenderTask) -> tuple[Chart, Scene]:
        require_matplotlib()
        scene = Scene(grid(task.frame, task.select), documents_by_key(task.documents))
        return CHARTS[self.kind][0](scene), scene


def require_matplotlib() -> None:
    """Raise a UserError unless matplotlib is installed."""
    if find_spec("matplotlib") is None:
        raise UserError("figures need matplotlib: pip install 'ddbench[figures]'")


def _nothing(reason: str) -> UserError:
    error = UserError(reason)
    error.exit_code = 4  # as where there is nothing to report
    return error
