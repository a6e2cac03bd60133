"""The run of one trial, from its outcome or from what it failed of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from randstudy.outcomes import Failure, Outcome
from randstudy.rows import Entry
from randstudy.tracking.plan import Plan, PlannedCell, PlannedTrial
from randstudy.tracking.records import (
    CELL,
    KIND,
    LONGEST_NAME,
    LONGEST_TAG,
    RECORD,
    STUDY,
    TRIAL,
    Point,
    Record,
    digest,
    key,
    params,
    shortened,
    split_finite,
    tags,
    written_at,
)


def outcome_digest(cell: PlannedCell, entry: Entry) -> str:
    """Return the digest of a trial's record, known without reading the outcome's numbers."""
    seen = (entry.attempt, entry.result, entry.cadence, entry.observed, entry.status)
    return digest([1, entry.trial, seen, dict(cell.levels)])


def failure_digest(cell: PlannedCell, trial: str, failure: Failure) -> str:
    """Return the digest of a failed trial's record."""
    return digest([1, trial, ("failed", failure.attempt), dict(cell.levels)])


def outcome_record(
    plan: Plan, cell: PlannedCell, trial: PlannedTrial, entry: Entry, outcome: Outcome
) -> Record:
    """Return the run of a finished or diverged trial."""
    start = written_at(entry.attempt)
    end = start + round(1000 * outcome.longest)
    points, odd = split_finite(points_of(outcome, end))
    identity = outcome_digest(cell, entry)
    told = {
        "randstudy.status": outcome.status,
        "randstudy.reason": outcome.reason,
        "randstudy.steps": outcome.steps,
        "randstudy.weights_digest": outcome.weights_digest,
        "randstudy.numerics_class": outcome.provenance.get("numerics_class", ""),
        "randstudy.nonfinite": odd,
    }
    return Record(
        kind="trial",
        key=trial.id,
        digest=identity,
        name=name(cell, trial),
        status="FINISHED",
        start=start,
        end=end,
        tags=_identity(plan, cell, trial, identity) | tags(told),
        params=params(cell.levels),
        points=points,
    )


def failure_record(plan: Plan, cell: PlannedCell, trial: PlannedTrial, failure: Failure) -> Record:
    """Return the run of a trial that has no outcome; the end of a traceback says most."""
    time = max(round(1000 * failure.unix_time), 1)
    identity = failure_digest(cell, trial.id, failure)
    told = {
        "randstudy.status": "failed",
        "randstudy.reason": f"{failure.kind}: {failure.message}",
        "randstudy.traceback": failure.traceback[-LONGEST_TAG:],
    }
    return Record(
        kind="trial",
        key=trial.id,
        digest=identity,
        name=name(cell, trial),
        status="FAILED",
        start=time,
        end=time,
        tags=_identity(plan, cell, trial, identity) | tags(told),
        params=params(cell.levels),
    )


def name(cell: PlannedCell, trial: PlannedTrial) -> str:
    """Return a readable name: the cell's label, then the replicates."""
    numbers = set(trial.replicates.values())
    if len(numbers) <= 1:
        tail = f"replicate {numbers.pop()}" if numbers else "no replicates"
    else:
        tail = " ".join(f"{stream}={number}" for stream, number in trial.replicates.items())
    if trial.repeat:
        tail += f" repeat {trial.repeat}"
    return f"{shortened(cell.label, LONGEST_NAME - len(tail) - 3)} · {tail}"[:LONGEST_NAME]


def _identity(plan: Plan, cell: PlannedCell, trial: PlannedTrial, identity: str) -> dict[str, str]:
    replicates = {f"randstudy.replicate.{s}": n for s, n in trial.replicates.items()}
    repeat = {"randstudy.repeat": trial.repeat} if trial.repeat else {}
    return tags(
        {
            KIND: "trial",
            STUDY: plan.study,
            CELL: cell.label,
            TRIAL: trial.id,
            RECORD: identity,
            "randstudy.seed": plan.seed,
            **replicates,
            **repeat,
        }
    )


def points_of(outcome: Outcome, time: int) -> Iterator[Point]:
    """Yield curves, then final metrics, which are the latest where both say something.

    A final metric that repeats the last point of its curve is not logged again.
    """
    steps = np.asarray(outcome.curve_step).tolist()
    last: dict[str, float] = {}
    for metric, curve in outcome.curves.items():
        values = np.asarray(curve, np.float64).tolist()
        if steps and steps[-1] == outcome.steps:
            last[metric] = values[-1]
        for step, value in zip(steps, values, strict=True):
            yield Point(key(metric), value, int(step), time)
    for metric, final in outcome.metrics.items():
        if last.get(metric) != final:
            yield Point(key(metric), float(final), outcome.steps, time + (metric in last))
