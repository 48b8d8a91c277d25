"""Pipelines on disk, as diffusers saves them: a transformer, an autoencoder or pixels, and a noise schedule."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ddbench.errors import UserError
from ddbench.kit import device, rng
from ddbench.kit.diffusion import Diffusion, Pixels, linear_alphas
from ddbench_diffusion_memory import conditions, transformer
from ddbench_diffusion_memory.autoencoder import Autoencoder
from ddbench_diffusion_memory.part import CONFIG, Part
from ddbench_diffusion_memory.pixels import STAND_IN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from ddbench.kit.diffusion import Codec
    from ddbench.types import DatasetSpec, LoadTask

INDEX = "model_index.json"
SCHEDULER = "scheduler_config.json"
PIPELINE = "DiTPipeline"
NOISE = {
    "num_train_timesteps": 1000,
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "rescale_betas_zero_snr": False,
    "prediction_type": "epsilon",
}
"""What of a scheduler decides how a network was trained, with what diffusers takes where a file does not say."""


@dataclass(frozen=True)
class Saved:
    """A pipeline on disk.

    Attributes:
        source: the generator, for messages.
        transformer: the network.
        autoencoder: None for a model of pixels.
        scheduler: the noise schedule; a sampler's settings in it do not count.
        names: the name of each class that it was saved for, by what the network is told; empty where none is saved.
    """

    source: str
    transformer: Part
    autoencoder: Part | None
    scheduler: Part
    names: Mapping[str, str]

    def identity(self) -> dict[str, object]:
        """Return what decides the samples: contents, never places."""
        codec = self.autoencoder.digest() if self.autoencoder else "pixels"
        return {"transformer": self.transformer.digest(), "autoencoder": codec, "noise": self._noise()}

    def check(self, data: DatasetSpec) -> None:
        """Refuse damaged files, and data that the network cannot make.

        Raises:
            UserError: naming what does not fit.
        """
        for part in filter(None, (self.transformer, self.autoencoder)):
            part.check()
        if self._noise()["prediction_type"] != "epsilon":
            raise UserError(f"{self.source} does not estimate noise (prediction_type 'epsilon'): take another pipeline")
        self._alphas()
        channels, size = self._images()
        if (data.channels, data.image_size) != (channels, size):
            raise UserError(
                f"{self.source} makes images of {channels} channels and {size} pixels, {data.name} has "
                f"{data.channels} and {data.image_size}: take another generator"
            )
        self._conditions(data)

    def load(self, task: LoadTask) -> Diffusion:
        """Return the model.

        Raises:
            UserError: the weights are not those of the configuration.
        """
        from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel

        network = transformer.without_label_dropout(_network(self.transformer, DiTTransformer2DModel))
        channels, size, known = (
            self.transformer.number(name) for name in ("in_channels", "sample_size", "num_embeds_ada_norm")
        )
        return Diffusion(
            device.freeze(network.to(task.device)),
            self._codec(task),
            self._alphas(),
            self._conditions(task.data),
            known,
            (channels, size, size),
        )

    def _codec(self, task: LoadTask) -> Codec:
        if self.autoencoder is None:
            return Pixels()
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        return Autoencoder(device.freeze(_network(self.autoencoder, AutoencoderKL).to(task.device)))

    def _conditions(self, data: DatasetSpec) -> Tensor:
        told = conditions.of_classes(data, self.transformer.number("num_embeds_ada_norm"), self.source)
        foreign = len(self.names) > data.num_classes and not data.imagenet_classes
        if foreign or (self.names and not {str(number) for number in told.tolist()} <= self.names.keys()):
            raise UserError(
                f"{self.source} was saved for {len(self.names)} classes, and not for those of {data.name}: "
                "take another generator"
            )
        return told

    def _images(self) -> tuple[int, int]:
        """Return channels and size of the images that it makes."""
        channels, size = (self.transformer.number(name) for name in ("in_channels", "sample_size"))
        if self.autoencoder is None:
            return channels, size
        if self.autoencoder.number("latent_channels") != channels:
            raise UserError(
                f"{self.source}: the autoencoder's latents do not have the transformer's {channels} channels"
            )
        halvings = len(self.autoencoder.value(CONFIG, "block_out_channels", list, [64])) - 1  # diffusers' default
        return self.autoencoder.number("out_channels"), size * 2**halvings

    def _noise(self) -> dict[str, Any]:
        said = self.scheduler.read(SCHEDULER)
        return {name: said.get(name, default) for name, default in NOISE.items()}

    def _alphas(self) -> Tensor:
        """Return abar_t.

        Raises:
            UserError: the configuration makes none, or one that does not fall within (0, 1).
        """
        noise, called = self._noise(), f"{self.source}: scheduler/{SCHEDULER}"
        try:
            alphas = _alphas(noise)
        except Exception as error:  # noqa: BLE001 - torch and diffusers raise half a dozen kinds for such values
            reason = str(error).partition("\n")[0]
            raise UserError(f"{called} makes no noise schedule ({reason}): {self.scheduler.remedy}") from None
        falls = alphas.ndim == 1 and len(alphas) > 1 and bool((alphas.diff() < 0).all())
        if not (falls and alphas[0] < 1 and alphas[-1] > 0):
            raise UserError(
                f"{called} makes no noise schedule of two steps or more that falls between 1 and 0: "
                f"{self.scheduler.remedy}"
            )
        return alphas


def at(folder: Path, source: str, remedy: str, *, pickles: bool = False, autoencoder: Part | None = None) -> Saved:
    """Return the pipeline in a folder.

    Args:
        folder: where ``save_pretrained`` wrote it.
        source: the generator, for messages.
        remedy: what to do where something is missing.
        pickles: whether ``.bin`` files will do.
        autoencoder: in place of the pipeline's own.

    Raises:
        UserError: there is none, or it is of another kind.
    """
    whole = Part(folder, source, remedy)
    kind = whole.read(INDEX).get("_class_name")
    if kind != PIPELINE:
        raise UserError(f"{source} is a {kind}, not a {PIPELINE}: {remedy}")
    parts = {name: Part(folder / name, source, remedy, pickles) for name in ("transformer", "vae", "scheduler")}
    codec = autoencoder or _autoencoder(parts["vae"], whole.value(INDEX, "vae", list, []))
    return Saved(source, parts["transformer"], codec, parts["scheduler"], whole.value(INDEX, "id2label", dict, {}))


def _autoencoder(part: Part, module_and_class: list[object]) -> Part | None:
    kind = (*module_and_class, None, None)[1]
    if kind not in ("AutoencoderKL", STAND_IN):
        raise UserError(f"{part.source}: its autoencoder is {kind}, not AutoencoderKL: take another pipeline")
    return None if kind == STAND_IN else part


def _alphas(noise: Mapping[str, Any]) -> Tensor:
    steps, first, last = (noise[name] for name in ("num_train_timesteps", "beta_start", "beta_end"))
    if {**noise, "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02} == NOISE:
        return linear_alphas(steps, first, last)  # in float64, as for what is trained here
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    alphas: Tensor = DDPMScheduler.from_config(noise).alphas_cumprod
    return alphas


def _network(part: Part, kind: Any) -> nn.Module:
    try:
        with rng.seeded(0, "weights"):  # without accelerate they are drawn first; the stage's own must not notice
            network, told = kind.from_pretrained(
                part.folder,
                local_files_only=True,
                use_safetensors=not part.pickled,  # else it is read with weights_only, without running code
                low_cpu_mem_usage=find_spec("accelerate") is not None,
                output_loading_info=True,
            )
    except Exception as error:  # noqa: BLE001 - diffusers, torch and safetensors raise a dozen kinds for such files
        reason = str(error).partition("\n")[0]
        raise UserError(f"{part.source}: {part.folder.name} cannot be loaded ({reason}): {part.remedy}") from None
    if told["missing_keys"]:
        names = sorted(told["missing_keys"])
        raise UserError(f"{part.source}: {part.folder.name} lacks {names[0]} and {len(names) - 1} more: {part.remedy}")
    # other weights without a place may be buffers that older versions saved
    idle = sorted(name for name in told["unexpected_keys"] if name.startswith("transformer_blocks."))
    if idle:
        raise UserError(
            f"{part.source}: {part.folder.name} has {idle[0]} and {len(idle) - 1} more that its {CONFIG} has no place "
            f"for: {part.remedy}"
        )
    loaded: nn.Module = network.float()
    return loaded
