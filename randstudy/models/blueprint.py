"""A forward function walked with shapes: parameters, buffers and size of a network, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from randstudy.models.layers import Activation, Norm
from randstudy.models.model import Buffer, Parameter, conv_layer, linear_layer

Units = tuple[int, ...]
"""Shape of what one example has at some place of the network: (D,), (C, L) or (C, H, W)."""


class MisfitError(ValueError):
    """A layer cannot take what it is given; its text says why."""


@dataclass(eq=False)
class Blueprint:
    """`Layers` over shapes, which notes what each layer would need.

    Attributes
    ----------
    parameters, buffers : of the layers walked so far.
    activations : numbers that they make of one example.
    least_batch : examples without which a batch norm would see a single number.
    """

    parameters: list[Parameter] = field(default_factory=list)
    buffers: list[Buffer] = field(default_factory=list)
    activations: int = 0
    least_batch: int = 1

    def linear(self, path: str, values: Units, outputs: int) -> Units:
        """Note weight and bias."""
        self.parameters += linear_layer(path, math.prod(values), outputs)
        return self._made((outputs,))

    def conv(
        self,
        path: str,
        values: Units,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> Units:
        """Note weight and bias."""
        channels, *places = values
        found = conv_layer(path, channels, outputs, kernel, len(places))
        self.parameters += found if bias else found[:1]
        if min(places) + 2 * padding < kernel:
            raise MisfitError(f"nothing is left of the input at {path}: {_size(places)}")
        left = [(place + 2 * padding - kernel) // stride + 1 for place in places]
        return self._made((outputs, *left))

    def norm(self, path: str, values: Units, kind: Norm, groups: int) -> Units:
        """Note scale and shift, and the running statistics of batch norm."""
        if kind == "none":
            return values
        channels = values[0]
        if kind == "group" and channels % groups:
            raise MisfitError(f"{groups} groups do not divide the {channels} channels at {path}")
        self.parameters += (
            Parameter(f"{path}.weight", (channels,), channels, channels, "scale"),
            Parameter(f"{path}.bias", (channels,), channels, channels, "shift"),
        )
        if kind == "batch":
            self.buffers += (
                Buffer(f"{path}.running_mean", (channels,), 0.0),
                Buffer(f"{path}.running_var", (channels,), 1.0),
            )
            if math.prod(values[1:]) == 1:
                self.least_batch = 2
        return self._made(values)

    def activation(self, values: Units, kind: Activation) -> Units:
        """Note the room; gelu makes more than its result."""
        self.activations += 3 * math.prod(values) * (kind == "gelu")
        return self._made(values)

    def dropout(self, path: str, values: Units, rate: float) -> Units:
        """Note the room for the factors and the result."""
        self.activations += math.prod(values) * (rate > 0)
        return self._made(values) if rate else values

    def max_pool(self, values: Units, size: int) -> Units:
        """Shrink the places."""
        channels, *places = values
        if min(places) < size:
            raise MisfitError(f"nothing is left for a pooling of {size}: {_size(places)}")
        return self._made((channels, *(place // size for place in places)))

    def mean_pool(self, values: Units, size: int) -> Units:
        """Shrink the places."""
        return self.max_pool(values, size)

    def global_max(self, values: Units) -> Units:
        """Leave the channels."""
        return self._made(values[:1])

    def global_mean(self, values: Units) -> Units:
        """Leave the channels."""
        return self._made(values[:1])

    def add(self, values: Units, others: Units) -> Units:
        """Both are of one shape."""
        if values != others:
            raise MisfitError(f"shapes {values} and {others} cannot be added")
        return self._made(values)

    def concatenate(self, values: Units, others: Units) -> Units:
        """Add up the channels."""
        if values[1:] != others[1:]:
            raise MisfitError(f"shapes {values} and {others} cannot be put behind each other")
        return self._made((values[0] + others[0], *values[1:]))

    def subsample(self, values: Units, stride: int, channels: int) -> Units:
        """Shrink the places, widen the channels."""
        return self._made((channels, *(math.ceil(place / stride) for place in values[1:])))

    def scale(self, values: Units, factor: float) -> Units:
        """Leave all as it is."""
        return self._made(values)

    def _made(self, values: Units) -> Units:
        """Note the room for a result."""
        self.activations += math.prod(values)
        return values


def _size(places: list[int]) -> str:
    """Write the size of a plane or signal for people."""
    return f"{'x'.join(map(str, places))} {'pixels' if len(places) > 1 else 'points'}"
