"""Convolutional networks without shortcuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from randstudy.models.forward import Normalised
from randstudy.models.layers import Activation, Layers, V
from randstudy.parts import Range

LENET_CHANNELS, LENET_UNITS = (6, 16), (120, 84)


@dataclass(frozen=True, kw_only=True)
class Cnn(Normalised, name="cnn"):
    """3x3 convolutions, each with ReLU and 2x2 max pooling, then one fully connected layer."""

    channels: Annotated[tuple[int, ...], Range(least=1), "channels of each convolution"] = (8, 16)
    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """Convolution, norm, ReLU, pooling; dropout before the head."""
        planes = inputs
        for index, channels in enumerate(self.channels):
            planes = layers.conv(
                f"convs.{index}", planes, channels, kernel=3, padding=1, bias=self.biased
            )
            planes = self.normalise(layers, f"norms.{index}", planes)
            planes = layers.max_pool(layers.activation(planes, "relu"), 2)
        return layers.linear("head", layers.dropout("head", planes, self.dropout), outputs)

    def problems(self) -> list[tuple[str, str]]:
        """A convolutional net needs a convolution."""
        return [] if self.channels else [("channels", "is empty; use the model linear instead")]

    def blame(self, message: str) -> tuple[str, str]:
        """Too many channels are too many poolings."""
        field, message = super().blame(message)
        return (field or "channels", message)


@dataclass(frozen=True, kw_only=True)
class LeNet5(Normalised, name="lenet5"):
    """LeNet-5 (LeCun et al. 1998) as it is used today: softmax, and every map sees every map."""

    activation: Annotated[Activation, "between the layers"] = "relu"
    pooling: Annotated[Literal["max", "mean"], "of 2x2 windows"] = "max"
    padding: Annotated[
        int, Range(least=0, most=2), "zeros around the image: 2 for 28 pixels, 0 for 32"
    ] = 2
    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """Two 5x5 convolutions with pooling, two hidden layers; dropout in the latter."""
        values = inputs
        for index, channels in enumerate(LENET_CHANNELS):
            padding = 0 if index else self.padding
            values = layers.conv(
                f"convs.{index}", values, channels, kernel=5, padding=padding, bias=self.biased
            )
            values = self.normalise(layers, f"norms.{index}", values)
            values = layers.activation(values, self.activation)
            pool = layers.max_pool if self.pooling == "max" else layers.mean_pool
            values = pool(values, 2)
        for index, units in enumerate(LENET_UNITS):
            values = layers.linear(f"layers.{index}", values, units)
            values = layers.activation(values, self.activation)
            values = layers.dropout(f"layers.{index}", values, self.dropout)
        return layers.linear(f"layers.{len(LENET_UNITS)}", values, outputs)


@dataclass(frozen=True, kw_only=True)
class Conv1d(Normalised, name="conv1d"):
    """1-D convolutions with ReLU, then one fully connected layer.

    Its defaults are the convolutional baseline of MNIST-1D (Greydanus 2020).
    """

    channels: Annotated[tuple[int, ...], Range(least=1), "channels of each convolution"] = (
        25,
        25,
        25,
    )
    kernels: Annotated[tuple[int, ...], Range(least=1), "width of each convolution's filters"] = (
        5,
        3,
        3,
    )
    stride: Annotated[int, Range(least=1), "of every convolution"] = 2
    padding: Annotated[int, Range(least=0), "zeros on each side, at every convolution"] = 1
    activation: Annotated[Activation, "after each convolution"] = "relu"
    places: ClassVar[int | None] = 1

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """Convolution, norm, activation; dropout before the head."""
        signal = inputs
        pairs = zip(self.channels, self.kernels, strict=True)
        for index, (channels, kernel) in enumerate(pairs):
            signal = layers.conv(
                f"convs.{index}",
                signal,
                channels,
                kernel=kernel,
                stride=self.stride,
                padding=self.padding,
                bias=self.biased,
            )
            signal = self.normalise(layers, f"norms.{index}", signal)
            signal = layers.activation(signal, self.activation)
        return layers.linear("head", layers.dropout("head", signal, self.dropout), outputs)

    def problems(self) -> list[tuple[str, str]]:
        """Each convolution has its channels and its filters' width."""
        if not self.channels:
            return [("channels", "is empty; use the model linear instead")]
        if len(self.kernels) != len(self.channels):
            counts = f"{len(self.kernels)} for {len(self.channels)} convolutions"
            return [("kernels", f"must be as many as channels; there are {counts}")]
        return []

    def blame(self, message: str) -> tuple[str, str]:
        """Long filters and strides leave nothing of a short signal."""
        field, message = super().blame(message)
        return (field or "kernels", message)
