"""Fine-tuning a diffusion model with two memories, as training that a kill only interrupts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench_diffusion_memory import conditions, latents, resumable, tuned
from ddbench_diffusion_memory.losses import DiffusionLoss, memory_losses
from ddbench_diffusion_memory.memory import Entries, Memory, directions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from ddbench.kit.diffusion import Diffusion
    from ddbench.types import PrepareTask
    from ddbench_diffusion_memory.synthesizer import DiffusionMemory

WEIGHTS = "weights/"
MEMORY = "memory/"


def tune(method: DiffusionMemory, model: Diffusion, task: PrepareTask) -> dict[str, Tensor]:
    """Fine-tune a model, in place, on the task's images, and return by name, on the CPU, what has come of it.

    ``weights/...`` is the moving average of the tuned weights, by their names in the network; ``memory/real/...`` and
    ``memory/generated/...`` are what the memories hold in the end (:meth:`Memory.tensors`), and ``iterations`` is how
    many there were, int64 (1,).

    Raises:
        UserError: the generator has not what is to be tuned, or cannot recompute activations; or the GPU's memory is
            too small. What was done up to the last checkpoint is kept.
        FloatingPointError: the loss is no longer finite.
    """
    steps = method.iterations(len(task.train.labels))
    try:
        tuning = Tuning(method, model, task)
        resumable.run(tuning.parts, steps, tuning.step, task.compute, task.workspace)
    except torch.cuda.OutOfMemoryError as error:
        remedy = "" if method.gradient_checkpointing else "gradient_checkpointing=true or "
        raise UserError(
            f"the GPU's memory is too small for batch_size = {method.batch_size}: set {remedy}a smaller batch_size "
            "(what was done up to the last checkpoint is kept)"
        ) from error
    return {**tuning.state(), "iterations": torch.tensor([steps])}


def load(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give a generator's network the weights that ``tune`` returned."""
    tuned.load(network, {name.removeprefix(WEIGHTS): state[name] for name in state if name.startswith(WEIGHTS)})


@dataclass(frozen=True)
class Batch:
    """What one iteration works on.

    Attributes:
        classes: for each class of the data that is in it, its rows, int64, less those whose timestep is too late.
        told: what the network is told of each item, int64 (B,); of some, no class.
        latents: z_0, float32 (B, c, s, s).
        noise: eps, likewise.
        timesteps: t, int64 (B,).
    """

    classes: Mapping[int, Tensor]
    told: Tensor
    latents: Tensor
    noise: Tensor
    timesteps: Tensor


class Tuning:
    """A model while it is tuned. What an iteration draws is a function of the seed and its number alone."""

    def __init__(self, method: DiffusionMemory, model: Diffusion, task: PrepareTask) -> None:
        self._method, self._compute, self._labels = method, task.compute, task.train.labels
        self._model = model
        if method.gradient_checkpointing:
            _recompute_activations(model.network)
        live = tuned.choose(model.network, method.tuned, method.lora_rank, task.compute.seed)
        self._average = resumable.Average.of(live, method.ema_decay, ramped=False)
        self._optimizer = torch.optim.AdamW(live.values(), lr=method.learning_rate, weight_decay=0.0, fused=True)
        self._diffusion_loss = DiffusionLoss.of(model.alphas_cumprod, task.compute.device)
        self._memories = _memories(method, task.compute.device)
        self._latents = latents.of(model.codec, task, mirrored=method.flip)
        self._told = model.conditions.cpu()[task.train.labels]
        self.parts: Mapping[str, resumable.Resumable] = {
            "weights": resumable.Weights(live),
            "average": self._average,
            "optimizer": resumable.OptimizerState(self._optimizer),
            **self._memories,
        }

    def step(self, i: int) -> Mapping[str, Tensor]:
        """Take one step of AdamW on L_diff + lambda_real L_real + lambda_gen L_gen; the memories see what it saw."""
        model, method, batch = self._model, self._method, self._batch(i)
        noised = model.noised(batch.latents, batch.noise, batch.timesteps)
        with device.autocast(self._compute):
            predicted = model.predict(noised, batch.timesteps, batch.told)
        predicted = predicted.float()
        loss = self._diffusion_loss(predicted, batch.noise, batch.latents, batch.timesteps)
        watched = {}
        if self._memories:
            # zhat = (z_t - sqrt(1 - abar_t) eps_hat) / sqrt(abar_t): one call of the network, no chain of samples
            estimates = model.estimate(noised, predicted[:, : batch.noise.shape[1]], batch.timesteps)
            real, generated = self._remember(i, batch, estimates)
            loss = loss + method.lambda_real * real + method.lambda_gen * generated
            watched = {"real": real.detach(), "gen": generated.detach()}
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimizer.step()
        self._average.update(i)
        return {"loss": loss.detach(), **watched}

    def _remember(self, i: int, batch: Batch, estimates: Tensor) -> tuple[Tensor, Tensor]:
        """Return L_real and L_gen against what the memories hold; then let the batch join them."""
        ours, clean = directions(estimates), directions(batch.latents)
        real, generated = self._memories["real"], self._memories["generated"]
        losses = memory_losses(ours, batch.classes, real, generated)
        for label, rows in batch.classes.items():
            real.add(label, Entries.of(clean[rows], i, batch.timesteps[rows]))
            generated.add(label, Entries.of(ours[rows], i, batch.timesteps[rows]))
        if (i + 1) % self._per_epoch == 0:
            real.end_epoch()
            generated.end_epoch()
        return losses

    @property
    def _per_epoch(self) -> int:
        return len(self._labels) // self._method.batch_size

    def _batch(self, i: int) -> Batch:
        method, seed, where = self._method, self._compute.seed, self._compute.device
        epoch, place = divmod(i, self._per_epoch)
        order = torch.randperm(len(self._labels), generator=rng.generator(seed, "order", epoch))
        chosen = order[place * method.batch_size : (place + 1) * method.batch_size]
        draw = rng.generator(seed, "iteration", i)
        mirrored = torch.rand(len(chosen), generator=draw) < 0.5 * method.flip
        clean = self._latents.batch(chosen, mirrored, draw)
        told = conditions.dropped(self._told[chosen], self._model.null, method.label_dropout, draw)
        steps = len(self._model.alphas_cumprod)
        timesteps = torch.randint(steps, (len(chosen),), generator=draw)
        noise = torch.randn(clean.shape, generator=draw)
        rows = rows_of_classes(self._labels[chosen], timesteps < (method.max_timestep or steps))
        classes = {label: at.to(where) for label, at in rows.items()}
        return Batch(classes, told.to(where), clean, noise.to(where), timesteps.to(where))

    def state(self) -> dict[str, Tensor]:
        """Return the averaged weights and the memories; the network is used up."""
        made = tuned.weights(self._model.network, self._method.tuned, self._average.kept)
        state = {f"{WEIGHTS}{name}": value for name, value in made.items()}
        for which, memory in self._memories.items():
            state |= {f"{MEMORY}{which}/{name}": value.cpu() for name, value in memory.tensors().items()}
        return state


def rows_of_classes(labels: Tensor, counted: Tensor) -> dict[int, Tensor]:
    """Return where the items of each class lie that count, int64, ascending; labels int64 (B,), counted bool (B,)."""
    present = sorted(set(labels[counted].tolist()))
    return {label: ((labels == label) & counted).nonzero().flatten() for label in present}


def _memories(method: DiffusionMemory, where: torch.device) -> dict[str, Memory]:
    policy = method.memory
    if policy is None:
        return {}
    sizes = {"real": method.real_memory_size, "generated": method.gen_memory_size}
    return {which: Memory(policy, size, method.update, where) for which, size in sizes.items()}


def _recompute_activations(network: nn.Module) -> None:
    enable = getattr(network, "enable_gradient_checkpointing", None)
    if enable is None:
        raise UserError("the generator's network knows no gradient_checkpointing: set gradient_checkpointing=false")
    enable()
