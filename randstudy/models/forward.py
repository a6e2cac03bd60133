"""Models that are a forward function over `Layers`, and the fields that most of them share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, ClassVar, Self

from randstudy.models.blueprint import Blueprint, MisfitError
from randstudy.models.layers import Layers, Norm, V
from randstudy.models.model import Buffer, Model, Parameter
from randstudy.parts import Range
from randstudy.tasks import Data, TaskShape

KINDS = {1: "signals", 2: "images"}
"""Dimensions of the places of an input -> what people call it."""

GROUPS = 4


@dataclass(frozen=True, kw_only=True)
class Network(Model):
    """A model written as `forward`; all else follows from it.

    A network of one's own is a frozen dataclass with settings and this one function::

        @dataclass(frozen=True, kw_only=True)
        class Small(Network, name="small"):
            places: ClassVar[int | None] = 2

            def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
                planes = layers.conv("conv", inputs, 8, kernel=3, padding=1)
                return layers.linear("head", layers.activation(planes, "relu"), outputs)
    """

    program: ClassVar[str] = "randstudy.models.packed:PackedProgram"
    probed: ClassVar[bool] = True
    places: ClassVar[int | None] = None
    """Dimensions of an input beside its channels: 2 images, 1 signals, None whatever there is."""

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """Return `outputs` numbers an example.

        It must ask the same of `layers` whatever the values are: paths, sizes and order.
        """
        raise NotImplementedError

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the parameters in the order of the forward function."""
        return tuple(walk(self, shape).parameters)

    def buffers(self, shape: TaskShape) -> tuple[Buffer, ...]:
        """Return the running statistics of batch norm."""
        return tuple(walk(self, shape).buffers)

    def activations(self, shape: TaskShape) -> int:
        """Return how many numbers the layers make of one example."""
        return walk(self, shape).activations

    def least_batch(self, shape: TaskShape) -> int:
        """Return the smallest batch that can be trained on."""
        return walk(self, shape).least_batch

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Inputs are of the right kind, and something is left of them at every layer."""
        shape = data.shape()
        if self.places is not None and len(shape.inputs) != 1 + self.places:
            kind = KINDS[self.places]
            found = f"{data.name} has inputs of shape {shape.inputs}"
            return [("", f"{self.name} needs {kind}; {found}")]
        try:
            walk(self, shape)
        except MisfitError as error:
            return [self.blame(str(error))]
        return []

    def blame(self, message: str) -> tuple[str, str]:
        """Return the field that had better be changed where the inputs are too small for it."""
        return ("groups" if " groups " in message else "", message)


@lru_cache(maxsize=1024)
def walk(model: Network, shape: TaskShape) -> Blueprint:
    """Walk a model's forward function with shapes.

    Raises
    ------
    MisfitError
        where a layer cannot take what it is given.
    """
    blueprint = Blueprint()
    left = model.forward(blueprint, shape.inputs, shape.outputs)
    if left != (shape.outputs,):
        raise MisfitError(f"its forward function returns shape {left}, not {(shape.outputs,)}")
    return blueprint


@dataclass(frozen=True, kw_only=True)
class Normalised(Network):
    """A network with normalisation and dropout; convolutions before a norm have no bias."""

    norm: Annotated[Norm, "normalisation, of each channel over the batch or of each example"] = (
        "none"
    )
    groups: Annotated[int, Range(least=1), "groups of channels, for norm: group"] = GROUPS
    dropout: Annotated[
        float, Range(least=0, below=1), "probability that a unit is set to zero in training"
    ] = 0.0

    def streams(self) -> frozenset[str]:
        """Dropout has a stream of its own."""
        return frozenset({"dropout"} if self.dropout else ())

    def effective(self) -> Self:
        """Groups matter to group norm alone; one group is layer norm."""
        if self.norm == "group" and self.groups == 1:
            return replace(self, norm="layer", groups=GROUPS)
        ignored = self.norm != "group" and self.groups != GROUPS
        return replace(self, groups=GROUPS) if ignored else self

    def normalise(self, layers: Layers[V], path: str, values: V) -> V:
        """Normalise as the settings say."""
        return layers.norm(path, values, self.norm, self.groups)

    @property
    def biased(self) -> bool:
        """Whether convolutions have biases; the shift of a norm takes their place."""
        return self.norm == "none"
