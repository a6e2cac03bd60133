"""How alike the seeds of a cell are, example by example, and what their spread is made of.

The accuracy of two seeds may differ because one network is better, or because the test set is a
finite sample and each errs on other examples of it. Kept predictions tell these apart (Jordan,
Calibrated Chaos: Variance Between Runs of Neural Network Training is Harmless and Inevitable,
ICLR 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.examples import Examples
from randstudy.analysis.intervals import LEVEL
from randstudy.analysis.joined import CROSSED, blocks, crossed

COLUMNS = (
    *("cell", "n", "examples", "mean_error", "disagreement", "correlation", "ensemble_error"),
    *("ensemble_gain", "sd", "sd_independent", "sd_distribution", "distribution_low"),
    *("distribution_high", "sd_binary_law", "method", "note", "variance_distribution"),
)

ENTRIES = 4_000_000
"""Predictions that are taken at a time, so that memory does not grow with the study."""

NO_SPREAD = "no spread"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What the variance of test error over seeds is made of, in squared shares of errors.

    Attributes
    ----------
    total : variance of the error over seeds (ddof 1).
    independent : what it would be if seeds erred on each example independently.
    distribution : unbiased variance of the error on unlimited test data; negative by chance.
    low, high : its interval, not below 0.
    """

    total: float
    independent: float
    distribution: float
    low: float
    high: float


def spread(errors: NDArray[np.bool_], level: float = LEVEL) -> Spread:
    """Split the variance of test error over seeds (Jordan, ICLR 2024, sections 3.2 and 3.3).

    Parameters
    ----------
    errors : (n, m) whether each of n >= 2 seeds erred on each of m >= 2 test examples.
    """
    n, m = errors.shape
    total = float(errors.mean(1).var(ddof=1))
    share = errors.mean(0)
    return _spread(total, float((share * (1 - share)).sum()) / m**2 * n / (n - 1), n, m, level)


def _spread(total: float, independent: float, n: int, m: int, level: float) -> Spread:
    """Return the parts of a variance.

    independent is (1 / m^2) sum e_i (1 - e_i) with each e_i (1 - e_i) estimated without bias,
    n / (n - 1) times the plug-in; distribution is m / (m - 1) (total - independent). That is the
    component of seeds in the two-way analysis of variance of seeds by examples, so it has the
    interval of Tukey and Williams (Biometrika, 1962), with the degrees of freedom of the examples,
    which are many, taken as unlimited. A jackknife over seeds covers 81 to 92 % instead of 95.
    """
    scale = m / (m - 1)
    tails = (1 - level) / 2, (1 + level) / 2
    ends = [total * (n - 1) / float(special.chdtri(n - 1, tail)) for tail in tails]
    return Spread(
        total=total,
        independent=independent,
        distribution=scale * (total - independent),
        low=max(0.0, scale * (ends[0] - independent)),
        high=max(0.0, scale * (ends[1] - independent)),
    )


def binary_law(error: float, examples: int) -> float:
    """Return the sd of test error that calibrated networks have on two classes, sqrt(e / 2m).

    Jordan (ICLR 2024), section 4: in an ensemble that is calibrated, seeds disagree with each other
    as often as with the truth.
    """
    return math.sqrt(error / (2 * examples))


def sd_error(sd: float, n: int) -> float:
    """Return the standard error of an sd of n normal values, sd / sqrt(2 (n - 1))."""
    return sd / math.sqrt(2 * (n - 1))


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
        pairs (churn; Summers & Dinneen, ICML 2021).
    correlation : of being wrong, mean over pairs of trainings (phi); those that err nowhere or
        everywhere have none. The correlation of Summers & Dinneen is that of outputs and higher.
    ensemble_error, ensemble_gain : of the plurality vote of all n, ties broken evenly at random (in
        expectation), and mean_error less that.
    sd_independent, sd_distribution : sd that independent errors alone would give, and sd of the
        error on unlimited test data, with its interval distribution_low and distribution_high;
        `Spread` has the formulas. sd_distribution is 0 where `variance_distribution`, the raw
        unbiased estimate, is negative.
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
                told = {"distribution_low": math.nan, "distribution_high": math.nan}
                rows[cell] |= told | {"note": CROSSED}
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
    pairs = _disagreement(votes, n), _phi(errors, first, n)
    together = zip(found, same, *pairs, _plural(votes, true), strict=True)
    for row, one, disagreement, correlation, right in together:
        if not one:
            row |= dict.fromkeys(COLUMNS[9:13], math.nan) | {"variance_distribution": math.nan}
            row |= {"method": "none", "note": "trainings were tested on different examples"}
            continue
        row |= {"disagreement": float(disagreement), "correlation": float(correlation)}
        row |= {"ensemble_error": 1 - right, "ensemble_gain": row["mean_error"] - (1 - right)}
    return found


def _error(wrong: NDArray[np.int64], scatter: float, m: int, level: float) -> dict[str, Any]:
    """Return the moments of one cell's test error; `scatter` is its sum of e (1 - e) over m^2."""
    n, error = len(wrong), float(wrong.mean()) / m
    row: dict[str, Any] = {"n": n, "mean_error": error, "sd_binary_law": binary_law(error, m)}
    if n < 2 or m < 2:
        return row | {"note": "one training" if n < 2 else "one example"}
    total = float((wrong / m).var(ddof=1)) if (wrong != wrong[0]).any() else 0.0
    parts = _spread(total, scatter * n / (n - 1), n, m, level)
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


def _disagreement(votes: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of pairs of trainings that predict different classes, over examples."""
    alike = (votes * (votes - 1)).sum(2).mean(1)
    pairs = (n * (n - 1)).astype(float)
    found = np.full(len(n), np.nan)
    np.divide(alike, pairs, out=found, where=pairs > 0)
    return 1 - found


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
