"""The suite itself: parts that break the contract, each in one way, and the test that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pytest
import test_contract as suite
from entries import ENTRIES
from entry import Entry
from numpy.typing import NDArray

from randstudy.inits import Constant, Normal, Uniform
from randstudy.models import Mlp, Parameter
from randstudy.parts import Part, Range

Floats = NDArray[np.float64]
SMALL: dict[str, Any] = {"model": Mlp(widths=(12,)), "lr": 0.01}


@dataclass(frozen=True, kw_only=True)
class Deaf(Normal):
    """Has a setting that it does not listen to."""

    gain: Annotated[float, Range(above=0), "factor"] = 1.0


@dataclass(frozen=True, kw_only=True)
class Sociable(Normal):
    """Looks at how many trials are drawn with it."""

    gain: Annotated[float, Range(above=0), "factor"] = 1.0

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        return super().values(parameter, variates) * self.gain * len(variates)


@dataclass(frozen=True, kw_only=True)
class Secretive(Uniform):
    """Draws from a stream that it does not declare."""

    def streams(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True, kw_only=True)
class Boastful(Constant):
    """Declares a stream from which it draws nothing."""

    def streams(self) -> frozenset[str]:
        return frozenset({"init"})


@dataclass(frozen=True, kw_only=True)
class Lax(Normal):
    """Has no bounds for its setting, and takes what cannot be."""

    gain: Annotated[float, "factor"] = 1.0

    def problems(self) -> list[tuple[str, str]]:
        if self.gain == 13:
            return [("gain", "brings bad luck")]
        return []

    __module__ = "randstudy.inits.plain"


def entered(monkeypatch: pytest.MonkeyPatch, part: type[Part], **entry: Any) -> None:
    monkeypatch.setitem(ENTRIES, part, Entry(recipe=SMALL, **entry))  # type: ignore[misc]


def test_a_field_that_does_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entered(monkeypatch, Deaf, levels={"gain": 2.0})
    with pytest.raises(AssertionError, match=r"\} != \{.status"):
        suite.test_a_field_is_alive_and_a_trial_stands_alone(Deaf, "gain")


def test_numbers_that_depend_on_the_pack_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entered(monkeypatch, Sociable, levels={"gain": 2.0})
    with pytest.raises(AssertionError, match=r"\} == \{.status"):
        suite.test_a_field_is_alive_and_a_trial_stands_alone(Sociable, "gain")
    with pytest.raises(AssertionError, match=r"\} == \{.status"):
        suite.test_a_part_trains_the_same_numbers_in_a_pack(Sociable)


@pytest.mark.parametrize("part", [Secretive, Boastful])
def test_streams_that_are_not_as_declared_are_found(
    part: type[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"weight": 0.1} if part is Boastful else {}
    entered(monkeypatch, part, given=given)
    monkeypatch.setattr(suite, "OWNERS", [*suite.OWNERS, part])
    with pytest.raises(AssertionError, match="init"):
        suite.test_streams_are_alive_and_the_only_ones(part, monkeypatch)


def test_a_refusal_without_a_case_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    entered(monkeypatch, Lax)
    monkeypatch.setattr(suite, "OWNERS", [Lax])
    with pytest.raises(AssertionError, match="brings bad luck"):
        suite.test_every_refusal_has_a_case()


def test_a_part_that_trains_anothers_numbers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in (Deaf, Normal):
        entered(monkeypatch, part)
    monkeypatch.setattr(suite, "PARTS", [Deaf, Normal])
    monkeypatch.setattr("entry._kept", {})
    with pytest.raises(AssertionError, match="trains what"):
        suite.test_parts_of_a_kind_train_numbers_of_their_own(Normal)
