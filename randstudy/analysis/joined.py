"""Where each cell's trainings stand in a table that is kept by trial: predictions, curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.layout import Layout, layout_of
from randstudy.analysis.roles import REPLICATE
from randstudy.errors import RandstudyError

PLACE = "trial's place"
"""Column that holds a trial's place in the table; it stands in for the metric of a layout."""

CROSSED = "crossed trainings are not independent"
"""Why there is no interval where streams were crossed and no formula allows for it."""


def places(
    frame: pd.DataFrame,
    trials: pd.Index[str],
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    ended: Sequence[str] = ("finished",),
) -> Layout:
    """Lay out the places of a frame's trainings in a table, as if they were a metric.

    A trial that stands in several cells has one place in all of them. Of repeats with the same
    seeds the first that the table holds is taken, since they are no new replicates.

    Parameters
    ----------
    frame : a row a trial and cell, with the column ``trial``.
    trials : ids of the table's trials, each once.
    factors, replicates : see `randstudy.analysis.roles.roles`.
    ended : statuses whose trainings are taken.

    Returns
    -------
    A layout whose `values` are places (as floats), without those that the table lacks.

    Raises
    ------
    RandstudyError
        The frame has no column ``trial``, or the table holds a trial twice.
    """
    if "trial" not in frame.columns:
        raise RandstudyError("the frame has no column 'trial', by which its trials are found")
    if not trials.is_unique:
        twice = trials[trials.duplicated()][0]
        raise RandstudyError(f"trial {twice} comes twice; each trial has one row of predictions")
    place = trials.get_indexer(pd.Index(frame["trial"])).astype(np.float64)
    place[place < 0] = np.nan
    laid = frame.assign(**{PLACE: place})
    if "status" in laid.columns:
        status = laid["status"].astype(str)
        counts = status.isin(list(ended))
        laid["status"] = status.where(~counts, "finished")
        place = np.where(counts, place, np.nan)
    if "repeat" in laid.columns:
        laid[PLACE] = np.where(_first_repeats(frame, place, factors, replicates), place, np.nan)
    return layout_of(laid, PLACE, factors=factors, replicates=replicates)


def _first_repeats(
    frame: pd.DataFrame,
    place: NDArray[np.float64],
    factors: Sequence[str] | None,
    replicates: Sequence[str] | None,
) -> NDArray[np.bool_]:
    """Tell which rows are the first repeat of their cell and replicate among those with a place."""
    known = [str(name) for name in frame.columns]
    told: Sequence[str] = getattr(frame, "factors", ()) if factors is None else factors
    cell = ["cell"] if "cell" in known else list(told)
    ours = [name for name in known if name.startswith(REPLICATE)]
    moved = ours if replicates is None else list(replicates)
    there = np.flatnonzero(np.isfinite(place))
    rows = there[np.argsort(frame["repeat"].to_numpy()[there], kind="stable")]
    again = pd.DataFrame(frame).iloc[rows].duplicated([*cell, *moved]).to_numpy()
    found = np.zeros(len(frame), bool)
    found[rows[~again]] = True
    return found


def blocks(layout: Layout, most: int) -> Iterator[tuple[NDArray[np.int64], slice]]:
    """Yield cells with trainings, and their rows, in runs of at most `most` rows or one cell."""
    cells, starts = np.unique(layout.cell, return_index=True)
    ends = np.append(starts[1:], len(layout.cell))
    first = 0
    while first < len(cells):
        last = int(np.searchsorted(ends, starts[first] + most, side="right"))
        last = max(last, first + 1)
        yield cells[first:last], slice(int(starts[first]), int(ends[last - 1]))
        first = last


def crossed(layout: Layout) -> NDArray[np.bool_]:
    """Tell (cells,) which cells' trainings move along more than one axis."""
    cells, starts = np.unique(layout.cell, return_index=True)
    moving = np.zeros(len(layout.cells), np.int64)
    if len(cells) and len(layout.axes):
        least = np.minimum.reduceat(layout.codes, starts, axis=0)
        most = np.maximum.reduceat(layout.codes, starts, axis=0)
        moving[cells] = (least != most).sum(1)
    return moving > 1
