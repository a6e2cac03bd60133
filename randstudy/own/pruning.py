"""A function that scores weights, as a way of pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from randstudy.own.functions import OwnPart, ReturnError
from randstudy.own.probing import score_problem
from randstudy.pruning import Pruning
from randstudy.pruning.method import Ranks
from randstudy.pruning.methods import sortable
from randstudy.streams import Key, handed_at

if TYPE_CHECKING:
    from randstudy.models import Parameter


@dataclass(frozen=True, kw_only=True)
class OwnPruning(OwnPart, Pruning):
    """Removes the weights to which somebody's function gives the lowest scores.

    The function is handed the weights of a layer by position, and by name ``path``, ``fan_in``,
    ``fan_out`` and ``rng`` (a numpy generator of the `mask` stream, of the layer's own). It returns
    as many scores. How much goes, and when, are settings of every method: rate, scope, when.
    """

    given: ClassVar[int] = 1
    offered: ClassVar[tuple[str, ...]] = ("path", "fan_in", "fan_out", "rng")

    def streams(self) -> frozenset[str]:
        """Return `mask` where the function takes draws."""
        return frozenset({"mask"} if self.active and "rng" in self.wanted else ())

    def ranks(self, key: Key, parameter: Parameter, weights: NDArray[np.float32]) -> Ranks:
        """Return the scores as numbers that sort as they do."""
        scores = np.asarray(
            self.call_watched(
                weights.reshape(parameter.shape).copy(),
                path=parameter.path,
                fan_in=parameter.fan_in,
                fan_out=parameter.fan_out,
                rng=handed_at(key, parameter.path).numpy(),
            ),
            dtype=np.float32,
        )
        wrong = ""
        if scores.size != parameter.size:
            wrong = f"an array of shape {scores.shape}"
        elif not np.isfinite(scores).all():
            wrong = f"{np.count_nonzero(~np.isfinite(scores))} that are not"
        if wrong:
            raise ReturnError(
                f"{self.name} must return {parameter.size} finite scores for the weight "
                f"{parameter.path} of shape {parameter.shape}, not {wrong}"
            )
        return sortable(scores)

    def misfits(self, parameters: tuple[Parameter, ...], steps: int) -> list[tuple[str, str]]:
        """Try the function on made-up weights, where anything is pruned."""
        found = super().misfits(parameters, steps)
        wrong = score_problem(self, parameters) if self.active else ""
        return [*found, ("", wrong)] if wrong else found
