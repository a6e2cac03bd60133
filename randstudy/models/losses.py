"""Losses over a pack, with the gradient at the networks' outputs.

Cross-entropy for classes, mean squared error for numbers; each trial's loss is the mean over its
own batch. The operations and their order are those of torch's own autograd, so that one row of a
pack has the bits of ``F.cross_entropy(...).backward()`` on that row alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def example_losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each example, (P, B), for outputs (P, B, K) and targets (P, B)."""
    if targets.is_floating_point():
        return (outputs.squeeze(-1) - targets).square()
    return -torch.log_softmax(outputs, -1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)


def loss_and_gradient(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean losses (P,) and the gradient at the outputs (P, B, K)."""
    batch = targets.shape[1]
    if targets.is_floating_point():
        error = outputs.squeeze(-1) - targets
        # torch's mse_loss_backward multiplies by 2/B rounded once.
        return error.square().mean(1), (error * (2.0 / batch)).unsqueeze(-1)
    log_probability = torch.log_softmax(outputs, -1)
    chosen = targets.unsqueeze(-1)
    losses = -log_probability.gather(-1, chosen).squeeze(-1).sum(1) / batch
    at_target = torch.zeros_like(outputs).scatter_(-1, chosen, -1.0 / batch)
    gradient = torch.ops.aten._log_softmax_backward_data(
        at_target, log_probability, -1, outputs.dtype
    )
    return losses, gradient
