"""One flat row of numbers a trial, and the network's parameters as views into it.

Weights, gradients, masks and optimizer state of a pack are each a single (P, D) tensor: an update
is a few operations however many layers there are, a digest is over one row, and a trial leaves the
pack by dropping a row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy.models import Parameter

NARROWEST = 2
"""Batched matrix products of width 1 take another path and other bits; see `numerics`."""


def padded(rows: Sequence[int], block: int) -> list[int]:
    """Add silent twins of the first row, up to a width that keeps the bits.

    >>> padded([3], 1), padded([3, 5, 4], 2)
    ([3, 3], [3, 5, 4, 3])
    """
    width = max(NARROWEST, math.ceil(len(rows) / block) * block)
    return [*rows, *[rows[0]] * (width - len(rows))]


class Layout:
    """Where each parameter lies in a trial's row."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.size = sum(parameter.size for parameter in parameters)

    def frozen(self, freeze: str) -> int:
        """Return how many leading numbers of a row are not trained."""
        if freeze == "none":
            return 0
        last = max(i for i, one in enumerate(self.parameters) if one.role == "weight")
        return sum(one.size for one in self.parameters[:last])

    def parameters_before(self, column: int) -> int:
        """Return how many parameters lie before a column of a row."""
        ends = itertools.accumulate(parameter.size for parameter in self.parameters)
        return sum(end <= column for end in ends)

    def views(self, rows: Tensor) -> dict[str, Tensor]:
        """Return path -> (P, *shape) views of `rows` (P, D)."""
        pieces = rows.split([parameter.size for parameter in self.parameters], dim=1)
        return {
            parameter.path: piece.view(-1, *parameter.shape)
            for parameter, piece in zip(self.parameters, pieces, strict=True)
        }

    def flatten(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return (P, D) from path -> (P, *shape)."""
        return torch.cat([tensors[p.path].flatten(1) for p in self.parameters], dim=1)

    def stack(
        self, arrays: Mapping[str, NDArray[np.generic]], rows: int, missing: float = 0.0
    ) -> Tensor:
        """Return float32 (P, D) from host arrays; parameters not among them are `missing`."""
        stacked = np.full((rows, self.size), missing, dtype=np.float32)
        start = 0
        for parameter in self.parameters:
            stop = start + parameter.size
            if parameter.path in arrays:
                stacked[:, start:stop] = arrays[parameter.path].reshape(rows, -1)
            start = stop
        return torch.from_numpy(stacked)
