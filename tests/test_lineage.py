"""Shared beginnings: who shares what, what a pack of them takes, and where packs are cut."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest
from catalogue import moved, recipe, trial
from hypothesis import given, settings
from hypothesis import strategies as st

from randstudy.lineage import beginnings, families, rows, take, trainings
from randstudy.packs import bytes_per_trial, shape_of
from randstudy.pruning import MagnitudePruning, RandomPruning
from randstudy.scheduling import NO_MORE, Queue, Work
from randstudy.trials import Trial

ROUND: dict[str, Any] = {"rate": 0.2, "each_round": True, "when": "trained", "rewind_to": 0}


def ticket(rounds: int, number: int = 0, **fields: Any) -> Trial:
    return trial(number, pruning=MagnitudePruning(**ROUND, rounds=rounds, **fields))


def shared(one: Trial, other: Trial) -> int:
    """Return how many trainings two trials have in common, which come first."""
    same = [a == b for a, b in zip(beginnings(one), beginnings(other), strict=False)]
    count = sum(same)
    assert all(same[:count])
    return count


DENSE = trial()
AFTER: dict[str, Any] = {"rate": 0.5, "when": "trained"}

PAIRS = {
    "a dense network is where all begin": (DENSE, ticket(3), 1),
    "shorter and longer tickets": (ticket(2), ticket(5), 3),
    "a control and its ticket, but for the last": (ticket(3), ticket(3, reinit=True), 3),
    "a control and a longer ticket": (ticket(4), ticket(3, reinit=True), 3),
    "rounds of other sizes": (
        trial(pruning=MagnitudePruning(**AFTER, rounds=2)),
        trial(pruning=MagnitudePruning(**AFTER, rounds=3)),
        1,
    ),
    "levels on the way": (
        trial(pruning=MagnitudePruning(**{**AFTER, "rate": 0.9}, levels=(0.3, 0.6))),
        trial(pruning=MagnitudePruning(**{**AFTER, "rate": 0.6}, levels=(0.3, 0.6))),
        3,
    ),
    "rewound and fine-tuned": (
        trial(pruning=MagnitudePruning(**AFTER)),
        trial(pruning=MagnitudePruning(**AFTER, rewind_to=3)),
        1,
    ),
    "masks drawn elsewhere": (
        trial(pruning=RandomPruning(**AFTER)),
        moved(trial(pruning=RandomPruning(**AFTER)), "mask", 7),
        1,
    ),
    "pruned at init": (trial(pruning=MagnitudePruning(rate=0.5)), ticket(2), 0),
    "another order": (ticket(2), moved(ticket(2), "order", 1), 0),
    "another rate": (ticket(2), trial(lr=0.2, pruning=ticket(2).recipe.pruning), 0),
    "another seed": (ticket(2), trial(seed=1, pruning=ticket(2).recipe.pruning), 0),
    "a repeat": (ticket(2), trial(repeat=1, pruning=ticket(2).recipe.pruning), 0),
}


@pytest.mark.parametrize("name", PAIRS)
def test_what_trials_have_in_common(name: str) -> None:
    one, other, count = PAIRS[name]
    assert shared(one, other) == shared(other, one) == count


def test_a_line_has_as_many_trainings_as_it_says() -> None:
    for one in (DENSE, ticket(1), ticket(4), trial(pruning=RandomPruning(rate=0.5))):
        assert len(beginnings(one)) == one.recipe.pruning.trainings


def lottery(replicates: int) -> list[Trial]:
    """Return tickets of 0 to 4 rounds and their controls, in the order of a design."""
    several = [
        trial(number, pruning=MagnitudePruning(**ROUND, rounds=rounds, reinit=reinit))
        for rounds in range(5)
        for reinit in (False, True)
        for number in range(replicates)
        if rounds or not reinit
    ]
    assert len(several) == 9 * replicates
    return several


def test_what_a_lottery_costs_and_how_wide_it_is() -> None:
    # Dense; then the ticket and a control in each round.
    assert trainings(lottery(1)) == [1, 2, 2, 2, 2]
    assert trainings(lottery(3)) == [3, 6, 6, 6, 6]
    assert trainings([trial(n) for n in range(4)]) == [4]
    assert trainings([]) == []


def test_trials_that_begin_alike_stand_together() -> None:
    found = families(lottery(3))
    assert [len(family.trials) for family in found] == [9, 9, 9]
    assert [family.width for family in found] == [2, 2, 2]
    for family in found:
        assert len({beginnings(one)[0] for one in family.trials}) == 1
    assert rows(found) == 6


def test_where_nothing_is_trained_twice_each_trial_stands_alone() -> None:
    trials = [trial(n, pruning=RandomPruning(rate=0.5)) for n in (3, 1, 2)]
    assert [family.trials for family in families(trials)] == [(one,) for one in trials]


def test_a_family_that_is_too_wide_is_cut() -> None:
    waiting = deque(families(lottery(1)))
    first = take(waiting, 1)
    assert len(first) == 1
    assert sum(len(family.trials) for family in waiting) == 8


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 3))
def test_packs_hold_every_trial_once_and_keep_to_the_width(
    replicates: int, width: int, workers: int
) -> None:
    trials = [*lottery(replicates), *(trial(n, lr=0.2) for n in range(5))]
    queue = Queue(trials, workers=workers, width=width, fail=lambda failure: None)
    handed: Counter[str] = Counter()
    while True:
        work = queue.ask()
        if work == NO_MORE:
            break
        assert isinstance(work, Work)
        assert max(trainings(work.trials)) <= max(width, 1)
        handed.update(one.id for one in work.trials)
        queue.trained(work.number)
    assert handed == Counter(one.id for one in trials)
    assert queue.left == 0


def test_a_pack_of_tickets_may_hold_more_trials_than_rows() -> None:
    queue = Queue(lottery(4), workers=1, width=8, fail=lambda failure: None)
    work = queue.ask()
    assert isinstance(work, Work)
    assert len(work.trials) == 36
    assert trainings(work.trials) == [4, 8, 8, 8, 8]


def test_tickets_share_a_shape_with_dense_networks_and_take_more_memory() -> None:
    one, other = recipe(), recipe(pruning=MagnitudePruning(**ROUND, rounds=3))
    assert shape_of(one) == shape_of(other)
    assert bytes_per_trial(other) > bytes_per_trial(one)
