"""Which trainings trials have in common: those pruned after training begin as others do.

A trial that is pruned and trained again in k rounds is a line of k + 1 trainings. Two trials whose
lines agree up to some training share it: it is done once, with the same bits as alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from randstudy.pruning import RandomPruning
from randstudy.recipe import Recipe
from randstudy.trials import Trial


def beginnings(trial: Trial) -> tuple[Hashable, ...]:
    """Return what decides each of a trial's trainings, one after the other.

    Trials share their n-th training if these agree at n. Draws of masks count from the first
    pruning on; repeats are there to be trained again, so they share nothing.
    """
    pruning = trial.recipe.pruning
    if pruning.trainings == 1:
        own = tuple(sorted(trial.replicates.items()))
        return ((trial.recipe, trial.seed, own, trial.repeat, (), None),)
    recipe = replace(trial.recipe, pruning=RandomPruning())
    draws = tuple(sorted(one for one in trial.replicates.items() if one[0] != "mask"))
    mask, stages = trial.replicates.get("mask"), pruning.stages()
    return tuple(
        (recipe, trial.seed, draws, trial.repeat, stages[:number], mask if number else None)
        for number in range(pruning.trainings)
    )


@dataclass(frozen=True)
class Family:
    """Trials that begin alike, and how many rows of a pack they need at most."""

    trials: tuple[Trial, ...]
    width: int = 1


def families(trials: Sequence[Trial]) -> list[Family]:
    """Return the trials in groups that begin alike, in the order in which the groups begin.

    Where nothing is trained twice, each trial is a group.
    """
    if not any(map(_again, trials)):
        return [Family((trial,)) for trial in trials]
    found: dict[Hashable, list[Trial]] = {}
    for trial in trials:
        found.setdefault(beginnings(trial)[0], []).append(trial)
    return [Family(tuple(some), max(trainings(some))) for some in found.values()]


def rows(waiting: Iterable[Family]) -> int:
    """Return how many rows of a pack these need together."""
    return sum(family.width for family in waiting)


def take(waiting: deque[Family], most: int) -> tuple[Trial, ...]:
    """Take families off the left that need no more than `most` rows; cut one that needs more."""
    taken = list(waiting.popleft().trials)
    if max(trainings(taken)) > most:
        taken, rest = taken[:most], taken[most:]
        waiting.extendleft(reversed(families(rest)))
        return tuple(taken)
    left = most - max(trainings(taken))
    while waiting and waiting[0].width <= left:
        left -= waiting[0].width
        taken += waiting.popleft().trials
    return tuple(taken)


def trainings(trials: Sequence[Trial]) -> list[int]:
    """Return how many distinct trainings there are at each place of the trials' lines.

    The largest is the width that a pack of them needs, the sum what it costs.
    """
    if not any(map(_again, trials)):
        return [len(trials)] if trials else []
    places: list[set[Hashable]] = []
    for trial in trials:
        for number, key in enumerate(beginnings(trial)):
            if number == len(places):
                places.append(set())
            places[number].add(key)
    return [len(place) for place in places]


def _again(trial: Trial) -> bool:
    """Tell whether a trial is trained more than once."""
    return isinstance(trial.setup, Recipe) and trial.setup.pruning.trainings > 1
