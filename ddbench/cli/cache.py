"""``ddbench cache``."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, get_args

import rich_click as click

from ddbench.cli.options import json_option, store_option
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.types import StageKind

if TYPE_CHECKING:
    from ddbench.location import Location
    from ddbench.store import AnyStore

SOME_CORRUPT = 3


@click.group()
def cache() -> None:
    """Look after the store: its size, its soundness, and what may go."""


def _store(place: Location | None) -> AnyStore:
    from ddbench.location import default_location
    from ddbench.store import open_store

    return open_store(place or default_location(), lambda message: click.echo(f"Warning: {message}", err=True))


@cache.command()
@store_option
@json_option
def size(store: Location | None, as_json: bool) -> int:
    """Count artifacts and bytes by kind."""
    counts: Counter[str] = Counter()
    nbytes: Counter[str] = Counter()
    opened = _store(store)
    for artifact in opened.artifacts():
        counts[artifact.kind] += 1
        nbytes[artifact.kind] += artifact.nbytes
    document = {kind: {"artifacts": counts[kind], "bytes": nbytes[kind]} for kind in sorted(counts)}
    copied = sum(artifact.nbytes for artifact in opened.near.artifacts()) if opened.near is not opened else None
    if as_json:
        here = {"workspace_bytes": opened.workspace_bytes()} | ({} if copied is None else {"copied_bytes": copied})
        click.echo(json.dumps({"store": str(opened.location), "kinds": document, **here}, indent=1))
        return 0
    click.echo(f"store {opened.location}")
    for kind, row in document.items():
        click.echo(f"{kind:<12}{row['artifacts']:>8} artifacts {row['bytes']:>16,} bytes")
    click.echo(f"{'all':<12}{counts.total():>8} artifacts {nbytes.total():>16,} bytes")
    click.echo(f"beside them {opened.workspace_bytes():,} bytes in workspaces of unfinished stages")
    if copied is not None:
        click.echo(f"of the store {copied:,} bytes are copied to {opened.near.root}")
    return 0


@cache.command()
@store_option
def verify(store: Location | None) -> int:
    """Read every byte and compare checksums; corrupt artifacts are named and removed, to be computed anew."""
    opened = _store(store)
    corrupt = checked = 0
    for artifact in opened.artifacts():
        checked += 1
        try:
            artifact.verify()
        except CorruptArtifactError as error:
            corrupt += 1
            opened.remove(artifact.kind, artifact.key)
            click.echo(f"corrupt, removed: {error}")
    click.echo(f"{checked} artifacts verified, {corrupt} corrupt")
    return SOME_CORRUPT if corrupt else 0


@cache.command()
@store_option
@click.option("--older-than", default="30d", show_default=True, help="Age of what goes: 12h, 30d.")
@click.option("--kind", type=click.Choice(get_args(StageKind)), help="Only this kind of stage.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def prune(store: Location | None, older_than: str, kind: str | None, yes: bool) -> int:
    """Delete old artifacts and what killed processes left behind; result files are not touched."""
    from ddbench.store import STALE_SECONDS

    opened = _store(store)
    limit = time.time() - _seconds(older_than)
    old = [item for item in opened.artifacts() if kind in {None, item.kind} and item.changed < limit]
    nbytes = sum(artifact.nbytes for artifact in old)
    if old and not yes:
        click.confirm(f"delete {len(old)} artifacts, {nbytes:,} bytes, from {opened.location}?", abort=True)
    for artifact in old:
        opened.remove(artifact.kind, artifact.key)
    drafts = opened.sweep(time.time() - STALE_SECONDS)
    left = sum(opened.abandon(key) for key in opened.workspaces_older_than(limit)) if kind is None else 0
    click.echo(
        f"{len(old)} artifacts deleted, {nbytes:,} bytes; {drafts} drafts of killed processes and {left} "
        "workspaces of unfinished stages swept"
    )
    return 0


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6})([hd])", text)
    if found is None:
        raise UserError(f"--older-than '{text}': expected a number of hours or days, such as 12h or 30d")
    return int(found[1]) * {"h": 3600, "d": 86400}[found[2]]
