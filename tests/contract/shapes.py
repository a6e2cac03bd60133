"""Small data of the shapes that models ask for, and parts of somebody's own.

Studies name them as ``shapes:Column``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from catalogue import SmallDigits

from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class Column(SmallDigits):
    """The digits' pixels in one column."""

    def shape(self) -> TaskShape:
        return TaskShape((1, 64, 1), 10, "class")


@dataclass(frozen=True, kw_only=True)
class OneClass(SmallDigits):
    """Nothing to tell apart."""

    def shape(self) -> TaskShape:
        return TaskShape((1, 8, 8), 1, "class")


class TwoLayers(torch.nn.Module):
    """A model of somebody's own, with an init of its own."""

    def __init__(self, inputs: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(int(np.prod(inputs)), 12)
        self.second = torch.nn.Linear(12, outputs)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(values.flatten(1))))


def faded(inputs: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Weaken each input at random."""
    factor = torch.rand(len(inputs), generator=generator).to(inputs.device)
    return inputs * factor.view(-1, *[1] * (inputs.ndim - 1))
