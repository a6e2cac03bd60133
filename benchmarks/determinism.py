"""What a device keeps of law 1, and how fast packs train on it.

``python -m benchmarks.determinism [--device cuda]`` needs neither ray nor mlflow. For each model
and optimizer it trains the same trials again, reversed, alone and in packs of several widths, and
counts those that agree bit for bit with a pack of 64; then it times packs of growing width.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from randstudy.training import Observation, PackRun  # first: it fixes the numeric environment

import torch  # isort: skip

from randstudy.models import Cnn, Linear, Mlp, Model
from randstudy.numerics import numerics_class
from randstudy.optimizers import Adam, Optimizer, Sgd
from randstudy.outcomes import Outcome
from randstudy.pruning import RandomPruning
from randstudy.recipe import Recipe, Training
from randstudy.trials import Trial, make_trial

WIDTHS = (1, 2, 3, 7, 32)
MODELS: dict[str, Model] = {
    "linear": Linear(),
    "mlp 128": Mlp(),
    "mlp 33-7": Mlp(widths=(33, 7)),
    "cnn 8-16": Cnn(),
}
OPTIMIZERS: dict[str, Optimizer] = {"sgd": Sgd(momentum=0.9), "adam": Adam()}


def trials(model: Model, optimizer: Optimizer, batch: int, count: int, steps: int) -> list[Trial]:
    """Make trials that differ in replicate, rate and learning rate."""
    base = 0.1 if isinstance(optimizer, Sgd) else 0.003
    made = []
    for number in range(count):
        training = Training(
            optimizer=optimizer, lr=base / (1 + number % 3), batch_size=batch, steps=steps
        )
        recipe = Recipe(
            model=model, pruning=RandomPruning(rate=(0.0, 0.5)[number % 2]), training=training
        )
        consumed = dict.fromkeys(recipe.streams() - {"split"}, number) | {"split": 0}
        made.append(make_trial(recipe, 0, consumed))
    return made


def train(some: Sequence[Trial], device: str) -> dict[str, Outcome]:
    """Train a pack to its end; return outcomes by trial."""
    run = PackRun(some, device=device, observe=Observation(every_epochs=1))
    run.advance()
    return {outcome.trial: outcome for outcome in run.take()}


def agreement(model: Model, optimizer: Optimizer, device: str, *, batch: int) -> dict[str, str]:
    """Return, for each width, how many trials have the bits that they had in a pack of 64."""
    some = trials(model, optimizer, batch, 64, steps=80)
    wide = train(some, device)
    again = train(some, device)
    mirrored = train(some[::-1], device)
    found = {
        "again": equal(wide, again),
        "reversed": equal(wide, mirrored),
    }
    for width in WIDTHS:
        part = train(some[5 : 5 + width], device)
        found[f"width {width}"] = equal(wide, part)
    return found


def equal(reference: dict[str, Outcome], others: dict[str, Outcome]) -> str:
    """Count equal digests; where they differ, add the largest difference in test loss."""
    same = sum(reference[t].weights_digest == one.weights_digest for t, one in others.items())
    apart = max(
        abs(reference[t].metrics["test_loss"] - one.metrics["test_loss"])
        for t, one in others.items()
    )
    return f"{same}/{len(others)}" + (f" (test loss within {apart:.1e})" if apart else "")


def speed(model: Model, device: str, widths: Sequence[int]) -> dict[int, float]:
    """Return seconds a trial of 10 epochs at batch 32, by width of pack; best of two."""
    found = {}
    for width in widths:
        some = trials(model, Sgd(momentum=0.9), 32, width, steps=340)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            train(some, device)
            if device != "cpu":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        found[width] = min(seconds) / width
    return found


def main() -> None:
    """Print both tables and write them as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--out", default=None, help="write JSON here")
    options.add_argument("--widest", type=int, default=2048)
    options.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    given = options.parse_args()
    device = given.device
    train(trials(Mlp(), Sgd(momentum=0.9), 32, 2, 10), device)
    report: dict[str, Any] = {"class": numerics_class(device), "agreement": {}, "seconds": {}}
    print(report["class"])
    for name in given.models:
        for rule, optimizer in OPTIMIZERS.items():
            for batch in (8, 32):
                key = f"{name}, {rule}, batch {batch}"
                report["agreement"][key] = agreement(MODELS[name], optimizer, device, batch=batch)
                print(key, report["agreement"][key], flush=True)
    for name in given.models:
        widths = [width for width in (1, 2, 8, 32, 128, 512, 2048) if width <= given.widest]
        report["seconds"][name] = speed(MODELS[name], device, widths)
        for width, seconds in report["seconds"][name].items():
            rate = f"{1e3 * seconds:9.3f} ms a trial, {3600 / seconds:,.0f} an hour"
            print(f"{name}: pack {width:5d}: {rate}", flush=True)
    if given.out:
        with open(given.out, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
