"""What an MLflow database holds, read without MLflow."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path


def statuses(store: Path, kind: str) -> Counter[str]:
    """Count the live runs of a kind (study, cell, trial) by status."""
    return Counter(status for _, status in _runs(store, kind))


def trials(store: Path) -> Counter[str]:
    """Count the live runs of each trial id."""
    return Counter(trial for trial, _ in _runs(store, "trial"))


def tags(store: Path, kind: str) -> dict[str, str]:
    """Return the tags of the one live run of a kind."""
    query = """
        select tags.key, tags.value from tags join runs on runs.run_uuid = tags.run_uuid
        join tags kinds on kinds.run_uuid = runs.run_uuid and kinds.key = 'randstudy.kind'
        where runs.lifecycle_stage = 'active' and kinds.value = ?
    """
    with sqlite3.connect(store / "mlflow.db") as database:
        return dict(database.execute(query, (kind,)))


def metrics(store: Path) -> int:
    """Count the metric values of all live runs."""
    query = """
        select count(*) from metrics join runs on runs.run_uuid = metrics.run_uuid
        where runs.lifecycle_stage = 'active'
    """
    with sqlite3.connect(store / "mlflow.db") as database:
        found: int = database.execute(query).fetchone()[0]
    return found


def _runs(store: Path, kind: str) -> list[tuple[str, str]]:
    query = """
        select coalesce(named.value, ''), runs.status from runs
        join tags kinds on kinds.run_uuid = runs.run_uuid and kinds.key = 'randstudy.kind'
        left join tags named on named.run_uuid = runs.run_uuid and named.key = 'randstudy.trial'
        where runs.lifecycle_stage = 'active' and kinds.value = ?
    """
    with sqlite3.connect(store / "mlflow.db") as database:
        return list(database.execute(query, (kind,)))
