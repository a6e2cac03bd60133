"""The contract of a network: its parameters, what it keeps beside them, and its tensor program."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from randstudy.parts import Part
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


def conv_layer(
    path: str, inputs: int, outputs: int, kernel: int, places: int = 2
) -> tuple[Parameter, Parameter]:
    """Return weight (outputs, inputs, kernel, …) and bias of a convolution in 2-D, or in 1-D."""
    area = kernel**places
    fans = (inputs * area, outputs * area)
    return (
        Parameter(f"{path}.weight", (outputs, inputs, *[kernel] * places), *fans, "weight"),
        Parameter(f"{path}.bias", (outputs,), *fans, "bias"),
    )


@dataclass(frozen=True, kw_only=True)
class Model(Part, kind="model"):
    """A network; `parameters` is the contract between design, inits, pruning and training."""

    program: ClassVar[str]
    """The tensor program, as ``module:class``, imported by training alone."""
    probed: ClassVar[bool] = False
    """Whether the program shows the outputs of each layer to `Pass.probe`."""

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the network's parameters in the order of its layers."""
        raise NotImplementedError

    layered: ClassVar[bool] = True
    """Whether parameters come in the order of the layers, so that it is known which is last."""

    def buffers(self, shape: TaskShape) -> tuple[Buffer, ...]:
        """Return what the network keeps beside its parameters."""
        return ()

    def consumes(self, shape: TaskShape) -> frozenset[str]:
        """Return the streams that the network consumes on a task of this shape."""
        return self.streams()

    def alone(self, shape: TaskShape, batches: tuple[int, ...] = ()) -> str | None:
        """Say why trials are computed one by one on batches of these sizes, None where in packs."""
        return None

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Return (field of the model, message) where the network cannot take this data."""
        return []

    def activations(self, shape: TaskShape) -> int:
        """Return about how many numbers an example's forward pass makes, from above.

        Unless a model knows better: the outputs of its layers, where a convolution is applied at
        every place of its plane, of which the input's is the largest.
        """
        places = math.prod(shape.inputs[1:])
        return sum(
            parameter.shape[0] * (places if len(parameter.shape) > 2 else 1)
            for parameter in self.parameters(shape)
            if parameter.role == "weight"
        )

    def least_batch(self, shape: TaskShape) -> int:
        """Return the smallest batch that can be trained on: 2 where one has no variance."""
        return 1
