"""The points of curves, sorted by training: the base of everything that is read off curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.joined import places
from randstudy.analysis.layout import Layout
from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion


@dataclass(frozen=True, eq=False)
class Points:
    """One metric along each trial, sorted by trial and step.

    Attributes
    ----------
    trials : ids.
    trial : (N,) number of the trial of each point.
    step, epoch, value : (N,); value may be NaN.
    """

    trials: pd.Index[str]
    trial: NDArray[np.int64]
    step: NDArray[np.int64]
    epoch: NDArray[np.float64]
    value: NDArray[np.float64]

    def layout(
        self,
        frame: pd.DataFrame,
        *,
        factors: Sequence[str] | None = None,
        replicates: Sequence[str] | None = None,
        ended: Sequence[str] = ("finished",),
    ) -> Layout:
        """Lay out a frame's trainings; `values` are numbers of trials here."""
        return places(frame, self.trials, factors=factors, replicates=replicates, ended=ended)

    def of(self, layout: Layout) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (row of the layout, point) for each point of each of its trainings, in order."""
        starts = np.searchsorted(self.trial, np.arange(len(self.trials) + 1))
        chosen = layout.values.astype(np.int64)
        counts = np.diff(starts)[chosen]
        rows = np.repeat(np.arange(len(chosen)), counts)
        before = np.cumsum(counts) - counts
        return rows, np.arange(len(rows)) + np.repeat(starts[chosen] - before, counts)

    def table(self, trials: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return (S,) steps at which all of some trials have a finite value, and (…, S) values."""
        known, place = np.unique(trials, return_inverse=True)
        starts = np.searchsorted(self.trial, known)
        counts = np.searchsorted(self.trial, known, side="right") - starts
        row = np.repeat(np.arange(len(known)), counts)
        before = np.cumsum(counts) - counts
        point = np.arange(len(row)) + np.repeat(starts - before, counts)
        steps, code = np.unique(self.step[point], return_inverse=True)
        values = np.full((len(known), len(steps)), np.nan)
        values[row, code] = self.value[point]
        whole = np.isfinite(values).all(0)
        return steps[whole], values[:, whole][place.reshape(trials.shape)]


def points(curves: pd.DataFrame, metric: str) -> Points:
    """Return the points of a metric.

    Parameters
    ----------
    curves : columns trial, step, perhaps epoch, and a column a metric; in any order of rows.

    Raises
    ------
    RandstudyError
        A column is missing, or a trial has two points at one step.
    """
    known = [str(name) for name in curves.columns]
    for name in ("trial", "step", metric):
        if name not in known:
            told = suggestion(name, known, most=12)
            raise RandstudyError(f"the curves have no column {name!r}{told}")
    trial, trials = pd.factorize(curves["trial"])
    step = curves["step"].to_numpy(np.int64)
    value = curves[metric].to_numpy(np.float64, na_value=np.nan)
    epoch = np.full(len(step), np.nan)
    if "epoch" in known:
        epoch = curves["epoch"].to_numpy(np.float64, na_value=np.nan)
    forward = (np.diff(trial) > 0) | ((np.diff(trial) == 0) & (np.diff(step) > 0))
    if not forward.all():
        order = np.lexsort((step, trial))
        trial, step, epoch, value = trial[order], step[order], epoch[order], value[order]
        twice = np.flatnonzero((np.diff(trial) == 0) & (np.diff(step) == 0))
        if len(twice):
            where = f"trial {trials[trial[twice[0]]]} has two points at step {step[twice[0]]}"
            raise RandstudyError(f"{where}; a curve has one value a step")
    return Points(pd.Index(trials), trial, step, epoch, value)
