"""Promises of generators."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ddbench.kit import rng
from ddbench.kit.diffusion import Diffusion
from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, call, equal, require_progress, untouched
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench.protocols import Generator


def check_generator(component: Generator, bench: Bench | None = None) -> None:
    """Check that a generator's weights repeat, and that what it loads diffuses latents of the shape it says."""
    check_component(component)
    bench = bench or Bench()
    accept(component, bench)
    weights: Mapping[str, Tensor] = {}
    with untouched(component, bench):
        if hasattr(component, "pretrain"):
            with promise("trains to the same finite weights from the same seed", vital=True):
                weights, again = _pretrained(component, bench), _pretrained(component, bench)
                promised(component, equal(weights, again), "gives other weights for the same seed")
            require_progress(component, bench)
        with promise("loads a Diffusion", vital=True):
            model = component.load(bench.load_task(weights))
            loaded = isinstance(model, Diffusion)
            promised(component, loaded, "loads something else than a ddbench.kit.diffusion.Diffusion")
        _check_model(component, bench, model)
        twin = component.load(bench.load_task(weights))
    with promise("loads the same weights a second time"):
        same = equal(model.network.state_dict(), twin.network.state_dict())
        promised(component, same, "loads other weights a second time")


def _pretrained(component: Any, bench: Bench) -> Mapping[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder:
        weights = dict(call(component.pretrain, bench.pretrain_task(Path(folder))))
    tensors = all(isinstance(value, torch.Tensor) for value in weights.values())
    promised(component, tensors, "pretrains something else than tensors by name")
    finite = all(bool(value.isfinite().all()) for value in weights.values())
    promised(component, finite, "has weights that are not finite")
    return weights


def _check_model(component: Generator, bench: Bench, model: Diffusion) -> None:
    count, shape = bench.data.num_classes, model.latent_shape
    with promise("knows every class, and how fast noise grows", vital=True):
        promised(component, model.conditions.shape == (count,), "does not say what its network is told for each class")
        abar = model.alphas_cumprod
        falls = bool((abar[1:] < abar[:-1]).all() and abar[-1] > 0 and abar[0] < 1)
        promised(component, falls, "has an abar that does not fall between 1 and 0")
    images = bench.train.images(torch.arange(count)).float().div(127.5).sub(1)
    with torch.no_grad():
        with promise("turns images into latents of the shape it says, and back", vital=True):
            clean = model.codec.draw(model.codec.encode(images), rng.generator(0, "draw"))
            encoded = clean.shape == (count, *shape)
            promised(component, encoded, f"encodes images as {tuple(clean.shape[1:])}, not {shape}")
            decoded = model.codec.decode(clean)
            promised(component, decoded.shape == images.shape, "decodes latents to images of another shape")
        with promise("estimates noise: finite, and the same when asked again"):
            _check_network(component, model, clean)


def _check_network(component: Generator, model: Diffusion, clean: Tensor) -> None:
    promised(component, not model.network.training, "loads a network that is not in eval mode")
    times = torch.full((len(clean),), len(model.alphas_cumprod) // 2)
    null = torch.full_like(model.conditions, model.null)
    for conditions in (model.conditions, null):
        noise, again = (model.noise(clean, times, conditions) for _ in range(2))
        promised(component, noise.shape == clean.shape, "estimates noise of another shape than that of its latents")
        promised(component, bool(noise.isfinite().all()), "estimates noise that is not finite")
        promised(component, torch.equal(noise, again), "estimates other noise when asked again")
