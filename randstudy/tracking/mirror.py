"""Makes MLflow hold what the ledger holds of one study; safe to stop anywhere and do again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mlflow.exceptions import MlflowException

from randstudy.ledger import Ledger
from randstudy.outcomes import Failure, Outcome
from randstudy.reports import VERDICT, stamp_of
from randstudy.rows import Entry
from randstudy.tracking.cells import CellState, cell_key, cell_record, open_tags, progress
from randstudy.tracking.plan import Plan, PlannedCell, PlannedTrial
from randstudy.tracking.provenance import provenance
from randstudy.tracking.records import (
    FIRST_MILLISECOND,
    KIND,
    PARENT,
    RECORD,
    STUDY,
    Record,
    Status,
    digest,
    tags,
    written_at,
)
from randstudy.tracking.runs import RUNNING, Known, Runs
from randstudy.tracking.table import table
from randstudy.tracking.trials import (
    failure_digest,
    failure_record,
    outcome_digest,
    outcome_record,
)

PROGRESS_SECONDS = 10.0
FIELDS = "randstudy.fields"
FILES = "randstudy.files"
REPORT = "randstudy.report"
NOTE = "mlflow.note.content"
REFUSED = "INVALID_PARAMETER_VALUE"


def never() -> bool:
    """Go on."""
    return False


class Mirror:
    """The runs of one study: `advance` writes what is new, `close` completes cells and study."""

    def __init__(self, plan: Plan, ledger: Ledger, runs: Runs, report: Path | None = None) -> None:
        self.plan = plan
        self.refused: dict[str, str] = {}
        self._ledger = ledger
        self._runs = runs
        self._report = report
        self._home: dict[str, tuple[PlannedCell, PlannedTrial]] = {}
        self._cells_of: defaultdict[str, list[PlannedCell]] = defaultdict(list)
        for cell in plan.cells:
            for trial in cell.trials:
                self._home.setdefault(trial.id, (cell, trial))
                self._cells_of[trial.id].append(cell)
        self._held: dict[str, Outcome] = {}
        self._stirred: dict[str, PlannedCell] = {}
        self._told = time.monotonic()
        self._index: Mapping[str, Entry] = {}
        self._settled: dict[str, Entry] = {}
        self._look()
        self._study = self._open_study()
        self._adopt()

    @property
    def mirrored(self) -> int:
        """Trials in the ledger whose runs are complete."""
        return len(self._home.keys() & self._index.keys()) - self.behind

    @property
    def behind(self) -> int:
        """Trials in the ledger, as last read, whose runs are not complete."""
        return sum(1 for _ in self._missing()) + len(self.refused)

    def advance(self, stop: Callable[[], bool] = never) -> None:
        """Write the trials that are new in the ledger, and the cells that they complete."""
        self._look()
        by_file: defaultdict[Path, list[str]] = defaultdict(list)
        for entry in self._missing():
            by_file[entry.file].append(entry.trial)
        for trials in sorted(by_file.values(), key=lambda ids: self._index[ids[0]].attempt):
            for outcome in self._ledger.outcomes(trials, skip_damaged=True):
                if stop():
                    return
                self._write_trial(outcome)
        self._complete_cells({}, stop)
        if time.monotonic() - self._told > PROGRESS_SECONDS:
            self._tell_progress({})

    def close(self, stop: Callable[[], bool] = never) -> None:
        """Write failed trials, complete what can be completed, and leave nothing RUNNING."""
        self._stirred |= {cell.label: cell for cell in self.plan.cells}
        failures = self._failures()
        for trial, failure in failures.items():
            if stop():
                return
            self._write_failure(trial, failure)
        failed = {trial: failure.attempt for trial, failure in failures.items()}
        self._complete_cells(failed, stop)
        if stop():
            return
        self._tell_progress(failed)
        self._keep_report()
        self._close_study(failed)
        self.abandon()

    def _keep_report(self) -> None:
        """Put the study's report beside its run, and its verdict into the description."""
        made = stamp_of(self._report) if self._report is not None else ""
        if not made or self._report is None:
            return
        if self._study.tags.get(REPORT) != made:
            self._runs.folder(self._study, self._report, "report")
        told = (self._report / VERDICT).read_text()
        self._runs.tag(self._study, tags({NOTE: told, REPORT: made}))

    def abandon(self) -> None:
        """Mark every run that is still RUNNING as KILLED; a later export goes on with them."""
        for known in list(self._runs.known.values()):
            if known.status == RUNNING:
                self._runs.end(known, "KILLED", known.start)

    def _look(self) -> None:
        self._index = self._ledger.index(skip_damaged=True)

    def _missing(self) -> Iterator[Entry]:
        for trial, (cell, _) in self._home.items():
            entry = self._index.get(trial)
            # The ledger hands out the same entry until the file that holds it goes.
            if entry is None or trial in self.refused or self._settled.get(trial) is entry:
                continue
            known = self._runs.known.get(("trial", trial))
            if known is None or not known.holds(outcome_digest(cell, entry)):
                yield entry
            else:
                self._settled[trial] = entry

    def _open_study(self) -> Known:
        """Find or create the study's run and bring its tags up to date."""
        plan = self.plan
        identity = {KIND: "study", STUDY: plan.study, FIELDS: digest(dict(plan.params))}
        known = self._runs.known.get(("study", ""))
        if known is not None and known.tags.get(FIELDS) != identity[FIELDS]:
            self._runs.delete(known)
            known = None
        told = identity | dict(plan.tags) | provenance(plan.folder)
        told["randstudy.planned"] = str(len(self._home))
        if known is None:
            times = [written_at(e.attempt) for t, e in self._index.items() if t in self._home]
            start = min(times, default=round(1000 * time.time()))
            known = self._runs.open("study", "", plan.study, start, told, None)
        self._runs.reopen(known)
        self._runs.tag(known, told)
        files = {FILES: digest([plan.text, plan.resolved])}
        if known.tags.get(FILES) != files[FILES]:
            self._runs.params(known, plan.params)
            self._runs.file(known, "study.yaml", plan.text or plan.resolved)
            self._runs.file(known, "resolved.json", plan.resolved)
            self._runs.tag(known, files)
        return known

    def _adopt(self) -> None:
        """Delete cell runs that are made of other trials; give every run its parent."""
        cells = {cell.label: cell for cell in self.plan.cells}
        for known in self._runs.of("cell"):
            cell = cells.get(known.tags.get("randstudy.cell", ""))
            if cell is not None and known.key != ("cell", cell_key(cell)):
                self._runs.delete(known)
        for cell in cells.values():
            if ("cell", cell_key(cell)) in self._runs.known:
                self._runs.tag(self._open_cell(cell), {PARENT: self._study.id})
        for trial, (cell, _) in self._home.items():
            held = self._runs.known.get(("trial", trial))
            if held is not None:
                self._runs.tag(held, {PARENT: self._open_cell(cell).id})

    def _open_cell(self, cell: PlannedCell) -> Known:
        known = self._runs.known.get(("cell", cell_key(cell)))
        if known is not None:
            return known
        self._stirred[cell.label] = cell
        start = self._state(cell, {}).start
        if start == FIRST_MILLISECOND:
            start = self._study.start
        told = open_tags(self.plan, cell)
        return self._runs.open("cell", cell_key(cell), cell.label, start, told, self._study.id)

    def _write_trial(self, outcome: Outcome) -> None:
        cell, trial = self._home[outcome.trial]
        entry = self._index[outcome.trial]
        self._write(outcome_record(self.plan, cell, trial, entry, outcome), cell)
        self._stirred |= {each.label: each for each in self._cells_of[outcome.trial]}
        self._held[outcome.trial] = outcome

    def _write_failure(self, trial: str, failure: Failure) -> None:
        cell, planned = self._home[trial]
        known = self._runs.known.get(("trial", trial))
        if known is None or not known.holds(failure_digest(cell, trial, failure)):
            self._write(failure_record(self.plan, cell, planned, failure), cell)

    def _write(self, record: Record, cell: PlannedCell) -> None:
        """Write a trial's run; one that MLflow will never take must not hold up the others."""
        try:
            self._runs.write(record, self._open_cell(cell).id)
        except MlflowException as error:
            if error.error_code != REFUSED:
                raise
            self.refused[record.key] = str(error)

    def _failures(self) -> dict[str, Failure]:
        """Return the last failure of each planned trial that has no outcome."""
        return {
            trial: failure
            for failure in self._ledger.failures(skip_damaged=True)
            for trial in failure.trials
            if trial in self._home and trial not in self._index
        }

    def _state(self, cell: PlannedCell, failed: Mapping[str, str]) -> CellState:
        ids = [trial.id for trial in cell.trials]
        return CellState(
            cell,
            {trial: self._index[trial] for trial in ids if trial in self._index},
            {trial: failed[trial] for trial in ids if trial in failed},
        )

    def _complete_cells(self, failed: Mapping[str, str], stop: Callable[[], bool]) -> None:
        for cell in list(self._stirred.values()):
            state = self._state(cell, failed)
            if not state.accounted:
                continue
            if stop():
                return
            known = self._runs.known.get(("cell", cell_key(cell)))
            if known is None or not known.holds(state.digest):
                record = cell_record(self.plan, state, self._outcomes(state))
                before = known.id if known else None
                written = self._runs.write(record, self._study.id)
                if before not in (None, written.id):
                    self._rehome(cell, written)
            del self._stirred[cell.label]
            self._release(cell)

    def _rehome(self, cell: PlannedCell, parent: Known) -> None:
        for trial in cell.trials:
            known = self._runs.known.get(("trial", trial.id))
            if known is not None and self._home[trial.id][0] is cell:
                self._runs.tag(known, {PARENT: parent.id})

    def _outcomes(self, state: CellState) -> dict[str, Outcome]:
        """Return the outcomes of a cell, from the ledger those that did not pass by here."""
        lacking = [trial for trial in state.entries if trial not in self._held]
        fetched = self._ledger.outcomes(lacking, skip_damaged=True) if lacking else ()
        self._held |= {outcome.trial: outcome for outcome in fetched}
        return {trial: self._held[trial] for trial in state.entries if trial in self._held}

    def _release(self, cell: PlannedCell) -> None:
        for trial in cell.trials:
            if not any(each.label in self._stirred for each in self._cells_of[trial.id]):
                self._held.pop(trial.id, None)

    def _tell_progress(self, failed: Mapping[str, str]) -> None:
        """Tag the cells that have begun and are not complete with what they hold so far."""
        self._told = time.monotonic()
        for cell in list(self._stirred.values()):
            known = self._runs.known.get(("cell", cell_key(cell)))
            state = self._state(cell, failed)
            if known is not None and state.entries and RECORD not in known.tags:
                self._runs.tag(known, progress(self.plan, state, self._outcomes(state)))

    def _close_study(self, failed: Mapping[str, str]) -> None:
        accounted = self._home.keys() & (self._index.keys() | failed.keys())
        done = self._home.keys() & self._index.keys()
        content = digest([self._state(cell, failed).digest for cell in self.plan.cells])
        if self._study.tags.get(RECORD) != content:
            told = {
                "done": len(done),
                "failed": len(failed),
                "left": len(self._home) - len(accounted),
            }
            known = {
                cell.label: run
                for cell in self.plan.cells
                if (run := self._runs.known.get(("cell", cell_key(cell))))
            }
            self._runs.file(self._study, "cells.csv", table(self.plan, known))
            named = tags({f"randstudy.{name}": number for name, number in told.items()})
            self._runs.tag(self._study, named | {RECORD: content})
        status: Status = "FINISHED" if len(accounted) == len(self._home) else "KILLED"
        if failed and not done:
            status = "FAILED"
        times = [run.start for run in self._runs.of("trial")]
        self._runs.end(self._study, status, max(times, default=self._study.start))
