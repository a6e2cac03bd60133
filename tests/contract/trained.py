"""Trainings of the suite: alone, in packs among unequal neighbours, and with their draws noted."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from catalogue import bits, train, trial_of

from randstudy import streams
from randstudy.design import Trial
from randstudy.inits import Orthogonal, TorchDefault
from randstudy.packs import shape_of
from randstudy.pruning import RandomPruning
from randstudy.streams import Key

_kept: dict[str, dict[str, Any]] = {}


def alone(one: Trial) -> dict[str, Any]:
    """Return what a training alone comes to."""
    if one.id not in _kept:
        _kept[one.id] = bits(train([one])[0])
    return _kept[one.id]


def among_others(one: Trial) -> dict[str, Any]:
    """Return what a training comes to in a pack, at a place that its id decides."""
    pack = [one, *neighbours(one)]
    random.Random(one.id).shuffle(pack)
    return bits(train(pack)[pack.index(one)])


def neighbours(one: Trial) -> list[Trial]:
    """Return trials that may share a pack with this one, unequal in all that may differ."""
    recipe = one.recipe
    training = recipe.training
    others = [
        recipe,
        replace(recipe, training=replace(training, lr=training.lr * 0.3)),
        replace(recipe, init=Orthogonal(gain=0.5)),
        replace(recipe, init=TorchDefault(), training=replace(training, clip_norm=0.1)),
        replace(recipe, pruning=RandomPruning(rate=0.4)),
        replace(recipe, training=replace(training, lr=1e30)),
        recipe,
    ]
    found = [
        trial_of(other, number)
        for number, other in enumerate(others, 1)
        if not other.problems() and shape_of(other.effective()) == shape_of(recipe)
    ]
    assert len(found) >= 4, f"nothing shares a pack with {one.settings}"
    return found


@contextmanager
def noted(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Key]]:
    """Note the keys of all words that are drawn.

    A word is a pure function of its key and its place, so equal keys are equal draws.
    """
    found: set[Key] = set()
    rounds, handed = streams.round_keys, streams.handed_at

    def noting(keys: Any) -> Any:
        found.update(keys)
        return rounds(keys)

    def handing(key: Key, *place: int | str) -> Any:
        found.add(key)
        return handed(key, *place)

    ours = [module for name, module in sys.modules.items() if name.startswith("randstudy")]
    with monkeypatch.context() as patch:
        for module in ours:
            for name, real, noted in (
                ("round_keys", rounds, noting),
                ("handed_at", handed, handing),
            ):
                if getattr(module, name, None) is real:
                    patch.setattr(module, name, noted)
        yield found
