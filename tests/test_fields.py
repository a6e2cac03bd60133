"""Strict reading of dataclasses, and their canonical and schema forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from randstudy.canonical import canonical_json, complete, minimal
from randstudy.expectation import is_part, members
from randstudy.fields import FAULT, Findings, read, section, settings
from randstudy.inits import Init, KaimingUniform
from randstudy.nearest import suggestion
from randstudy.optimizers import Optimizer, Sgd
from randstudy.parts import Range
from randstudy.pruning import Pruning, RandomPruning
from randstudy.recipe import Recipe
from randstudy.tasks import Mnist


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: Annotated[int, Range(least=1), "how deep"] = 1
    places: Annotated[tuple[float, ...], Range(0, 1), "where"] = ()


@dataclass(frozen=True, kw_only=True)
class Outer:
    needed: Annotated[float, Range(above=0), "what is needed"]
    size: int | Literal["full"] = 4
    limit: float | None = None
    flag: bool = False
    text: str = ""
    inner: Inner = Inner()
    init: Init = field(default_factory=KaimingUniform)
    optimizer: Optimizer = field(default_factory=lambda: Sgd(momentum=0.9))
    where: str | None = field(default=None, metadata={"identity": False})


class Homemade(Init):
    """An init of one's own, not registered."""


def outcome(kind: Any, value: Any, **extra: Any) -> tuple[Any, list[str]]:
    found = Findings()
    result = read(kind, value, ("x",), found, **extra)
    assert (result is FAULT) == bool(found.entries)
    return result, [f"{'.'.join(map(str, one.path))}: {one.message}" for one in found.entries]


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (float, 1, 1.0),
        (float, -0.0, 0.0),
        (int, 3, 3),
        (bool, True, True),
        (float | None, None, None),
        (int | Literal["full"], "full", "full"),
        (int | Literal["full"], 7, 7),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[float, ...], [1, 2.5], (1.0, 2.5)),
        (Inner, {"depth": 2}, Inner(depth=2)),
        (Optimizer, "sgd", Sgd()),
        (Optimizer, {"name": "sgd", "momentum": 1e-1}, Sgd(momentum=0.1)),
    ],
)
def test_reading(kind: Any, value: Any, result: Any) -> None:
    found, problems = outcome(kind, value)
    assert not problems
    assert found == result
    assert str(found) == str(result)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (int, True, "x: expected a whole number, got true"),
        (float, True, "x: expected a number, got true"),
        (float, "1", "x: expected a number, got the text '1'"),
        (int, 3.0, "x: expected a whole number, got 3.0; write 3"),
        (float, float("nan"), "x: must be a finite number"),
        (float, float("inf"), "x: must be a finite number"),
        (float, 10**400, "x: must be a finite number"),
        (bool, 1, "x: expected true or false, got 1"),
        (bool, "yes", "x: expected true or false, got the text 'yes'"),
        (str, 1, "x: expected text, got 1"),
        (float, None, "x: expected a number, got null (nothing)"),
        (int | Literal["full"], "ful", "did you mean full?"),
        (Literal["relu", "tanh"], "rleu", "expected relu or tanh"),
        (tuple[int, ...], 3, "write [3]"),
        (tuple[int, ...], [1, "a"], "x.1: expected a whole number"),
        (Inner, {"dept": 1}, "x.dept: no such field; did you mean depth?"),
        (Inner, {"depth": 0}, "x.depth: 0 must be at least 1"),
        (Inner, {"places": [0.5, 2]}, "x.places.1: 2.0 must be at least 0 and at most 1"),
        (Inner, 3, "x: expected a mapping of fields, got 3"),
        (Optimizer, "adamm", "x: no optimizer is called 'adamm'; did you mean adam?"),
        (Optimizer, {"name": "adamm"}, "x.name: no optimizer is called 'adamm'"),
        (Optimizer, {"momentum": 1}, "x: needs a name; there is sgd, adam, adamw"),
        (Optimizer, {"name": "adam", "beta": 1}, "x.beta: adam has no such field"),
        (Optimizer, "no.such.module:Thing", "cannot be imported"),
        (Optimizer, "randstudy.inits:Orthogonal", "is not a part of kind optimizer"),
    ],
)
def test_refusals(kind: Any, value: Any, message: str) -> None:
    _, problems = outcome(kind, value)
    assert len(problems) == 1
    assert message in problems[0]


def test_all_problems_of_a_section_are_found() -> None:
    found = Findings()
    section(Outer, {"size": "x", "flag": 2, "inner": {"depth": "y"}, "textt": ""}, (), found)
    paths = {one.path for one in found.entries}
    assert paths == {("size",), ("flag",), ("inner", "depth"), ("textt",), ("needed",)}
    assert [one.path for one in found.entries if one.missing] == [("needed",)]


def test_a_mapping_without_a_name_is_the_default_part() -> None:
    value, _ = outcome(Pruning, {"rate": 0.5}, default=RandomPruning())
    assert value == RandomPruning(rate=0.5)


def test_density_is_the_fraction_kept() -> None:
    value, _ = outcome(Pruning, {"name": "random", "density": 0.1})
    assert value == RandomPruning(rate=0.9)
    _, problems = outcome(Pruning, {"name": "random", "density": 1.5})
    assert problems == ["x.density: 1.5 must be at least 0 and at most 1"]
    _, problems = outcome(Pruning, {"name": "random", "density": 0.5, "rate": 0.5})
    assert problems == ["x.rate: says the same as density; give one"]


def test_the_minimal_form_leaves_defaults_out_at_every_level() -> None:
    assert minimal(Outer(needed=1)) == {"needed": 1.0}
    assert minimal(Outer(needed=1, inner=Inner(depth=2))) == {"needed": 1.0, "inner": {"depth": 2}}
    assert minimal(Outer(needed=1, where="/somewhere")) == {"needed": 1.0}
    assert minimal(Outer(needed=1, limit=2))["limit"] == 2.0


def test_a_part_is_its_name_and_what_differs_from_its_own_defaults() -> None:
    assert minimal(Outer(needed=1, optimizer=Sgd())) == {"needed": 1.0, "optimizer": "sgd"}
    assert minimal(Outer(needed=1, optimizer=Sgd(momentum=0.9))) == {"needed": 1.0}
    changed = minimal(Outer(needed=1, optimizer=Sgd(momentum=0.5)))
    assert changed["optimizer"] == {"name": "sgd", "momentum": 0.5}


def test_the_minimal_form_is_read_back_as_the_same_value() -> None:
    outer = Outer(needed=0.1, size="full", optimizer=Sgd(), inner=Inner(places=(0.0, 1.0)))
    found = Findings()
    assert section(Outer, minimal(outer), (), found) == outer
    assert section(Outer, complete(outer), (), found) == outer


def test_numbers_are_written_in_one_way() -> None:
    one = minimal(Outer(needed=1, limit=-0.0, inner=Inner(places=(1, -0.0))))
    assert canonical_json(one) == '{"inner":{"places":[1.0,0.0]},"limit":0.0,"needed":1.0}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"a": float("nan")})


def test_a_part_of_ones_own_is_named_by_where_it_is() -> None:
    name = f"{Homemade.__module__}:Homemade"
    assert minimal(Homemade()) == name
    value, problems = outcome(Init, name)
    assert (type(value), problems) == (Homemade, [])


def test_the_folder_of_a_data_set_is_outside_the_identity() -> None:
    assert minimal(Mnist(folder="/anywhere")) == minimal(Mnist())


def test_every_field_of_every_part_is_explained() -> None:
    each = [kind for setting in settings(Recipe).values() for kind in members(setting.kind)]
    kinds = [kind for kind in each if is_part(kind)]
    owners = [Recipe, *(part for kind in [*kinds, Optimizer] for part in kind.choices.values())]
    mute = [f"{o.__name__}.{n}" for o in owners for n, s in settings(o).items() if not s.doc]
    assert not mute


def test_suggestions() -> None:
    assert suggestion("orthogonl", ["normal", "orthogonal"]) == "; did you mean orthogonal?"
    assert suggestion("zzz", ["a", "b"]) == "; there is a, b"
    assert suggestion("xavier", ["normal", "xavier_uniform"]) == "; did you mean xavier_uniform?"
