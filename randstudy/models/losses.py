"""Losses over a pack, with the gradient at the networks' outputs.

Cross-entropy for classes, mean squared error for numbers; each trial's loss is the mean over its
own batch. The operations and their order are those of torch's own autograd, so that one row of a
pack has the bits of ``F.cross_entropy(...).backward()`` on that row alone.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from randstudy.losses import CrossEntropy, Loss
from randstudy.own.functions import OwnPart

FEW, LANES = 15, 32
"""With up to `FEW` classes, torch sums over classes in the same order whether they are the inner or
the outer dimension, and the outer one is several times as fast. Examples then lie in groups of
`LANES`, so that none falls into the scalar tail of a vector loop, whose bits differ."""


class BatchLoss(Protocol):
    """What a pack minimises, in two forms that agree."""

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example, (P, B), for outputs (P, B, K) and targets (P, B)."""

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean losses (P,) and the gradient at the outputs (P, B, K)."""


class TaskLoss:
    """The task's own: cross-entropy for classes, mean squared error for numbers."""

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example."""
        return example_losses(outputs, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean losses and the gradient at the outputs."""
        return loss_and_gradient(outputs, targets)


class SmoothedCrossEntropy:
    """Cross-entropy against targets that give `share` of themselves to all K classes alike.

    An example's loss is (1 - share) * nll + share / K * (sum of all classes' nll), as in torch.
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example."""
        scores, classes, chosen = _arranged(outputs, targets)
        return self._losses(torch.log_softmax(scores, classes), classes, chosen, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean losses and the gradient at the outputs."""
        batch, count = targets.shape[1], outputs.shape[2]
        scores, classes, chosen = _arranged(outputs, targets)
        log_probability = torch.log_softmax(scores, classes)
        losses = self._losses(log_probability, classes, chosen, targets).sum(1) / batch
        spread = -self.share / count / batch
        own = torch.full_like(chosen, -(1 - self.share) / batch + spread, dtype=scores.dtype)
        weights = torch.full_like(scores, spread).scatter_(classes, chosen, own)
        return losses, _through_softmax(weights, log_probability, classes, outputs)

    def _losses(
        self, log_probability: Tensor, classes: int, chosen: Tensor, targets: Tensor
    ) -> Tensor:
        count = log_probability.shape[classes]
        everywhere = log_probability.sum(classes).reshape(-1)[: targets.numel()]
        own = _at(log_probability, classes, chosen, targets)
        return own * (self.share - 1) - everywhere.view(targets.shape) * (self.share / count)


def batch_loss(loss: Loss | None) -> BatchLoss:
    """Return the arithmetic of a study's loss."""
    if loss is None or loss.usual:
        return TaskLoss()
    if isinstance(loss, CrossEntropy):
        return SmoothedCrossEntropy(loss.label_smoothing)
    if isinstance(loss, OwnPart):
        from randstudy.models.own_loss import OwnBatchLoss

        return OwnBatchLoss(loss)
    raise TypeError(f"the loss {loss.name} has no arithmetic here; write it as a function")


def example_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each example, (P, B), for outputs (P, B, K) and targets (P, B)."""
    if targets.is_floating_point():
        return (outputs.squeeze(-1) - targets).square()
    scores, classes, chosen = _arranged(outputs, targets)
    return -_at(torch.log_softmax(scores, classes), classes, chosen, targets)


def loss_and_gradient(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean losses (P,) and the gradient at the outputs (P, B, K)."""
    batch = targets.shape[1]
    if targets.is_floating_point():
        error = outputs.squeeze(-1) - targets
        # torch's mse_loss_backward multiplies by 2/B rounded once.
        return error.square().mean(1), (error * (2.0 / batch)).unsqueeze(-1)
    scores, classes, chosen = _arranged(outputs, targets)
    log_probability = torch.log_softmax(scores, classes)
    losses = -_at(log_probability, classes, chosen, targets).sum(1) / batch
    at_target = torch.zeros_like(scores).scatter_(classes, chosen, -1.0 / batch)
    return losses, _through_softmax(at_target, log_probability, classes, outputs)


def _through_softmax(
    gradient: Tensor, log_probability: Tensor, classes: int, outputs: Tensor
) -> Tensor:
    """Return the gradient at the outputs (P, B, K) from that at the log-probabilities."""
    found: Tensor = torch.ops.aten._log_softmax_backward_data(
        gradient, log_probability, classes, outputs.dtype
    )
    if classes == 0:
        found = found[:, : outputs.shape[:2].numel()].t().contiguous().view(outputs.shape)
    return found


def _arranged(outputs: Tensor, targets: Tensor) -> tuple[Tensor, int, Tensor]:
    """Return the scores in their faster layout, their dimension of classes, and the chosen ones."""
    if outputs.is_cuda or outputs.shape[2] > FEW:
        return outputs, 2, targets.unsqueeze(-1)
    rows = targets.numel()
    turned = outputs.new_zeros(outputs.shape[2], -(-rows // LANES) * LANES)
    turned[:, :rows] = outputs.reshape(rows, -1).t()
    return turned, 0, targets.reshape(1, -1)


def _at(values: Tensor, classes: int, chosen: Tensor, targets: Tensor) -> Tensor:
    """Pick each example's own class; return (P, B)."""
    return values.gather(classes, chosen).view(targets.shape)
