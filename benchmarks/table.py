"""The measurements as one table for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.limit import Limit
from benchmarks.measurements import MB, Measurements, spread
from benchmarks.ours import OurRun
from benchmarks.peers import PeerRun
from benchmarks.serial import SerialRun

TOLERANCE = 0.25
"""Share by which disk may differ from what `randstudy plan` foretold."""


def table(found: Measurements) -> str:
    """Write rows of seconds, then memory, disk and bars."""
    lines = [
        f"{'':44s} {'n':>7s} {'start-up s':>18s} {'ms a trial after it':>22s} {'total s':>22s}",
        *_rows(found),
        "",
        *(line for name, runs in _ours(found) if runs for line in _details(name, runs)),
        *_limit(found),
        "",
        *(str(bar) for bar in found.bars()),
    ]
    return "\n".join(lines)


def _ours(found: Measurements) -> list[tuple[str, list[OurRun]]]:
    return [("randstudy run", found.ours), ("randstudy run, large", found.large)]


def _rows(found: Measurements) -> Iterator[str]:
    for name, ours in _ours(found):
        if ours:
            yield _row(
                name,
                f"{ours[0].trials:,}",
                [run.startup_seconds for run in ours],
                [1e3 * run.seconds_per_trial for run in ours],
                [run.total_seconds for run in ours],
            )
    peers: tuple[tuple[str, Sequence[PeerRun | SerialRun]], ...] = (
        ("Ray Tune + MLflowLoggerCallback", found.plain),
        ("the same, reuse_actors=True", found.reuse),
        ("bare serial loop, a process a core", found.serial),
    )
    for name, runs in peers:
        if runs:
            yield _row(
                f"{name} *",
                f"{runs[0].trials:,}",
                [run.startup_seconds for run in runs],
                [1e3 * run.seconds_per_trial for run in runs],
                [run.total(found.trials) for run in runs],
            )
    yield f"n trials a repetition; * total extrapolated to {found.trials:,}; median (range)"


def _row(name: str, n: str, startup: list[float], each: list[float], total: list[float]) -> str:
    columns = f"{spread(startup, 1):>18s} {spread(each, 1):>22s} {spread(total, 1):>22s}"
    return f"{name:44s} {n:>7s} {columns}"


def _details(name: str, runs: list[OurRun]) -> Iterator[str]:
    run = runs[-1]
    each = spread([1e3 * one.training_seconds_per_trial for one in runs], 1)
    yield (
        f"{name}: {run.packs} packs of up to {run.width} on {run.workers} workers, "
        f"busy {100 * run.busy:.0f} % of the time"
    )
    yield f"  training alone         {each} ms a trial"
    lags = [one.export_lag_seconds for one in runs if one.export_lag_seconds is not None]
    if lags:
        yield f"  MLflow export          ended {spread(lags, 1)} s after the last commit"
        yield f"  trials in MLflow       {run.mirrored:,} of {run.trials:,}"
    for process, peak, growth in (
        ("driver", run.driver_peak, run.driver_growth),
        ("exporter", run.exporter_peak, run.exporter_growth),
    ):
        if peak is not None and growth is not None:
            yield (
                f"  memory of the {process:8s} peak {peak / MB:.0f} MB, "
                f"{growth / MB:+.0f} MB since start-up"
            )
    yield _disk("ledger", run.trials, run.ledger_bytes, run.planned_ledger_bytes)
    if run.planned_mlflow_bytes:
        yield _disk("mlflow.db", run.trials, run.mlflow_bytes, run.planned_mlflow_bytes)


def _disk(name: str, trials: int, real: int, planned: int) -> str:
    off = real / planned - 1
    said = "" if abs(off) <= TOLERANCE else ": correct the constants of randstudy/estimates.py"
    return (
        f"  disk, {name:9s}        {real / trials:,.0f} bytes a trial, "
        f"planned {planned / trials:,.0f} ({100 * off:+.0f} %){said}"
    )


def _limit(found: Measurements) -> Iterator[str]:
    for limit in found.limit:
        yield (
            f"matrix products alone: {limit.gflop_per_trial:.3f} GFLOP a trial; at the cores' best "
            f"{limit.gflops:.0f} GFLOP/s {1e3 * limit.peak_seconds:.1f} ms, as packed "
            f"{1e3 * limit.packed_seconds:.1f} ms{_ratio(found, limit)}"
        )


def _ratio(found: Measurements, limit: Limit) -> str:
    if not found.ours:
        return ""
    each = 1 / found.rate
    return (
        f"; ours takes {each / limit.peak_seconds:.1f} and {each / limit.packed_seconds:.1f} "
        "times as long"
    )
