"""Running a study: train what is missing, mirror it in MLflow, account for every trial."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from randstudy import digests, execution
from randstudy.accounting import Account, account, refuse_stale
from randstudy.calibrations import Calibrations
from randstudy.design import Design
from randstudy.errors import RandstudyError
from randstudy.ledger import Ledger
from randstudy.lock import lock
from randstudy.orders import Order, places
from randstudy.outcomes import Failure
from randstudy.packs import Shape
from randstudy.progress import Progress, duration, shown
from randstudy.scheduling import Queue, Work
from randstudy.stopping import Stop, signals
from randstudy.study import Study
from randstudy.tracking import Report, start

if TYPE_CHECKING:
    from randstudy.publishing import Publication

Stale = Literal["refuse", "accept", "retrain"]

INTERRUPTED, TERMINATED = 130, 75
"""Exit codes after Ctrl-C and SIGTERM."""

STOPPING_SECONDS, MIRROR_SECONDS, MIRROR_SECONDS_PER_TRIAL = 4.0, 60.0, 0.1
"""Longest wait for MLflow at the end; the next run writes what it did not get to."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is carried out; nothing here changes a trial's numbers."""

    pack_size: int | None = None
    address: str | None = None
    stale: Stale = "refuse"
    retry_failed: bool = False
    report: bool = True


@dataclass
class Result:
    """What a run came to."""

    account: Account
    trained: int
    diverged: int
    failures: list[Failure]
    mirror: Report | None
    stop: Stop
    publication: Publication | None = None
    unpublished: str = ""

    @property
    def exit_code(self) -> int:
        """0 all accounted for, 1 some failed, 75 after SIGTERM, 130 after Ctrl-C."""
        if self.stop.signal is not None:
            return INTERRUPTED if self.stop.signal == signal.SIGINT else TERMINATED
        left = self.account.missing or self.account.failed or self.account.reobserve
        return 1 if left or self.stop.fatal else 0


def run(study: Study, store: Path, options: Options, out: TextIO = sys.stderr) -> Result:
    """Train what the ledger lacks of a study's design.

    Raises
    ------
    RandstudyError
        nothing was started: stale outcomes, a held lock, resources that the cluster lacks.
    """
    ledger = Ledger(store)
    with lock(store, study.name):
        before = _prepared(study, ledger, options)
        ledger.write_plan(study.name, json.dumps(study.resolved(), indent=1))
        exporter = start(study, store) if study.tracking.enabled else None
        driver = Driver(study, store, ledger, options, before, out)
        told: Publication | None = None
        why = ""
        try:
            if driver.todo:
                driver.train()
            if options.report and driver.stop.signal is None:
                told, why = _told(study, store)
        finally:
            mirror = exporter.finish(patience(driver)) if exporter is not None else None
        ledger.compact()
        after = account(study, ledger)
    return Result(
        after,
        driver.progress.ended,
        driver.progress.diverged,
        driver.failures,
        mirror,
        driver.stop,
        told,
        why,
    )


def _told(study: Study, store: Path) -> tuple[Publication | None, str]:
    """Make the report, or say why there is none: a run does not fail for it."""
    from randstudy.publishing import publish
    from randstudy.reports import folder_of

    try:
        return publish(study, store, folder_of(study.name, store)), ""
    except RandstudyError as error:
        return None, str(error)
    except Exception as error:  # noqa: BLE001 - trained outcomes matter more than their picture
        return None, f"{type(error).__name__}: {error}"


def patience(driver: Driver) -> float:
    """Return how long to wait for MLflow: seconds when asked to stop, else time to catch up."""
    if driver.stop.signal is not None:
        return STOPPING_SECONDS
    return MIRROR_SECONDS + MIRROR_SECONDS_PER_TRIAL * driver.progress.planned


def _prepared(study: Study, ledger: Ledger, options: Options) -> Account:
    """Return the account to start from, with stale outcomes settled as asked."""
    found = account(study, ledger)
    if options.stale == "refuse":
        refuse_stale(found)
    if options.stale == "retrain" and found.stale:
        ledger.forget([trial.id for trial in found.stale], "retrained: stale")
        return account(study, ledger)
    return found


class Driver:
    """One run: the queue, what workers report, and what people see of it."""

    def __init__(
        self,
        study: Study,
        store: Path,
        ledger: Ledger,
        options: Options,
        before: Account,
        out: TextIO,
    ) -> None:
        self.study, self.store, self.ledger = study, store, ledger
        self.options, self.out = options, out
        retried = before.failed if options.retry_failed else []
        self.todo = before.missing + before.reobserve + retried
        self.reobserving = bool(before.reobserve)
        index = ledger.index() if self.reobserving else {}
        again = {trial.id for trial in before.reobserve}
        self.had_logits = {trial for trial in again if index[trial].outputs}
        self.had_extras = {trial: index[trial].extras for trial in again}
        self.failures: list[Failure] = []
        self.stop = Stop()
        self.progress = Progress(
            planned=before.planned,
            before=before.planned - len(self.todo),
            metric=study.metric,
            maximize=study.direction == "maximize",
            cells_of=self._cells(),
        )

    def train(self) -> None:
        """Start Ray, train the queue empty, and leave."""
        resources = self.study.resources
        self._say(f"{len(self.todo):,} of {self.progress.planned:,} trials to train; starting Ray")
        with (
            signals(self.stop),
            execution.cluster(self.options.address) as ray,
            # Again, as Ray puts its own handler in place when it starts.
            signals(self.stop),
        ):
            workers = execution.workers(ray, resources)
            self.calibrations = Calibrations(self.store, resources)
            self.queue = Queue(
                self.todo,
                workers=workers,
                width=self.options.pack_size,
                fail=self._fail,
                known=self.calibrations.known(self.todo),
            )
            self.share = 1 / workers if not resources.gpus else min(1.0, resources.gpus)
            with shown(self.progress, self.out) as self.refresh:
                execution.execute(
                    self.queue,
                    resources=resources,
                    order=self._order,
                    told=self._told,
                    stop=self.stop,
                )
        if self.stop.fatal:
            self._say(self.stop.fatal)
        spent = duration(self.progress.seconds)
        self._say(f"{self.progress.line()}; {self.progress.ended:,} trained in {spent}")

    def _cells(self) -> Mapping[str, list[str]]:
        """Return the labels of the cells of each trial still to be trained."""
        wanted = {trial.id for trial in self.todo}
        found: dict[str, list[str]] = {}
        if wanted:
            for cell, trial in Design(self.study).points():
                if trial.id in wanted:
                    found.setdefault(trial.id, []).append(cell.label)
        return found

    def _order(self, work: Work) -> dict[str, Any]:
        held = {word for trial in work.trials for word in self.had_extras.get(trial.id, ())}
        evaluation = self.study.evaluation.adding(held)
        return Order(
            number=work.number,
            kind=work.kind,
            trials=tuple(trial.settings for trial in work.trials),
            store=str(self.store),
            device=execution.device(self.study.resources),
            threads=execution.threads(self.study.resources),
            share=self.share,
            observe={
                "every_epochs": evaluation.every_epochs,
                "every_steps": evaluation.every_steps,
                "predictions": evaluation.predictions or self.reobserving,
                "logits": evaluation.logits
                or any(trial.id in self.had_logits for trial in work.trials),
                "test_selected": evaluation.test_selected,
                "gradient_norms": evaluation.gradient_norms,
                "weights": evaluation.weights,
                "metrics": evaluation.metrics,
                "extras": evaluation.extras,
            },
            metric=self.study.metric,
            places=places(work.shape.data) if isinstance(work.shape, Shape) else {},
            paths=tuple(dict.fromkeys((os.getcwd(), *digests.folders(work.trials[0].setup)))),
        ).plain()

    def _told(self, work: Work, report: Mapping[str, Any]) -> None:
        if work.kind == "calibrate" and "width" in report:
            self.calibrations.add(work.shape, report)
        self.progress.told(work, report)
        self.refresh()

    def _fail(self, failure: Failure) -> None:
        self.ledger.fail(failure)
        self.failures.append(failure)
        self.progress.failed += len(failure.trials)

    def _say(self, line: str) -> None:
        print(line, file=self.out, flush=True)
