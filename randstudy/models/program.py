"""The tensor program of a model: a pack of networks evaluated and differentiated at once."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from randstudy.models import Model
from randstudy.tasks import TaskShape

Weights = Mapping[str, Tensor]


class Program(Protocol):
    """P networks of one architecture, each on its own batch.

    Row p of every result depends on row p of the arguments alone: neither its place in the pack,
    the pack's width (from 2 up, in multiples of `block`), nor what stands in other rows changes a
    bit of it on a CPU.
    """

    block: int

    def __init__(self, model: Model, shape: TaskShape) -> None:
        """Bind the program to a model's settings and the shape of its task."""

    def outputs(self, weights: Weights, inputs: Tensor) -> Tensor:
        """Return the networks' outputs (P, B, K) for inputs (P, B, *shape)."""

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean batch losses (P,) and their gradients, each (P, *shape)."""


def program(model: Model, shape: TaskShape) -> Program:
    """Import and build the tensor program that `model` names."""
    module, _, name = model.program.partition(":")
    found: Program = getattr(importlib.import_module(module), name)(model, shape)
    return found
