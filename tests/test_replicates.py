"""Which streams move together."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from randstudy.fields import Findings
from randstudy.replicates import Group, Replicates, read_replicates
from randstudy.streams import STREAMS

CONSUMED = frozenset({"init", "order", "split"})


def made(value: Any, fixed: tuple[str, ...] = ()) -> Replicates:
    found = Findings()
    result = read_replicates(value, fixed, ("replicates",), found)
    assert result is not None
    assert not found.entries
    return result


def rows(value: Any, consumed: frozenset[str] = CONSUMED, fixed: tuple[str, ...] = ()) -> list[Any]:
    return list(made(value, fixed).combinations(consumed))


def test_a_number_moves_all_streams_but_the_fixed() -> None:
    assert rows(2, fixed=("split",)) == [(0, 0, 0), (1, 1, 0)]
    assert set(made(2, ("split",)).groups[0].streams) == set(STREAMS) - {"split"}


def test_first_starts_elsewhere() -> None:
    assert rows({"first": 100, "count": 2}) == [(100,) * 3, (101,) * 3]


def test_groups_are_crossed_and_the_others_stay_at_zero() -> None:
    assert rows({"init": 2, "order": {"first": 5, "count": 2}}) == [
        (0, 5, 0),
        (0, 6, 0),
        (1, 5, 0),
        (1, 6, 0),
    ]
    assert rows({"init + split": 2}) == [(0, 0, 0), (1, 0, 1)]


def test_groups_that_are_not_consumed_do_not_multiply_trainings() -> None:
    value = {"init": 3, "mask+augment": 5}
    assert made(value).count(CONSUMED) == 3 == len(rows(value))
    assert made(value).count(CONSUMED | {"mask"}) == 15
    assert rows(4, frozenset()) == [()]


@pytest.mark.parametrize(
    "value", [3, {"init": 2, "order": 3}, {"order": 3, "init+split": 2}, {"split": 2}]
)
@pytest.mark.parametrize("consumed", [CONSUMED, frozenset({"init"}), frozenset()])
def test_any_combination_can_be_had_by_its_index(value: Any, consumed: frozenset[str]) -> None:
    replicates = made(value)
    every = list(replicates.combinations(consumed))
    assert len(every) == replicates.count(consumed) == len(set(every))
    assert [replicates.combination(consumed, i) for i in range(len(every))] == every


def test_replicates_are_not_expanded() -> None:
    many = Replicates((Group(("init",), 2**31 - 1), Group(("order",), 2**31 - 1)), named=True)
    assert many.count(CONSUMED) == (2**31 - 1) ** 2
    assert list(itertools.islice(many.combinations(CONSUMED), 2)) == [(0, 0, 0), (0, 1, 0)]
