"""Residual networks for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from randstudy.models.forward import Normalised
from randstudy.models.layers import Layers, Norm, V
from randstudy.parts import Range

STAGES = 3


@dataclass(frozen=True, kw_only=True)
class ResNet(Normalised, name="resnet"):
    """The CIFAR family of He et al. (2016), section 4.2: 6n + 2 layers in three stages.

    Dropout, of which the paper has none, stands between the two convolutions of a block, as in
    Zagoruyko & Komodakis (2016).
    """

    depth: Annotated[int, Range(least=8), "layers with weights: 8, 14, 20, 32, 44, 56, 110"] = 20
    width: Annotated[int, Range(least=1), "channels of the first stage; it doubles twice"] = 16
    shortcut: Annotated[
        Literal["pad", "conv"],
        "where shapes change: subsampled with channels of zeros (option A), or a 1x1 convolution "
        "(option B)",
    ] = "pad"
    norm: Annotated[Norm, "normalisation after each convolution"] = "batch"
    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """A 3x3 convolution, three stages of n blocks, the mean of each channel, a head."""
        planes = self._conv(layers, "stem", inputs, self.width)
        planes = layers.activation(planes, "relu")
        below = self.width
        for stage in range(STAGES):
            channels = self.width * 2**stage
            for block in range((self.depth - 2) // 6):
                planes = self._block(layers, f"stages.{stage}.{block}", planes, below, channels)
                below = channels
        return layers.linear("head", layers.global_mean(planes), outputs)

    def _block(self, layers: Layers[V], path: str, planes: V, below: int, channels: int) -> V:
        """Two convolutions beside a shortcut; the first one halves the plane in a new stage."""
        stride = 1 if channels == below else 2
        above = self._conv(layers, f"{path}.0", planes, channels, stride=stride)
        above = layers.dropout(path, layers.activation(above, "relu"), self.dropout)
        above = self._conv(layers, f"{path}.1", above, channels)
        if stride > 1 and self.shortcut == "pad":
            planes = layers.subsample(planes, stride, channels)
        elif stride > 1:
            planes = self._conv(
                layers, f"{path}.shortcut", planes, channels, kernel=1, stride=stride
            )
        return layers.activation(layers.add(planes, above), "relu")

    def _conv(
        self,
        layers: Layers[V],
        path: str,
        planes: V,
        channels: int,
        *,
        kernel: int = 3,
        stride: int = 1,
    ) -> V:
        """Convolution and norm."""
        planes = layers.conv(
            f"{path}.conv",
            planes,
            channels,
            kernel=kernel,
            stride=stride,
            padding=kernel // 2,
            bias=self.biased,
        )
        return self.normalise(layers, f"{path}.norm", planes)

    def problems(self) -> list[tuple[str, str]]:
        """Three stages of blocks of two, a stem and a head."""
        if self.depth % 6 == 2:
            return []
        below = self.depth - (self.depth - 2) % 6
        return [("depth", f"{self.depth} is not 6n + 2; near it are {below} and {below + 6}")]


@dataclass(frozen=True, kw_only=True)
class ResNet9(Normalised, name="resnet9"):
    """ResNet-9 as Page trained it for DAWNBench ("How to train your ResNet", 2018).

    Dropout, of which it has none, stands before the head.
    """

    width: Annotated[int, Range(least=1), "channels of the first convolution; doubled thrice"] = 64
    scale: Annotated[float, Range(above=0), "factor on the outputs"] = 0.125
    norm: Annotated[Norm, "normalisation after each convolution"] = "batch"
    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        """Four convolutions, the last three pooled; two residual pairs; the largest of each."""
        planes = self._conv(layers, "stem", inputs, self.width)
        for index in (1, 2, 3):
            channels = self.width * 2**index
            planes = self._conv(layers, f"layers.{index}", planes, channels)
            planes = layers.max_pool(planes, 2)
            if index != 2:
                above = self._conv(layers, f"layers.{index}.residual.0", planes, channels)
                above = self._conv(layers, f"layers.{index}.residual.1", above, channels)
                planes = layers.add(planes, above)
        features = layers.dropout("head", layers.global_max(planes), self.dropout)
        return layers.scale(layers.linear("head", features, outputs), self.scale)

    def _conv(self, layers: Layers[V], path: str, planes: V, channels: int) -> V:
        """Convolution, norm, ReLU."""
        planes = layers.conv(
            f"{path}.conv", planes, channels, kernel=3, padding=1, bias=self.biased
        )
        return layers.activation(self.normalise(layers, f"{path}.norm", planes), "relu")
