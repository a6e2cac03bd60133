"""The studies whose answers are known: what theory says, and what training gives.

    python -m benchmarks.answers [--replicates 1000]

Trains the cells of studies/sgd-noise.yaml, explode.yaml and input-noise.yaml in this process, with
neither Ray nor MLflow, and prints what came out beside what had to.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import randstudy.training  # noqa: F401 (fixes the numeric environment, so it comes before torch)

# isort: split
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy import Design, Study
from randstudy.design import Cell
from randstudy.outcomes import Outcome
from randstudy.recipe import Recipe
from randstudy.streams import key
from randstudy.training import Observation, PackRun

STUDIES = Path(__file__).parent.parent / "studies"
SLOPE = "weight.layers.0.weight"
WIDTH = 128


@dataclass(frozen=True)
class Answer:
    """One line: what was measured, on how many trainings, and what theory says."""

    cell: str
    what: str
    n: int
    expected: float
    found: float


def outcomes(file: str, replicates: Any = None) -> Iterator[tuple[Cell, list[Outcome]]]:
    """Train every cell of a study, packs of at most `WIDTH` at a time."""
    path = STUDIES / file
    study = Study.load(path)
    if replicates is not None:
        study = Study.load(path, overrides=[f"replicates={replicates}"])
    observe = Observation(every_epochs=None, every_steps=10**9, weights=True)
    design = Design(study)
    for cell in design.cells:
        trials = list(design.trials_of(cell))
        found: list[Outcome] = []
        for first in range(0, len(trials), WIDTH):
            run = PackRun(trials[first : first + WIDTH], observe=observe)
            run.advance()
            found += run.take()
        yield cell, found


def lyapunov(recipe: Recipe) -> float:
    """Return the slope's standard deviation in the long run of SGD with replacement.

    The error d = (slope, intercept) minus the least-squares solution follows
    d' = (I - 2 lr A) d + 2 lr g, with A = mean of x x' and g = mean of residual times x over a
    batch of independent draws; its covariance solves
    S = E[(I - 2 lr A) S (I - 2 lr A)'] + 4 lr^2 Cov g.
    """
    lr, batch = recipe.training.lr, recipe.batch
    examples = recipe.data.examples(key(0, "data", 0))
    rows = recipe.split.rows(recipe.data, 0, 0).train
    x = np.column_stack([examples.inputs[rows, 0], np.ones(len(rows))]).astype(float)
    y = examples.targets[rows].astype(float)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    squares = np.einsum("ni,nj->nij", x, x)
    mean = squares.mean(0)
    both = np.einsum("nij,nkl->ikjl", squares, squares).reshape(4, 4) / len(rows)
    still = np.eye(2) - 2 * lr * mean
    moved = np.kron(still, still) + 4 * lr**2 / batch * (both - np.kron(mean, mean))
    noise = 4 * lr**2 / batch * np.einsum("n,nij->ij", residual**2, squares) / len(rows)
    covariance = np.linalg.solve(np.eye(4) - moved, noise.reshape(-1)).reshape(2, 2)
    return float(np.sqrt(covariance[0, 0]))


def sgd_noise(replicates: int) -> Iterator[Answer]:
    """Standard deviation of the slope against Lyapunov's; only with replacement is it his."""
    for cell, found in outcomes("sgd-noise.yaml", f"{{order: {replicates}}}"):
        expected = lyapunov(cell.recipe)
        yield Answer(cell.label, "slope sd", len(found), expected, float(slopes(found).std(ddof=1)))


def explode() -> Iterator[Answer]:
    """Share of diverged trainings: all above 2 / lambda_max, none below or with clipping."""
    for cell, found in outcomes("explode.yaml"):
        levels: Mapping[str, Any] = cell.levels
        expected = float(levels["lr"] > 1 and levels["clip_norm"] is None)
        share = float(np.mean([outcome.status == "diverged" for outcome in found]))
        yield Answer(cell.label, "share diverged", len(found), expected, share)


def input_noise() -> Iterator[Answer]:
    """Mean slope under input noise and under ridge."""
    for cell, found in outcomes("input-noise.yaml"):
        arm = str(cell.levels["arm"])
        s = float(arm.rpartition("-")[2]) if "-" in arm else 0.0
        mean = float(slopes(found).mean())
        yield Answer(cell.label, "mean slope", len(found), 2 / (1 + s**2), mean)


def slopes(found: list[Outcome]) -> NDArray[np.float64]:
    """Return the final slopes."""
    return np.array([outcome.metrics[SLOPE] for outcome in found])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=1000)
    options = parser.parse_args()
    answers = [*sgd_noise(options.replicates), *explode(), *input_noise()]
    table = pd.DataFrame([vars(answer) for answer in answers])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


if __name__ == "__main__":
    main()
