"""How far a result reaches: to new seeds on this test set, or to new data as well.

Both the seeds and the test examples are samples. An interval over seeds alone takes the examples
for the whole population: of 95 % intervals at 30 seeds and 360 examples it holds the difference on
unlimited data in about half of all studies. Kept predictions give the variance of both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.examples import Examples
from randstudy.analysis.intervals import LEVEL, equal, mean_interval, quantile
from randstudy.analysis.layout import Layout
from randstudy.analysis.pairs import matching
from randstudy.analysis.squares import guarded, mean_squares
from randstudy.errors import RandstudyError

FEW_EXAMPLES = 30
"""Test examples below which a mean over them is not taken for normal."""

COLUMNS = (
    *("cell", "n", "examples", "mean", "low", "high", "seeds_low", "seeds_high"),
    *("df", "method", "note"),
)


@dataclass(frozen=True, kw_only=True)
class NewData:
    """A mean over seeds and examples, with the interval for new ones of both.

    Attributes
    ----------
    estimate : the mean.
    low, high : NaN where there is no interval; `note` says why.
    df : degrees of freedom, 0 where there are none.
    """

    estimate: float
    low: float = math.nan
    high: float = math.nan
    df: float = 0.0
    method: str = "none"
    note: str = ""


def new_data_interval(grid: NDArray[np.float64], level: float = LEVEL) -> NewData:
    """Return the interval of a mean for new seeds on new data.

    Parameters
    ----------
    grid : (n, m) or, for crossed streams, (k1, k2, …, m): of each training and test example a
        number, as the difference in correctness of two arms, or the correctness of one. Seeds with
        a NaN are left out of (n, m); a crossing with gaps has no interval.
    level : share of such intervals that hold the mean over all seeds and all examples.

    Notes
    -----
    Two-way random effects without replication: the variance of the mean is
    v_seed / n + v_example / m + v_rest / nm, estimated by (MS_seed + MS_example - MS_rest) / nm
    on the degrees of freedom of Satterthwaite (Biometrics, 1946). Neither source may be taken for
    less than nothing, so it is no smaller than MS_seed or MS_example over nm. With crossed streams
    all terms of streams are one source, on the fewest degrees of freedom of any stream.
    """
    m = grid.shape[-1]
    if grid.ndim == 2:
        grid = grid[np.isfinite(grid).all(1)]
    estimate = float(grid.mean()) if grid.size else math.nan
    seeds = grid.shape[:-1]
    if not np.isfinite(grid).all():
        present = grid[np.isfinite(grid)]
        mean = float(present.mean()) if present.size else math.nan
        return NewData(estimate=mean, note="crossed trainings are missing")
    if min(seeds, default=0) < 2:
        return NewData(estimate=estimate, note="fewer than two trainings")
    if m < FEW_EXAMPLES:
        return NewData(estimate=estimate, note=f"fewer than {FEW_EXAMPLES} test examples")
    squared, df = _squared_error(grid)
    if squared == 0:
        return NewData(estimate=estimate, note="all values are equal")
    reach = quantile(level, df) * math.sqrt(squared)
    method = "seeds × examples" if len(seeds) == 1 else "crossed seeds × examples"
    return NewData(
        estimate=estimate, low=estimate - reach, high=estimate + reach, df=df, method=method
    )


def _squared_error(grid: NDArray[np.float64]) -> tuple[float, float]:
    """Return the squared error of the mean for both sources, and its degrees of freedom.

    The variance of a mean is estimated by the alternating sum of mean squares over the number of
    entries. Terms of streams alone are the variance over seeds; the term of examples alone the
    variance over examples; all interactions of the two are in both, so they are taken off once.
    """
    if equal(grid):
        return 0.0, 0.0
    streams = grid.ndim - 1
    terms = mean_squares(grid)
    seeds = guarded({term: ms for term, (ms, _) in terms.items() if streams not in term})
    examples, example_df = terms[streams,]
    shared = {term: ms for term, (ms, _) in terms.items() if streams in term and len(term) > 1}
    both = max(0.0, sum((-1) ** len(term) * ms for term, ms in shared.items()))
    floor = max(seeds, examples)
    whole = seeds + examples - both
    seed_df = min(grid.shape[:-1]) - 1
    if whole <= floor:
        return floor / grid.size, float(seed_df if seeds >= examples else example_df)
    parts = seeds**2 / seed_df + examples**2 / example_df + both**2 / (seed_df * example_df)
    return whole / grid.size, whole**2 / parts


def differences(
    layout: Layout, examples: Examples, factor: str, level: Any, reference: Any
) -> NDArray[np.float64]:
    """Return how much more often one level is right than another, by replicate and example.

    Parameters
    ----------
    layout : of rows of the predictions, from `Examples.layout`.
    factor, level, reference : as for `randstudy.analysis.pairs.pair`.

    Returns
    -------
    (n, examples) or (k1, k2, …, examples) differences of correctness, from -1 to 1, averaged over
    all cells that differ in other factors only; NaN where a training is missing. Two levels that
    share no replicates give no rows.

    Raises
    ------
    RandstudyError
        Trials were tested on different examples.
    """
    if not _same_examples(layout.values, examples):
        raise RandstudyError(
            "trials were tested on different examples, so levels have no differences by example"
        )
    ours, theirs = matching(layout, factor, level, reference)
    if not layout.paired or not ours:
        return np.empty((0, examples.count))
    chosen = layout.select([*ours, *theirs])
    order = np.argsort(np.argsort([*ours, *theirs]))
    shape = tuple(len(axis) for axis in chosen.axes) or (1,)
    total = np.zeros((*shape, examples.count))
    for number, cell in enumerate(order):
        rows = chosen.table([int(cell)])[0].reshape(shape)
        total += examples.right(rows) if number < len(ours) else -examples.right(rows)
    found: NDArray[np.float64] = total / len(ours)
    return found[np.isfinite(found).all(1)] if found.ndim == 2 else found


def new_data(
    frame: pd.DataFrame,
    examples: Examples,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Return each cell's accuracy with its interval for new seeds on new data.

    Returns
    -------
    Columns cell, n, examples, mean (accuracy), low, high (`new_data_interval`), seeds_low and
    seeds_high (new seeds on this test set), df, method, note.
    """
    layout = examples.layout(frame, factors=factors, replicates=replicates)
    rows: list[dict[str, Any]] = []
    for number, label in enumerate(layout.cells["cell"]):
        grid = layout.grid(number)
        row = {"cell": label, "n": int(np.isfinite(grid).sum()), "examples": examples.count}
        rows.append(row | _accuracy(examples, grid, level))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _accuracy(examples: Examples, grid: NDArray[np.float64], level: float) -> dict[str, Any]:
    """Return the accuracy of one cell and both of its intervals."""
    right = examples.right(grid)
    seeds = mean_interval(right.mean(-1) if examples.count else grid * np.nan, level)
    row = {"seeds_low": seeds.low, "seeds_high": seeds.high}
    if not _same_examples(grid, examples):
        told = "trainings were tested on different examples"
        return row | {"mean": seeds.estimate, "df": 0.0, "method": "none", "note": told}
    found = new_data_interval(right, level)
    row |= {"mean": found.estimate, "low": found.low, "high": found.high, "df": found.df}
    return row | {"method": found.method, "note": found.note}


def _same_examples(places: NDArray[np.float64], examples: Examples) -> bool:
    """Tell whether all trainings at some places were tested against the same targets."""
    true = examples.true(places[np.isfinite(places)].astype(np.int64))
    return len(true) < 2 or bool((true == true[0]).all())
