"""One simulated claim: what is counted, and within which bounds its share must lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Case:
    """A claim that a simulation can refute.

    Attributes
    ----------
    topic : what is simulated, as "interval of a mean".
    setting : where, as "normal, n = 3".
    claim : what is counted, as "coverage of 95 %" or "false alarms".
    low, high : bounds of the share; 0 and 1 where it is only tabulated.
    simulate : hits among so many simulations, drawn from the generator.
    """

    topic: str
    setting: str
    claim: str
    low: float = 0.0
    high: float = 1.0
    simulate: Callable[[int, np.random.Generator], int]

    @property
    def bound(self) -> bool:
        """Whether the claim can fail."""
        return self.low > 0 or self.high < 1

    def margin(self, count: int) -> float:
        """Return three Monte Carlo errors of a share at the nearest bound."""
        shares = [share for share in (self.low, self.high) if 0 < share < 1]
        return max((3 * math.sqrt(share * (1 - share) / count) for share in shares), default=0.0)

    def holds(self, hits: int, count: int) -> bool:
        """Tell whether a share lies within the bounds, by three Monte Carlo errors."""
        share, margin = hits / count, self.margin(count)
        return self.low - margin <= share <= self.high + margin
