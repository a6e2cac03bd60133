"""Who may be free: an answer to how Ray Tune hands actors on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

PATIENCE = 30.0
"""Longest wait, in seconds, for workers to start."""


@dataclass
class Gate:
    """Keeps finished orders open until every worker is up.

    Tune gives a free actor the work of one that is still starting, and ends that one: with packs
    shorter than a worker's start only one worker would ever train.
    """

    workers: int
    given: int = 0
    up: dict[str, str] = field(default_factory=dict)
    since: float | None = None
    clock: Callable[[], float] = time.monotonic

    def reported(self, trial_id: str, worker: str) -> None:
        """Note a worker that has come to work on a Tune trial."""
        self.up[worker] = trial_id

    def lost(self, trial_id: str) -> None:
        """Note that the worker of a Tune trial is gone; its successor is waited for anew."""
        self.up = {worker: held for worker, held in self.up.items() if held != trial_id}
        self.since = None

    @property
    def open(self) -> bool:
        """Whether all workers are up, as many as there was work for, or were waited for enough."""
        if len(self.up) >= min(self.workers, self.given):
            return True
        if self.since is None:
            self.since = self.clock()
        return self.clock() - self.since > PATIENCE
