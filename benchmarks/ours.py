"""`randstudy run` on a fresh store, seen from outside: time, memory, disk.

Times are read off the ledger. An attempt's id begins with the millisecond at which a worker took
up its pack, and a pack's file appears when its outcomes are committed; start-up ends when the first
pack is taken up (Ray, workers and the calibration of the pack's width are behind it by then).
"""

from __future__ import annotations

import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.watching import Watched, watch
from randstudy.ledger import Ledger
from randstudy.planning import plan
from randstudy.study import Study

STUDY = Path(__file__).parent / "throughput.yaml"
LIMIT = 3600.0


@dataclass(frozen=True)
class OurRun:
    """What was timed, in wall seconds, and what it took.

    Attributes
    ----------
    startup_seconds : launch until the first pack was taken up.
    training_seconds : from then until the last commit.
    export_lag_seconds : last commit until the exporter had gone; None without tracking.
    total_seconds : launch until the command's end, its closing table included.
    mirrored : trials whose run in MLflow is FINISHED.
    busy : share of the workers' time, start-up apart, in which they held a pack.
    driver_growth, exporter_growth : bytes, from the end of start-up to the end of the process.
    """

    trials: int
    packs: int
    width: int
    workers: int
    startup_seconds: float
    training_seconds: float
    export_lag_seconds: float | None
    total_seconds: float
    mirrored: int
    busy: float
    ledger_bytes: int
    mlflow_bytes: int
    planned_ledger_bytes: int
    planned_mlflow_bytes: int
    driver_peak: int | None
    driver_growth: int | None
    exporter_peak: int | None
    exporter_growth: int | None

    @property
    def training_seconds_per_trial(self) -> float:
        """Wall seconds a trial until the last commit, start-up apart."""
        return self.training_seconds / self.trials

    @property
    def seconds_per_trial(self) -> float:
        """Wall seconds a trial until the command's end, start-up apart: all tracking included."""
        return (self.total_seconds - self.startup_seconds) / self.trials


def measure(trials: int, folder: Path, workers: int, overrides: tuple[str, ...] = ()) -> OurRun:
    """Run the study with so many trials in `folder`, which must not exist."""
    folder.mkdir(parents=True)
    store = folder / "store"
    chosen = [f"replicates={trials}", *overrides]
    command = [
        sys.executable,
        "-m",
        "randstudy",
        "run",
        str(STUDY),
        "--store",
        str(store),
        "--no-report",
    ]
    for override in chosen:
        command += ["--set", override]
    outcomes = store / "ledger" / "outcomes"
    seen = watch(command, outcomes, "*.parquet", folder / "log", LIMIT)
    if seen.code:
        said = (folder / "log").read_text()[-2000:]
        raise RuntimeError(f"randstudy ended with {seen.code}: {said}")
    return _read(Study.load(STUDY, chosen), folder, seen, workers)


def _read(study: Study, folder: Path, seen: Watched, workers: int) -> OurRun:
    store = folder / "store"
    held = Ledger(store).index()
    # Files that compaction joined at the end hold what was committed before.
    stems = {name.split("-")[0]: at for name, at in seen.files.items()}
    committed = {stem: at for stem, at in stems.items() if not stem.startswith("joined")}
    taken_up = {attempt: int(attempt[:12], 16) / 1000 for attempt in committed}
    first, last = min(taken_up.values()), max(committed.values())
    widths = [sum(entry.attempt == attempt for entry in held.values()) for attempt in committed]
    gone = seen.exporter.last_seen
    held_packs = sum(committed[attempt] - taken_up[attempt] for attempt in committed)
    planned = {on: _planned(len(held), folder, on) for on in (False, True)}
    return OurRun(
        trials=len(held),
        packs=len(committed),
        width=max(widths),
        workers=workers,
        startup_seconds=first - seen.launched,
        training_seconds=last - first,
        export_lag_seconds=None if gone is None else max(0.0, gone - last),
        total_seconds=seen.ended - seen.launched,
        mirrored=_mirrored(store / "mlflow.db"),
        busy=held_packs / (last - first) / workers,
        ledger_bytes=_size(store / "ledger"),
        mlflow_bytes=sum(path.stat().st_size for path in store.glob("mlflow.db*")),
        planned_ledger_bytes=planned[False],
        planned_mlflow_bytes=planned[True] - planned[False] if study.tracking.enabled else 0,
        driver_peak=seen.driver.peak,
        driver_growth=seen.driver.growth(first),
        exporter_peak=seen.exporter.peak,
        exporter_growth=seen.exporter.growth(first),
    )


def _planned(trials: int, folder: Path, tracked: bool) -> int:
    """Return the bytes that `randstudy plan` foretells for an empty store."""
    chosen = [f"replicates={trials}", f"tracking.enabled={str(tracked).lower()}"]
    study = Study.load(STUDY, chosen)
    return plan(study, folder / "empty", pack_size=1, measure=False).disk_bytes


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _mirrored(database: Path) -> int:
    """Count the trials that MLflow holds, in its own tables."""
    if not database.exists():
        return 0
    query = (
        "select count(*) from runs join tags on tags.run_uuid = runs.run_uuid "
        "where runs.status = 'FINISHED' and runs.lifecycle_stage = 'active' "
        "and tags.key = 'randstudy.kind' and tags.value = 'trial'"
    )
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
