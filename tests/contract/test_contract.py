"""The contract of every part and every field: alive, lawful in packs, written and read, refused.

What there is to test is found in the registries and in the recipe; how to use it is in `entries`.
"""

from __future__ import annotations

import linecache
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import yaml
from catalogue import bits, moved, train, trial_of
from entries import ENTRIES
from entry import (
    Refused,
    fields_of,
    looked_up,
    made,
    missing,
    owners,
    pair,
    slot,
)
from lines import checks, lines, ran
from malformed import malformed
from trained import alone, among_others, neighbours, noted

from randstudy.canonical import complete, minimal
from randstudy.design import Design, Trial, trial_from_settings
from randstudy.errors import RandstudyError, StudyError
from randstudy.fields import settings
from randstudy.inits import Init, NormalInit
from randstudy.packs import shape_of
from randstudy.parts import Part
from randstudy.recipe import Recipe
from randstudy.streams import STREAMS, again, key
from randstudy.study import Study
from randstudy.yamlfile import parse

OWNERS = owners()
FIELDS = [(owner, name) for owner in OWNERS for name in settings(owner)]
PARTS = [owner for owner in OWNERS if issubclass(owner, Part)]


def named(value: Any) -> str:
    if isinstance(value, str):
        return value
    kind = f"{value.kind}-" if issubclass(value, Part) else ""
    return f"{kind}{value.name if issubclass(value, Part) else value.__name__.lower()}"


each_field = pytest.mark.parametrize(("owner", "name"), FIELDS, ids=named)
each_owner = pytest.mark.parametrize("owner", OWNERS, ids=named)


def base(owner: type) -> Recipe:
    entry = looked_up(ENTRIES, owner)
    return made(owner, entry.given, entry.recipe)


# Nothing is registered without an entry.


def test_every_part_and_every_field_is_tested_here() -> None:
    assert missing(ENTRIES) == []
    assert len(PARTS) > 40
    assert len(FIELDS) > 150


def test_a_part_or_field_or_kind_without_an_entry_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Init, "choices", dict(Init.choices))

        @dataclass(frozen=True, kw_only=True)
        class Lecun(NormalInit, name="lecun"):
            gain: Annotated[float, "factor"] = 1.0
            __module__ = "randstudy.inits.fans"

        assert "Lecun: no entry" in missing(ENTRIES)
        assert missing({**ENTRIES, Lecun: looked_up(ENTRIES, OWNERS[0])})
    fewer = {owner: entry for owner, entry in ENTRIES.items() if owner is not PARTS[0]}
    assert missing(fewer) == [f"{PARTS[0].__name__}: no entry"]

    @dataclass(frozen=True, kw_only=True)
    class Optic(Part, kind="optic"):
        __module__ = "randstudy.optics"

    assert "kind optic: no place" in missing(ENTRIES)
    Optic.__module__ = "elsewhere"
    assert not missing(ENTRIES)


# Law 3: levels are alive. Law 1: in packs as alone.


@each_field
def test_a_field_is_alive_and_a_trial_stands_alone(owner: type, name: str) -> None:
    entry = looked_up(ENTRIES, owner)
    without, with_it = (trial_of(one) for one in pair(entry, owner, name))
    if name in entry.elsewhere:
        assert without.id == with_it.id
        assert bits(train([with_it])[0]) == alone(without)
        return
    assert without.id != with_it.id
    assert without.recipe != with_it.recipe
    assert alone(without) != alone(with_it)
    assert among_others(with_it) == alone(with_it)


@each_owner
def test_a_part_trains_the_same_numbers_in_a_pack(owner: type) -> None:
    one = trial_of(base(owner))
    assert among_others(one) == alone(one)
    statuses = {bits(outcome)["status"] for outcome in train(neighbours(one))}
    assert "finished" in statuses


@pytest.mark.parametrize("kind", {slot(owner)[-1]: owner for owner in PARTS}.values(), ids=named)
def test_parts_of_a_kind_train_numbers_of_their_own(kind: type) -> None:
    """A part that is silently ignored would train another's numbers."""
    digests: dict[str, str] = {}
    for part in PARTS:
        if slot(part) == slot(kind):
            entry = looked_up(ENTRIES, part)
            digest = alone(trial_of(made(part, entry.given, entry.recipe)))["weights"]
            assert digest not in digests, f"{part.name} trains what {digests[digest]} does"
            digests[digest] = part.name


# Law 2: streams are alive, and nothing is drawn from one that is not declared.


@each_owner
def test_streams_are_alive_and_the_only_ones(owner: type, monkeypatch: pytest.MonkeyPatch) -> None:
    # A seed of its own, as what is kept in memory is not drawn again.
    one = trial_of(base(owner), seed=1000 + OWNERS.index(owner))
    before = draws(one, monkeypatch)
    for number, stream in enumerate(one.replicates, 1):
        other = moved(one, stream, number)
        kept = set(one.replicates) - {stream}
        assert draws(other, monkeypatch, kept) != before or stream == "split", stream
        assert alone(other) != alone(one), stream


@each_field
def test_a_field_declares_the_streams_that_it_draws_from(
    owner: type, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = looked_up(ENTRIES, owner)
    if name in entry.levels:
        with_it = trial_of(pair(entry, owner, name)[1], seed=FIELDS.index((owner, name)) + 1)
        draws(with_it, monkeypatch)
        for stream in set(with_it.replicates) - set(trial_of(base(owner)).replicates):
            assert alone(moved(with_it, stream, 1)) != alone(with_it), stream


def draws(
    one: Trial, monkeypatch: pytest.MonkeyPatch, kept: AbstractSet[str] = frozenset()
) -> set[int]:
    """Return the keys that a training draws by: those of its streams, each and no other."""
    with noted(monkeypatch) as keys:
        (outcome,) = train([one])
    declared = {name: {one.key(name), again(one.key(name))} for name in one.replicates}
    if "split" in declared:  # a fold's number is drawn by the replicate of its first fold
        number = one.replicates["split"]
        declared["split"] |= {key(one.seed, "split", first) for first in range(number)}
    strangers = keys - {key for some in declared.values() for key in some}
    assert not strangers, [name for name in STREAMS if one.key(name) in strangers]
    # What was drawn for the same key before may have been kept.
    unused = {stream for stream, some in declared.items() if not some & keys}
    assert not unused - kept or outcome.steps == 0
    return set(keys)


# Written to a study file and read again.


@each_field
def test_a_field_survives_the_study_file(owner: type, name: str) -> None:
    entry = looked_up(ENTRIES, owner)
    for one in pair(entry, owner, name):
        survives(one, located=name not in entry.elsewhere)


@each_owner
def test_a_part_survives_the_study_file(owner: type) -> None:
    survives(base(owner))


def survives(one: Recipe, *, located: bool = True) -> None:
    trial = trial_of(one)
    for plain in (complete(one), minimal(one)):
        text = yaml.safe_dump(plain)
        (read,) = Design(Study.from_document(parse(text, "study.yaml")))
        assert read.id == trial.id
        assert read.recipe == trial.recipe or not located
    again_ = trial_from_settings(trial.settings)
    assert again_.id == trial.id
    assert again_.settings == trial.settings
    assert shape_of(again_.recipe).steps == shape_of(trial.recipe).steps


# What is wrong is said when the study is read.


@each_field
def test_a_malformed_value_is_refused(owner: type, name: str) -> None:
    entry = looked_up(ENTRIES, owner)
    plain_study = complete(base(owner))
    count = 0
    for value, words in malformed(settings(owner)[name]):
        tree = with_value(plain_study, (*slot(owner), name), value)
        with pytest.raises(StudyError) as caught:
            Study.from_mapping(tree)
        told = str(caught.value)
        assert name in told, told
        assert any(word in told for word in words), (value, told)
        assert len(told) < 600
        count += 1
    assert count >= 2, entry


@each_owner
def test_an_unknown_field_is_refused(owner: type) -> None:
    tree = with_value(complete(base(owner)), (*slot(owner), "nonsense"), 1)
    with pytest.raises(StudyError, match=r"nonsense: .*(no such field|has no fields)"):
        Study.from_mapping(tree)


@pytest.mark.parametrize("kind", {slot(owner)[-1]: owner for owner in PARTS}.values(), ids=named)
def test_an_unknown_part_is_refused(kind: type[Part]) -> None:
    for name in ("nonsense", "nowhere:nothing", "os:nothing", "os:path", "fields"):
        tree = with_value(complete(base(kind)), slot(kind), {"name": name})
        with pytest.raises(StudyError, match=name):
            Study.from_mapping(tree)


def with_value(tree: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    name, *rest = path
    inner = with_value(tree.get(name) or {}, tuple(rest), value) if rest else value
    return {**tree, name: inner}


@each_owner
def test_settings_that_do_not_go_together_are_refused(owner: type) -> None:
    for case in looked_up(ENTRIES, owner).refused:
        refused(owner, case)


def test_every_refusal_has_a_case() -> None:
    """Each line of `problems` and `misfits` is run by something in the table."""
    codes = checks([*OWNERS, Recipe])
    with ran(codes) as seen:
        for owner in OWNERS:
            entry = looked_up(ENTRIES, owner)
            for name in {**entry.levels, **entry.elsewhere}:
                pair(entry, owner, name)
            for case in entry.refused:
                refused(owner, case)
    never = sorted(
        f"{file}:{line}: {linecache.getline(file, line).strip()}"
        for file, line in lines(codes) - seen
    )
    assert not never, "\n".join(never)


def refused(owner: type, case: Refused) -> None:
    """Reading the study says what is wrong, and where."""
    entry = looked_up(ENTRIES, owner)
    fields = fields_of(owner, {**entry.given, **case.given}, {**entry.recipe, **case.recipe})
    with pytest.raises(RandstudyError) as caught:
        Study.from_mapping(tree_of(fields))
    assert case.message in str(caught.value)
    if case.field:
        assert isinstance(caught.value, StudyError)
        assert case.field in [problem.field for problem in caught.value.problems]


def tree_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a study of fields as for `catalogue.recipe`, unchecked."""
    names = set(settings(dict(settings(Recipe))["training"].kind))
    training: dict[str, Any] = {"lr": 0.1, "batch_size": 8}
    if not {"epochs", "steps", "examples"} & set(fields):
        training["epochs"] = 2
    training |= {name: value for name, value in fields.items() if name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    found = {"data": "catalogue:SmallDigits", "training": training, **rest}
    return {name: written(value) for name, value in found.items()}


def written(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: written(item) for name, item in value.items()}
    return complete(value)
