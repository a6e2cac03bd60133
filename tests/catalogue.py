"""Parts of our own and short ways to write trials, shared by the tests of training.

Studies and fresh processes find the parts as ``catalogue:SmallDigits``, as they would anybody's.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from randstudy.design import Trial
from randstudy.inits import Init, ModuleInit
from randstudy.optimizers import Sgd
from randstudy.outcomes import Outcome
from randstudy.parts import Part
from randstudy.recipe import Recipe, Training
from randstudy.streams import Key, permutations
from randstudy.tasks import Data, Digits, Examples, Sizes, Split, TaskShape
from randstudy.training import Observation, PackRun
from randstudy.trials import make_trial

SIZES = Sizes(train=45, validation=40, test=40)


@dataclass(frozen=True, kw_only=True)
class SmallDigits(Data):
    """A few handwritten digits, so that an epoch ends after 45 steps of one example."""

    def streams(self) -> frozenset[str]:
        return frozenset({"split"})

    def shape(self) -> TaskShape:
        return Digits().shape()

    def sizes(self) -> Sizes:
        return SIZES

    def examples(self, key: Key) -> Examples:
        return Digits().examples(key)

    def split(self, key: Key) -> Split:
        rows = permutations([key], 1797, epoch=0)[0]
        train, validation, test = rows[:45], rows[45:85], rows[85:125]
        return Split(train, np.sort(validation), np.sort(test))

    def digest(self) -> str:
        return Digits().digest()


@dataclass(frozen=True, kw_only=True)
class SmallSignals(SmallDigits):
    """The same digits as signals of 64 points."""

    def shape(self) -> TaskShape:
        return TaskShape((1, 64), 10, "class")

    def examples(self, key: Key) -> Examples:
        found = super().examples(key)
        return replace(found, inputs=found.inputs.reshape(-1, 1, 64))


@dataclass(frozen=True, kw_only=True)
class SmallImages(SmallDigits):
    """The same digits at twice the size, as some networks leave nothing of 8x8 pixels."""

    def shape(self) -> TaskShape:
        return TaskShape((1, 16, 16), 10, "class")

    def examples(self, key: Key) -> Examples:
        found = super().examples(key)
        return replace(found, inputs=found.inputs.repeat(2, axis=2).repeat(2, axis=3))


def recipe(**fields: Any) -> Recipe:
    """Make a recipe; fields of Training may be given directly."""
    names = {field.name for field in dataclasses.fields(Training)}
    training: dict[str, Any] = {"lr": 0.1, "batch_size": 8, "optimizer": Sgd(momentum=0.9)}
    training |= {name: value for name, value in fields.items() if name in names}
    if not {"epochs", "steps", "examples"} & set(fields):
        training["epochs"] = 2
    rest = {name: value for name, value in fields.items() if name not in names}
    made = Recipe(**({"data": SmallDigits()} | rest), training=Training(**training))
    assert not made.problems(), made.problems()
    return made


def trial(number: int = 0, *, seed: int = 0, repeat: int = 0, **fields: Any) -> Trial:
    """Make a trial whose streams are all at replicate `number`."""
    return trial_of(recipe(**fields), number, seed=seed, repeat=repeat)


def trial_of(made: Recipe, number: int = 0, *, seed: int = 0, repeat: int = 0) -> Trial:
    """Make the trial of a recipe whose streams are all at replicate `number`."""
    effective = made.effective()
    return make_trial(effective, seed, dict.fromkeys(sorted(effective.streams()), number), repeat)


def moved(one: Trial, stream: str, number: int) -> Trial:
    """Return the trial with one stream at another replicate."""
    return make_trial(one.recipe, one.seed, {**one.replicates, stream: number}, one.repeat)


def train(trials: Sequence[Trial], *, threads: int = 1, **observe: Any) -> list[Outcome]:
    """Train a pack; return outcomes in the order of `trials`."""
    run = PackRun(trials, threads=threads, observe=Observation(**observe))
    run.advance()
    return in_order(run.take(), trials)


def in_order(outcomes: Iterable[Outcome], trials: Sequence[Trial]) -> list[Outcome]:
    """Sort outcomes as `trials`; each trial has exactly one."""
    found = list(outcomes)
    by_id = {outcome.trial: outcome for outcome in found}
    assert len(found) == len(by_id) == len(trials)
    return [by_id[one.id] for one in trials]


def bits(outcome: Outcome, *, curves: bool = True) -> dict[str, Any]:
    """Return what a training came to, floats as bytes: equal values are equal bits."""
    found: dict[str, Any] = {
        "status": outcome.status,
        "reason": outcome.reason,
        "steps": outcome.steps,
        "weights": outcome.weights_digest,
        "predictions": None if outcome.predictions is None else outcome.predictions.tobytes().hex(),
        "logits": None if outcome.logits is None else outcome.logits.tobytes().hex(),
    }
    found |= {name: exact(value) for name, value in outcome.metrics.items()}
    if curves:
        found["curve_step"] = outcome.curve_step.tolist()
        found["curve_epoch"] = outcome.curve_epoch.tobytes().hex()
        found |= {f"curve {name}": c.tobytes().hex() for name, c in outcome.curves.items()}
    return found


def exact(value: float) -> str:
    """Return the 64 bits of a float in hexadecimal."""
    return struct.pack(">d", value).hex()


def at_common_steps(one: Outcome, other: Outcome) -> tuple[dict[str, str], dict[str, str]]:
    """Return both outcomes' validation curves, as bytes, at the steps that they share."""
    common = sorted(set(one.curve_step.tolist()) & set(other.curve_step.tolist()))

    def points(outcome: Outcome) -> dict[str, str]:
        rows = np.flatnonzero(np.isin(outcome.curve_step, common))
        return {
            name: outcome.curves[name][rows].tobytes().hex()
            for name in outcome.curves
            if common and name != "train_loss"
        }

    return points(one), points(other)


def registered(kind: type[Part]) -> Mapping[str, type[Any]]:
    """Return randstudy's own parts of a kind; other tests may have registered theirs."""
    return {name: part for name, part in kind.choices.items() if is_ours(part)}


def is_ours(part: type) -> bool:
    return part.__module__.split(".")[0] == "randstudy"


def inits() -> list[Init]:
    """Return every scheme, with settings that let a network learn.

    Constant zeros have no gradient. The init of a module is left out: it needs a model of
    somebody's own (tests/test_modules.py).
    """
    schemes = [part() for part in registered(Init).values() if part is not ModuleInit]
    return [
        replace(init, weight=0.01, bias=0.02) if init.name == "constant" else init
        for init in schemes
    ]
