"""A bare serial loop in as many processes as there are cores: no Ray, no tracking, no records."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier


@dataclass(frozen=True)
class SerialRun:
    """What was timed.

    Attributes
    ----------
    trials : trained by all processes together, after one each to warm up.
    startup_seconds : launch until every process has imported torch, loaded data and warmed up.
    seconds_per_trial : wall time a trial after start-up, all processes together.
    """

    trials: int
    processes: int
    startup_seconds: float
    seconds_per_trial: float

    def total(self, trials: int) -> float:
        """Extrapolate to the wall seconds of so many trials."""
        return self.startup_seconds + self.seconds_per_trial * trials


def measure(trials: int, processes: int) -> SerialRun:
    """Time at least so many trials, shared out evenly."""
    each = -(-trials // processes)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    launched = time.time()
    running = [
        context.Process(target=loop, args=(number, each, barrier, results))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    spans = [results.get(timeout=3600) for _ in running]
    for process in running:
        process.join()
    ready = max(began for began, _ in spans)
    mean_span = sum(ended - began for began, ended in spans) / processes
    return SerialRun(each * processes, processes, ready - launched, mean_span / each / processes)


def loop(number: int, trials: int, barrier: Barrier, results: Queue[tuple[float, float]]) -> None:
    """Train one trial after another in this process; send when the timed ones began and ended."""
    import torch

    from benchmarks import plain

    torch.set_num_threads(1)
    data = plain.digits()
    plain.train(1_000_000 + number, data)
    barrier.wait()
    began = time.time()
    for trial in range(trials):
        plain.train(number * trials + trial, data)
    results.put((began, time.time()))
