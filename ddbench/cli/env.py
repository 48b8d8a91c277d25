"""``ddbench env``."""

from __future__ import annotations

import json

import rich_click as click

from ddbench.cli.options import json_option, store_option


@click.command()
@store_option
@json_option
def env(store: object, as_json: bool) -> int:
    """Show versions, processor and devices: what belongs in a bug report."""
    import torch

    from ddbench.environment import capture, named
    from ddbench.location import default_location

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    document = capture(gpus[0] if gpus else "cpu") | {
        "gpus": gpus,
        "cuda": torch.version.cuda,
        "store": str(store or default_location()),
    }
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return 0
    rows = dict(named(document))
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        click.echo(f"{name:<{width}}{', '.join(value) if isinstance(value, list) else value}")
    return 0
