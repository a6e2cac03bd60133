"""Where a figure is drawn: the caller's axes, or a new figure outside pyplot."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

WIDTH = 7.5
"""Inches."""


class Sheet(Figure):
    """A figure that pyplot does not know of, and that notebooks show as a picture."""

    def _repr_svg_(self) -> str:
        from randstudy.plots.inline import svg

        return svg(self)


def axes_for(ax: Axes | None, height: float = 3.4, width: float = WIDTH) -> Axes:
    """Return `ax`, or the axes of a new figure of this many inches."""
    if ax is not None:
        return ax
    return Sheet(figsize=(width, height), layout="constrained").add_subplot()


def axes_for_rows(ax: Axes | None, rows: int, each: float = 0.26) -> Axes:
    """Return axes with room for rows of text."""
    return axes_for(ax, 1.3 + each * max(rows, 2))


def figure_of(drawn: Figure | Axes) -> Figure:
    """Return the figure of an axes, or the figure itself."""
    found: Figure | SubFigure | None = drawn if isinstance(drawn, Figure) else drawn.figure
    while isinstance(found, SubFigure):
        found = found.figure
    if found is None:
        raise ValueError("these axes are in no figure")
    return found
