"""What a worker process does with work: train a pack and commit its outcomes, or calibrate.

Free of Ray, so that it can be run and tested in one process; `execution` wraps it.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from randstudy.errors import LedgerError
from randstudy.ledger import Ledger, new_attempt
from randstudy.numerics import prepare_environment
from randstudy.orders import Order
from randstudy.outcomes import Outcome
from randstudy.recipe import Recipe
from randstudy.training import Observation, PackRun
from randstudy.training.calibration import calibrate
from randstudy.training.handed_run import HandedRun, discard_checkpoints
from randstudy.trials import Trial

FLUSH_SECONDS = 30.0
"""Longest time that an ended trial waits in memory for its commit."""

SHARE = 0.5
"""Share of a device's free memory that the packs on it may take together."""


class Worker:
    """One order, carried out a few seconds at a time."""

    def __init__(self, order: Order) -> None:
        prepare_environment()
        sys.path += [path for path in order.paths if path not in sys.path]
        self.order = order
        self.attempt = new_attempt()
        self.run: PackRun | HandedRun | None = None
        self.committed: list[str] = []
        self.unwritten: list[Outcome] = []
        self.flushed = time.monotonic()

    def step(self, seconds: float) -> dict[str, Any]:
        """Work for about `seconds` and report; ``done`` closes the order.

        An exception of training comes back as ``mishap``, a store that cannot be written to as
        ``fatal``.
        """
        try:
            return self._calibrate() if self.order.kind == "calibrate" else self._train(seconds)
        except LedgerError as error:
            # Training on would only lose more: the driver stops the study and says why.
            return self._report(done=True, fatal=str(error))
        except Exception as error:  # noqa: BLE001 (a user's part may raise anything)
            return self._mishap(error, traceback.format_exc())

    def _mishap(self, error: Exception, text: str) -> dict[str, Any]:
        """Report an exception; trials that ended before it are kept where one trial is to blame."""
        blamed, ended = None, []
        if isinstance(self.run, HandedRun):
            blamed, ended = self.run.blamed, self.run.take()
            self.unwritten += ended
            try:
                self._flush()
            except LedgerError as fatal:
                return self._report(done=True, fatal=str(fatal))
        return self._report(
            done=True,
            **self._ended(ended),
            mishap={
                "attempt": self.attempt,
                "kind": "memory" if out_of_memory(error) else "error",
                "message": f"{type(error).__name__}: {error}",
                "traceback": text,
                "trial": blamed,
            },
        )

    def _calibrate(self) -> dict[str, Any]:
        found = calibrate(
            self.order.trial(self.order.trials[0]),
            device=self.order.device,
            threads=self.order.threads,
            memory=int(free_memory(self.order.device) * SHARE * self.order.share),
        )
        return self._report(done=True, **asdict(found))

    def _train(self, seconds: float) -> dict[str, Any]:
        if self.run is None:
            self.run = self._begin([self.order.trial(one) for one in self.order.trials])
        self.run.advance(seconds)
        ended = self.run.take()
        self.unwritten += ended
        if self.run.done or time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self._flush()
        return self._report(
            done=self.run.done,
            progress=self.run.progress,
            pack=len(self.order.trials),
            **self._ended(ended),
        )

    def _ended(self, outcomes: list[Outcome]) -> dict[str, Any]:
        """Return what a report says of trials that ended."""
        return {
            "ended": {one.trial: one.metrics.get(self.order.metric) for one in outcomes},
            "diverged": sum(one.status == "diverged" for one in outcomes),
        }

    def _begin(self, trials: list[Trial]) -> PackRun | HandedRun:
        """Start on the trials; of those handed over, on those that no dead worker had finished."""
        order = self.order
        observe = Observation(**order.observe)
        if isinstance(trials[0].setup, Recipe):
            return PackRun(trials, device=order.device, threads=order.threads, observe=observe)
        ledger = Ledger(Path(order.store)).index(skip_damaged=True)
        self.committed = [trial.id for trial in trials if trial.id in ledger]
        return HandedRun(
            [trial for trial in trials if trial.id not in ledger],
            store=Path(order.store),
            metric=order.metric,
            device=order.device,
            threads=order.threads,
            predictions=observe.predictions,
        )

    def _flush(self) -> None:
        """Commit outcomes before anybody hears of them."""
        if self.unwritten:
            store = Path(self.order.store)
            Ledger(store).commit(self.unwritten, attempt=self.attempt)
            self.committed += [outcome.trial for outcome in self.unwritten]
            if isinstance(self.run, HandedRun):
                for outcome in self.unwritten:
                    discard_checkpoints(store, outcome.trial)
            self.unwritten = []
        self.flushed = time.monotonic()

    def _report(self, **found: Any) -> dict[str, Any]:
        return {"number": self.order.number, "committed": list(self.committed), **found}


def out_of_memory(error: BaseException) -> bool:
    """Tell whether torch or Python ran out of memory; the CPU allocator has no type of its own."""
    named = type(error).__name__ == "OutOfMemoryError" or isinstance(error, MemoryError)
    return named or "not enough memory" in str(error) or "can't allocate memory" in str(error)


def free_memory(device: str) -> int:
    """Return the free bytes of a device."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
