"""The account of a study, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from randstudy.accounting import Account, account
from randstudy.design import Design
from randstudy.ledger import Ledger
from randstudy.lock import holder
from randstudy.outcomes import Failure
from randstudy.study import Study

MOST_TOLD = 5
"""Trials whose failures are told one by one; `Status.plain` has them all."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Counts of the present design's trials, and what else the store has to say.

    ``done + left + failed + stale == trials``; of those done, `diverged` did so.
    """

    trials: int
    cells: int
    done: int
    diverged: int
    left: int
    reobserve: int
    failed: int
    stale: int
    running: str
    changes: dict[str, str]
    failures: list[dict[str, str]]
    findings: list[str]

    def plain(self) -> dict[str, Any]:
        """Return the status as plain values."""
        return asdict(self)

    def text(self) -> str:
        """Return the status for people."""
        lines = [
            f"trials   {self.trials:,} in {self.cells:,} cells",
            f"done     {self.done:,}" + (f" ({self.diverged:,} diverged)" if self.diverged else ""),
            f"left     {self.left:,}"
            + (f" ({self.reobserve:,} to look at again)" if self.reobserve else ""),
        ]
        if self.failed:
            lines.append(f"failed   {self.failed:,} (randstudy run --retry-failed tries again)")
        if self.stale:
            lines.append(f"stale    {self.stale:,}")
            lines += [f"           {line} ({count})" for line, count in self.changes.items()]
        if self.running:
            lines.append(f"running  {self.running}")
        lines += [f"failure  {told}" for told in some_failures(self.failures)]
        lines += [f"finding  {finding}" for finding in self.findings]
        return "\n".join(lines)


def given_up(ledger: Ledger, found: Account) -> list[dict[str, str]]:
    """Return trial, kind and message of every failure of the trials that are given up."""
    ids = {trial.id for trial in found.failed}
    return [one for one in by_trial(ledger.failures()) if one["trial"] in ids]


def by_trial(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """Return trial, kind and message of failures, one for each trial that they struck."""
    return [
        {"trial": trial, "kind": failure.kind, "message": failure.message}
        for failure in failures
        for trial in failure.trials
    ]


def some_failures(failures: Sequence[dict[str, str]]) -> list[str]:
    """Return a line for each of the first trials, with its last failure, and how many more."""
    last = {failure["trial"]: failure for failure in failures}
    lines = [f"{one['trial']} {one['kind']}: {one['message']}" for one in last.values()]
    more = len(lines) - MOST_TOLD
    return lines[:MOST_TOLD] + ([f"and {more:,} more"] if more > 0 else [])


def status(study: Study, store: Path) -> Status:
    """Account for every planned trial of a study."""
    ledger = Ledger(store)
    found = account(study, ledger)
    index = ledger.index()
    done = [index[trial.id] for trial in found.done]
    running = holder(store, study.name)
    return Status(
        trials=found.planned,
        cells=len(Design(study).cells),
        done=len(found.done),
        diverged=sum(entry.status == "diverged" for entry in done),
        left=found.left,
        reobserve=len(found.reobserve),
        failed=len(found.failed),
        stale=len(found.stale),
        running="" if running is None else str(running),
        changes=dict(found.changes),
        failures=given_up(ledger, found),
        findings=[str(finding) for finding in ledger.findings()],
    )
