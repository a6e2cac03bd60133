"""The settings that all ways of pruning share: how much, from which weights, and when."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Part, Range
from randstudy.streams import Key

if TYPE_CHECKING:
    from randstudy.models import Parameter

Ranks = NDArray[np.uint32]
Kept = NDArray[np.bool_]


def _rate_of_density(density: float) -> tuple[str, float]:
    # Rounded so that density 0.1 and rate 0.9 are one setting, hence one trial.
    return "rate", round(1 - density, 12)


@dataclass(frozen=True, kw_only=True)
class Pruning(Part, kind="pruning"):
    """A method that removes the fraction `rate` of the weights, before or after training.

    Files may give `density`, the fraction kept, instead.
    """

    rate: Annotated[float, Range(0, 1), "fraction of the weights removed"] = 0.0
    output_rate: Annotated[
        float | None, Range(0, 1), "fraction removed from the output layer; null: `rate`"
    ] = None
    scope: Annotated[
        Literal["layer", "global", "erk"],
        "`rate` of each layer, of all layers together, or by Erdős–Rényi-kernel ratios",
    ] = "layer"
    biases: Annotated[bool, "whether biases are pruned with the weights of their layer"] = False
    on_empty: Annotated[
        Literal["warn", "error"], "what to do where a layer would lose all its weights"
    ] = "warn"
    when: Annotated[
        Literal["init", "trained"], "before training, or after one, followed by another"
    ] = "init"
    rounds: Annotated[
        int, Range(least=0), "times that the trained network is pruned and trained again"
    ] = 1
    each_round: Annotated[bool, "whether rates are fractions of what a round finds left"] = False
    levels: Annotated[
        tuple[float, ...], Range(above=0, below=1), "rates on the way to `rate`, a round each"
    ] = ()
    rewind_to: Annotated[
        int | None, Range(least=0), "update whose weights return after a round; null: they stay"
    ] = None
    reinit: Annotated[bool, "whether weights are drawn anew under the final mask"] = False

    aliases: ClassVar[Mapping[str, Callable[[float], tuple[str, float]]]] = {
        "density": _rate_of_density
    }

    @property
    def active(self) -> bool:
        """Whether anything is removed."""
        return self.rounds > 0 and (self.rate > 0 or bool(self.output_rate))

    @property
    def scored_examples(self) -> int | None:
        """Training examples from which scores are worked out at init, None where none are."""
        return None

    def of_one_layer(self) -> Self:
        """Return what the method is for a network with one layer: only its rate counts."""
        if self.biases or not self.active:
            return self
        rate = self.rate if self.output_rate is None else self.output_rate
        usual = type(self)().scope
        return replace(self, rate=rate, output_rate=None, scope=usual).effective()

    @property
    def trainings(self) -> int:
        """How often the budget is spent, one after the other."""
        if self.when == "init" or not self.active:
            return 1
        return 1 + len(self.levels) + self.rounds

    def problems(self) -> list[tuple[str, str]]:
        """Rounds need trainings between them, and one way of saying how far each goes."""
        found = []
        iterative = self.rounds > 1 or self.each_round or self.levels or self.rewind_to is not None
        if self.when == "init" and iterative:
            found.append(("when", "is init: rounds, levels and rewind_to need when: trained"))
        if self.levels and (self.rounds > 1 or self.each_round):
            found.append(("levels", "says what each round removes; leave out rounds, each_round"))
        if self.levels and self.output_rate is not None:
            found.append(("levels", "holds for all layers; leave out output_rate"))
        if any(low >= high for low, high in pairwise(self.levels)):
            found.append(("levels", "must rise from round to round"))
        if self.scope == "erk" and self.biases:
            found.append(("biases", "have no Erdős–Rényi ratio; use scope: layer or global"))
        return found

    def misfits(self, parameters: tuple[Parameter, ...], steps: int) -> list[tuple[str, str]]:
        """Return (field, message) where it is known beforehand that something cannot be done.

        Parameters
        ----------
        parameters : the network's.
        steps : updates of a training.
        """
        from randstudy.pruning.masks import removed_whole

        found = []
        if self.rewind_to is not None and self.rewind_to > steps:
            found.append(("rewind_to", f"is {self.rewind_to}, but training has {steps} updates"))
        for path in removed_whole(self, parameters)[:1] if self.on_empty == "error" else []:
            message = f"{self.rate:g} would leave nothing of {path}; on_empty: warn allows it"
            found.append(("rate", message))
        return found

    def effective(self) -> Self:
        """Where nothing is removed all methods are one; fields that change nothing are default."""
        if not self.active:
            return cast(Self, type(self).choices["random"]())
        found = replace(self, levels=tuple(rate for rate in self.levels if rate < self.rate))
        if found.output_rate == found.rate and found.scope == "layer":
            found = replace(found, output_rate=None)
        if found.rounds == 1:
            found = replace(found, each_round=False)
        if found.reinit and len(found.stages()) == 1:
            found = replace(found, rewind_to=None)
        return found

    def stages(self) -> tuple[Self, ...]:
        """Return what is done at init, or after each training but the last.

        Every stage is this method at a rate of its own; weights are drawn anew in the last only.
        """
        if not self.active:
            return ()
        rates = [(rate, self.output_rate) for rate in self.levels]
        rates += [self._after(number) for number in range(1, self.rounds + 1)]
        return tuple(
            replace(
                self,
                rate=rate,
                output_rate=output,
                rounds=1,
                each_round=False,
                levels=(),
                reinit=self.reinit and number == len(rates),
            )
            for number, (rate, output) in enumerate(rates, 1)
        )

    def at_init(self) -> Self:
        """Return what removes as much at init, in one go; for timing a training."""
        found = self.stages()[-1] if self.active else self
        return replace(found, when="init", rewind_to=None)

    def _after(self, number: int) -> tuple[float, float | None]:
        """Return the rates that some of `rounds` rounds have come to, equal shares each."""
        power = number if self.each_round else number / self.rounds
        if power == 1:
            return self.rate, self.output_rate
        of_output = None if self.output_rate is None else 1 - (1 - self.output_rate) ** power
        return 1 - (1 - self.rate) ** power, of_output

    def ranks(self, key: Key, parameter: Parameter, weights: NDArray[np.float32]) -> Ranks:
        """Return (size,) uint32 for the flattened `weights`: the smallest are removed first.

        Where layers are pruned together, ranks are compared across them.
        """
        raise NotImplementedError

    def removed(self, size: int) -> int:
        """Return how many of `size` weights are removed: the nearest to `rate`, halves up."""
        return count(self.rate, size)

    def keep(self, ranks: Ranks, rate: float, alive: Kept) -> Kept:
        """Return which weights of a group stay.

        Parameters
        ----------
        ranks : (n,) of weights that share one rate.
        rate : fraction of n that is gone afterwards.
        alive : (n,) bool, False for what earlier rounds removed, which counts towards the rate.

        Returns
        -------
        (n,) bool, nowhere True where `alive` is False. Counts are exact, ties go by index.
        """
        left = np.flatnonzero(alive)
        more = count(rate, len(ranks)) - (len(ranks) - len(left))
        if more <= 0:
            return alive
        kept = np.zeros_like(alive)
        kept[left] = _all_but_smallest(ranks[left], more)
        return kept


def count(rate: float, size: int) -> int:
    """Return the whole number nearest to ``rate * size``, halves up."""
    return math.floor(rate * size + 0.5)


def _all_but_smallest(ranks: Ranks, many: int) -> Kept:
    """Return False for the `many` smallest, ties by index: counts are exact and rates nest."""
    unique = ranks.astype(np.uint64)
    unique <<= np.uint64(32)
    unique |= np.arange(unique.size, dtype=np.uint64)
    last = np.partition(unique, many - 1)[many - 1]
    kept: Kept = unique > last
    return kept
