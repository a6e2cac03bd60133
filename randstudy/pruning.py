"""Pruning at init: which weights are removed before training and stay zero through it.

Every scheme works layer by layer, on weights and never on biases, and removes an exact count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Part, Range
from randstudy.streams import Key, site, words

if TYPE_CHECKING:
    from randstudy.models import Parameter


def _rate_of_density(density: float) -> tuple[str, float]:
    # Rounded so that density 0.1 and rate 0.9 are one setting, hence one trial.
    return "rate", round(1 - density, 12)


@dataclass(frozen=True, kw_only=True)
class Pruning(Part, kind="pruning"):
    """A scheme that removes the fraction `rate` of each layer's weights.

    Files may give `density`, the fraction kept, instead.
    """

    rate: Annotated[float, Range(0, 1), "fraction of each layer's weights removed"] = 0.0

    aliases: ClassVar[Mapping[str, Callable[[float], tuple[str, float]]]] = {
        "density": _rate_of_density
    }

    def effective(self) -> Self:
        """At rate 0 every scheme is the same: nothing is removed."""
        return self if self.rate > 0 else cast(Self, RandomPruning())

    def removed(self, size: int) -> int:
        """Return how many weights of a layer of `size` are removed: the nearest, halves up."""
        return math.floor(self.rate * size + 0.5)

    def ranks(
        self, key: Key, parameter: Parameter, weights: NDArray[np.float32]
    ) -> NDArray[np.uint32]:
        """Return (size,) uint32 for the flattened `weights`: the smallest are removed first."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class RandomPruning(Pruning, name="random"):
    """Removes weights at random: one uniform a weight, so a higher rate removes a superset."""

    def streams(self) -> frozenset[str]:
        """Masks are drawn where there is something to remove."""
        return frozenset({"mask"}) if self.rate > 0 else frozenset()

    def ranks(
        self, key: Key, parameter: Parameter, weights: NDArray[np.float32]
    ) -> NDArray[np.uint32]:
        """Return the weight's own uniform, as its 32 random bits."""
        return words([key], site=site(parameter.path), count=parameter.size).reshape(-1)


@dataclass(frozen=True, kw_only=True)
class MagnitudePruning(Pruning, name="magnitude"):
    """Removes the weights that the init made smallest in absolute value."""

    def ranks(
        self, key: Key, parameter: Parameter, weights: NDArray[np.float32]
    ) -> NDArray[np.uint32]:
        """Return the bits of the absolute value, which sort as the value does."""
        ranks: NDArray[np.uint32] = np.abs(weights).reshape(-1).view(np.uint32)
        return ranks


def masks(
    prunings: Sequence[Pruning],
    keys: Sequence[Key],
    parameters: Sequence[Parameter],
    weights: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.bool_]]:
    """Return what each trial of a pack keeps.

    Parameters
    ----------
    prunings, keys : a scheme and a key of the `mask` stream for each of the P trials.
    parameters : the model's, weights and biases.
    weights : path -> (P, *shape) float32 initial values.

    Returns
    -------
    Path of each weight -> (P, *shape) bool, True where kept; empty if no trial prunes.
    """
    if all(pruning.rate == 0 for pruning in prunings):
        return {}
    found = {}
    for parameter in parameters:
        if parameter.role == "weight":
            kept = np.ones((len(prunings), parameter.size), np.bool_)
            for row, (pruning, key) in enumerate(zip(prunings, keys, strict=True)):
                count = pruning.removed(parameter.size)
                if count:
                    ranks = pruning.ranks(key, parameter, weights[parameter.path][row])
                    kept[row] = _all_but_smallest(ranks, count)
            found[parameter.path] = kept.reshape(-1, *parameter.shape)
    return found


def _all_but_smallest(ranks: NDArray[np.uint32], count: int) -> NDArray[np.bool_]:
    """Return False for the `count` smallest, ties by index: counts are exact and rates nest."""
    unique = ranks.astype(np.uint64)
    unique <<= np.uint64(32)
    unique |= np.arange(unique.size, dtype=np.uint64)
    last = np.partition(unique, count - 1)[count - 1]
    kept: NDArray[np.bool_] = unique > last
    return kept
