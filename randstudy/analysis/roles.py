"""Which columns of a tidy frame play which part: ours by their names, anybody's by being told."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion

REPLICATE = "replicate."
"""How the names of our replicate columns begin; the stream's name follows."""

_LOWER_IS_BETTER = frozenset(
    (
        *("loss", "losses", "logloss", "error", "errors", "err", "nll", "perplexity", "ppl"),
        *("rmse", "mse", "mae", "rmsle", "mape", "entropy", "wer", "cer", "fid", "bpb", "bpc"),
        *("brier", "ece", "regret", "seconds", "time", "runtime", "latency", "steps", "divergence"),
        *("gap", "churn", "disagreement", "distance", "cost"),
    )
)
STATUSES = frozenset({"finished", "diverged", "failed"})


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Columns of a frame with a row a trial.

    Attributes
    ----------
    metric : the column that is analysed.
    factors : columns whose combinations are the cells.
    replicates : columns that number replicates; rows of two cells with equal numbers are pairs.
        Without any, all rows are independent.
    cell : column with a label a cell; made from the factors where there is none.
    status : column that tells "finished" from "diverged" and "failed"; without it a row counts as
        finished where its metric is a finite number.
    repeat : column that numbers trainings of one trial with the same seeds; they are averaged
        before anything else, and tell the noise floor.
    trial : column that identifies a training; equal ones are one training, in several cells.
    maximize : whether larger values are better.
    nested : (factor, factor that it is nested in): the first has levels of its own for each level
        of the second.
    selection : column by which settings of nested factors are chosen.
    """

    metric: str
    factors: tuple[str, ...] = ()
    replicates: tuple[str, ...] = ()
    cell: str | None = None
    status: str | None = None
    repeat: str | None = None
    trial: str | None = None
    maximize: bool = True
    nested: tuple[tuple[str, str], ...] = ()
    selection: str | None = None

    @property
    def tuned_upwards(self) -> bool:
        """Whether larger values of `selection` are better."""
        name = self.selection or ""
        same = name.partition("_")[2] == self.metric.partition("_")[2]
        return self.maximize if same else default_maximize(name)

    @property
    def unit(self) -> Unit:
        """How values of the metric are written for people."""
        return unit_of(self.metric)


@dataclass(frozen=True)
class Unit:
    """Values are multiplied by `scale` and followed by `name`; differences by `difference`.

    No difference is above `widest`, in units of the metric.
    """

    scale: float = 1.0
    name: str = ""
    difference: str = ""
    widest: float = math.inf


def unit_of(metric: str) -> Unit:
    """Accuracies are shares from 0 to 1, told in percent and their differences in points."""
    return Unit(100.0, "%", "points", 1.0) if metric.endswith("accuracy") else Unit()


def roles(
    frame: pd.DataFrame,
    metric: str,
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
    maximize: bool | None = None,
) -> Roles:
    """Return the roles of a frame's columns.

    Parameters
    ----------
    frame : a row a trial.
    metric : the column to analyse.
    factors : when None those that the frame knows of itself (``frame.factors``), else none.
    replicates : when None the columns named ``replicate.<stream>``.
    maximize : when None, losses, errors, distances and times are better when smaller, all else when
        larger, by the words in the metric's name.

    Raises
    ------
    RandstudyError
        A column is not there, with the nearest that is; the metric holds no numbers.
    """
    known = [str(name) for name in frame.columns]
    if factors is None:
        factors = [name for name in getattr(frame, "factors", ()) if name in known]
    if replicates is None:
        replicates = [name for name in known if name.startswith(REPLICATE)]
    for name in (metric, *factors, *replicates):
        if name not in known:
            told = suggestion(name, known, most=12)
            raise RandstudyError(f"the frame has no column {name!r}{told}")
    if not pd.api.types.is_numeric_dtype(frame[metric]):
        raise RandstudyError(f"column {metric!r} does not hold numbers")
    if "cell" in factors:
        raise RandstudyError(
            "a factor cannot be called cell, the word for levels; rename the column"
        )
    if metric in (*factors, *replicates):
        raise RandstudyError(f"{metric!r} is the metric; it cannot be a factor or replicate too")
    return Roles(
        metric=metric,
        factors=tuple(factors),
        replicates=tuple(replicates),
        cell=_own(frame, "cell", factors, replicates),
        status=_status(frame, factors, replicates),
        repeat=_own(frame, "repeat", factors, replicates),
        trial=_own(frame, "trial", factors, replicates),
        maximize=default_maximize(metric) if maximize is None else maximize,
        nested=tuple(
            (name, outer)
            for name, outer in dict(getattr(frame, "nested", {})).items()
            if name in factors and outer in factors
        ),
        selection=selection_of(metric, known),
    )


def selection_of(metric: str, columns: Sequence[str]) -> str | None:
    """Return the column that chooses settings for a metric: never one of the test examples.

    Its counterpart on validation examples, or else their loss; None where neither is known.

    >>> selection_of("test_accuracy", ["validation_accuracy", "validation_loss"])
    'validation_accuracy'
    """
    counterpart = metric if metric.startswith("validation_") else f"validation_{metric[5:]}"
    wanted = (*((counterpart,) if metric[:5] == "test_" or counterpart == metric else ()),)
    return next((name for name in (*wanted, "validation_loss") if name in columns), None)


def _own(
    frame: pd.DataFrame, name: str, factors: Sequence[str], replicates: Sequence[str]
) -> str | None:
    """Return a column of `randstudy.load`, unless it was named for another part."""
    taken = name in factors or name in replicates
    return name if name in frame.columns and not taken else None


def _status(frame: pd.DataFrame, factors: Sequence[str], replicates: Sequence[str]) -> str | None:
    """Return the column of statuses, where it holds our words and no others."""
    name = _own(frame, "status", factors, replicates)
    known = name is not None and set(frame[name].dropna().astype(str)) <= STATUSES
    return name if known else None


def default_maximize(metric: str) -> bool:
    """Tell whether larger values of a metric are better, by its name."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1_\2", metric)
    return _LOWER_IS_BETTER.isdisjoint(re.split(r"[^a-z]+", spaced.lower()))
