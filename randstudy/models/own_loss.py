"""The arithmetic of somebody's own loss: trial by trial, with gradients from torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from randstudy import streams
from randstudy.models.modules.anatomy import said
from randstudy.models.modules.network import one_thread
from randstudy.tasks import TaskShape

if TYPE_CHECKING:
    from randstudy.own.functions import OwnPart

TRIED = 4
"""Examples on which a loss is tried before training."""


class OwnBatchLoss:
    """A function of outputs and targets, called for each trial by itself on one thread."""

    def __init__(self, loss: OwnPart) -> None:
        self.loss = loss

    def examples(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example."""
        with one_thread():
            rows = [self._called(*pair) for pair in zip(outputs, targets, strict=True)]
        return torch.stack(rows)

    def gradient(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean losses and the gradient at the outputs."""
        with one_thread():
            pairs = [self._pulled(*pair) for pair in zip(outputs, targets, strict=True)]
        return torch.stack([mean for mean, _ in pairs]), torch.stack([one for _, one in pairs])

    def _pulled(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        leaf = outputs.detach().clone().requires_grad_()
        with torch.enable_grad():
            mean = self._called(leaf, targets).mean()
        return mean.detach(), torch.autograd.grad(mean, leaf)[0]

    def _called(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return (B,) losses; copies, as the function may lie in wait for any alignment."""
        numbers = targets.is_floating_point()
        given = outputs.squeeze(-1) if numbers else outputs
        each: Tensor = self.loss.call(given.clone(), targets.clone())
        return each


def problem(loss: OwnPart, shape: TaskShape) -> str:
    """Say what is wrong with a loss, or return nothing."""
    outputs = torch.linspace(-1, 1, TRIED * shape.outputs).reshape(TRIED, -1).requires_grad_()
    targets = torch.arange(TRIED) % shape.outputs
    if shape.target == "number":
        targets = torch.linspace(0, 1, TRIED)
    state = streams.global_state()
    try:
        each = OwnBatchLoss(loss)._called(outputs, targets)
    except Exception as error:  # noqa: BLE001 (somebody's function may raise anything)
        return f"fails on {TRIED} made-up examples: {said(error)}"
    if streams.global_state() != state:
        return "draws from a global generator, so its numbers would depend on what ran before"
    if not isinstance(each, Tensor) or tuple(each.shape) != (TRIED,):
        found = tuple(each.shape) if isinstance(each, Tensor) else type(each).__name__
        return f"returns {found} for {TRIED} examples; a loss for each, ({TRIED},), would be right"
    if not each.requires_grad:
        return "returns losses through which torch finds no gradient"
    return ""
