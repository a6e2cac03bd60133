"""How alike the seeds of a cell are, example by example, and what their spread is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.examples import Examples
from randstudy.analysis.intervals import LEVEL, quantile
from randstudy.analysis.joined import CROSSED, blocks, crossed
from randstudy.analysis.spread import binary_law, split_variance

COLUMNS = (
    *("cell", "n", "examples", "mean_error", "disagreement", "correlation", "ensemble_error"),
    *("ensemble_gain", "sd", "sd_independent", "sd_distribution", "distribution_low"),
    *("distribution_high", "sd_binary_law", "method", "note", "variance_distribution"),
    *("disagreement_low", "disagreement_high"),
)

INTERVALS = ("distribution_low", "distribution_high", "disagreement_low", "disagreement_high")

BY_EXAMPLE = ("sd_independent", "sd_distribution", "variance_distribution", *INTERVALS)
"""What needs all trainings to be tested on the same examples."""

ENTRIES = 4_000_000
"""Predictions that are taken at a time, so that memory does not grow with the study."""

NO_SPREAD = "no spread"


def stability(
    frame: pd.DataFrame,
    examples: Examples,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return how far the seeds of each cell agree.

    Parameters
    ----------
    frame : a row a trial and cell, with the column ``trial``.
    examples : what they predicted.
    factors, replicates : see `randstudy.analysis.roles.roles`.
    level : of the interval.

    Returns
    -------
    A row a cell, all in shares of the test examples:

    n, examples : finished trainings with predictions, and test examples each.
    mean_error, sd : mean and sd (ddof 1) of the test error over trainings.
    disagreement : share of examples on which two trainings predict different classes, mean over
        pairs (churn; Summers & Dinneen, ICML 2021), for this test set; disagreement_low and
        disagreement_high by the jackknife of a U statistic (Arvesen, Annals of Mathematical
        Statistics, 1969) and Student t, from three trainings on.
    correlation : of being wrong, mean over pairs of trainings (phi); those that err nowhere or
        everywhere have none. The correlation of Summers & Dinneen is that of outputs and higher.
    ensemble_error, ensemble_gain : of the plurality vote of all n, ties broken evenly at random (in
        expectation), and mean_error less that.
    sd_independent, sd_distribution : sd that independent errors alone would give, and sd of the
        error on unlimited test data, with its interval distribution_low and distribution_high;
        `randstudy.analysis.spread` has the formulas. sd_distribution is 0 where its raw unbiased
        square, `variance_distribution`, is negative.
    sd_binary_law : `binary_law` of mean_error.
    """
    layout = examples.layout(frame, factors=factors, replicates=replicates)
    labels = layout.cells["cell"].to_numpy()
    rows = [_nothing(label, examples.count) for label in labels]
    many = crossed(layout)
    limit = max(1, 10 * ENTRIES // (max(1, examples.count) * max(10, examples.classes)))
    for cells, where in blocks(layout, limit) if examples.count else ():
        trials = layout.values[where].astype(np.int64)
        first = np.searchsorted(layout.cell[where], cells)
        for cell, row in zip(cells, _block(examples, trials, first, level), strict=True):
            rows[cell] |= row
            if many[cell] and row["n"] > 1:
                rows[cell] |= dict.fromkeys(INTERVALS, math.nan) | {"note": CROSSED}
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _nothing(label: Any, examples: int) -> dict[str, Any]:
    """Return the row of a cell without predictions."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, math.nan)
    told = {"cell": label, "n": 0, "examples": examples, "method": "none"}
    return row | told | {"note": "no predictions"}


def _block(
    examples: Examples, trials: NDArray[np.int64], first: NDArray[np.int64], level: float
) -> list[dict[str, Any]]:
    """Return a row for each of several cells; `first` is where each cell's trials begin."""
    m, n = examples.count, np.diff(first, append=len(trials))
    predicted, true = examples.predicted(trials), examples.true(trials)
    errors = predicted != true
    wrong = errors.sum(1)
    share = np.add.reduceat(errors, first, axis=0, dtype=np.int64) / n[:, None]
    scatter = (share * (1 - share)).sum(1) / m**2
    found = [
        _error(wrong[start : start + count], float(part), m, level)
        for start, count, part in zip(first, n, scatter, strict=True)
    ]
    same = np.ones(len(first), bool)
    if len(true) == len(trials):
        differs = (true != np.repeat(true[first], n, axis=0)).any(1)
        same = ~np.logical_or.reduceat(differs, first)
        true = true[first]
    votes = _votes(predicted, n, max(1, examples.classes))
    pairs = _disagreement(votes, predicted, n, level), _phi(errors, first, n)
    together = zip(found, same, *pairs, _plural(votes, true), strict=True)
    for row, one, disagreement, correlation, right in together:
        if not one:
            row |= dict.fromkeys(BY_EXAMPLE, math.nan)
            row |= {"method": "none", "note": "trainings were tested on different examples"}
            continue
        row |= disagreement | {"correlation": float(correlation)}
        row |= {"ensemble_error": 1 - right, "ensemble_gain": row["mean_error"] - (1 - right)}
    return found


def _error(wrong: NDArray[np.int64], scatter: float, m: int, level: float) -> dict[str, Any]:
    """Return the moments of one cell's test error; `scatter` is its sum of e (1 - e) over m^2."""
    n, error = len(wrong), float(wrong.mean()) / m
    row: dict[str, Any] = {"n": n, "mean_error": error, "sd_binary_law": binary_law(error, m)}
    if n < 2 or m < 2:
        return row | {"note": "one training" if n < 2 else "one example"}
    total = float((wrong / m).var(ddof=1)) if (wrong != wrong[0]).any() else 0.0
    parts = split_variance(total, scatter * n / (n - 1), n, m, level)
    row |= {
        "sd": math.sqrt(total),
        "sd_independent": math.sqrt(parts.independent),
        "sd_distribution": math.sqrt(max(0.0, parts.distribution)),
        "variance_distribution": parts.distribution,
        "note": NO_SPREAD,
    }
    if total == 0:
        return row
    low, high = math.sqrt(parts.low), math.sqrt(parts.high)
    told = "" if parts.distribution >= 0 else "less spread than independent errors give"
    row |= {"distribution_low": low, "distribution_high": high, "note": told}
    return row | {"method": "Tukey-Williams"}


def _votes(predicted: NDArray[Any], n: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return (cells, examples, classes) counts of the trainings that predicted each class."""
    cells, m = len(n), predicted.shape[1]
    slot = np.repeat(np.arange(cells), n)[:, None] * m + np.arange(m)
    counts = np.bincount((slot * classes + predicted).ravel(), minlength=cells * m * classes)
    return counts.reshape(cells, m, classes)


def _disagreement(
    votes: NDArray[np.int64], predicted: NDArray[Any], n: NDArray[np.int64], level: float
) -> list[dict[str, float]]:
    """Return the share of pairs of trainings that predict different classes, with its interval."""
    cells, m = len(n), predicted.shape[1]
    where = np.repeat(np.arange(cells), n)
    alike = votes[where[:, None], np.arange(m), predicted].sum(1) - m
    # Of each training, the mean disagreement with all others of its cell.
    single = 1 - alike / (m * np.maximum(n - 1, 1))[where]
    rows = []
    for some in np.split(single, np.cumsum(n)[:-1]):
        count, mean = len(some), float(some.mean())
        row = {"disagreement": mean if count > 1 else math.nan}
        error = math.sqrt(float(((some - mean) ** 2).sum()) * (count - 1) / count)
        if count > 2 and (some != some[0]).any():
            reach = quantile(level, count - 1) * 2 * error / (count - 2)
            row |= {"disagreement_low": mean - reach, "disagreement_high": mean + reach}
        rows.append(row)
    return rows


def _phi(
    errors: NDArray[np.bool_], first: NDArray[np.int64], n: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean correlation of errors over pairs of trainings of each cell.

    The squared norm of the sum of standardised rows is the sum over all pairs, so no pair is
    visited.
    """
    share = errors.mean(1, keepdims=True)
    scale = np.sqrt(share * (1 - share) * errors.shape[1])
    useful = scale[:, 0] > 0
    unit = np.where(useful[:, None], (errors - share) / np.where(scale > 0, scale, 1), 0)
    count = np.add.reduceat(useful, first, dtype=np.int64)
    whole = (np.add.reduceat(unit, first, axis=0) ** 2).sum(1)
    pairs = (count * (count - 1)).astype(float)
    found = np.full(len(n), np.nan)
    np.divide(whole - count, pairs, out=found, where=pairs > 0)
    return found


def _plural(votes: NDArray[np.int64], true: NDArray[Any]) -> list[float]:
    """Return the accuracy of each cell's plurality vote, ties broken evenly."""
    most = votes.max(2)
    tied = (votes == most[:, :, None]).sum(2)
    labels = np.broadcast_to(true, most.shape)[:, :, None].astype(np.int64)
    won = np.take_along_axis(votes, labels, 2)[:, :, 0] == most
    return [float(one) for one in (won / tied).mean(1)]
