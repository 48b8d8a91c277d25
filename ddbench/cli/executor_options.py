"""Options that are an executor's parameters: '--gpus-per-stage', and '--slurm-NAME' for whatever sbatch knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click
from click import get_current_context

from ddbench.errors import UserError

if TYPE_CHECKING:
    from ddbench.spec import Spec

_PREFIX = "--slurm-"
_GIVEN = "ddbench.slurm"


class ExecutorCommand(click.RichCommand):
    """A command that takes '--slurm-NAME VALUE' for any NAME."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take those options out, and let click read the rest."""
        rest, ctx.meta[_GIVEN] = _apart(args)
        return super().parse_args(ctx, rest)


def _apart(args: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments without the options of Slurm, and these by name.

    Raises:
        click.UsageError: one has no value.
    """
    rest: list[str] = []
    given: dict[str, str] = {}
    words = iter(args)
    for word in words:
        name, equals, value = word.removeprefix(_PREFIX).partition("=")
        if word == "--":
            return [*rest, word, *words], given
        if not word.startswith(_PREFIX) or not name:
            rest.append(word)
            continue
        given[name] = value if equals else next(words, "")
        if not given[name] or (given[name].startswith("--") and not equals):
            raise click.UsageError(f"Option '{_PREFIX}{name}' requires an argument ('true' for one that has none).")
    return rest, given


def with_options(executor: Spec, gpus_per_stage: float | None) -> Spec:
    """Return an executor's spec with what the options of this command line say.

    Raises:
        UserError: an option that the executor does not have.
    """
    if gpus_per_stage is not None:
        _require_parameter(executor, "gpus_per_stage", "--gpus-per-stage")
        whole = float(gpus_per_stage).is_integer()
        executor = executor.with_params(gpus_per_stage=int(gpus_per_stage) if whole else gpus_per_stage)
    given: dict[str, str] = get_current_context().meta.get(_GIVEN, {})
    return _with_slurm(executor, given) if given else executor


def _with_slurm(executor: Spec, given: dict[str, str]) -> Spec:
    from ddbench.spec import Spec

    if executor.name != "slurm":
        raise UserError(f"{_PREFIX}{next(iter(given))} is an option of --executor slurm, not of '{executor.name}'")
    fields = _fields(executor)
    own = {name.replace("-", "_"): text for name, text in given.items() if name.replace("-", "_") in fields}
    further = tuple(f"{name}={text}" for name, text in given.items() if name.replace("-", "_") not in fields)
    params: dict[str, Any] = {
        name: text if fields[name].type == "str" else Spec.parse(f"slurm[value={text}]").mapping()["value"]
        for name, text in own.items()
    }
    if further:
        params["sbatch"] = (*executor.mapping().get("sbatch", ()), *further)
    return executor.with_params(**params)


def _require_parameter(executor: Spec, name: str, option: str) -> None:
    if name not in _fields(executor):
        raise UserError(f"{option} is an option of --executor ray and slurm, not of '{executor.name}'")


def _fields(executor: Spec) -> dict[str, Any]:
    from ddbench.registry import registry

    return registry().entry("executor", executor.name).load().__dataclass_fields__  # type: ignore[attr-defined,no-any-return]  # components are dataclasses
