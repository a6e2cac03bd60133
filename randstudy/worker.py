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
from randstudy.training import Observation, PackRun
from randstudy.training.calibration import calibrate

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
        self.run: PackRun | None = None
        self.committed: list[str] = []
        self.unwritten: list[Any] = []
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
            return self._report(
                done=True,
                mishap={
                    "attempt": self.attempt,
                    "kind": "memory" if out_of_memory(error) else "error",
                    "message": f"{type(error).__name__}: {error}",
                    "traceback": traceback.format_exc(),
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
            self.run = PackRun(
                [self.order.trial(settings) for settings in self.order.trials],
                device=self.order.device,
                threads=self.order.threads,
                observe=Observation(**self.order.observe),
            )
        self.run.advance(seconds)
        ended = self.run.take()
        self.unwritten += ended
        if self.run.done or time.monotonic() - self.flushed >= FLUSH_SECONDS:
            self._flush()
        return self._report(
            done=self.run.done,
            progress=self.run.step / self.run.total,
            ended={outcome.trial: outcome.metrics.get(self.order.metric) for outcome in ended},
            diverged=sum(outcome.status == "diverged" for outcome in ended),
            pack=len(self.order.trials),
        )

    def _flush(self) -> None:
        """Commit outcomes before anybody hears of them."""
        if self.unwritten:
            Ledger(Path(self.order.store)).commit(self.unwritten, attempt=self.attempt)
            self.committed += [outcome.trial for outcome in self.unwritten]
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
