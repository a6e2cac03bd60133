"""The tensor program of a model: a pack of networks evaluated and differentiated at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from randstudy import importing
from randstudy.models import Model
from randstudy.models.losses import BatchLoss
from randstudy.tasks import TaskShape

Weights = Mapping[str, Tensor]

Probe = Callable[[str, Tensor], None]
"""Is shown the path of a weight and what its layer gives, (P, B, *units), before any normalisation
or activation, which may overwrite it afterwards. A program that works in blocks of trials shows one
block after the other."""


class Dropout(Protocol):
    """The dropout stream of a pack at one step."""

    def factors(self, path: str, shape: tuple[int, ...], rate: float) -> Tensor:
        """Return (P, *shape) of 0 and 1 / (1 - rate) for the units at `path` of a network.

        ``shape[0]`` is the batch: rows of a smaller batch are those of a larger one.
        """

    def rows(self, some: slice) -> Dropout:
        """Return the stream of these trials alone."""


@dataclass(frozen=True, eq=False)
class Pass:
    """What one pass through the networks of a pack needs beside weights and inputs.

    Attributes
    ----------
    training : whether batch statistics and dropout are in force.
    buffers : path -> (P, *shape), such as running statistics; a training pass updates them in
        place.
    dropout : where a training pass of a model with dropout gets its draws.
    probe : shown each layer's outputs, by models that are `probed`.
    """

    training: bool = False
    buffers: Mapping[str, Tensor] = field(default_factory=dict)
    dropout: Dropout | None = None
    probe: Probe | None = None

    def rows(self, some: slice) -> Pass:
        """Return the pass of these trials alone; buffers stay views of the pack's."""
        return replace(
            self,
            buffers={path: buffer[some] for path, buffer in self.buffers.items()},
            dropout=None if self.dropout is None else self.dropout.rows(some),
        )


class Program(Protocol):
    """P networks of one architecture, each on its own batch.

    Row p of every result depends on row p of the arguments alone: neither its place in the pack,
    the pack's width (from 2 up, in multiples of `block`), nor what stands in other rows changes a
    bit of it on a CPU.
    """

    block: int

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        """Bind the program to a model's settings, the shape of its task, and what is minimised."""

    def outputs(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        """Return the networks' outputs (P, B, K) for inputs (P, B, *shape)."""

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor, way: Pass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean batch losses (P,) and their gradients, each (P, *shape)."""


def program(model: Model, shape: TaskShape, loss: BatchLoss) -> Program:
    """Import and build the tensor program that `model` names."""
    found: Program = importing.found(model.program)(model, shape, loss)
    return found


BLOCK = 8
"""Trials computed together on a CPU where kernels are chosen by the number of channels in all."""


def blocks(inputs: Tensor, size: int) -> Iterator[slice]:
    """Yield a pack in blocks of `size` trials; whole where there is no oneDNN to outwit."""
    pack = len(inputs)
    step = size if inputs.device.type == "cpu" else pack
    for start in range(0, pack, step):
        yield slice(start, start + step)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: kernels may be chosen by their number, and differ in bits."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
