"""What fine-tuning minimises: the loss of diffusion, and what the memories add (Li et al., ICIP 2025; Minimax)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ddbench_diffusion_memory.memory import Memory

_HALF_LEVEL = 1 / 255  # half the distance of two levels of 255 where black is -1 and white 1


def memory_losses(
    estimates: Tensor, classes: Mapping[int, Tensor], real: Memory, generated: Memory
) -> tuple[Tensor, Tensor]:
    """Return L_real and L_gen, scalars, of what the memories hold: call before this batch joins them.

    L_real = 1 - min cos(zhat, z) over all pairs of an estimate and a real latent of a class, in [0, 2]: the worst
    match counts. L_gen = max cos(zhat, zhat') over all pairs of an estimate and a remembered one, in [-1, 1]: the
    closest match counts. Each is averaged over the classes of the batch; a class whose memory is empty counts as 0.

    Args:
        estimates: clean latents as the network estimates them, float32 (B, d) of length 1, with gradient.
        classes: for every class of the batch, the rows of ``estimates`` that are of it.
        real: remembers latents of real images.
        generated: remembers earlier estimates.
    """
    nothing = estimates.new_zeros(())
    terms_real, terms_gen = [nothing], [nothing]
    for label, rows in classes.items():
        ours, theirs, earlier = estimates[rows], real.of(label), generated.of(label)
        if theirs is not None:
            terms_real.append(1 - (ours @ theirs.directions.T).amin())
        if earlier is not None:
            terms_gen.append((ours @ earlier.directions.T).amax())
    count = max(len(classes), 1)
    return torch.stack(terms_real).sum() / count, torch.stack(terms_gen).sum() / count


@dataclass(frozen=True)
class DiffusionLoss:
    """The loss under which diffusion transformers are trained: L_simple, plus L_vlb where a variance is learned.

    L_simple is the mean squared error of eps (Ho et al., NeurIPS 2020, Eq. 14). L_vlb is the variational bound of
    Nichol and Dhariwal, "Improved Denoising Diffusion Probabilistic Models" (ICML 2021, Eqs. 4 to 6, 15 and 16), whose
    gradient does not reach the mean, in bits per dimension. Of its T terms one is drawn; it has weight 1, as in the
    code of DiT (Peebles and Xie, ICCV 2023), which of T = 1000 terms is the paper's 0.001 of their sum.

    Attributes:
        alphas_cumprod: abar_t, float32 (T,).
        beta: 1 - abar_t / abar_(t-1), float32 (T,).
        log_beta: its logarithm, the larger variance.
        log_posterior: logarithm of beta (1 - abar_(t-1)) / (1 - abar_t), the smaller variance; that of the first
            step, where it is zero, is taken from the second.
    """

    alphas_cumprod: Tensor
    beta: Tensor
    log_beta: Tensor
    log_posterior: Tensor

    @classmethod
    def of(cls, alphas_cumprod: Tensor, device: torch.device) -> DiffusionLoss:
        """Return the loss of a schedule abar_t, (T,), T at least 2."""
        abar = alphas_cumprod.cpu().double()
        before = torch.cat((abar.new_ones(1), abar[:-1]))
        beta = 1 - abar / before
        posterior = beta * (1 - before) / (1 - abar)
        posterior[0] = posterior[1]
        return cls(*(table.float().to(device) for table in (abar, beta, beta.log(), posterior.log())))

    def __call__(self, predicted: Tensor, noise: Tensor, latents: Tensor, timesteps: Tensor) -> Tensor:
        """Return the loss, a scalar.

        Args:
            predicted: what the network gives, float32 (B, c, s, s), or (B, 2c, s, s) with a learned variance.
            noise: eps, (B, c, s, s).
            latents: z_0, likewise.
            timesteps: t, int64 (B,).
        """
        channels = noise.shape[1]
        estimate, variance = predicted[:, :channels], predicted[:, channels:]
        simple = functional.mse_loss(estimate, noise)
        if not variance.shape[1]:
            return simple
        return simple + self._bound(variance, estimate.detach() - noise, latents, timesteps)

    def _bound(self, variance: Tensor, error: Tensor, latents: Tensor, timesteps: Tensor) -> Tensor:
        """Return L_vlb of what is predicted of the variance, v between -1 and 1, and the error of the predicted noise.

        Both means are linear in the noise, so that their difference is that of the noises, times a factor.
        """
        large, small, beta, abar = (
            table[timesteps].view(-1, 1, 1, 1)
            for table in (self.log_beta, self.log_posterior, self.beta, self.alphas_cumprod)
        )
        log_variance = torch.lerp(small, large, (variance + 1) / 2)  # Eq. 15
        # from the mean of q to that of p (Ho et al., Eqs. 10 and 11)
        distance = -error * beta / ((1 - beta) * (1 - abar)).sqrt()
        divergence = _divergence(distance, small, log_variance)  # L_(t-1), Eq. 6
        first = -_log_likelihood(latents, latents + distance, log_variance)  # L_0, Eq. 5
        nats = torch.where((timesteps == 0).view(-1, 1, 1, 1), first, divergence)
        return nats.mean() / math.log(2)


def _divergence(distance: Tensor, log_first: Tensor, log_second: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence, in nats, of one normal distribution from another, by log variances."""
    return 0.5 * (log_second - log_first - 1 + (log_first - log_second).exp() + distance**2 * (-log_second).exp())


def _log_likelihood(values: Tensor, means: Tensor, log_variance: Tensor) -> Tensor:
    """Return log p, in nats, of values that stand for the level around them, the outermost for all beyond.

    Ho et al., Eq. 13: levels of 255 from -1 to 1, of latents too, as in the code of DiT.
    """
    distance, scale = values - means, (-0.5 * log_variance).exp()
    below_zero = -distance.abs()  # the two tails are alike, and this one keeps its digits
    inside = _cdf(below_zero + _HALF_LEVEL, scale) - _cdf(below_zero - _HALF_LEVEL, scale)
    lowest, highest = _cdf(distance + _HALF_LEVEL, scale), _cdf(_HALF_LEVEL - distance, scale)
    share = torch.where(values < -0.999, lowest, torch.where(values > 0.999, highest, inside))
    return share.clamp_min(1e-12).log()


def _cdf(values: Tensor, scale: Tensor) -> Tensor:
    share: Tensor = torch.special.ndtr(values * scale)
    return share
