"""The layers that a network's forward function is written in.

A forward function says what a network is, once: walked with shapes (`blueprint`), it gives the
parameters; with tensors (`pack_layers`), the outputs of a whole pack.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

Activation = Literal["relu", "tanh", "gelu"]
Norm = Literal["none", "batch", "layer", "group"]

V = TypeVar("V")


class Layers(Protocol[V]):
    """Layers over values of one kind.

    A value stands for the units of one example: (D,) features, (C, L) a signal of C channels, or
    (C, H, W) planes. `path` names a layer in the network; its draws are hashed from it.
    """

    def linear(self, path: str, values: V, outputs: int) -> V:
        """Connect all units to `outputs` features, and add a bias."""

    def conv(
        self,
        path: str,
        values: V,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> V:
        """Convolve with `outputs` square filters, along as many dimensions as there are."""

    def norm(self, path: str, values: V, kind: Norm, groups: int) -> V:
        """Normalise, then scale and shift each channel.

        Batch (Ioffe & Szegedy 2015): each channel over examples and places, in evaluation by
        running statistics. Layer and group (Wu & He 2018): all channels of an example, or `groups`
        groups of them. Of features, each one is a channel.
        """

    def activation(self, values: V, kind: Activation) -> V:
        """Apply a function to each unit."""

    def dropout(self, path: str, values: V, rate: float) -> V:
        """Set units to zero with probability `rate` while training, scale the others up."""

    def max_pool(self, values: V, size: int) -> V:
        """Take the largest in windows of `size`, which do not overlap; a smaller rest is lost."""

    def mean_pool(self, values: V, size: int) -> V:
        """Take the mean in windows of `size`, likewise."""

    def global_max(self, values: V) -> V:
        """Return the largest value of each channel."""

    def global_mean(self, values: V) -> V:
        """Return the mean of each channel."""

    def add(self, values: V, others: V) -> V:
        """Add two values of one shape."""

    def concatenate(self, values: V, others: V) -> V:
        """Put the channels of the one behind those of the other."""

    def subsample(self, values: V, stride: int, channels: int) -> V:
        """Keep every `stride`-th place; add channels of zeros until there are `channels`."""

    def scale(self, values: V, factor: float) -> V:
        """Multiply by a number that is not learned."""
