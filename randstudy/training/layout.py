"""One flat row of numbers a trial, and the network's parameters as views into it.

Weights, gradients, masks and optimizer state of a pack are each a single (P, D) tensor: an update
is a few operations however many layers there are, a digest is over one row, and a trial leaves the
pack by dropping a row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy.models import Parameter

Arrays = Mapping[str, NDArray[np.float32]]
"""Path -> (P, *shape), on the host."""

NARROWEST = 2
"""Batched matrix products of width 1 take another path and other bits; see `numerics`."""


def padded(rows: Sequence[int], block: int, device: torch.device) -> list[int]:
    """Add silent twins of the first row, up to a width that keeps the bits.

    Blocks are a matter of the CPU's kernels.

    >>> padded([3], 1, torch.device("cpu")), padded([3, 5, 4], 2, torch.device("cpu"))
    ([3, 3], [3, 5, 4, 3])
    """
    block = block if device.type == "cpu" else 1
    width = max(NARROWEST, math.ceil(len(rows) / block) * block)
    return [*rows, *[rows[0]] * (width - len(rows))]


def column(values: Sequence[float], device: torch.device) -> Tensor:
    """Return (P, 1) float32 of the trials' numbers, each rounded once from Python's float64."""
    host = torch.tensor(values, dtype=torch.float64).to(torch.float32)
    return host.unsqueeze(1).to(device, non_blocking=True)


class Layout:
    """Where each parameter lies in a trial's row."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = tuple(parameters)
        self.size = sum(parameter.size for parameter in parameters)

    def start(self, number: int) -> int:
        """Return where in a row parameter `number` begins."""
        return sum(one.size for one in self.parameters[:number])

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
