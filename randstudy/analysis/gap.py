"""The generalisation gap: how much worse, or better, a metric is on test than on training data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from randstudy.analysis.intervals import LEVEL, mean, mean_interval
from randstudy.analysis.layout import lay_out
from randstudy.analysis.roles import roles

COLUMNS = ("cell", "n", "train", "test", "gap", "low", "high", "method", "note")

TRAIN, TEST = "train_", "test_"


def gap(
    frame: pd.DataFrame,
    metric: str = "loss",
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return test less training metric in each cell, paired within each training.

    Positive for a loss, and negative for an accuracy, where networks do better on what they saw.
    ``train_loss`` is the mean over the batches of the last epoch, while the weights still moved and
    with whatever augmentation and dropout training has, so this gap is that of training as it ran.

    Parameters
    ----------
    metric : as "loss" or "test_loss": the columns train_loss and test_loss.

    Returns
    -------
    Columns cell, n (finished trainings with both), train and test (means), gap (test - train) with
    its interval (`randstudy.analysis.intervals.mean_interval`), method, note.

    Raises
    ------
    RandstudyError
        The frame lacks one of the two columns.
    """
    name = metric.removeprefix(TEST).removeprefix(TRAIN)
    told: dict[str, Any] = {"factors": factors, "replicates": replicates}
    test = roles(frame, TEST + name, **told)
    train = roles(frame, TRAIN + name, **told)
    sides = [
        frame[one.metric].to_numpy(np.float64, na_value=np.nan).copy() for one in (train, test)
    ]
    both = np.isfinite(sides[0]) & np.isfinite(sides[1])
    for side in sides:
        side[~both] = np.nan
    columns = {train.metric: sides[0], test.metric: sides[1]}
    paired = frame.assign(**columns)
    left, right = lay_out(paired, train), lay_out(paired, test)
    rows: list[dict[str, Any]] = []
    for cell, label in enumerate(left.cells["cell"]):
        found = mean_interval(right.grid(cell) - left.grid(cell), level)
        row = {"cell": label, "n": found.n, "gap": found.estimate, "note": found.note}
        row |= {"train": mean(left.sample(cell)), "test": mean(right.sample(cell))}
        rows.append(row | {"low": found.low, "high": found.high, "method": found.method})
    return pd.DataFrame(rows, columns=list(COLUMNS))
