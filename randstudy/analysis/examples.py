"""Kept predictions beside what they should have been, and the grids of right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.joined import places
from randstudy.analysis.layout import Layout
from randstudy.errors import RandstudyError


@dataclass(frozen=True, eq=False)
class Examples:
    """What each trial said of each test example.

    Attributes
    ----------
    predictions : a row a trial (the index holds their ids), a column an example: classes.
    targets : (examples,) true classes; or a row a trial like `predictions`, where trials were
        tested on different examples (the split varied).
    logits : (trials, examples, classes) unnormalised log probabilities, if they were kept.

    Raises
    ------
    RandstudyError
        The shapes do not fit each other, or a trial has no targets.
    """

    predictions: pd.DataFrame
    targets: NDArray[Any] | pd.DataFrame
    logits: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        shape = self.predictions.shape
        if isinstance(self.targets, pd.DataFrame):
            lacking = self.predictions.index.difference(self.targets.index)
            if len(lacking):
                raise RandstudyError(f"{len(lacking)} trials have no targets: {lacking[0]}, …")
            if self.targets.shape[1] != shape[1]:
                raise RandstudyError(
                    f"predictions are of {shape[1]} examples, targets of {self.targets.shape[1]}"
                )
        elif np.shape(self.targets) != shape[1:]:
            raise RandstudyError(
                f"predictions are of {shape[1]} examples, so targets are an array of {shape[1]} "
                f"classes; they have shape {np.shape(self.targets)}"
            )
        if self.logits is not None and self.logits.shape[:2] != shape:
            raise RandstudyError(
                f"logits have shape {self.logits.shape}; they should begin with {shape}, the "
                "trials and examples of the predictions"
            )

    @property
    def trials(self) -> pd.Index[str]:
        """Ids of the trials."""
        return self.predictions.index

    @property
    def count(self) -> int:
        """Test examples a trial."""
        return int(self.predictions.shape[1])

    @property
    def classes(self) -> int:
        """One more than the largest class that was predicted or true."""
        sides = (self.predictions.to_numpy(), np.asarray(self.targets))
        return 1 + max((int(side.max()) for side in sides if side.size), default=-1)

    def predicted(self, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return (rows, examples) predicted classes, of all trials when None."""
        values = self.predictions.to_numpy()
        return values if rows is None else values[rows]

    def true(self, rows: NDArray[np.int64] | None = None) -> NDArray[Any]:
        """Return the true classes as (rows, examples), or (1, examples) where all share them."""
        if not isinstance(self.targets, pd.DataFrame):
            return np.asarray(self.targets)[None]
        trials = self.trials if rows is None else self.trials[rows]
        return self.targets.to_numpy()[self.targets.index.get_indexer(trials)]

    def errors(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Return (rows, examples): whether each trial was wrong on each example."""
        found: NDArray[np.bool_] = self.predicted(rows) != self.true(rows)
        return found

    def layout(
        self,
        frame: pd.DataFrame,
        *,
        factors: Sequence[str] | None = None,
        replicates: Sequence[str] | None = None,
    ) -> Layout:
        """Lay out a frame's finished trainings; `values` are rows of the predictions."""
        return places(frame, self.trials, factors=factors, replicates=replicates)

    def right(self, grid: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return correctness (0 or 1) over a grid of rows: (..., examples), NaN where it is NaN."""
        found = np.full((*grid.shape, self.count), np.nan)
        there = np.isfinite(grid)
        found[there] = ~self.errors(grid[there].astype(np.int64))
        return found
