"""Draws that belong to a step, made for several steps at once: dropout, and noise on parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from randstudy import streams
from randstudy.devicestreams import DeviceStream, drawn_rate, kept

AHEAD = 65536
"""Counters that are worth drawing at once, where a step alone needs fewer."""

MOST_STEPS = 64
"""Steps that are drawn ahead at most, as training may end before they are used."""

HIGH = 0.99
"""From this rate on a 65,536th is more than a thousandth of what is kept."""


class Ahead:
    """Halves of one site, step after step.

    Parameters
    ----------
    stream : the stream of P trials.
    site : the place that uses the draws.
    rows, count : what one step draws, (P, rows, count).
    """

    def __init__(self, stream: DeviceStream, site: int, *, rows: int, count: int) -> None:
        self.stream, self.site, self.rows, self.count = stream, site, rows, count
        self.steps = range(0)
        self.drawn: Tensor | None = None

    def at(self, step: int) -> Tensor:
        """Return (P, rows, count) int16 of a step."""
        if self.drawn is None or step not in self.steps:
            counters = len(self.stream) * self.rows * math.ceil(self.count / 8)
            steps = max(1, min(MOST_STEPS, AHEAD // counters))
            self.steps = range(step, step + steps)
            self.drawn = self.stream.step_halves(
                self.site, steps=self.steps, rows=self.rows, count=self.count
            )
        return self.drawn[:, step - self.steps.start]

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials; their stream is told by its owner."""
        self.drawn = None if self.drawn is None else self.drawn[rows]


class DropoutDraws:
    """The dropout stream of a pack, through its training."""

    def __init__(self, stream: DeviceStream, batch: int) -> None:
        self.stream, self.batch = stream, batch
        self.sites: dict[str, Ahead] = {}

    def of(self, step: int) -> DropoutAt:
        """Return the stream at a step."""
        return DropoutAt(self, step, slice(0, len(self.stream)))

    def at(self, path: str, step: int, rows: int, units: int) -> Tensor:
        """Return (P, rows, units) int16 at a place of the networks."""
        ahead = self.sites.get(path)
        if ahead is None or ahead.count != units or ahead.rows < rows:
            ahead = self.sites[path] = Ahead(
                self.stream, streams.site(path), rows=max(rows, self.batch), count=units
            )
        return ahead.at(step)[:, :rows]

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
        self.stream.keep(rows)
        for ahead in self.sites.values():
            ahead.keep(rows)


@dataclass(frozen=True, eq=False)
class DropoutAt:
    """The dropout stream of a pack, or of some of its trials, at one step."""

    draws: DropoutDraws
    step: int
    some: slice

    def factors(self, path: str, shape: tuple[int, ...], rate: float) -> Tensor:
        """Return (P, *shape) of 0 and 1 / (1 - rate) for the units at `path` of a network.

        Where rounding the rate to a 65,536th would show in the mean, the factor is that of the rate
        which is drawn; at 1 nothing is kept.
        """
        halves = self.draws.at(path, self.step, shape[0], math.prod(shape[1:]))[self.some]
        factor = 0.0 if rate >= 1 else 1 / (1 - (rate if rate < HIGH else drawn_rate(rate)))
        return kept(halves, rate).view(-1, *shape).float().mul_(factor)

    def rows(self, some: slice) -> DropoutAt:
        """Return the stream of these trials alone."""
        trials = range(len(self.draws.stream))[self.some][some]
        return DropoutAt(self.draws, self.step, slice(trials.start, trials.stop))
