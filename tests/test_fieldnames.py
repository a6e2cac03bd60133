"""Short names, and setting a field of a plain tree."""

from __future__ import annotations

from typing import Any

import pytest

from randstudy.fieldnames import UnknownFieldError, catalog, place, resolve
from randstudy.optimizers import Adam
from randstudy.recipe import Recipe

NAMES = ["a.size", "b.size", "b.rate", "init", "fixed.init"]


def test_a_name_that_ends_two_fields_is_ambiguous() -> None:
    with pytest.raises(UnknownFieldError, match=r"may mean a\.size or b\.size; write it in full"):
        resolve("size", NAMES)
    assert resolve("b.size", NAMES) == "b.size"
    assert resolve("rate", NAMES) == "b.rate"


def test_a_full_name_goes_before_the_end_of_another() -> None:
    assert resolve("init", NAMES) == "init"


def test_a_name_is_no_end_in_the_middle_of_a_word() -> None:
    with pytest.raises(UnknownFieldError, match=r"no field 'ate'; did you mean rate\?"):
        resolve("ate", NAMES)


def test_the_catalog_lists_the_fields_of_the_chosen_parts_only() -> None:
    names = catalog(Recipe, {"training.optimizer": [Adam]})
    assert "training.optimizer.beta1" in names
    assert "training.optimizer.momentum" not in names
    assert names["pruning.density"][0].target == ("pruning", "rate")


@pytest.mark.parametrize(
    ("tree", "path", "result"),
    [
        ({}, ("pruning", "rate"), {"pruning": {"rate": 1}}),
        ({"pruning": "random"}, ("pruning", "rate"), {"pruning": {"name": "random", "rate": 1}}),
        ({"pruning": {"density": 0}}, ("pruning", "rate"), {"pruning": {"rate": 1}}),
        ({"pruning": {"rate": 0}}, ("pruning", "density"), {"pruning": {"density": 1}}),
        ({"training": {"optimizer": "adam"}}, ("training", "optimizer", "momentum"), None),
        ({"init": "nonsense"}, ("init", "gain"), None),
    ],
)
def test_placing(tree: dict[str, Any], path: tuple[str, ...], result: Any) -> None:
    before = repr(tree)
    changed = dict(tree)
    assert place(changed, Recipe, path, 1) == (result is not None)
    assert changed == (tree if result is None else result)
    assert repr(tree) == before
