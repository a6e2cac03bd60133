"""The contract of ways to choose cells: alive, written and read, refused. They train nothing."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from catalogue import registered
from malformed import malformed

from randstudy.canonical import minimal
from randstudy.design import Design
from randstudy.errors import StudyError
from randstudy.fields import settings
from randstudy.schemes import Crossed, LatinHypercube, OneAtATime, Random, Scheme, Sobol
from randstudy.study import Study
from randstudy.yamlfile import parse

LISTS = {"lr": [0.1, 0.2, 0.3], "batch_size": [16, 32]}
RANGES = {"lr": {"loguniform": [0.001, 1.0]}, "batch_size": [16, 32, 64]}
POINTS: dict[str, Any] = {"cells": 8}

GIVEN: dict[type[Scheme], tuple[dict[str, Any], dict[str, Any]]] = {
    Crossed: (LISTS, {}),
    OneAtATime: (LISTS, {}),
    Random: (RANGES, POINTS),
    LatinHypercube: (RANGES, POINTS),
    Sobol: (RANGES, POINTS),
}
LEVELS: dict[tuple[type[Scheme], str], Any] = {
    (OneAtATime, "reference"): {"lr": 0.2},
    **{(part, "cells"): 4 for part in (Random, LatinHypercube, Sobol)},
    **{(part, "crossed"): ["batch_size"] for part in (Random, LatinHypercube, Sobol)},
}
FIELDS = [(part, name) for part in registered(Scheme).values() for name in settings(part)]


def tree(part: type[Scheme], **given: Any) -> dict[str, Any]:
    factors, usual = GIVEN[part]
    return {
        "training": {"lr": 0.1, "batch_size": 32, "epochs": 1},
        "factors": factors,
        "design": {"name": part.name, **usual, **given},
    }


def ids(study: Study) -> list[str]:
    return [trial.id for trial in Design(study)]


def named(value: Any) -> str:
    return value if isinstance(value, str) else value.name


def test_every_scheme_and_every_field_is_tested_here() -> None:
    assert set(registered(Scheme).values()) == set(GIVEN)
    assert set(FIELDS) == set(LEVELS)


def test_schemes_choose_cells_of_their_own() -> None:
    studies = [tree(part) | ({} if GIVEN[part][1] else {"factors": LISTS}) for part in GIVEN]
    chosen = [tuple(ids(Study.from_mapping(one))) for one in studies]
    assert len(set(chosen)) == len(GIVEN)


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=named)
def test_a_field_is_alive(part: type[Scheme], name: str) -> None:
    base = ids(Study.from_mapping(tree(part)))
    assert ids(Study.from_mapping(tree(part, **{name: LEVELS[part, name]}))) != base


@pytest.mark.parametrize("part", [part for part in GIVEN if GIVEN[part][1]], ids=named)
def test_the_seed_of_the_study_moves_what_is_drawn(part: type[Scheme]) -> None:
    def rates(seed: int) -> list[float]:
        study = Study.from_mapping({**tree(part), "seed": seed})
        return [trial.recipe.training.lr for trial in Design(study)]

    assert rates(0) == rates(0)
    assert not set(rates(0)) & set(rates(1))


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=named)
def test_it_survives_the_study_file(part: type[Scheme], name: str) -> None:
    first = Study.from_mapping(tree(part, **{name: LEVELS[part, name]}))
    text = yaml.safe_dump({**tree(part), "design": minimal(first.scheme)}, sort_keys=False)
    again = Study.from_document(parse(text, "study.yaml"))
    assert again.scheme == first.scheme
    assert ids(again) == ids(first)


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=named)
def test_a_malformed_value_is_refused(part: type[Scheme], name: str) -> None:
    count = 0
    for value, words in malformed(settings(part)[name]):
        with pytest.raises(StudyError) as caught:
            Study.from_mapping(tree(part, **{name: value}))
        assert name in str(caught.value)
        assert any(word in str(caught.value) for word in words), (value, str(caught.value))
        count += 1
    assert count >= 2


@pytest.mark.parametrize("part", GIVEN, ids=named)
def test_strangers_are_refused(part: type[Scheme]) -> None:
    with pytest.raises(StudyError, match=r"no such field|has no fields"):
        Study.from_mapping(tree(part, nonsense=1))
    with pytest.raises(StudyError, match="'nonsense'"):
        Study.from_mapping({**tree(part), "design": "nonsense"})


NOT_THERE = {
    OneAtATime: {"reference": {"lr": 0.7}},
    **{part: {"crossed": ["init"]} for part in (Random, LatinHypercube, Sobol)},
}


@pytest.mark.parametrize("part", NOT_THERE, ids=named)
def test_levels_and_factors_that_are_not_there_are_refused(part: type[Scheme]) -> None:
    with pytest.raises(StudyError, match=r"0\.7|init"):
        Study.from_mapping(tree(part, **NOT_THERE[part]))
