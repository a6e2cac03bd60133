"""The matrix-product limit: what the trials' multiplications alone would take on these cores.

Two figures. At *peak*, the number of multiplications is divided by the best rate that one core
reaches on square float32 products while its neighbours do the same. *As packed*, exactly a trial's
products run as batched products of a pack, with nothing between them.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

SQUARES = (256, 512, 1024)
WIDTH = 32
SECONDS = 1.0


@dataclass(frozen=True)
class Limit:
    """The limit.

    Attributes
    ----------
    gflop_per_trial : multiplications and additions of a trial's matrix products.
    gflops : best rate of all cores together.
    peak_seconds, packed_seconds : wall seconds a trial, all cores together.
    """

    processes: int
    gflop_per_trial: float
    gflops: float
    packed_seconds: float

    @property
    def peak_seconds(self) -> float:
        """Wall seconds a trial at the best rate."""
        return self.gflop_per_trial / self.gflops


def measure(processes: int) -> Limit:
    """Measure rates in several processes at once, a thread each."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, initializer=_share, initargs=(barrier,)) as pool:
        found = pool.map(_core, range(processes), chunksize=1)
    return Limit(
        processes,
        sum(2 * b * m * k * n * count for (b, m, k, n), count in products(1)) / 1e9,
        sum(rate for rate, _ in found),
        1 / sum(1 / seconds for _, seconds in found),
    )


def products(width: int) -> list[tuple[tuple[int, int, int, int], int]]:
    """Return ((width, rows, inner, columns), how often) of a pack's matrix products."""
    from benchmarks.plain import BATCH, CLASSES, EPOCHS, HIDDEN, INPUTS, TEST, TRAIN, VALIDATION

    full, last = divmod(TRAIN, BATCH)
    found = [
        ((width, *product), EPOCHS * steps)
        for rows, steps in ((BATCH, full), (last, 1))
        for product in (
            (rows, INPUTS, HIDDEN),
            (rows, HIDDEN, CLASSES),
            (CLASSES, rows, HIDDEN),
            (rows, CLASSES, HIDDEN),
            (HIDDEN, rows, INPUTS),
        )
        if rows
    ]
    for examples, times in ((VALIDATION, EPOCHS), (TEST, 1)):
        found.append(((width, examples, INPUTS, HIDDEN), times))
        found.append(((width, examples, HIDDEN, CLASSES), times))
    return found


_shared: list[Barrier] = []


def _share(barrier: Barrier) -> None:
    _shared.append(barrier)


def _core(_number: int) -> tuple[float, float]:
    """Return this core's GFLOP a second, and its seconds a trial as packed."""
    import torch

    torch.set_num_threads(1)
    _shared[0].wait()
    rates = [2 * size**3 / 1e9 / _seconds((1, size, size, size)) for size in SQUARES]
    _shared[0].wait()
    packed = sum(_seconds(shape, SECONDS / 5) * count for shape, count in products(WIDTH)) / WIDTH
    return max(rates), packed


def _seconds(shape: tuple[int, int, int, int], patience: float = SECONDS) -> float:
    """Return the mean seconds of one (batched) product."""
    import torch

    width, rows, inner, columns = shape
    left = torch.ones(width, rows, inner)
    right = torch.ones(width, inner, columns)
    out = torch.empty(width, rows, columns)
    torch.bmm(left, right, out=out)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < patience:
        for _ in range(4):
            torch.bmm(left, right, out=out)
        count += 4
    return (time.perf_counter() - began) / count
