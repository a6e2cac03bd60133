"""A frame of 100,000 trials and 50 steps: cells, comparisons, variance and the report.

``python -m benchmarks.large`` prints seconds and the largest memory of the process; it ends with 1
when they are more than 60 s and 4 GiB. Trials are simulated: 100 cells of 1,000 replicates, or with
``--cells 12500`` as many of 8.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Evidence, accounts_of
from randstudy.analysis.layout import lay_out
from randstudy.analysis.roles import Roles

MOST_SECONDS, MOST_GIBIBYTES = 60.0, 4.0
FACTORS = ("lr", "width", "init")
METRICS = ("validation_accuracy", "validation_loss", "train_loss")


def simulated(trials: int, cells: int, seed: int) -> pd.DataFrame:
    """Return a frame of so many trials, their cells crossed of three factors."""
    generator = np.random.default_rng(seed)
    replicates = trials // cells
    cell = np.repeat(np.arange(cells), replicates)
    seeds = np.tile(np.arange(replicates), cells)
    side = round(cells ** (1 / 3)) or 1
    luck = generator.normal(0, 0.004, replicates)[seeds]
    frame = pd.DataFrame(
        {
            "trial": [f"{number:016x}" for number in range(len(cell))],
            "status": "finished",
            "lr": 10.0 ** -(cell // (side * side)),
            "width": 2 ** (1 + (cell // side) % side),
            "init": np.array([f"scheme{number}" for number in range(side)])[cell % side],
            "replicate.init": seeds,
            "replicate.order": seeds,
            "test_accuracy": 0.9 + luck + generator.normal(0, 0.006, len(cell)),
            "test_loss": 0.3 + generator.normal(0, 0.02, len(cell)),
            "train_loss": 0.1 + generator.normal(0, 0.01, len(cell)),
        }
    )
    labels = [f"lr={a:g} width={b} init={c}" for a, b, c in zip(
        frame["lr"], frame["width"], frame["init"], strict=True)]  # fmt: skip
    frame.insert(1, "cell", labels)
    return frame


def curves(frame: pd.DataFrame, steps: int, seed: int) -> pd.DataFrame:
    """Return an evaluation at each of so many steps of every trial."""
    generator = np.random.default_rng(seed + 1)
    step = np.tile(np.arange(1, steps + 1), len(frame))
    found: dict[str, Any] = {
        "trial": np.repeat(frame["trial"].to_numpy(), steps),
        "step": step * 100,
        "epoch": step.astype(float),
    }
    for name in METRICS:
        found[name] = 1 - 1 / np.sqrt(step) + generator.normal(0, 0.01, len(step))
    return pd.DataFrame(found)


def evidence(trials: int, cells: int, steps: int) -> Evidence:
    """Return the evidence of a simulated study."""
    frame = simulated(trials, cells, seed=0)
    kept = curves(frame, steps, seed=0)
    roles = Roles(
        metric="test_accuracy",
        factors=FACTORS,
        replicates=("replicate.init", "replicate.order"),
        cell="cell",
        status="status",
        trial="trial",
    )
    return Evidence(
        name="large",
        question="Is a hundred thousand too many?",
        frame=frame,
        roles=roles,
        accounts=accounts_of(lay_out(frame, roles)),
        declared=Declared(factor="init", smallest_difference=0.001),
        curves=lambda: kept,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Time each part, print a table, and say whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--cells", type=int, default=125, help="a cube: 125, 1000, 12167")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args(arguments)
    from randstudy.report import publish

    known = evidence(options.trials, options.cells, options.steps)
    told = Answer(known)
    print(f"{len(known.frame):,} trials in {len(told.layout.cells):,} cells, {options.steps} steps")
    with tempfile.TemporaryDirectory() as folder:
        parts: dict[str, Callable[[], object]] = {
            "cells": lambda: told.cells,
            "compare": lambda: told.compare,
            "variance": lambda: told.variance,
            "report": lambda: publish(told, Path(folder)),
        }
        whole = time.perf_counter()
        for name, make in parts.items():
            before = time.perf_counter()
            make()
            print(f"{name:10s} {time.perf_counter() - before:6.1f} s", flush=True)
        seconds = time.perf_counter() - whole
        size = (Path(folder) / "report.html").stat().st_size / 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"in all     {seconds:6.1f} s, {memory:.2f} GiB at most, report of {size:.2f} MB")
    return 1 if seconds > MOST_SECONDS or memory > MOST_GIBIBYTES else 0


if __name__ == "__main__":
    sys.exit(main())
