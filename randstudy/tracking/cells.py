"""The run of one cell: what its replicates say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from randstudy.outcomes import Outcome
from randstudy.rows import Entry
from randstudy.tracking.estimates import Estimate, Trained, curves, finals, finite
from randstudy.tracking.plan import Plan, PlannedCell
from randstudy.tracking.records import (
    CELL,
    FIRST_MILLISECOND,
    KIND,
    RECORD,
    STUDY,
    TRIALS,
    Point,
    Record,
    digest,
    key,
    params,
    split_finite,
    tags,
    written_at,
)
from randstudy.tracking.trials import outcome_digest

FIGURES = ("mean", "sd", "low", "high")


@dataclass(frozen=True)
class CellState:
    """What the ledger holds of one cell's trials: entries, and the attempts of those that failed.

    A trial with an entry has not failed, whatever it took to get there.
    """

    cell: PlannedCell
    entries: Mapping[str, Entry]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def accounted(self) -> bool:
        """Whether every trial has finished, diverged or failed."""
        return len(self.entries) + len(self.failed) == len(self.cell.trials)

    @property
    def diverged(self) -> int:
        """Number of diverged trials."""
        return sum(entry.status == "diverged" for entry in self.entries.values())

    @property
    def digest(self) -> str:
        """Digest of the cell's record."""
        known = [outcome_digest(self.cell, entry) for entry in self.entries.values()]
        return digest([1, self.cell.label, sorted(known), sorted(self.failed.items())])

    def trained(self, outcomes: Mapping[str, Outcome]) -> list[Trained]:
        """Return the finished trials with their outcomes."""
        return [
            (trial, outcomes[trial.id])
            for trial in self.cell.trials
            if trial.id in outcomes and outcomes[trial.id].status == "finished"
        ]

    @property
    def start(self) -> int:
        """When its first attempt began, in milliseconds."""
        times = [written_at(entry.attempt) for entry in self.entries.values()]
        times += [written_at(attempt) for attempt in self.failed.values()]
        return min(times, default=FIRST_MILLISECOND)


def cell_key(cell: PlannedCell) -> str:
    """Return the key of a cell's run: its label and the trials it is made of."""
    return f"{cell.label} {cell.members}"


def open_tags(plan: Plan, cell: PlannedCell) -> dict[str, str]:
    """Return the tags that a cell's run has from its first trial on."""
    return tags(
        {
            NAME_OF_METRIC: plan.metric,
            KIND: "cell",
            STUDY: plan.study,
            CELL: cell.label,
            TRIALS: cell.members,
            "randstudy.planned": len(cell.trials),
        }
    )


NAME_OF_METRIC = "randstudy.metric"


def progress(plan: Plan, state: CellState, outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """Return the tags that say how far a cell is: counts, and the mean of the study's metric."""
    trained = state.trained(outcomes)
    estimate = finals(trained).get(plan.metric, {}) if trained else {}
    return tags({**_counts(state, trained), "randstudy.mean": estimate.get("mean", "")})


def cell_record(plan: Plan, state: CellState, outcomes: Mapping[str, Outcome]) -> Record:
    """Return the run of a cell all of whose trials are accounted for.

    Metrics are ``<metric>_mean``, ``_sd``, ``_low`` and ``_high`` over the finished trials, along
    the curves and at the end, and the counts n, diverged and failed.
    """
    trained = state.trained(outcomes)
    last = max((outcome.steps for _, outcome in trained), default=0)
    ends = [round(1000 * o.longest) for o in outcomes.values()]
    time = state.start + max(ends, default=0)
    counts = _counts(state, trained)
    points = [Point(name.split(".")[1], float(n), last, time) for name, n in counts.items()]
    finite_points, odd = split_finite(chain(points, _points(trained, last, time)))
    figures = finals(trained).get(plan.metric, {}) if trained else {}
    summary = {f"randstudy.{name}": value for name, value in finite(figures).items()}
    return Record(
        kind="cell",
        key=cell_key(state.cell),
        digest=state.digest,
        name=state.cell.label,
        status="FAILED" if not state.entries else "FINISHED",
        start=state.start,
        end=time,
        tags=open_tags(plan, state.cell)
        | tags({**counts, **summary, "randstudy.nonfinite": odd, RECORD: state.digest}),
        params=params(state.cell.levels),
        points=finite_points,
    )


def _counts(state: CellState, trained: Sequence[Trained]) -> dict[str, int]:
    n = len({tuple(sorted(trial.replicates.items())) for trial, _ in trained})
    return {
        "randstudy.n": n,
        "randstudy.diverged": state.diverged,
        "randstudy.failed": len(state.failed),
    }


def _points(trained: Sequence[Trained], last: int, time: int) -> list[Point]:
    """Return the estimates as points; at the last step the final metric stands for the curve."""
    if not trained:
        return []
    ends = finals(trained)
    found: list[Point] = []
    for name, step, estimate in curves(trained):
        if not (step == last and name in ends):
            found += _estimate(name, step, time, estimate)
    for name, estimate in ends.items():
        found += _estimate(name, last, time, estimate)
    return found


def _estimate(name: str, step: int, time: int, estimate: Estimate) -> list[Point]:
    """Return the figures that exist; a mean that is not finite is kept to be noted."""
    kept = finite(estimate) | {"mean": estimate["mean"]}
    return [
        Point(key(f"{name}_{figure}"), kept[figure], step, time)
        for figure in FIGURES
        if figure in kept
    ]
