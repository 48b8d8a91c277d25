"""How components of every kind must behave."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ddbench.kit import rng
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from ddbench.protocols import Diagnostic, Labeler, Synthesizer
    from ddbench.testing.bench import Bench
    from ddbench.types import Batch


def accept(component: Any, bench: Bench, ipc: int = 1) -> None:
    """Let a component object to the toys; a UserError of its own tells why better than any sentence here."""
    if hasattr(component, "check"):
        component.check(bench.check_task(ipc))


def call(verb: Callable[[Any], Any], task: Any) -> Any:
    """Call as the stage runner does: torch's global random state derives from the stage's seed."""
    with rng.seeded(task.compute.seed, "stage"):
        return verb(task)


@contextmanager
def untouched(component: object, bench: Bench, *more: Tensor) -> Iterator[None]:
    """Check that a block leaves the data, the teacher and torch's settings as they were."""
    copies, settings = [tensor.clone() for tensor in [*_splits(bench), *more]], _settings()
    weights = {name: value.clone() for name, value in bench.original.state_dict().items()}
    yield
    with promise("leaves the teacher and the data as they were"):
        kept = all(map(torch.equal, copies, [*_splits(bench), *more]))
        promised(component, kept, "changes the images or labels it was handed")
        taught = equal(weights, bench.original.state_dict())
        promised(component, taught, "changes the teacher itself, and not its own copy")
    with promise("leaves torch's settings as they were"):
        promised(component, _settings() == settings, "leaves torch's global settings changed")


def _splits(bench: Bench) -> list[Tensor]:
    return [part for split in (bench.train, bench.test) for part in (split.images(slice(None)), split.labels)]


def _settings() -> tuple[bool, torch.dtype, int, bool]:
    deterministic = torch.are_deterministic_algorithms_enabled()
    return torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), deterministic


@contextmanager
def alone() -> Iterator[None]:
    """Compute on one thread, as stages do, and put torch's settings back: nobody shall suffer from the one before."""
    grad, dtype, threads, deterministic = _settings()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_grad_enabled(grad)
        torch.set_default_dtype(dtype)
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


def require_progress(component: object, bench: Bench) -> None:
    """Check that a component told how far it is."""
    with promise("tells how far it is"):
        promised(component, bool(bench.heard), "never calls compute.progress: nobody can tell how far it is")
        inside = all(0 <= done <= total for done, total in bench.heard)
        promised(component, inside, "tells a progress outside 0 .. total")


def require_honest_teacher_use(component: Synthesizer | Labeler | Diagnostic, bench: Bench) -> None:
    """Check that ``uses_teacher`` says whether the teacher is asked for: the plan makes one for those that say so."""
    with promise("asks for a teacher if it says so, and only then"):
        if component.uses_teacher:
            promised(component, bench.teachers > 0, "says uses_teacher = True and never calls task.teacher()")
        else:
            promised(component, bench.teachers == 0, "calls task.teacher() though it says uses_teacher = False")


def equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Tell whether two mappings hold the same tensors under the same names."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def same(first: Batch, second: Batch) -> bool:
    """Tell whether two batches hold the same images and labels."""
    return torch.equal(first.images, second.images) and torch.equal(first.labels, second.labels)
