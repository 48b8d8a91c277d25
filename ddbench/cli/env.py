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

    from ddbench.environment import capture
    from ddbench.store import default_root

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    document = capture(gpus[0] if gpus else "cpu") | {
        "gpus": gpus,
        "cuda": torch.version.cuda,
        "store": str(store or default_root()),
    }
    if as_json:
        click.echo(json.dumps(document, indent=1))
        return 0
    for name, value in document.items():
        rows = value.items() if isinstance(value, dict) else [(name, value)]
        for key, text in rows:
            click.echo(f"{key:<14}{', '.join(text) if isinstance(text, list) else text}")
    return 0
