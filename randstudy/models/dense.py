"""Fully connected networks as batched matrix products, with gradients written by hand.

By hand, because `PackedProgram`, which computes them too and to the same bits, takes 1.2 to 2.0
times as long.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from randstudy.models import Linear, Model, Perceptron
from randstudy.models.losses import BatchLoss
from randstudy.models.packed import PackedProgram
from randstudy.models.program import Pass, Probe, Program, Weights
from randstudy.tasks import TaskShape


class Activation(Protocol):
    """An elementwise function whose gradient can be told from its result."""

    def forward(self, values: Tensor) -> Tensor:
        """Apply the function."""

    def backward(self, gradient: Tensor, result: Tensor) -> Tensor:
        """Return the gradient before the function, from that after it."""


class Relu:
    """max(x, 0)."""

    def forward(self, values: Tensor) -> Tensor:
        """Apply the function in place; what went in is not needed again."""
        return values.relu_()

    def backward(self, gradient: Tensor, result: Tensor) -> Tensor:
        """Pass the gradient where the result is positive."""
        passed: Tensor = torch.ops.aten.threshold_backward(gradient, result, 0)
        return passed


class Tanh:
    """Hyperbolic tangent."""

    def forward(self, values: Tensor) -> Tensor:
        """Apply the function."""
        return values.tanh_()

    def backward(self, gradient: Tensor, result: Tensor) -> Tensor:
        """Multiply by 1 - tanh²."""
        passed: Tensor = torch.ops.aten.tanh_backward(gradient, result)
        return passed


ACTIVATIONS: dict[str, Activation] = {"relu": Relu(), "tanh": Tanh()}


class DenseProgram:
    """Layers of `Linear` or a plain `Perceptron` over a pack; inputs are flattened."""

    block = 1

    def __init__(self, model: Model, shape: TaskShape, loss: BatchLoss) -> None:
        self.loss = loss
        assert isinstance(model, Linear | Perceptron)
        self.depth = len(model.hidden) + 1 if isinstance(model, Perceptron) else 1
        kind = model.activation if isinstance(model, Perceptron) else "relu"
        self.activation = ACTIVATIONS[kind]

    def outputs(self, weights: Weights, inputs: Tensor, way: Pass) -> Tensor:
        """Return the networks' outputs (P, B, K)."""
        return self._forward(weights, inputs, way.probe)[-1]

    def gradients(
        self, weights: Weights, inputs: Tensor, targets: Tensor, way: Pass
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return mean batch losses (P,) and gradients by parameter path."""
        values = self._forward(weights, inputs)
        losses, gradient = self.loss.gradient(values.pop(), targets)
        found: dict[str, Tensor] = {}
        for layer in reversed(range(self.depth)):
            below = values.pop()
            found[f"layers.{layer}.weight"] = torch.bmm(gradient.transpose(1, 2), below)
            found[f"layers.{layer}.bias"] = gradient.sum(1)
            if layer:
                upstream = torch.bmm(gradient, weights[f"layers.{layer}.weight"])
                gradient = self.activation.backward(upstream, below)
        return losses, found

    def _forward(
        self, weights: Weights, inputs: Tensor, probe: Probe | None = None
    ) -> list[Tensor]:
        """Return the input of every layer and, last, the outputs."""
        values = [inputs.flatten(2)]
        for layer in range(self.depth):
            weight = weights[f"layers.{layer}.weight"]
            bias = weights[f"layers.{layer}.bias"]
            result = torch.baddbmm(bias.unsqueeze(1), values[-1], weight.transpose(1, 2))
            if probe is not None:
                probe(f"layers.{layer}.weight", result)
            values.append(self.activation.forward(result) if layer + 1 < self.depth else result)
        return values


def dense_program(model: Model, shape: TaskShape, loss: BatchLoss) -> Program:
    """Return the program by hand where it has what the network needs, else that of any network."""
    if isinstance(model, Perceptron) and not (model.plain and model.activation in ACTIVATIONS):
        return PackedProgram(model, shape, loss)
    return DenseProgram(model, shape, loss)
