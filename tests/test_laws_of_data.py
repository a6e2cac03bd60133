"""The laws for data sets and splits: every field alive, every trial alone, every place the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import bits, moved, recipe, registered, train, trial
from PIL import Image

from randstudy.design import Trial
from randstudy.fields import settings
from randstudy.models import Cnn, Linear
from randstudy.orders import Order, places
from randstudy.parts import Part
from randstudy.recipe import Recipe
from randstudy.splits import Bootstrap, Given, KFold, RandomSplit, Splitting, Stratified
from randstudy.tasks import (
    Cifar10,
    Data,
    Digits,
    FashionMnist,
    ImageFolder,
    LinearRegression,
    Mnist,
    Mnist1d,
    Npz,
    Table,
)
from randstudy.tasks.cifar import RECORD, TEST, TRAIN
from randstudy.tasks.idx import FILES
from randstudy.trials import make_trial

FILE = {"file": "t.csv", "target": "kind"}
NUMBER = FILE | {"target": "price", "drop": ("kind",)}
GRADE = FILE | {"target": "grade", "drop": ("kind",), "standardize": False}
ARRAYS = {"file": "a.npz"}
GIVEN = ARRAYS | {"test_inputs": "x_test", "test_target": "y_test"}
PETS = {"images": "pets", "size": 6}

DATA_FIELDS: dict[tuple[type[Part], str], tuple[dict[str, Any], dict[str, Any]]] = {
    (Cifar10, "validation"): ({"validation": 10}, {"validation": 9}),
    (Mnist, "validation"): ({"validation": 10}, {"validation": 9}),
    (FashionMnist, "validation"): ({"validation": 10}, {"validation": 9}),
    (Mnist1d, "validation"): ({"validation": 10}, {"validation": 1}),
    (Table, "file"): (FILE, FILE | {"file": "u.csv"}),
    (Table, "target"): (NUMBER, NUMBER | {"target": "width"}),
    (Table, "task"): (GRADE | {"task": "class"}, GRADE | {"task": "number"}),
    (Table, "features"): (FILE, FILE | {"features": ("price", "width")}),
    (Table, "drop"): (FILE, FILE | {"drop": ("width",)}),
    (Table, "categorical"): (FILE, FILE | {"categorical": ("grade",)}),
    (Table, "header"): (
        {"file": "n.csv", "target": "1", "task": "class"},
        {"file": "n.csv", "target": "c1", "task": "class", "header": False},
    ),
    (Table, "standardize"): (FILE, FILE | {"standardize": False}),
    (Table, "standardize_target"): (NUMBER, NUMBER | {"standardize_target": True}),
    (Npz, "file"): (ARRAYS, ARRAYS | {"file": "b.npz"}),
    (Npz, "inputs"): (ARRAYS, ARRAYS | {"inputs": "x2"}),
    (Npz, "target"): (ARRAYS, ARRAYS | {"target": "y2"}),
    (Npz, "test_inputs"): (GIVEN, GIVEN | {"test_inputs": "x_test2"}),
    (Npz, "test_target"): (GIVEN, GIVEN | {"test_target": "y_test2"}),
    (Npz, "validation"): (GIVEN | {"validation": 9}, GIVEN | {"validation": 8}),
    (Npz, "task"): (ARRAYS, ARRAYS | {"task": "number"}),
    (Npz, "input_shape"): (
        ARRAYS | {"input_shape": (1, 2, 3)},
        ARRAYS | {"input_shape": (1, 3, 2)},
    ),
    (Npz, "standardize"): (ARRAYS, ARRAYS | {"standardize": True}),
    (ImageFolder, "images"): (PETS, PETS | {"images": "more"}),
    (ImageFolder, "size"): (PETS, PETS | {"size": 5}),
    (ImageFolder, "gray"): (PETS, PETS | {"gray": True}),
}
"""Part and field -> settings that differ in it, for files as `_write` makes them."""

IN_PLACE: dict[type[Part], dict[str, Any]] = {
    part: levels[0] for (part, _), levels in DATA_FIELDS.items()
}

LINE_FIELDS: dict[str, Any] = {
    "slope": 1.0,
    "intercept": 1.0,
    "noise": 0.5,
    "inputs": "signs",
    "train": 50,
    "validation": 50,
    "test": 50,
}
DATA_FIELDS |= {
    (LinearRegression, name): ({}, {name: level}) for name, level in LINE_FIELDS.items()
}

SPLIT_FIELDS: dict[tuple[type[Part], str], tuple[dict[str, Any], dict[str, Any]]] = {
    (RandomSplit, "validation"): ({}, {"validation": 0.3}),
    (RandomSplit, "test"): ({}, {"test": 0.3}),
    (Stratified, "validation"): ({}, {"validation": 0.3}),
    (Stratified, "test"): ({}, {"test": 0.3}),
    (KFold, "k"): ({}, {"k": 4}),
    (KFold, "validation"): ({}, {"validation": 0.3}),
    (Bootstrap, "validation"): ({}, {"validation": 0.15}),
    (Bootstrap, "test"): ({}, {"test": 0.15}),
}
SPLIT_FIELDS |= {
    (part, name): ({}, {name: level})
    for part in registered(Splitting).values()
    for name, level in (("train_size", 0.5), ("imbalance", 0.5))
}


def _write(folder: Path, seed: int = 5) -> Path:
    """Write small files of every kind: noise from one seed."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, (images, labels) in FILES.items():
        count = 60 if name == "train" else 20
        for file, array in (
            (images, rng.integers(0, 256, (count, 28, 28), np.uint8)),
            (labels, rng.integers(0, 10, count, np.uint8)),
        ):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            (folder / file).write_bytes(bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes())
    for file in (*TRAIN, TEST):
        body = rng.integers(0, 256, (12, RECORD), np.uint8)
        body[:, 0] %= 10
        (folder / file).write_bytes(body.tobytes())
    signals = {"x": rng.normal(size=(50, 40)), "x_test": rng.normal(size=(10, 40))}
    classes = {"y": rng.integers(0, 10, 50), "y_test": rng.integers(0, 10, 10)}
    np.savez(folder / "mnist1d_default.npz", **signals, **classes)
    for file in ("a.npz", "b.npz"):
        arrays: dict[str, Any] = {name: rng.normal(size=(50, 2, 3)) for name in ("x", "x2")}
        arrays |= {name: rng.normal(size=(10, 2, 3)) for name in ("x_test", "x_test2")}
        arrays |= {name: rng.integers(0, 3, 50) for name in ("y", "y2")}
        arrays |= {name: rng.integers(0, 3, 10) for name in ("y_test", "y_test2")}
        np.savez(folder / file, **arrays)
    for file in ("t.csv", "u.csv"):
        table = {"width": rng.normal(5, 2, 50), "price": rng.normal(3, 1, 50)}
        table |= {"kind": rng.choice(["a", "b"], 50), "grade": rng.integers(1, 4, 50)}
        pd.DataFrame(table).to_csv(folder / file, index=False)
    numbers = np.stack([np.arange(50) % 3 + 1, *rng.normal(size=(2, 50))], axis=1)
    np.savetxt(folder / "n.csv", numbers, fmt="%g", delimiter=",")
    for kind in ("pets", "more"):
        for label in ("cat", "dog"):
            (folder / kind / label).mkdir(parents=True)
            for number in range(15):
                pixels = rng.integers(0, 256, (6, 6, 3), np.uint8)
                Image.fromarray(pixels).save(folder / kind / label / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "cache"))
    return _write(tmp_path / "files")


def made(part: type[Any], folder: Path, fields: dict[str, Any]) -> Data:
    where = {"folder": str(folder)} if "folder" in settings(part) else {}
    found: Data = part(**where, **fields)
    return found


def of(data: Data, **fields: Any) -> Recipe:
    return recipe(**{"data": data, "model": Linear(), "lr": 0.01, "batch_size": 6} | fields)


def different(one: Recipe, other: Recipe) -> None:
    """Two recipes have unequal ids and unequal outcomes, at the same draws."""
    trials = [
        make_trial(made, 0, dict.fromkeys(sorted(made.streams()), 0))
        for made in (one.effective(), other.effective())
    ]
    assert trials[0].id != trials[1].id
    first, second = (bits(train([each])[0]) for each in trials)
    assert first != second


def test_every_field_of_every_data_set_and_split_is_varied_here() -> None:
    """A part that is registered without an entry above fails here, so it cannot be skipped."""
    assert {(part, name) for part in registered(Data).values() for name in settings(part)} == {
        *DATA_FIELDS,
        *((part, "folder") for part in IN_PLACE),
    }
    assert {*registered(Data).values()} == {*IN_PLACE, Digits, LinearRegression}
    splits = registered(Splitting).values()
    assert {(part, name) for part in splits for name in settings(part)} == set(SPLIT_FIELDS)


@pytest.mark.parametrize(
    ("part", "field"), DATA_FIELDS, ids=[f"{part.name}-{field}" for part, field in DATA_FIELDS]
)
def test_a_field_of_data_is_alive(part: type[Part], field: str, files: Path) -> None:
    model = Cnn(channels=(3,)) if field == "input_shape" else Linear()
    base, level = (of(made(part, files, one), model=model) for one in DATA_FIELDS[part, field])
    different(base, level)


@pytest.mark.parametrize(
    ("part", "field"), SPLIT_FIELDS, ids=[f"{part.name}-{field}" for part, field in SPLIT_FIELDS]
)
def test_a_field_of_a_split_is_alive(part: type[Any], field: str) -> None:
    base, level = SPLIT_FIELDS[part, field]
    different(of(Digits(), split=part(**base)), of(Digits(), split=part(**level)))


@pytest.mark.parametrize("part", IN_PLACE, ids=lambda part: part.name)
def test_where_files_lie_changes_nothing(part: type[Part], files: Path, tmp_path: Path) -> None:
    """Neither id nor numbers; other contents under the same names change the digest."""
    again, other = _write(tmp_path / "again"), _write(tmp_path / "other", seed=6)
    here, there, elsewhere = (made(part, one, IN_PLACE[part]) for one in (files, again, other))
    one, two = (
        make_trial(of(data).effective(), 0, dict.fromkeys(sorted(of(data).streams()), 0))
        for data in (here, there)
    )
    assert one.id == two.id
    assert here.digest() == there.digest() != elsewhere.digest()
    assert bits(train([one])[0]) == bits(train([two])[0])
    # A worker makes the trial again from its settings and the places that it is told.
    order = Order(
        number=0, kind="", trials=(), store="", device="cpu", threads=1, share=1.0, observe={},
        metric="", places=places(here),
    )  # fmt: skip
    assert order.trial(one.settings).recipe.data == here.effective()


def test_splits_train_numbers_of_their_own() -> None:
    parts = registered(Splitting)
    outcomes = [train([trial(data=Digits(), split=part(), lr=0.01)])[0] for part in parts.values()]
    assert len({one.weights_digest for one in outcomes}) == len(parts) >= 5


def packs() -> Sequence[Trial]:
    """Four replicates of each scheme's split, at sizes that let schemes share a pack's width."""
    schemes = [Given(), RandomSplit(imbalance=0.5), Stratified(train_size=90), KFold(), Bootstrap()]
    return [
        trial(number, data=Digits(), split=scheme, model=Linear(), batch_size=8, steps=9)
        for scheme in schemes
        for number in range(4)
    ]


def test_numbers_are_the_same_alone_and_in_any_pack() -> None:
    trials = packs()
    for start in range(0, len(trials), 4):
        some = trials[start : start + 4]
        together = [bits(outcome) for outcome in train(some)]
        assert [bits(train([one], threads=2)[0]) for one in some[:2]] == together[:2]
        assert [bits(outcome) for outcome in train(some[::-1])][::-1] == together


def test_the_split_stream_is_alive_and_alone() -> None:
    for one in packs()[::4]:
        other = moved(one, "split", 5)
        assert bits(train([one])[0]) != bits(train([other])[0])
