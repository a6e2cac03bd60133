"""What a run says when it ends: a table of cells, what is missing, and how to go on."""

from __future__ import annotations

import sys
from pathlib import Path

from randstudy import summary
from randstudy.frame import load
from randstudy.running import Result
from randstudy.study import Study


def closing(study: Study, store: Path, result: Result) -> str:
    """Return the table of cells, then a line for each thing that a reader must know."""
    frame = load(study, store=store, mix=True)
    lines = []
    if len(frame):
        table = summary.cells(frame, study.metric)
        lines += [summary.text(table, study.metric), ""]
    found = result.account
    accounted = len(found.done) + len(found.stale)
    lines.append(f"{accounted:,} of {found.planned:,} trials are in the ledger: {store}")
    if found.failed or result.failures:
        lines.append(f"{len(found.failed) or len(result.failures):,} trials failed:")
        lines += [f"  {one.trials[0]} {one.kind}: {one.message}" for one in result.failures[:5]]
    if result.mirror is not None:
        lines.append(str(result.mirror))
    if result.stop.fatal:
        lines.append(f"stopped: {result.stop.fatal}")
    if found.left:
        lines.append(f"{found.left:,} trials are left; to go on: {again()}")
    return "\n".join(lines)


def again() -> str:
    """Return the command that was given."""
    return " ".join(["randstudy", *sys.argv[1:]])
