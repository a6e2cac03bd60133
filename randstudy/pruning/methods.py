"""The catalogue: random, magnitude, and scores from gradients at init."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Range
from randstudy.pruning.method import Kept, Pruning, Ranks
from randstudy.streams import Key, site, words

if TYPE_CHECKING:
    from randstudy.models import Parameter


class DrawnPruning(Pruning):
    """Removes weights at random: one uniform a weight, so a higher rate removes a superset."""

    def streams(self) -> frozenset[str]:
        """Masks are drawn where there is something to remove."""
        return frozenset({"mask"}) if self.active else frozenset()

    def effective(self) -> Self:
        """The mask knows nothing of the weights: pruned and rewound to init, it is a mask at init.

        The training before it is then left out, so nobody sees whether it would have diverged.
        Rates that are fractions of what is left are not put into one, as that would round twice.
        """
        found = super().effective()
        anew = self.rewind_to == 0 or self.reinit
        if found.active and found.when == "trained" and anew and not found.each_round:
            found = replace(found, when="init", rounds=1, levels=(), rewind_to=None)
        return found

    def ranks(self, key: Key, parameter: Parameter, weights: NDArray[np.float32]) -> Ranks:
        """Return the weight's own uniform, as its 32 random bits."""
        return words([key], site=site(parameter.path), count=parameter.size).reshape(-1)


@dataclass(frozen=True, kw_only=True)
class RandomPruning(DrawnPruning, name="random"):
    """Removes an exact number of weights at random."""


@dataclass(frozen=True, kw_only=True)
class BernoulliPruning(DrawnPruning, name="bernoulli"):
    """Removes each weight with probability `rate`, so that the number removed is random too.

    A weight goes where its uniform, that of the method `random`, is below the rate.
    """

    def effective(self) -> Self:
        """Weights are removed one by one, whichever others are looked at."""
        found = super().effective()
        same = found.active and found.scope == "global"
        return replace(found, scope="layer") if same else found

    def keep(self, ranks: Ranks, rate: float, alive: Kept) -> Kept:
        """Keep what is not below the rate and was there."""
        found: Kept = (ranks + 0.5 >= rate * 2.0**32) & alive
        return found


@dataclass(frozen=True, kw_only=True)
class MagnitudePruning(Pruning, name="magnitude"):
    """Removes the weights that are smallest in absolute value, as drawn or as trained."""

    def ranks(self, key: Key, parameter: Parameter, weights: NDArray[np.float32]) -> Ranks:
        """Return the bits of the absolute value, which sort as the value does."""
        ranks: Ranks = np.abs(weights).reshape(-1).view(np.uint32)
        return ranks


@dataclass(frozen=True, kw_only=True)
class ScoredPruning(Pruning):
    """Removes the weights of the lowest scores; training computes these (`training.scores`).

    All layers are pruned together unless `scope` says otherwise, as the methods' papers do.
    """

    scope: Annotated[
        Literal["layer", "global", "erk"],
        "`rate` of each layer, of all layers together, or by Erdős–Rényi-kernel ratios",
    ] = "global"

    @property
    def passes(self) -> tuple[float, ...]:
        """Densities, as powers of the final one, at which scores are computed afresh."""
        return (1.0,)


def sortable(scores: NDArray[np.float32]) -> Ranks:
    """Return uint32 that sort as finite float32 scores do; -0.0 ranks as 0.0."""
    bits = (scores + np.float32(0)).reshape(-1).view(np.uint32)
    flipped: Ranks = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint32)
    return flipped


@dataclass(frozen=True, kw_only=True)
class SnipPruning(ScoredPruning, name="snip"):
    """Connection sensitivity |weight * gradient| (SNIP; Lee, Ajanthan & Torr 2019)."""

    examples: Annotated[
        int, Range(least=1), "training examples that are looked at, evenly spaced over the split"
    ] = 128

    @property
    def scored_examples(self) -> int | None:
        """Those of `examples`, where anything is scored."""
        return self.examples if self.active else None


@dataclass(frozen=True, kw_only=True)
class GraspPruning(ScoredPruning, name="grasp"):
    """Keeps the gradient flow: weight * (Hessian @ gradient) (GraSP; Wang, Zhang & Grosse 2020).

    Their score is the negative, and the highest go.
    """

    examples: Annotated[
        int, Range(least=1), "training examples that are looked at, evenly spaced over the split"
    ] = 128
    temperature: Annotated[
        float, Range(above=0), "what outputs are divided by before the loss, as the authors do"
    ] = 200.0

    @property
    def scored_examples(self) -> int | None:
        """Those of `examples`, where anything is scored."""
        return self.examples if self.active else None


@dataclass(frozen=True, kw_only=True)
class SynflowPruning(ScoredPruning, name="synflow"):
    """Synaptic flow, from no data, in many small steps (SynFlow; Tanaka et al. 2020).

    The score is weight * gradient of the sum of outputs, all weights made positive and all inputs
    1; the density falls exponentially to its last value.
    """

    iterations: Annotated[int, Range(least=1), "times that scores are computed"] = 100

    @property
    def passes(self) -> tuple[float, ...]:
        """Return n / iterations for n = 1, 2, …"""
        return tuple(number / self.iterations for number in range(1, self.iterations + 1))
