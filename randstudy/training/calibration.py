"""How wide should a pack be? A short measurement on the machine that will train it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from randstudy.packs import widest
from randstudy.training.observation import Observation
from randstudy.training.pack_run import PackRun
from randstudy.trials import Trial

ENOUGH = 0.9
"""A wider pack must take less than this share of the time a trial to be worth its memory."""

PATIENCE = 0.05
"""Seconds of steps a width is timed for."""

NARROW = 16
"""Narrowest width that is tried; narrower packs spend most of their time between operations."""

STRIDE = 4
"""Steps between looks at the clock, each of which waits for the device."""

NEVER = Observation(every_epochs=None, every_steps=1 << 60, predictions=False)


@dataclass(frozen=True)
class Calibration:
    """The chosen width, and the estimated seconds of one worker a trial at it."""

    width: int
    seconds_per_trial: float


def calibrate(trial: Trial, *, device: str, threads: int, memory: int) -> Calibration:
    """Time packs of doubling width made of `trial`'s recipe, until wider no longer pays.

    Parameters
    ----------
    trial : one of the trials to be packed; its replicates are replaced, nothing is kept.
    memory : bytes that a pack may take on the device.
    """
    best: Calibration | None = None
    for width in widths(widest(trial.recipe, memory, device)):
        seconds = seconds_per_trial(trial, width, device=device, threads=threads)
        if best is not None and seconds > ENOUGH * best.seconds_per_trial:
            break
        best = Calibration(width, seconds)
    assert best is not None
    return best


def widths(largest: int) -> Iterator[int]:
    """Yield 16, 32, 64, … up to `largest`, or `largest` alone where it is smaller."""
    width = min(NARROW, largest)
    while width <= largest:
        yield width
        width *= 2


def strides(run: PackRun) -> Iterator[float]:
    """Yield the seconds a step of a few strides; the least of them is freest of other work."""
    end = time.perf_counter() + PATIENCE
    while True:
        began, first = time.perf_counter(), run.step
        run.walk(STRIDE)
        run.wait()
        yield (time.perf_counter() - began) / max(1, run.step - first)
        if time.perf_counter() >= end or run.step >= run.total or run.done:
            return


def seconds_per_trial(trial: Trial, width: int, *, device: str, threads: int) -> float:
    """Estimate one trial's share of the time of a whole pack, from a few of its steps."""
    began = time.perf_counter()
    trial = replace(trial, setup=replace(trial.recipe, pruning=trial.recipe.pruning.at_init()))
    neighbours = [
        replace(trial, replicates=dict.fromkeys(trial.replicates, number))
        for number in range(width)
    ]
    run = PackRun(neighbours, device=device, threads=threads, observe=NEVER)
    set_up = time.perf_counter() - began
    run.walk(2)
    run.wait()
    per_step = min(strides(run))
    run.look()
    began = time.perf_counter()
    run.look()
    evaluation = time.perf_counter() - began
    evaluations = 1 + trial.recipe.total_steps // trial.recipe.steps_per_epoch
    total = set_up + per_step * trial.recipe.total_steps + evaluation * evaluations
    return total / width
