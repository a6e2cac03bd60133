"""Densely connected convolutional networks for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from randstudy.models.forward import Normalised
from randstudy.models.layers import Layers, Norm, V
from randstudy.parts import Range

STEM = 16
"""Channels of the first convolution, but for DenseNet-BC, where they are twice the growth."""


@dataclass(frozen=True, kw_only=True)
class DenseNet(Normalised, name="densenet"):
    """DenseNet (Huang et al. 2017): every layer of a block sees the maps of all before it.

    Norm and ReLU stand before each convolution; dropout after each but the first, as in the paper.
    """

    growth: Annotated[int, Range(least=1), "channels that each layer adds"] = 12
    layers: Annotated[tuple[int, ...], Range(least=1), "layers of each block"] = (4, 4, 4)
    compression: Annotated[
        float, Range(above=0, most=1), "share of the channels that is left between blocks"
    ] = 0.5
    bottleneck: Annotated[
        bool, "a 1x1 convolution to 4 times `growth` channels before each layer"
    ] = False
    norm: Annotated[Norm, "normalisation before each convolution"] = "batch"
    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """A convolution, blocks with halvings between them, the mean of each channel, a head."""
        channels = 2 * self.growth if self.bottleneck and self.compression < 1 else STEM
        planes = layers.conv("stem", inputs, channels, kernel=3, padding=1, bias=self.biased)
        for block, depth in enumerate(self.layers):
            if block:
                channels = max(1, int(channels * self.compression))
                planes = self._conv(layers, f"transitions.{block - 1}", planes, channels, 1)
                planes = layers.mean_pool(planes, 2)
            for index in range(depth):
                path = f"blocks.{block}.{index}"
                planes = layers.concatenate(planes, self._layer(layers, path, planes))
                channels += self.growth
        planes = layers.activation(self.normalise(layers, "norm", planes), "relu")
        return layers.linear("head", layers.global_mean(planes), outputs)

    def _layer(self, layers: Layers[V], path: str, planes: V) -> V:
        """Return the maps that one layer adds."""
        if self.bottleneck:
            planes = self._conv(layers, f"{path}.bottleneck", planes, 4 * self.growth, 1)
        return self._conv(layers, path, planes, self.growth, 3)

    def _conv(self, layers: Layers[V], path: str, planes: V, channels: int, kernel: int) -> V:
        """Norm, ReLU, convolution, dropout."""
        planes = layers.activation(self.normalise(layers, f"{path}.norm", planes), "relu")
        planes = layers.conv(
            f"{path}.conv",
            planes,
            channels,
            kernel=kernel,
            padding=kernel // 2,
            bias=self.biased,
        )
        return layers.dropout(path, planes, self.dropout)

    def problems(self) -> list[tuple[str, str]]:
        """There is at least one block."""
        return [] if self.layers else [("layers", "is empty; give the layers of each block")]

    def blame(self, message: str) -> tuple[str, str]:
        """Too many blocks are too many poolings."""
        field, message = super().blame(message)
        return (field or "layers", message)
