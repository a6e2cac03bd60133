"""Whether shares of votes, or confidences, are the chances of being right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from randstudy.analysis.examples import Examples
from randstudy.analysis.intervals import LEVEL, mean_interval, share_interval
from randstudy.analysis.joined import crossed
from randstudy.analysis.layout import Layout
from randstudy.errors import RandstudyError

COLUMNS = (
    *("predicted_low", "predicted_high", "predicted", "observed", "count", "method"),
    *("cell", "n", "observed_low", "observed_high"),
)

BINS = 10
CONFIDENCE_BINS = 15
"""Guo et al., On Calibration of Modern Neural Networks, ICML 2017."""


def difficulty(
    frame: pd.DataFrame,
    examples: Examples,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return how many of a frame's finished trainings are right on each example.

    Returns
    -------
    Columns example (its number in the test split), label (true class), share_right, n (distinct
    trainings), low and high (Clopper-Pearson; NaN where trainings are of several cells or crossed
    streams, and so not independent). No rows where trainings were tested on different examples,
    which then have no common numbers.
    """
    layout = examples.layout(frame, factors=factors, replicates=replicates)
    trials = np.unique(layout.values.astype(np.int64))
    labels = _labels(examples, trials)
    names = ["example", "label", "share_right", "n", "low", "high"]
    if labels is None or not len(trials):
        return pd.DataFrame({name: [] for name in names})
    right = (~examples.errors(trials)).sum(0)
    ends = np.full((examples.count, 2), np.nan)
    if len(np.unique(layout.cell)) == 1 and not crossed(layout).any():
        ends = np.array([share_interval(hits, len(trials)) for hits in right]).reshape(-1, 2)
    numbers = {"example": np.arange(examples.count), "label": labels}
    found = {"share_right": right / len(trials), "n": len(trials)}
    return pd.DataFrame(numbers | found | {"low": ends[:, 0], "high": ends[:, 1]}, columns=names)


def _labels(examples: Examples, trials: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the (examples,) true classes that all trials share, None where they do not."""
    true = examples.true(trials)
    if not len(true) or (true != true[0]).any():
        return None
    found: NDArray[np.int64] = true[0].astype(np.int64)
    return found


def calibration(
    frame: pd.DataFrame,
    examples: Examples,
    *,
    bins: int = BINS,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return how often a class is true where a given share of a cell's seeds predicts it.

    Jordan (ICLR 2024) calls an ensemble calibrated when these agree, and derives the
    binary law of variance from it. Shares of few seeds are noisy, which pulls observed towards the
    middle of predicted however calibrated the ensemble is: read it at n of 30 and above.

    Parameters
    ----------
    bins : of equal width, from 0 to 1, each without its upper end but the last.

    Returns
    -------
    Columns predicted_low, predicted_high (of the bin), predicted (mean share of votes), observed
    (share of pairs of example and class in which the class is the true one), count (such pairs),
    method, cell, n (trainings), observed_low and observed_high (Clopper-Pearson over pairs, which
    is wide for low bins: of the classes of one example only one is true). Bins without pairs, and
    cells whose trainings were tested on different examples, have no row.
    """
    layout = examples.layout(frame, factors=factors, replicates=replicates)
    found, classes = [], examples.classes
    for number, label in enumerate(layout.cells["cell"]):
        trials = layout.sample(number).astype(np.int64)
        labels = _labels(examples, trials)
        if labels is None or not examples.count:
            continue
        votes = _votes(examples.predicted(trials), classes)
        hit = np.arange(classes) == labels[:, None]
        place = np.minimum(votes * bins // len(trials), bins - 1)
        shares = votes / len(trials)
        columns = _binned(place.ravel(), shares.ravel(), hit.ravel(), bins)
        filled = len(columns[0])
        told = "vote shares, all classes"
        found.append((*columns, *(np.repeat(one, filled) for one in (told, label, len(trials)))))
    if not found:
        return pd.DataFrame(columns=list(COLUMNS))
    joined = (np.concatenate(parts) for parts in zip(*found, strict=True))
    table = pd.DataFrame(dict(zip(COLUMNS, joined, strict=False)))
    table = table.astype({"count": np.int64})
    hits = zip(table["observed"] * table["count"], table["count"], strict=True)
    ends = np.array([share_interval(round(hit), count) for hit, count in hits])
    return table.assign(observed_low=ends[:, 0], observed_high=ends[:, 1])


def _votes(predicted: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Return (examples, classes) how many of (n, examples) predictions are of each class."""
    m = predicted.shape[1]
    slot = np.arange(m) * classes + predicted.astype(np.int64)
    return np.bincount(slot.ravel(), minlength=m * classes).reshape(m, classes)


def _binned(
    place: NDArray[np.int64], predicted: NDArray[np.float64], hit: NDArray[np.bool_], bins: int
) -> tuple[NDArray[np.float64], ...]:
    """Return low and high ends, mean prediction, share of hits and count of each filled bin."""
    count = np.bincount(place, minlength=bins).astype(np.float64)
    some = np.flatnonzero(count)
    sums = [np.bincount(place, values, bins)[some] for values in (predicted, hit.astype(float))]
    count = count[some]
    return some / bins, (some + 1) / bins, sums[0] / count, sums[1] / count, count


def confidence(
    frame: pd.DataFrame,
    examples: Examples,
    *,
    bins: int = CONFIDENCE_BINS,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return how well each cell's trainings know what they know, from their logits.

    Returns
    -------
    Columns cell, n, examples, accuracy, confidence (mean largest softmax probability), ece
    (expected calibration error of single trainings, with `bins` bins; Guo et al., ICML 2017) with
    ece_low and ece_high, nll (mean negative log probability of the true class, in nats) with
    nll_low and nll_high (`randstudy.analysis.intervals.mean_interval`), method, note.

    Raises
    ------
    RandstudyError
        No logits were kept.
    """
    if examples.logits is None:
        raise RandstudyError("no logits were kept, only predicted classes")
    layout = examples.layout(frame, factors=factors, replicates=replicates)
    rows = [
        {"cell": label, "examples": examples.count}
        | _confidence(examples, layout, cell, bins, level)
        for cell, label in enumerate(layout.cells["cell"])
    ]
    names = ["cell", "n", "examples", "accuracy", "confidence", "ece", "ece_low", "ece_high"]
    names += ["nll", "nll_low", "nll_high", "method", "note"]
    return pd.DataFrame(rows, columns=names)


def _confidence(
    examples: Examples, layout: Layout, cell: int, bins: int, level: float
) -> dict[str, Any]:
    """Return the numbers of one cell."""
    grid = layout.grid(cell)
    there = np.isfinite(grid)
    single = np.array([_scores(examples, int(one), bins) for one in grid[there]]).reshape(-1, 4)
    found: dict[str, Any] = {"n": len(single), "method": "none", "note": ""}
    for column, name in enumerate(("accuracy", "confidence", "ece", "nll")):
        values = np.full(grid.shape, np.nan)
        values[there] = single[:, column]
        one = mean_interval(values, level)
        found[name] = one.estimate
        if name in ("ece", "nll"):
            found |= {f"{name}_low": one.low, f"{name}_high": one.high}
            found |= {"method": one.method, "note": one.note}
    return found


def _scores(examples: Examples, trial: int, bins: int) -> tuple[float, float, float, float]:
    """Return accuracy, mean confidence, ECE and NLL of one training."""
    if examples.logits is None or not examples.count:
        return math.nan, math.nan, math.nan, math.nan
    logs = special.log_softmax(np.asarray(examples.logits[trial], np.float64), axis=1)
    rows = np.array([trial])
    sure, hit = np.exp(logs.max(1)), ~examples.errors(rows)[0]
    true = examples.true(rows)[0].astype(np.int64)
    nll = -float(logs[np.arange(len(logs)), true].mean())
    place = np.minimum((sure * bins).astype(np.int64), bins - 1)
    _, _, predicted, observed, count = _binned(place, sure, hit, bins)
    apart = float((np.abs(predicted - observed) * count).sum())
    return float(hit.mean()), float(sure.mean()), apart / len(hit), nll
