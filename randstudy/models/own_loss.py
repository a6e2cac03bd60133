"""The arithmetic of somebody's own loss: trial by trial, with gradients from torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from randstudy.models.program import one_thread
from randstudy.streams import watched

if TYPE_CHECKING:
    from randstudy.own.functions import OwnPart


class OwnBatchLoss:
    """A function of outputs and targets, called for each trial by itself on one thread.

    It may not draw (`GlobalDrawError`), which is looked at once for all trials of a pack: for each
    of them it would take as long as the call itself.
    """

    def __init__(self, loss: OwnPart) -> None:
        self.loss = loss

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example."""
        with watched(self.loss.name), one_thread():
            rows = [self.called(*pair) for pair in zip(outputs, targets, strict=True)]
        return torch.stack(rows)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean losses and the gradient at the outputs."""
        with watched(self.loss.name), one_thread():
            pairs = [self._pulled(*pair) for pair in zip(outputs, targets, strict=True)]
        return torch.stack([mean for mean, _ in pairs]), torch.stack([one for _, one in pairs])

    def _pulled(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        leaf = outputs.detach().clone().requires_grad_()
        with torch.enable_grad():
            mean = self.called(leaf, targets).mean()
        return mean.detach(), torch.autograd.grad(mean, leaf)[0]

    def called(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return (B,) losses; copies, as the function may lie in wait for any alignment."""
        numbers = targets.is_floating_point()
        given = outputs.squeeze(-1) if numbers else outputs
        each: Tensor = self.loss.call(given.clone(), targets.clone())
        return each
