"""Data sets and ways of splitting them; `datafiles` writes the files in RANDSTUDY_DATA."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from entry import Entry, Refused, To

from randstudy.models import Cnn, Linear
from randstudy.splits import Bootstrap, Given, KFold, RandomSplit, Stratified
from randstudy.tasks import Data, LinearRegression
from randstudy.tasks.cifar import Cifar10
from randstudy.tasks.digits import Digits
from randstudy.tasks.idx import FashionMnist, Mnist
from randstudy.tasks.images import ImageFolder
from randstudy.tasks.mnist1d import Mnist1d
from randstudy.tasks.npz import Npz
from randstudy.tasks.table import Table

FLAT: dict[str, Any] = {"model": Linear(), "lr": 0.01}


def folder(*below: str) -> str:
    return str(Path(os.environ["RANDSTUDY_DATA"], *below))


def known(count: int, *place: str) -> Callable[[], Entry]:
    """Return the entry of a well-known data set, of which there is another copy elsewhere."""
    return lambda: Entry(
        given={"validation": 15},
        recipe=FLAT,
        levels={"validation": 10},
        elsewhere={"folder": folder("copy", *place)},
        refused=[
            Refused(given={"validation": count}, field="data.validation", message="leaves nothing")
        ],
    )


def files_of_ones_own(
    given: dict[str, Any], levels: dict[str, Any], refused: list[Refused]
) -> Callable[[], Entry]:
    return lambda: Entry(
        given=given,
        recipe=FLAT,
        levels=levels,
        elsewhere={"folder": folder("copy")},
        refused=refused,
    )


TESTS = {"test_inputs": "x_test", "test_target": "y_test"}
FEATURES = {"drop": (), "features": ("a", "b")}
NUMBERS = {"target": "price", "drop": ("colour", "kind")}

DATA = {
    Digits: Entry(recipe={"epochs": 1, "batch_size": 64}),
    Cifar10: known(60, "cifar10"),
    Mnist: known(60, "mnist"),
    FashionMnist: known(60, "fashion-mnist"),
    Mnist1d: known(60, "mnist1d"),
    ImageFolder: files_of_ones_own(
        {"images": "photos", "size": 8},
        {"images": "others", "size": 10, "gray": True},
        [Refused(given={"images": "/photos"}, field="data.images", message="folder")],
    ),
    LinearRegression: Entry(
        recipe=FLAT,
        levels={
            "slope": 1.0,
            "inputs": "signs",
            "intercept": 1.0,
            "noise": 0.5,
            "train": 50,
            "validation": 50,
            "test": 50,
        },
    ),
    Npz: files_of_ones_own(
        {"file": "arrays.npz"},
        {
            "file": "more.npz",
            "inputs": "z",
            "target": "t",
            "test_inputs": To(level="z_test", given=TESTS),
            "test_target": To(level="t_test", given=TESTS),
            "validation": To(level=20, given=TESTS),
            "task": "number",
            # A network of layers alone flattens its inputs, whatever their shape.
            "input_shape": To(
                level=(1, 3, 2),
                given={"input_shape": (1, 2, 3)},
                recipe={"model": Cnn(channels=(4,))},
            ),
            "standardize": True,
        },
        [
            Refused(given={"file": "/x.npz"}, field="data.file", message="folder"),
            Refused(given={"test_inputs": "x_test"}, field="data.test_inputs", message="both"),
            Refused(given={"validation": 9}, field="data.validation", message="see split"),
            Refused(given={**TESTS, "validation": 200}, field="data.validation", message="nothing"),
        ],
    ),
    Table: files_of_ones_own(
        {"file": "rows.csv", "target": "kind", "drop": ("colour",)},
        {
            "file": "lines.csv",
            "target": To(level="colour", given=FEATURES),
            "task": To(level="number", given={**FEATURES, "target": "level", "task": "class"}),
            "features": To(level=("a",), given=FEATURES),
            "drop": ("colour", "a"),
            "categorical": ("level",),
            "header": To(
                level=False,
                given={
                    "file": "bare.csv",
                    "target": "c2",
                    "drop": (),
                    "categorical": ("c1",),
                },
            ),
            "standardize": False,
            "standardize_target": To(level=True, given=NUMBERS),
        },
        [
            Refused(given={"file": "/x.csv"}, field="data.file", message="folder"),
            Refused(given={"features": ("a",)}, field="data.drop", message="not both"),
            Refused(given={"drop": ("kind", "colour")}, field="data.target", message="anyway"),
            Refused(
                given={"drop": (), "features": ("a", "a")}, field="data.features", message="twice"
            ),
            Refused(
                given={"standardize_target": True},
                field="data.standardize_target",
                message="classes",
            ),
        ],
    ),
}


def scheme(
    own: dict[str, Any], refused: list[Refused], data: Data | None = None
) -> Callable[[], Entry]:
    """Return the entry of a scheme that splits 200 examples of two classes."""
    return lambda: Entry(
        recipe={**FLAT, "data": data or Npz(file="arrays.npz"), "batch_size": 32},
        levels={"train_size": 40, "imbalance": 0.5, **own},
        refused=[
            Refused(given={"train_size": 1.5}, field="split.train_size", message="whole number"),
            Refused(given={"train_size": 5000}, field="split.train_size", message="no part"),
            Refused(given={"imbalance": 0.001}, field="split.imbalance", message="leaves class"),
            Refused(
                given={"imbalance": 0.5},
                field="",
                message="no classes",
                recipe={"data": LinearRegression()},
            ),
            *refused,
        ],
    )


SHARES = {"validation": 0.3, "test": 0.3}
ALL: dict[str, Any] = {"validation": 0.5, "test": 0.5}
SPLITS = {
    Given: scheme({}, [], Npz(file="arrays.npz", **TESTS)),
    RandomSplit: scheme(
        SHARES,
        [
            Refused(given=ALL, field="split.validation", message="to train on"),
            Refused(given={"validation": 100, "test": 100}, field="split", message="leave nothing"),
            Refused(given={"validation": 0.001}, field="split.validation", message="is none"),
        ],
    ),
    Stratified: scheme(
        SHARES,
        [
            Refused(
                given={}, field="split", message="no classes", recipe={"data": LinearRegression()}
            ),
            Refused(given={"validation": 100, "test": 100}, field="split", message="leave nothing"),
            Refused(
                given={"validation": 95, "test": 98},
                field="split",
                message="leaves none to train on",
                recipe={"data": Npz(file="arrays.npz", target="t")},
            ),
        ],
    ),
    KFold: scheme(
        {"k": 4, "validation": 0.3},
        [
            Refused(given={"k": 500}, field="split.k", message="leave some empty"),
            Refused(given={"validation": 0.999}, field="split.validation", message="a part empty"),
        ],
    ),
    Bootstrap: scheme(
        {"validation": 0.15, "test": 0.25},
        [Refused(given={"test": 100}, field="split.test", message="bootstrap")],
    ),
}
