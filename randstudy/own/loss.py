"""A function of outputs and targets, as a loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from randstudy.losses import Loss
from randstudy.own.functions import OwnPart
from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class OwnLoss(OwnPart, Loss):
    """What somebody's function says that each example costs.

    It is handed a trial's outputs, (B, K) for classes and (B,) for numbers, and targets (B,), both
    torch tensors, and returns (B,) losses. What is minimised is their mean; its gradient comes from
    torch.
    """

    given: ClassVar[int] = 2

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Try the function on a few made-up examples."""
        from randstudy.own.trying import loss_problem

        found = loss_problem(self, shape)
        return [("", found)] if found else []
