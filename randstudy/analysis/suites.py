"""Scores of algorithms on a suite of tasks, each run several times, from any tidy or wide frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.roles import default_maximize
from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion

Normalisation = str | tuple[str, str] | Mapping[str, tuple[float, float]]

ASSUMPTIONS = "independent runs; these tasks, not a sample of tasks"

ALL = "all"
"""Name of the algorithm where no column tells algorithms apart."""

NAMED = 3
"""How many tasks a note names before it only counts them."""


@dataclass(frozen=True, eq=False)
class Suite:
    """The scores of one algorithm, sorted by task; larger is better.

    Where every task has equally many runs this is the array (runs, tasks) of Agarwal et al.
    (NeurIPS 2021), column after column.

    Attributes
    ----------
    algorithm : its name.
    tasks : names of the T tasks that have a score.
    scores : (N,) finite scores, those of the first task first, negated where smaller is better.
    counts : (T,) runs of each task, at least one.
    note : what is missing, "" when nothing is.
    sign : -1 where scores are negated.
    """

    algorithm: str
    tasks: tuple[str, ...]
    scores: NDArray[np.float64]
    counts: NDArray[np.int64]
    note: str = ""
    sign: int = 1

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """Where each task begins."""
        return np.concatenate(([0], np.cumsum(self.counts)[:-1])).astype(np.int64)

    @cached_property
    def task(self) -> NDArray[np.int64]:
        """The (N,) task of each score."""
        return np.repeat(np.arange(len(self.tasks)), self.counts)

    @property
    def balanced(self) -> bool:
        """Whether all tasks have equally many runs."""
        return bool((self.counts == self.counts[:1]).all())

    @property
    def runs(self) -> str:
        """Runs a task, in words: "3" or "2 to 3"."""
        least, most = (int(self.counts.min()), int(self.counts.max())) if self.tasks else (0, 0)
        return f"{most}" if least == most else f"{least} to {most}"

    @property
    def size(self) -> dict[str, str | int]:
        """What a table says of how much there is: runs a task, tasks, scores."""
        return {"runs": self.runs, "tasks": len(self.tasks), "n": len(self.scores)}

    def of(self, task: str) -> NDArray[np.float64]:
        """Return the scores of one task."""
        number = self.tasks.index(task)
        start = self.starts[number]
        return self.scores[start : start + self.counts[number]]


def suites(
    frame: pd.DataFrame,
    score: str | None = None,
    *,
    algorithm: str | None = None,
    task: str | None = None,
    run: str | None = None,
    tasks: Sequence[str] | None = None,
    normalise: Normalisation | None = None,
    maximize: bool | None = None,
) -> list[Suite]:
    """Return the scores of each algorithm, in order of appearance.

    Parameters
    ----------
    frame : long, a row a score, with `score` and `task`; or wide, a row a run and a column a task,
        with `tasks`.
    score, task, run, algorithm : columns. Without `algorithm` all rows are one; `run` only guards
        against two scores of one run.
    tasks : the columns of a wide table that hold scores.
    normalise : how scores of several tasks are made comparable, (score - low) / (high - low):
        a mapping from task to (low, high), as (random, human); two columns of a long frame that
        hold them; or the name of an algorithm whose mean score in a task is 1, its 0 being 0, and
        whose own noise intervals then do not hold.
    maximize : when None, by the name of the score.

    Raises
    ------
    RandstudyError
        Columns that are not there or hold no numbers, a run with two scores, a normalisation that
        does not fit.
    """
    if tasks is not None:
        frame = _molten(frame, tasks, algorithm, run)
        score, task = score or "score", "task"
        frame = frame.rename(columns={"score": score})
    if score is None or task is None:
        raise RandstudyError(
            "name the columns of score and task, or of a wide table the tasks, one column each"
        )
    table = _table(frame, score, algorithm, task, run)
    if normalise is not None:
        table["score"] = _normalised(frame, table, normalise)
    sign = 1 if (default_maximize(score) if maximize is None else maximize) else -1
    every = list(dict.fromkeys(table["task"]))
    groups = table.groupby("algorithm", sort=False)
    return [_suite(str(name), rows, every, sign) for name, rows in groups]


def _molten(
    frame: pd.DataFrame, tasks: Sequence[str], algorithm: str | None, run: str | None
) -> pd.DataFrame:
    """Turn a table with a column a task into one with a row a score."""
    kept = [name for name in (algorithm, run, "status" if "status" in frame else None) if name]
    _demand(frame, [*kept, *tasks])
    for name in tasks:
        _demand_numbers(frame, name)
    kept = [name for name in dict.fromkeys(kept) if name not in tasks]
    left = pd.concat([frame[kept]] * len(tasks), ignore_index=True)
    left["task"] = np.repeat(np.asarray(tasks, dtype=object), len(frame))
    values = [frame[name].to_numpy(np.float64, na_value=np.nan) for name in tasks]
    left["score"] = np.concatenate(values) if values else np.empty(0)
    return left


def _table(
    frame: pd.DataFrame, score: str, algorithm: str | None, task: str, run: str | None
) -> pd.DataFrame:
    """Return columns algorithm, task and score, and lost: scores of runs that did not finish."""
    named = [name for name in (score, task, algorithm, run) if name is not None]
    _demand(frame, named)
    _demand_numbers(frame, score)
    if run is not None:
        keys = [name for name in (algorithm, task, run) if name is not None]
        twice = frame.duplicated(keys)
        if twice.any():
            first = ", ".join(f"{key} {frame.loc[twice, key].iloc[0]}" for key in keys)
            raise RandstudyError(
                f"{first} has several scores; name the column that tells them apart as the run"
            )
    lost = np.zeros(len(frame), bool)
    if "status" in frame and "status" not in named:
        lost = frame["status"].isin(["failed", "diverged"]).to_numpy(bool)
    return pd.DataFrame(
        {
            "algorithm": [ALL] * len(frame) if algorithm is None else frame[algorithm].astype(str),
            "task": frame[task].astype(str),
            "score": frame[score].to_numpy(np.float64, na_value=np.nan),
            "lost": lost,
        },
        index=frame.index,
    ).reset_index(drop=True)


def _demand(frame: pd.DataFrame, names: Sequence[str]) -> None:
    known = [str(name) for name in frame.columns]
    for name in names:
        if name not in known:
            raise RandstudyError(f"the table has no column {name!r}{suggestion(name, known)}")


def _demand_numbers(frame: pd.DataFrame, name: str) -> None:
    if not pd.api.types.is_numeric_dtype(frame[name]):
        raise RandstudyError(f"column {name!r} does not hold numbers")


def _normalised(frame: pd.DataFrame, table: pd.DataFrame, by: Normalisation) -> NDArray[np.float64]:
    """Return scores on the scale of their task."""
    if isinstance(by, tuple):
        _demand(frame, by)
        low, high = (frame[name].to_numpy(np.float64, na_value=np.nan) for name in by)
    else:
        ends = _reference(table, by) if isinstance(by, str) else by
        lacking = [name for name in dict.fromkeys(table["task"]) if name not in ends]
        if lacking:
            raise RandstudyError(f"task {lacking[0]!r} has no scores to normalise by")
        pairs = np.array([ends[name] for name in table["task"]], np.float64).reshape(-1, 2)
        low, high = pairs[:, 0], pairs[:, 1]
    flat = ~(high != low) | ~np.isfinite(high - low)
    if flat.any():
        name = table["task"].to_numpy()[flat][0]
        raise RandstudyError(f"task {name!r} cannot be normalised: its two ends are equal or none")
    found: NDArray[np.float64] = (table["score"].to_numpy() - low) / (high - low)
    return found


def _reference(table: pd.DataFrame, name: str) -> dict[str, tuple[float, float]]:
    """Return (0, mean score of the algorithm) for each of its tasks."""
    known = list(dict.fromkeys(table["algorithm"]))
    if name not in known:
        raise RandstudyError(f"there is no algorithm {name!r}{suggestion(name, known)}")
    means = table[(table["algorithm"] == name) & ~table["lost"]].groupby("task")["score"].mean()
    return {str(task): (0.0, float(mean)) for task, mean in means.items()}


def _suite(name: str, rows: pd.DataFrame, every: Sequence[str], sign: int) -> Suite:
    """Make the suite of one algorithm and say what it lacks of all tasks."""
    good = rows[np.isfinite(rows["score"]) & ~rows["lost"]]
    place = {task: number for number, task in enumerate(every)}
    codes = good["task"].map(place).to_numpy(np.int64)
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes, minlength=len(every))
    notes = []
    if lost := int(rows["lost"].sum()):
        notes.append(f"{lost:,} failed or diverged runs are left out")
    if missing := len(rows) - lost - len(good):
        notes.append(f"{missing:,} of {len(rows):,} scores are missing")
    if lacking := [task for task in every if not counts[place[task]]]:
        told = f" ({', '.join(lacking)})" if len(lacking) <= NAMED else ""
        notes.append(
            f"no score in {len(lacking):,} of {len(every):,} tasks{told}, so it is not on a par "
            "with algorithms that have them"
        )
    return Suite(
        name,
        tuple(task for task in every if counts[place[task]]),
        sign * good["score"].to_numpy(np.float64)[order],
        counts[counts > 0].astype(np.int64),
        "; ".join(notes),
        sign,
    )
