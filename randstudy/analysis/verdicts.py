"""From an interval to a word: real, luck, or not enough seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

Verdict = Literal[
    "real", "real but negligible", "luck", "not enough seeds", "withheld", "exploratory"
]

DECISIVE: tuple[Verdict, ...] = ("real", "real but negligible", "luck")


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p values (Scandinavian Journal of Statistics, 1979).

    A comparison without a p value (NaN) keeps none, but counts in the family.
    """
    values = np.asarray(p, float)
    order = np.argsort(np.where(np.isnan(values), np.inf, values), kind="stable")
    found = np.full(len(values), np.nan)
    largest = 0.0
    for step, index in enumerate(order):
        if not math.isnan(values[index]):
            largest = max(largest, min(1.0, float(values[index]) * (len(values) - step)))
            found[index] = largest
    return [float(one) for one in found]


def decisive_alphas(p: Sequence[float], alpha: float) -> list[float]:
    """Return the alpha of the interval that agrees with Holm's decision on each comparison.

    The k-th smallest of m p values is held against alpha / (m - k + 1) while hypotheses are
    rejected; all that are left share the level of the first that was not. An interval at that level
    excludes zero exactly where Holm rejects.
    """
    values = np.asarray(p, float)
    order = np.argsort(np.where(np.isnan(values), np.inf, values), kind="stable")
    found = np.full(len(values), math.nan)
    for step, index in enumerate(order):
        share = alpha / (len(values) - step)
        if not values[index] <= share:
            found[order[step:]] = share
            break
        found[index] = share
    return [float(one) for one in found]


def verdict(low: float, high: float, margin: float | None, *, rejected: bool) -> Verdict:
    """Return the verdict on one comparison whose decisive interval is known.

    real
        Zero is rejected, and the interval is not inside the margin: then it is *real but
        negligible*.
    luck
        The interval lies inside the margin on both sides of zero. Without a margin the word is
        never used.
    not enough seeds
        Otherwise.
    """
    inside = margin is not None and -margin < low and high < margin
    if rejected:
        return "real but negligible" if inside else "real"
    return "luck" if inside else "not enough seeds"


def standing(
    now: Verdict,
    before: Sequence[tuple[str, float]],
    estimate: float,
    margin: float | None = None,
) -> Verdict:
    """Return the verdict that stands after several looks.

    What an earlier look decided within its share of the error rate stays decided until a later
    look decides otherwise, provided that the estimate still points the same way, and for "luck"
    that it still lies inside the margin; a difference that was negligible and is no more is real.

    Parameters
    ----------
    before : (verdict, estimate) of earlier looks at the same comparison, in order.
    """
    if now in DECISIVE or now == "withheld":
        return now
    inside = margin is not None and abs(estimate) < margin
    for earlier, then in reversed(before):
        if earlier == "luck" and inside:
            return "luck"
        if earlier in ("real", "real but negligible") and then * estimate > 0:
            return "real but negligible" if earlier != "real" and inside else "real"
    return now
