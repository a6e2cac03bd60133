"""How figures look: colours that everybody can tell apart, with a shape and a line each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap, to_rgb

INK = "#1b1f24"
"""Colour of text and axes, and of nothing else: inline pictures turn it into the page's own."""

PAPER = "#fdfdfd"
"""What open markers are filled with; inline pictures turn it into the page's background."""

BLUE, ORANGE, VERMILLION = "#0072b2", "#e69f00", "#d55e00"
SKY, GREEN, PURPLE = "#56b4e9", "#009e73", "#cc79a7"

PALETTE = (BLUE, ORANGE, VERMILLION, SKY, GREEN, PURPLE)
"""Okabe & Ito (2002) without black and yellow, which vanish on dark and on light pages. In this
order neighbours differ in lightness too, so that they are told apart in greyscale."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

DIVERGING = LinearSegmentedColormap.from_list(
    "randstudy", ["#004c77", BLUE, "#8cbcd9", "#f5f5f5", "#efb48a", VERMILLION, "#8f3f00"]
).with_extremes(bad=(0, 0, 0, 0))
"""From below (blue) over nothing (near white) to above (vermillion); clear where missing."""

SMALL = 8.0
"""Points, of labels beside the data."""

Looks = dict[str, Any]
"""How a mark is drawn: keywords of matplotlib."""

RC: Looks = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "randstudy",
    "pdf.fonttype": 42,
}

P = ParamSpec("P")
R = TypeVar("R")


def style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws as here; what was set before comes back."""
    return mpl.rc_context(RC)  # type: ignore[arg-type]


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Make a function draw in this style and leave matplotlib's settings as they were."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return inside


def look(number: int) -> Looks:
    """Return colour, marker and line of the number-th series; 210 of them differ."""
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": LINES[number % len(LINES)],
    }


def luminance(color: Any) -> float:
    """Return relative luminance, 0 for black to 1 for white (WCAG 2.2)."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Any, other: Any) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def text_on(color: Any) -> str:
    """Return black or white, whichever reads better on a colour."""
    return "#000000" if contrast(color, "#000000") >= contrast(color, "#ffffff") else "#ffffff"
