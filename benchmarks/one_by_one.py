"""Each study's trainings packed, against the same trainings one by one in plain PyTorch.

    python -m benchmarks.one_by_one [STUDY ...]

For one recipe of each study, a step of a pack (its width measured as `randstudy run` does) and a
step of a plain loop (`nn.Module`, autograd, `torch.optim`, whole-tensor batches) are timed in turn
on one core, without evaluation. The ratio is plain over packed, a trial: above 1 packing is
faster. The plain loop draws no augmentation, noise or dropout but what its layers do.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import randstudy.training  # noqa: F401 (fixes the numeric environment, so it comes before torch)

# isort: split
import pandas as pd
import torch
from torch import nn

from benchmarks.plain_networks import plain
from randstudy import Design, Study
from randstudy.design import Trial
from randstudy.errors import RandstudyError
from randstudy.optimizers import Adam, AdamW, RmsProp, Sgd
from randstudy.packs import shape_of
from randstudy.recipe import Recipe
from randstudy.training import PackRun
from randstudy.training.calibration import NEVER, calibrate
from randstudy.training.pack_data import PackData

STUDIES = Path(__file__).parent.parent / "studies"
SECONDS = 0.4
REPEATS = 7
MEMORY = 2**31


@dataclass(frozen=True)
class Comparison:
    """Milliseconds of one trial's step, medians over `n` turns."""

    study: str
    model: str
    batch: int
    width: int
    packed_ms: float
    plain_ms: float
    ratio: float
    least: float
    most: float
    n: int


def compare(name: str, trial: Trial) -> Comparison:
    """Time a pack of `trial` and its plain twin in turn."""
    width = calibrate(trial, device="cpu", threads=1, memory=MEMORY).width
    packed, single = packed_steps(trial, width), plain_steps(trial)
    pairs = [(timed(packed) / width, timed(single)) for _ in range(REPEATS)]
    ratios = [one / each for each, one in pairs]
    return Comparison(
        study=name,
        model=trial.recipe.model.name,
        batch=trial.recipe.batch,
        width=width,
        packed_ms=1e3 * statistics.median(each for each, _ in pairs),
        plain_ms=1e3 * statistics.median(one for _, one in pairs),
        ratio=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
        n=REPEATS,
    )


def timed(step: Callable[[], object]) -> float:
    """Return the mean seconds of a step, over as many as take `SECONDS`."""
    step()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        step()
        count += 1
    return (time.perf_counter() - began) / count


def packed_steps(trial: Trial, width: int) -> Callable[[], object]:
    """Return what takes a step of a pack of `width` replicates, beginning anew at the end."""
    trials = [
        Trial(
            id=f"{number:016x}",
            setup=trial.setup,
            seed=trial.seed,
            replicates=dict.fromkeys(trial.replicates, number),
        )
        for number in range(width)
    ]
    runs = [PackRun(trials, observe=NEVER)]

    def step() -> None:
        if runs[0].step >= runs[0].total or runs[0].done:
            runs[0] = PackRun(trials, observe=NEVER)
        runs[0].walk(1)

    return step


def plain_steps(trial: Trial) -> Callable[[], object]:
    """Return what takes a step of the plain loop."""
    recipe = trial.recipe
    data = PackData([trial], "cpu")
    rows = data.rows["train"][0]
    module = plain(recipe.model, recipe.data.shape())
    module.train()
    optimizer = torch_optimizer(recipe, module)
    classes = data.shape.target == "class"
    loss_of = nn.CrossEntropyLoss() if classes else nn.MSELoss()
    place = 0

    def step() -> None:
        nonlocal place
        some = rows[place : place + recipe.batch]
        place = place + recipe.batch if place + 2 * recipe.batch <= len(rows) else 0
        inputs, targets = data.inputs[some], data.targets[some]
        outputs = module(inputs)
        loss = loss_of(outputs if classes else outputs.squeeze(-1), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def torch_optimizer(recipe: Recipe, module: nn.Module) -> torch.optim.Optimizer:
    """Return torch's own rule with the recipe's settings."""
    rule, lr = recipe.training.optimizer, recipe.training.lr
    if isinstance(rule, Sgd):
        momentum, decay = rule.momentum, rule.weight_decay
        return torch.optim.SGD(module.parameters(), lr, momentum=momentum, weight_decay=decay)
    if isinstance(rule, RmsProp):
        return torch.optim.RMSprop(module.parameters(), lr, alpha=rule.alpha, eps=rule.eps)
    assert isinstance(rule, Adam | AdamW)
    kind = torch.optim.AdamW if isinstance(rule, AdamW) else torch.optim.Adam
    return kind(module.parameters(), lr, betas=(rule.beta1, rule.beta2), eps=rule.eps)


def recipes(names: list[str]) -> Iterator[tuple[str, Trial]]:
    """Yield one trial of each study, of the shape that most of its trials have."""
    for path in sorted(STUDIES.glob("*.yaml")):
        if names and path.stem not in names:
            continue
        try:
            trials = list(Design(Study.load(path)).trials())
        except RandstudyError as error:
            print(f"{path.stem}: left out ({str(error).splitlines()[0]})")
            continue
        shapes = [shape_of(trial.recipe) for trial in trials]
        usual = statistics.mode(shapes)
        yield path.stem, trials[shapes.index(usual)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", help="names; default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for number, (name, trial) in enumerate(recipes(options.studies)):
        line = pd.DataFrame([vars(compare(name, trial))])
        text = line.to_string(index=False, header=number == 0, float_format=lambda x: f"{x:.3g}")
        print(text, flush=True)


if __name__ == "__main__":
    main()
