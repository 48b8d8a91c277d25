"""``ddbench cache``."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from typing import TYPE_CHECKING, get_args

import rich_click as click

from ddbench.cli.options import json_option, store_option
from ddbench.errors import CorruptArtifactError, UserError
from ddbench.types import StageKind

if TYPE_CHECKING:
    from pathlib import Path

    from ddbench.store import Store

SOME_CORRUPT = 3
_STALE_SECONDS = 24 * 3600  # an older draft belongs to a process that has died


@click.group()
def cache() -> None:
    """Look after the store: its size, its soundness, and what may go."""


def _store(folder: Path | None) -> Store:
    from ddbench.store import Store, default_root

    return Store(folder or default_root())


@cache.command()
@store_option
@json_option
def size(store: Path | None, as_json: bool) -> int:
    """Count artifacts and bytes by kind."""
    counts: Counter[str] = Counter()
    nbytes: Counter[str] = Counter()
    opened = _store(store)
    for artifact in opened.artifacts():
        counts[artifact.kind] += 1
        nbytes[artifact.kind] += artifact.nbytes
    document = {kind: {"artifacts": counts[kind], "bytes": nbytes[kind]} for kind in sorted(counts)}
    if as_json:
        unfinished = {"workspace_bytes": opened.workspace_bytes()}
        click.echo(json.dumps({"store": str(opened.root), "kinds": document, **unfinished}, indent=1))
        return 0
    click.echo(f"store {opened.root}")
    for kind, row in document.items():
        click.echo(f"{kind:<12}{row['artifacts']:>8} artifacts {row['bytes']:>16,} bytes")
    click.echo(f"{'all':<12}{counts.total():>8} artifacts {nbytes.total():>16,} bytes")
    click.echo(f"beside them {opened.workspace_bytes():,} bytes in workspaces of unfinished stages")
    return 0


@cache.command()
@store_option
def verify(store: Path | None) -> int:
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
def prune(store: Path | None, older_than: str, kind: str | None, yes: bool) -> int:
    """Delete old artifacts and what killed processes left behind; result files are not touched."""
    opened = _store(store)
    limit = time.time() - _seconds(older_than)
    old = [item for item in opened.artifacts() if kind in {None, item.kind} and item.folder.stat().st_mtime < limit]
    nbytes = sum(artifact.nbytes for artifact in old)
    if old and not yes:
        click.confirm(f"delete {len(old)} artifacts, {nbytes:,} bytes, from {opened.root}?", abort=True)
    for artifact in old:
        opened.remove(artifact.kind, artifact.key)
    drafts = [
        folder for folder in (opened.root / "drafts").glob("*") if folder.stat().st_mtime < time.time() - _STALE_SECONDS
    ]
    for folder in drafts:
        shutil.rmtree(folder, ignore_errors=True)
    left = sum(opened.abandon(key) for key in opened.workspaces_older_than(limit)) if kind is None else 0
    click.echo(
        f"{len(old)} artifacts deleted, {nbytes:,} bytes; {len(drafts)} drafts of killed processes and {left} "
        "workspaces of unfinished stages swept"
    )
    return 0


def _seconds(text: str) -> float:
    units = {"h": 3600, "d": 86400}
    if not text[:-1].isdigit() or text[-1] not in units:
        raise UserError(f"--older-than '{text}': expected a number of hours or days, such as 12h or 30d")
    return int(text[:-1]) * units[text[-1]]
