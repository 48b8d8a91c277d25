"""What a student is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F  # noqa: N812 - the field's name for it

if TYPE_CHECKING:
    from torch import Tensor

    from ddbench.types import Views


def soft_label_kl(logits: Tensor, targets: Tensor, temperature: float = 1.0, *, squared: bool = False) -> Tensor:
    """Return KL(targets || softmax(logits / temperature)), the mean over the batch, in nats (Hinton et al., 2015).

    Args:
        logits: of the student, (B, num_classes), any float type; the loss is float32.
        targets: probabilities, float32 (B, num_classes). With one-hot rows this is the cross-entropy.
        temperature: divides the student's logits; the targets hold theirs already.
        squared: multiply by temperature squared, which keeps gradients from shrinking with it.
    """
    log_probabilities = F.log_softmax(logits.float() / temperature, dim=1)
    loss = F.kl_div(log_probabilities, targets, reduction="batchmean")
    return loss * temperature**2 if squared else loss


def mixed_one_hots(labels: Tensor, views: Views, num_classes: int) -> Tensor:
    """Return hard labels of views, float32 (B, num_classes), those of mixed images blended by their shares.

    Args:
        labels: int64 (N,), the class of every image of the set, on the views' device.
        views: say which images they show, and in which shares.
        num_classes: width of a row.
    """
    first, second = (F.one_hot(labels[which], num_classes).float() for which in (views.indices, views.partners))
    return second.lerp(first, views.weights[:, None])
