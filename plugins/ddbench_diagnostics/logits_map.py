"""Where distilled images lie among real ones, as the teacher sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt

from ddbench.kit.drawing import figure, look
from ddbench_diagnostics.classes import class_labels, of_class, real_sample, shown_classes
from ddbench_diagnostics.embedding import distilled_logits, logits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor

    from ddbench.types import DiagnosticTask

GRID = 120
"""Points along each side at which the density is computed."""


@dataclass(frozen=True)
class LogitsMap:
    """A figure of the teacher's logits by t-SNE: distilled images upon the density of real ones.

    As in Figure 1 of Du et al., "Diversity-Driven Synthesis" (NeurIPS 2024). Real and distilled images are laid out
    together by t-SNE (van der Maaten and Hinton, JMLR 2008; scikit-learn's, started from principal components), so that
    each figure has a layout of its own: distances within one figure mean something, between two they do not. The
    density is a Gaussian kernel estimate over all real images shown.

    Attributes:
        real_per_class: the most real training images of a class, drawn by lot.
        classes: the most classes, drawn by lot where there are more.
        perplexity: of t-SNE, scikit-learn's default; less where there are too few images.
    """

    version: ClassVar[int] = 1
    uses_teacher: ClassVar[bool] = True

    real_per_class: Annotated[int, Ge(2)] = 100
    classes: Annotated[int, Ge(1)] = 10
    perplexity: Annotated[float, Gt(0)] = 30.0

    def draw(self, task: DiagnosticTask) -> Figure:
        """Draw the map, each class in its colour and marker and with its name above its real images."""
        data = task.distilled.data
        chosen = shown_classes(data, self.classes, task.compute.seed)
        made = [of_class(task.distilled.labels, label) for label in chosen]
        real = [real_sample(task, label, self.real_per_class) for label in chosen]
        theirs = logits(task, task.train, torch.cat(real)).cpu()
        places = self._layout(torch.cat((distilled_logits(task).cpu()[torch.cat(made)], theirs)), task.compute.seed)
        parts = torch.split(torch.from_numpy(places), [len(at) for at in (*made, *real)])
        names = [class_labels(data)[label] for label in chosen]
        task.compute.progress(1, 1)
        return _map(parts[: len(chosen)], parts[len(chosen) :], names)

    def _layout(self, vectors: Tensor, seed: int) -> Any:
        """Return places (N, 2) of vectors (N, D), with mean 0 and deviation 1 along each axis."""
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits

        perplexity = min(self.perplexity, (len(vectors) - 1) / 3)
        with threadpool_limits(1):  # several threads add up in another order each time
            places = TSNE(perplexity=perplexity, init="pca", random_state=seed % 2**32).fit_transform(vectors.numpy())
        return (places - places.mean(0)) / places.std(0)


def _map(made: tuple[Tensor, ...], real: tuple[Tensor, ...], names: list[str]) -> Figure:
    drawn = figure(6.4, 6.4)
    axes = drawn.add_subplot()
    _shade(axes, torch.cat(real).numpy())
    for number, (ours, theirs, name) in enumerate(zip(made, real, names, strict=True)):
        colour, marker = look(number)
        axes.scatter(theirs[:, 0], theirs[:, 1], s=3, color=colour, alpha=0.35, linewidths=0)
        axes.scatter(
            ours[:, 0],
            ours[:, 1],
            s=36,
            color=colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.6,
            zorder=3,
            label=name,
        )
        across, up = float(theirs[:, 0].median()), float(theirs[:, 1].quantile(0.98))
        axes.annotate(name, (across, up), (0, 6), textcoords="offset points", zorder=4, **_caption(colour))
    axes.set_xlabel("t-SNE, first axis (in standard deviations)")
    axes.set_ylabel("t-SNE, second axis (in standard deviations)")
    axes.set_aspect("equal")
    axes.spines[["top", "right"]].set_visible(False)
    words = "marks: distilled images; dots: real ones; shade: the density of real ones"
    drawn.legend(loc="outside lower left", ncols=5, frameon=False, fontsize="small", title=words, alignment="left")
    return drawn


def _shade(axes: Axes, places: Any) -> None:
    """Shade the density of places (N, 2), the darker the denser."""
    import numpy as np
    from sklearn.neighbors import KernelDensity

    low, high = places.min(0) - 0.4, places.max(0) + 0.4
    across, up = (np.linspace(low[axis], high[axis], GRID) for axis in range(2))
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    bandwidth = 0.5 * len(places) ** (-1 / 6)  # half of Scott's rule, which is meant for a single heap
    density = np.exp(KernelDensity(bandwidth=bandwidth).fit(places).score_samples(points)).reshape(GRID, GRID)
    levels = np.linspace(0, density.max(), 9)[1:]
    axes.contourf(across, up, density, levels=levels, cmap="Greys", vmin=0, vmax=2.5 * density.max())


def _caption(colour: str) -> dict[str, Any]:
    from matplotlib.patheffects import withStroke

    return {"color": colour, "ha": "center", "va": "bottom", "path_effects": [withStroke(linewidth=3, foreground="w")]}
