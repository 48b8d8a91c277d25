"""Diffusion models as generators, and methods that sample them: Minimax and its self-adaptive memory."""

from __future__ import annotations

from ddbench import hookimpl


@hookimpl
def ddbench_generators() -> dict[str, str | type]:
    """Return ways to a diffusion model: trained here, published, or saved in a folder."""
    return {
        "scratch": "ddbench_diffusion_memory.scratch:Scratch",
        "pretrained": "ddbench_diffusion_memory.pretrained:Pretrained",
        "folder": "ddbench_diffusion_memory.folder:Folder",
    }


@hookimpl
def ddbench_synthesizers() -> dict[str, str | type]:
    """Return methods that sample a generator, fine-tuned or as it is."""
    return {
        "diffusion-memory": "ddbench_diffusion_memory.synthesizer:DiffusionMemory",
        "minimax": "ddbench_diffusion_memory.synthesizer:Minimax",
        "dit": "ddbench_diffusion_memory.dit:Dit",
    }


@hookimpl
def ddbench_diagnostics() -> dict[str, str | type]:
    """Return a look into the memories."""
    return {"memory": "ddbench_diffusion_memory.remembered:Remembered"}
