"""Names of levels told by what differs."""

import doctest

import pytest

from randstudy.analysis import levels
from randstudy.analysis.levels import differing


def test_the_examples_in_the_docstrings_are_true() -> None:
    found = doctest.testmod(levels)
    assert found.attempted
    assert found.failed == 0


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a(x=1,y=2)", "a(x=1,y=3)", "a(x=1,y=2)"], ["a(y=2)", "a(y=3)", "a(y=2)"]),
        (["a(x=[1,2],y=1)", "a(x=[1,3],y=1)"], ["a(x=[1,2])", "a(x=[1,3])"]),
        (["a", "a(x=1,y=2)"], ["a", "a(x=1,y=2)"]),
        (["lr=1 p=a(x=1,y=2)", "lr=2 p=a(x=1,y=3)"], ["lr=1 p=a(y=2)", "lr=2 p=a(y=3)"]),
        (["a(x=1)", "b"], ["a", "b"]),
        (["a (b)", "x)(", "0.1", ""], ["a (b)", "x)(", "0.1", ""]),
    ],
)
def test_only_the_fields_that_differ_are_kept(names: list[str], told: list[str]) -> None:
    assert differing(names) == told


def test_names_that_would_meet_stay_as_they_are() -> None:
    names = ["a(x=1,x=1)", "a(x=1)"]
    assert differing(names) == names
