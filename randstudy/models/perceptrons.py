"""Fully connected networks; inputs are flattened."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

from randstudy.models.forward import Network, Normalised
from randstudy.models.layers import Activation, Layers, V
from randstudy.models.model import Model
from randstudy.parts import Range
from randstudy.tasks import TaskShape

PROGRAM = "randstudy.models.dense:dense_program"


@dataclass(frozen=True, kw_only=True)
class Linear(Network, name="linear"):
    """One fully connected layer: linear or softmax regression."""

    program: ClassVar[str] = PROGRAM

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """One layer."""
        return layers.linear("layers.0", inputs, outputs)


@dataclass(frozen=True, kw_only=True)
class Perceptron(Normalised):
    """Fully connected layers: each hidden one is linear, norm, activation, sum, dropout."""

    activation: Annotated[Activation, "between the layers"] = "relu"
    program: ClassVar[str] = PROGRAM

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        raise NotImplementedError

    @property
    def adds(self) -> tuple[bool, ...]:
        """Whether each hidden layer adds its inputs to its outputs."""
        return (False,) * len(self.hidden)

    @property
    def plain(self) -> bool:
        """Whether the network is layers and activations alone."""
        return self.norm == "none" and not self.dropout and not any(self.adds)

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """From the first hidden layer to the output."""
        values = inputs
        for index, (units, adds) in enumerate(zip(self.hidden, self.adds, strict=True)):
            above = layers.linear(f"layers.{index}", values, units)
            above = self.normalise(layers, f"norms.{index}", above)
            above = layers.activation(above, self.activation)
            values = layers.add(values, above) if adds else above
            values = layers.dropout(f"layers.{index}", values, self.dropout)
        return layers.linear(f"layers.{len(self.hidden)}", values, outputs)

    def activations(self, shape: TaskShape) -> int:
        """Hand-written gradients make no more than the outputs of the layers."""
        own = self.plain and self.activation != "gelu"
        return Model.activations(self, shape) if own else super().activations(shape)


@dataclass(frozen=True, kw_only=True)
class Mlp(Perceptron, name="mlp"):
    """Fully connected layers with an activation between them."""

    widths: Annotated[tuple[int, ...], Range(least=1), "units of each hidden layer"] = (128,)
    residual: Annotated[
        bool, "a hidden layer as wide as the one before it adds that one's units to its own"
    ] = False

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return self.widths

    @property
    def adds(self) -> tuple[bool, ...]:
        """The first hidden layer never adds: its inputs are the data."""
        pairs = itertools.pairwise((0, *self.widths))
        return tuple(self.residual and below == above for below, above in pairs)

    def problems(self) -> list[tuple[str, str]]:
        """A perceptron without a hidden layer is the linear model."""
        return [] if self.widths else [("widths", "is empty; use the model linear instead")]

    def effective(self) -> Self:
        """Where no neighbours agree in width, nothing is added."""
        made = super().effective()
        return made if made.residual == any(self.adds) else replace(made, residual=False)


@dataclass(frozen=True, kw_only=True)
class LeNet300100(Perceptron, name="lenet_300_100"):
    """LeNet-300-100 (LeCun et al. 1998): hidden layers of 300 and 100 units."""

    @property
    def hidden(self) -> tuple[int, ...]:
        """300 and 100."""
        return (300, 100)
