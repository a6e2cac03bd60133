"""What a run says when it ends: cells, verdict, what is missing, and how to go on."""

from __future__ import annotations

import sys
from pathlib import Path

from randstudy import terminal
from randstudy.analysis.answer import Answer
from randstudy.analysis.words import counted
from randstudy.evidence import gather
from randstudy.ledger import Ledger
from randstudy.running import Result
from randstudy.status import by_trial, given_up, some_failures
from randstudy.study import Study


def closing(study: Study, store: Path, result: Result) -> str:
    """Return the table of cells, the verdict, then a line for each thing that one must know."""
    told = result.publication.answer if result.publication else Answer(gather(study, store))
    lines = []
    if len(told.evidence.frame):
        lines += [terminal.cells(told.cells, told.evidence.roles), ""]
        if result.publication:
            lines += [terminal.closing(told), ""]
    found = result.account
    accounted = len(found.done) + len(found.stale)
    lines.append(f"{accounted:,} of {found.planned:,} trials are in the ledger: {store}")
    # Nothing is given up where infrastructure failed: such trials are left, and tried again.
    failures = given_up(Ledger(store), found) or by_trial(result.failures)
    if failures:
        lines.append(f"{counted(len({one['trial'] for one in failures}), 'trial')} failed:")
        lines += [f"  {told}" for told in some_failures(failures)]
    if result.publication is not None:
        lines.append(f"The report: {result.publication.page}")
    elif result.unpublished:
        lines.append(f"There is no report: {result.unpublished}")
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
