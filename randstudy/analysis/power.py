"""How many seeds for a difference that matters, planned from the study's own numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from randstudy.analysis.layout import records
from randstudy.analysis.sizes import (
    detectable,
    paired_power,
    replicates_for,
    replicates_to_settle,
    sd_bounds,
    sd_upper,
    settling_chance,
    unpaired_power,
)

COLUMNS = (
    *("comparison", "design", "wanted", "n", "sd", "to_detect", "needed", "needed_low"),
    *("needed_high", "planned", "detectable", "minutes", "method", "note"),
)


def power(
    comparisons: pd.DataFrame,
    *,
    wanted: float | None = None,
    minutes_per_replicate: float | None = None,
    chance: float = 0.8,
    alpha: float | None = None,
) -> pd.DataFrame:
    """Return how many replicates each comparison takes, paired as it is and if it were not.

    Parameters
    ----------
    comparisons : a table of `randstudy.analysis.compare.compare`; its sds are the pilot.
    wanted : difference to detect and to settle, in units of the metric; the smallest difference
        that the study declared when None.
    minutes_per_replicate : what one more replicate of the whole study takes.
    chance : power.
    alpha : two-sided error rate; when None what decides each comparison (its look and its place in
        the family): of the present look for what is detectable now, of the next for more.

    Returns
    -------
    Two rows a comparison, design "paired" and "unpaired" (two rows where it is paired, else one):
    n now, sd (of the differences, or within an arm), to_detect (fewest replicates with which a t
    test finds `wanted`), needed (fewest with which the interval of a zero difference fits inside
    it, so that the question is settled either way) with needed_low and needed_high from the 90 %
    interval of the sd, planned (needed at the sd's upper 80 % bound, on which to plan), detectable
    (the difference that the present n finds), minutes to go from n to needed, method and note. A
    pilot's sd is itself uncertain: at n = 8 a size planned on it alone has a power of .44 to .96.
    """
    rows = [
        _row(one, paired, wanted, minutes_per_replicate, chance, alpha)
        for one in records(comparisons)
        for paired in ((True, False) if one["pairs"] else (False,))
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(
    one: dict[str, Any],
    paired: bool,
    wanted: float | None,
    minutes: float | None,
    chance: float,
    asked: float | None,
) -> dict[str, Any]:
    """Return the sizes of one comparison under one design."""
    n = int(one["smallest_n"])
    present, alpha = (
        one[name] if asked is None and one[name] > 0 else asked or 0.05
        for name in ("decisive_alpha", "next_alpha")
    )
    ratio = float(one["ratio"])
    sd = float(one["sd"] if paired else one["sd_arm"])
    goal = one["smallest_difference"] if wanted is None else wanted
    found: dict[str, Any] = dict.fromkeys(COLUMNS, pd.NA)
    found |= {
        "comparison": f"{one['level']} against {one['reference']}",
        "design": "paired" if paired else "unpaired",
        "wanted": goal,
        "n": n,
        "sd": sd,
        "detectable": math.nan,
        "minutes": math.nan,
        "method": "noncentral t; settling by normal mean and chi-square variance",
        "note": "",
    }
    if not sd > 0 or n < 2:
        few = "one replicate" if n == 1 else "no replicate"
        return found | {"note": "no spread to plan from" if n > 1 else few}
    found["detectable"] = detectable(n, paired=paired, power=chance, alpha=present) * sd
    if not goal > 0:
        return found | {"note": "nobody said which difference matters"}
    df = n - 1 if paired else 2 * n - 2
    low, high = sd_bounds(sd, df)

    def settled(spread: float) -> Any:
        size = replicates_to_settle(
            goal / spread, paired=paired, power=chance, level=1 - alpha, ratio=ratio
        )
        return pd.NA if size is None else size

    needed = settled(sd)
    detected = replicates_for(goal / sd, paired=paired, power=chance, alpha=alpha)
    found |= {
        "to_detect": pd.NA if detected is None else detected,
        "needed": needed,
        "needed_low": settled(low),
        "needed_high": settled(high),
        "planned": settled(sd_upper(sd, df)),
    }
    if needed is pd.NA:
        told = "resampled splits have a floor" if ratio else "more than a million replicates"
        return found | {"note": f"out of reach: {told}"}
    if minutes is not None:
        found["minutes"] = growth(n, needed, int(one["axes"])) * minutes
    return found


def growth(present: int, needed: int, axes: int) -> float:
    """Return how many times a replicate's cost it takes to grow every crossed axis.

    For one axis the replicates that are added; a replicate costs 1 / present of the study.
    """
    return max(0.0, present * ((needed / present) ** axes - 1))


def power_curve(
    sd: float,
    df: float,
    wanted: float,
    *,
    paired: bool,
    sizes: Sequence[int] | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Return power and the chance to settle by number of replicates.

    Parameters
    ----------
    sd, df : pilot sd (of differences, or within an arm) and its degrees of freedom.
    wanted : difference, in the same units.

    Returns
    -------
    Columns n, power, power_low and power_high (at the ends of the sd's 90 % interval), settled.
    """
    chance = paired_power if paired else unpaired_power
    low, high = sd_bounds(sd, df)
    if sizes is None:
        most = replicates_for(wanted / high, paired=paired, power=0.9, alpha=alpha) or 1000
        sizes = np.unique(np.geomspace(2, max(10, min(most, 5000)), 40).astype(int)).tolist()
    rows = [
        {
            "n": n,
            "power": chance(n, wanted / sd, alpha),
            "power_low": chance(n, wanted / high, alpha),
            "power_high": chance(n, wanted / low, alpha),
            "settled": settling_chance(n, wanted / sd, paired=paired, level=1 - alpha),
        }
        for n in sizes
    ]
    return pd.DataFrame(rows, columns=["n", "power", "power_low", "power_high", "settled"])
