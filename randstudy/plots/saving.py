"""Figures as files: PNG to show, SVG to edit, PDF for papers; the same figure, the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from randstudy.errors import RandstudyError
from randstudy.plots.sheet import figure_of
from randstudy.plots.style import styled

METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


@styled
def save(drawn: Figure | Axes, path: str | Path) -> Path:
    """Write a figure on white as .png (200 dots an inch), .svg (text as text) or .pdf.

    Returns
    -------
    The path.

    Raises
    ------
    RandstudyError
        Another ending, or no such folder.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in METADATA:
        told = f"{ending!r}" if ending else "no ending"
        raise RandstudyError(f"figures are written as .png, .svg or .pdf; {path.name} has {told}")
    if not path.parent.is_dir():
        raise RandstudyError(f"there is no folder {path.parent} to write {path.name} into")
    figure_of(drawn).savefig(
        path,
        format=ending[1:],
        dpi=200,
        facecolor="white",
        bbox_inches="tight",
        pad_inches=0.08,
        metadata=METADATA[ending],
    )
    return path
