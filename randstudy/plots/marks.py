"""Marks that several figures share: intervals as bars, points, bands."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from randstudy.plots.style import Looks

Numbers = NDArray[np.float64]

GOLDEN = 0.6180339887498949

MOST_POINTS = 1000
"""Points in one figure; beyond, each row keeps its extremes and evenly spaced ranks."""


def spans(ax: Axes, y: Numbers, low: Numbers, high: Numbers, **looks: Any) -> None:
    """Draw intervals as horizontal bars; those without ends are left out."""
    known = np.isfinite(low) & np.isfinite(high)
    label = looks.pop("label", "_interval")
    if known.any():
        ax.hlines(y[known], low[known], high[known], label=label, **looks)


def dots(ax: Axes, x: Numbers, y: Numbers, **looks: Any) -> None:
    """Draw estimates as points without a line; NaN is left out."""
    known = np.isfinite(x) & np.isfinite(y)
    label = looks.pop("label", "_estimate")
    ax.plot(x[known], y[known], label=label, linestyle="none", zorder=3, **looks)


def band(ax: Axes, x: Numbers, low: Numbers, high: Numbers, color: str) -> None:
    """Shade between two lines where both are known."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        shade: Looks = {"color": color, "alpha": 0.2, "linewidth": 0, "label": "_band"}
        ax.fill_between(x, low, high, where=known.tolist(), **shade)


def jitter(count: int, width: float) -> Numbers:
    """Return offsets within ± width / 2 that spread evenly, are always the same and start at 0."""
    found: Numbers = np.asarray((np.arange(count) * GOLDEN + 0.5) % 1 - 0.5, np.float64) * width
    return found


def thinned(values: Numbers, most: int) -> Numbers:
    """Return at most `most` values: the extremes and evenly spaced ranks between them."""
    values = values[np.isfinite(values)]
    if len(values) <= most:
        return values
    kept = np.linspace(0, len(values) - 1, max(most, 2)).round().astype(int)
    found: Numbers = np.sort(values)[kept]
    return found
