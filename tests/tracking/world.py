"""A store with a real ledger and a real MLflow database, and what stands in them."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from randstudy.design import Design, Trial
from randstudy.ledger import Ledger, new_attempt
from randstudy.outcomes import Failure, Outcome
from randstudy.study import Study

TABLES = ("runs", "metrics", "latest_metrics", "params", "tags")


def study(replicates: Any = 2, levels: Sequence[int] = (16, 32), **changes: Any) -> Study:
    return Study.from_mapping(
        {
            "name": "demo",
            "question": "Does the batch size matter?",
            "training": {"lr": 0.1, "epochs": 3},
            "factors": {"batch_size": list(levels)},
            "replicates": replicates,
            **changes,
        }
    )


def value(trial: Trial, salt: int = 0) -> float:
    """A number of the trial's own, in (0, 1)."""
    return ((int(trial.id[:8], 16) + salt) % 9973 + 1) / 10000


def outcome(trial: Trial, **changes: Any) -> Outcome:
    steps = np.array([34, 68, 102], np.int64)
    curve = value(trial) * np.array([0.5, 0.8, 1.0])
    values: dict[str, Any] = {
        "trial": trial.id,
        "status": "finished",
        "steps": 102,
        "metrics": {"test_accuracy": value(trial), "validation_accuracy": float(curve[-1])},
        "curve_step": steps,
        "curve_epoch": steps / 34,
        "curves": {"validation_accuracy": curve, "train_loss": 1 - curve},
        "weights_digest": trial.id * 2,
        "settings": trial.settings,
        "replicates": trial.replicates,
        "provenance": {"numerics_class": "cpu-1"},
        "seconds": {"train_seconds": 2.5},
    }
    return Outcome(**(values | changes))


def failure(trials: Iterable[Trial], **changes: Any) -> Failure:
    values: dict[str, Any] = {
        "attempt": new_attempt(),
        "trials": tuple(trial.id for trial in trials),
        "kind": "error",
        "message": "ValueError: no",
        "traceback": "x" * 9000 + "\nValueError: no",
        "unix_time": 1_790_000_000.25,
    }
    return Failure(**(values | changes))


@dataclass
class Store:
    path: Path

    @property
    def database(self) -> Path:
        return self.path / "mlflow.db"

    def commit(self, trials: Iterable[Trial], **changes: Any) -> None:
        outcomes = [outcome(trial, **changes) for trial in trials]
        Ledger(self.path).commit(outcomes, attempt=new_attempt())

    def train(self, the_study: Study) -> list[Trial]:
        trials = list(Design(the_study).trials())
        self.commit(trials)
        return trials

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql).fetchall()

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table that a run has a part in."""
        return {table: sorted(self.query(f"SELECT * FROM {table}"), key=repr) for table in TABLES}

    def runs(self, kind: str, stage: str = "active") -> dict[str, dict[str, Any]]:
        """Runs of a kind by run id, with tags, parameters and metric rows."""
        found: dict[str, dict[str, Any]] = {}
        for run, name, status, start, end in self.query(
            "SELECT run_uuid, name, status, start_time, end_time FROM runs "
            f"WHERE lifecycle_stage = '{stage}'"
        ):
            tags = dict(self.query(f"SELECT key, value FROM tags WHERE run_uuid = '{run}'"))
            if tags.get("randstudy.kind") != kind:
                continue
            params = dict(self.query(f"SELECT key, value FROM params WHERE run_uuid = '{run}'"))
            rows = self.query(f"SELECT key, step, value FROM metrics WHERE run_uuid = '{run}'")
            found[run] = {
                "name": name,
                "status": status,
                "start": start,
                "end": end,
                "tags": tags,
                "params": params,
                "points": {(key, step): number for key, step, number in rows},
                "rows": len(rows),
            }
        return found

    def only(self, kind: str) -> tuple[str, dict[str, Any]]:
        [(run, what)] = self.runs(kind).items()
        return run, what

    def statuses(self) -> set[str]:
        return {status for (status,) in self.query("SELECT status FROM runs")}

    def check_whole(self, the_study: Study) -> None:
        """Each trial once and complete, under its cell, under the study; nothing RUNNING."""
        trials = {trial.id: trial for trial in Design(the_study).trials()}
        runs = self.runs("trial")
        assert sorted(run["tags"]["randstudy.trial"] for run in runs.values()) == sorted(trials)
        root, top = self.only("study")
        assert top["status"] == "FINISHED"
        cells = self.runs("cell")
        assert len(cells) == len(Design(the_study).cells)
        for cell in cells.values():
            assert cell["status"] == "FINISHED"
            assert cell["tags"]["mlflow.parentRunId"] == root
            assert cell["rows"] == len(cell["points"])
        for run in runs.values():
            assert run["status"] == "FINISHED"
            label = cells[run["tags"]["mlflow.parentRunId"]]["tags"]["randstudy.cell"]
            assert label == run["tags"]["randstudy.cell"]
            wanted = points(outcome(trials[run["tags"]["randstudy.trial"]]))
            assert run["points"] == wanted
            assert run["rows"] == len(wanted)
        assert "RUNNING" not in self.statuses()


def points(the_outcome: Outcome) -> dict[tuple[str, int], float]:
    """The metric rows that a finished outcome should have."""
    found = {
        (metric, int(step)): float(number)
        for metric, curve in the_outcome.curves.items()
        for step, number in zip(the_outcome.curve_step, curve, strict=True)
    }
    last = {(metric, the_outcome.steps): number for metric, number in the_outcome.metrics.items()}
    return found | last
