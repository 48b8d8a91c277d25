"""Promises of architectures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ddbench.kit import pixels
from ddbench.testing.bench import Bench
from ddbench.testing.conformance.conduct import accept, equal
from ddbench.testing.conformance.declaration import check_component
from ddbench.testing.conformance.promises import promise, promised

if TYPE_CHECKING:
    from ddbench.protocols import Architecture


def check_architecture(component: Architecture, bench: Bench | None = None) -> None:
    """Check that a network gives finite logits and gradients, and the same weights for the same seed."""
    check_component(component)
    bench = bench or Bench()
    bench.architecture = component
    accept(component, bench)
    with promise("builds a network for the data set", vital=True):
        data, model, twin, other = bench.data, bench.build(0), bench.build(0), bench.build(1)
    with promise("builds a torch module", vital=True):
        promised(component, isinstance(model, nn.Module), "builds something that is no torch module")
    with promise("draws its weights from the seed alone"):
        promised(component, equal(model.state_dict(), twin.state_dict()), "draws other weights from the same seed")
        promised(component, not equal(model.state_dict(), other.state_dict()), "draws the same weights from every seed")
    images = pixels.normalise(bench.train.images(torch.arange(4)), data)
    with promise("gives finite logits, one for each class", vital=True):
        logits = model.train()(images)
        promised(component, isinstance(logits, torch.Tensor), "gives something else than logits when it trains")
        shaped = logits.shape == (4, data.num_classes)
        promised(component, shaped, "gives logits of another shape than (B, num_classes)")
        promised(component, bool(logits.isfinite().all()), "gives logits that are not finite")
        evaluated = model.eval()(images)
        promised(component, evaluated.shape == logits.shape, "gives logits of another shape in eval mode")
    with promise("lets finite gradients through to its weights"):
        logits.square().sum().backward()
        _check_gradients(component, model)
    with promise("is the same network once its weights are loaded"):
        other.load_state_dict(model.state_dict())
        loaded = torch.equal(other.eval()(images), model(images))
        promised(component, loaded, "answers differently once its weights are loaded")


def _check_gradients(component: Architecture, model: nn.Module) -> None:
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    promised(component, bool(gradients), "lets no gradient through to its weights")
    promised(
        component, all(bool(gradient.isfinite().all()) for gradient in gradients), "has gradients that are not finite"
    )
