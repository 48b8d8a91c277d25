"""The distilled images of result files, as far as the store has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ddbench.location import Location
    from ddbench.types import Batch

_ENOUGH = 2**28  # bytes


def stored_images(place: Location | None) -> Callable[[Mapping[str, Any]], Batch | None]:
    """Return a function that reads the images of a result file's document from a store, the default one for None.

    Of a set that would fill the memory it gives the first. It returns None where images are missing, or damaged
    or not to be read, of which it warns.
    """
    from ddbench import shards
    from ddbench.errors import CorruptArtifactError, UserError
    from ddbench.location import default_location
    from ddbench.store import open_store

    store = open_store(place or default_location())

    def images(document: Mapping[str, Any]) -> Batch | None:
        keys = document["stages"]["synthesize"]["keys"]
        if not shards.stored(store, keys):
            return None
        try:
            return _first(shards.batches(store, keys))
        except CorruptArtifactError as error:
            click.echo(f"Warning: {error}; 'ddbench cache verify' removes it", err=True)
        except UserError as error:
            click.echo(f"Warning: {error}", err=True)
        return None

    return images


def _first(batches: Iterator[Batch]) -> Batch:
    """Put batches together until there are enough; an ipc index of ImageNet-1K is the largest that is looked at."""
    import torch

    from ddbench.types import Batch

    taken: list[Batch] = []
    for batch in batches:
        taken.append(batch)
        if sum(each.images.nbytes for each in taken) >= _ENOUGH:
            break
    return Batch(*(torch.cat([getattr(each, name) for each in taken]) for name in ("images", "labels")))
