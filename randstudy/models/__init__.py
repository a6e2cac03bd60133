"""Networks that a study names: settings and parameter shapes, without torch.

Each model names its tensor program (``program``, a ``module:class`` imported only by training).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from randstudy.parts import Part, Range
from randstudy.tasks import Data, TaskShape


@dataclass(frozen=True)
class Parameter:
    """One array of weights or biases.

    ``path`` is its name in the network, from which the draws' site is hashed; shapes are torch's
    ((out, in) for a linear layer, (out, in, height, width) for a convolution).
    """

    path: str
    shape: tuple[int, ...]
    fan_in: int
    fan_out: int
    role: Literal["weight", "bias", "scale", "shift"]
    """Scales and shifts are those of normalisation: they start at 1 and 0 whatever the init."""

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Buffer:
    """One array that a network keeps but does not learn, such as a running mean."""

    path: str
    shape: tuple[int, ...]
    value: float
    """What every element is at first."""


def linear_layer(path: str, inputs: int, outputs: int) -> tuple[Parameter, Parameter]:
    """Return weight (outputs, inputs) and bias (outputs,) of a fully connected layer."""
    return (
        Parameter(f"{path}.weight", (outputs, inputs), inputs, outputs, "weight"),
        Parameter(f"{path}.bias", (outputs,), inputs, outputs, "bias"),
    )


def conv_layer(path: str, inputs: int, outputs: int, kernel: int) -> tuple[Parameter, Parameter]:
    """Return weight (outputs, inputs, kernel, kernel) and bias of a 2-D convolution."""
    area = kernel * kernel
    fans = (inputs * area, outputs * area)
    return (
        Parameter(f"{path}.weight", (outputs, inputs, kernel, kernel), *fans, "weight"),
        Parameter(f"{path}.bias", (outputs,), *fans, "bias"),
    )


@dataclass(frozen=True, kw_only=True)
class Model(Part, kind="model"):
    """A network; `parameters` is the contract between design, inits, pruning and training."""

    program: ClassVar[str]

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the network's parameters in the order of its layers."""
        raise NotImplementedError

    def buffers(self, shape: TaskShape) -> tuple[Buffer, ...]:
        """Return what the network keeps beside its parameters."""
        return ()

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Return (field of the model, message) where the network cannot take this data."""
        return []


@dataclass(frozen=True, kw_only=True)
class Linear(Model, name="linear"):
    """One fully connected layer: linear or softmax regression."""

    program: ClassVar[str] = "randstudy.models.dense:DenseProgram"

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the layer's weight and bias."""
        return linear_layer("layers.0", math.prod(shape.inputs), shape.outputs)


@dataclass(frozen=True, kw_only=True)
class Mlp(Model, name="mlp"):
    """Fully connected layers with an activation between them."""

    widths: Annotated[tuple[int, ...], Range(least=1), "units of each hidden layer"] = (128,)
    activation: Annotated[Literal["relu", "tanh"], "between the layers"] = "relu"
    program: ClassVar[str] = "randstudy.models.dense:DenseProgram"

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return weights and biases from the first hidden layer to the output."""
        sizes = (math.prod(shape.inputs), *self.widths, shape.outputs)
        layers = itertools.pairwise(sizes)
        return tuple(
            parameter
            for index, (inputs, outputs) in enumerate(layers)
            for parameter in linear_layer(f"layers.{index}", inputs, outputs)
        )

    def problems(self) -> list[tuple[str, str]]:
        """A perceptron without a hidden layer is the linear model."""
        return [] if self.widths else [("widths", "is empty; use the model linear instead")]


@dataclass(frozen=True, kw_only=True)
class Cnn(Model, name="cnn"):
    """3x3 convolutions, each with ReLU and 2x2 max pooling, then one fully connected layer."""

    channels: Annotated[tuple[int, ...], Range(least=1), "channels of each convolution"] = (8, 16)
    program: ClassVar[str] = "randstudy.models.cnn:CnnProgram"

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the convolutions' parameters, then those of the output layer."""
        found: list[Parameter] = []
        planes, height, width = shape.inputs
        for index, outputs in enumerate(self.channels):
            found += conv_layer(f"convs.{index}", planes, outputs, kernel=3)
            planes, height, width = outputs, height // 2, width // 2
        return (*found, *linear_layer("head", planes * height * width, shape.outputs))

    def problems(self) -> list[tuple[str, str]]:
        """A convolutional net needs a convolution."""
        return [] if self.channels else [("channels", "is empty; use the model linear instead")]

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Images only, and large enough to be halved by each pooling."""
        inputs = data.shape().inputs
        if len(inputs) != 3:
            return [("", f"cnn needs images; {data.name} has inputs of shape {inputs}")]
        if min(inputs[1:]) < 2 ** len(self.channels):
            size = "x".join(map(str, inputs[1:]))
            return [("channels", f"{len(self.channels)} poolings leave nothing of {size} pixels")]
        return []
