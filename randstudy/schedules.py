"""Learning-rate schedules that a study names.

A schedule is a factor on `training.lr`, a function of how many updates were done and how many there
are, computed in Python's float64 by `factor`; warm-up multiplies in front of any of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Annotated, Self

from randstudy.parts import Part, Range


@dataclass(frozen=True, kw_only=True)
class Schedule(Part, kind="schedule"):
    """A shape of the learning rate through training."""

    warmup: Annotated[
        int, Range(least=0), "first updates, over which the rate rises linearly to its full height"
    ] = 0

    def misfits(self, total: int) -> list[tuple[str, str]]:
        """Return (field, message) where a training of `total` updates never sees the shape."""
        return []

    def effective(self) -> Self:
        """A rise over one update is none."""
        return replace(self, warmup=0) if self.warmup == 1 else self

    def factor(self, step: int, total: int) -> float:
        """Return the factor on the rate of update `step` (from 0) of `total`."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rise * self.shape(step, total)

    def shape(self, step: int, total: int) -> float:
        """Return the factor without warm-up."""
        raise NotImplementedError

    @property
    def flat(self) -> bool:
        """Whether the rate is the same from first to last."""
        return False


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule, name="constant"):
    """The same rate from first to last."""

    def shape(self, step: int, total: int) -> float:
        """Return 1."""
        return 1.0

    @property
    def flat(self) -> bool:
        """Without warm-up."""
        return self.warmup == 0


@dataclass(frozen=True, kw_only=True)
class StepDecay(Schedule, name="step"):
    """Multiplied by `decay` after every `every` updates, as torch's StepLR."""

    every: Annotated[int, Range(least=1), "updates between drops"] = 1000
    decay: Annotated[float, Range(above=0, below=1), "what the rate is multiplied by"] = 0.1

    def misfits(self, total: int) -> list[tuple[str, str]]:
        """A drop that comes after the end would be a constant rate under another name."""
        if self.every < total:
            return []
        return [("every", f"{self.every} updates are never over in a training of {total}")]

    def shape(self, step: int, total: int) -> float:
        """Return decay ** (step // every)."""
        return self.decay ** (step // self.every)


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule, name="cosine"):
    """Half a cosine from 1 to `floor` (Loshchilov & Hutter 2017, without restarts)."""

    floor: Annotated[float, Range(least=0, below=1), "factor that is approached at the end"] = 0.0

    def shape(self, step: int, total: int) -> float:
        """Return floor + (1 - floor) * (1 + cos(pi * step / total)) / 2."""
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * step / total)) / 2


@dataclass(frozen=True, kw_only=True)
class LinearDecay(Schedule, name="linear"):
    """A straight line from 1 to `floor`."""

    floor: Annotated[float, Range(least=0, below=1), "factor that is approached at the end"] = 0.0

    def shape(self, step: int, total: int) -> float:
        """Return 1 - (1 - floor) * step / total."""
        return 1 - (1 - self.floor) * step / total
