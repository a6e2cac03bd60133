"""Data of one's own: tables, arrays and folders of images, whole and damaged."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import bits, registered, train, trial
from datafiles import write_all
from PIL import Image

from randstudy.errors import DataError
from randstudy.fields import settings
from randstudy.models import Linear
from randstudy.orders import Order, places
from randstudy.recipe import Recipe, Training
from randstudy.splits import Bootstrap, RandomSplit
from randstudy.streams import key
from randstudy.tasks import (
    Cifar10,
    Data,
    FashionMnist,
    ImageFolder,
    Mnist,
    Mnist1d,
    Npz,
    Sizes,
    Table,
    TaskShape,
)
from randstudy.tasks.standard import standardized
from randstudy.training.pack_data import PackData
from randstudy.trials import Trial, make_trial

KEY = key(0, "data", 0)
ROWS = 30


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RANDSTUDY_DATA", raising=False)


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "width": rng.normal(5, 2, ROWS).round(3),
            "year": 1990.0 + np.arange(ROWS),
            "colour": np.resize(["red", "blue", "green"], ROWS),
            "price": rng.normal(100, 30, ROWS).round(2),
            "kind": np.resize(["b", "a"], ROWS),
            "grade": np.resize([3, 7, 5], ROWS),
        }
    )


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def table(folder: Path, name: str = "t.csv", **fields: Any) -> Table:
    settings = {"target": "kind", "categorical": ("colour",)} | fields
    return Table(file=name, folder=str(folder), **settings)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame().to_csv(tmp_path / "t.csv", index=False)
    return tmp_path


# Tables


def test_a_table_is_read_as_its_settings_say(folder: Path) -> None:
    data = table(folder, standardize=False)
    assert data.problems() == []
    # width, year, blue, green, red, price, grade
    assert data.shape() == TaskShape((7,), 2, "class")
    assert data.sizes() == Sizes(18, 6, 6)
    found = data.examples(KEY)
    assert found.inputs.dtype == np.float32
    np.testing.assert_array_equal(found.inputs[:, 0], frame()["width"].astype("f4"))
    np.testing.assert_array_equal(found.inputs[:3, 2:5], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found.targets, np.resize([1, 0], ROWS))
    split = data.split(key(0, "split", 0))
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == [*range(ROWS)]


def test_a_number_to_predict(folder: Path) -> None:
    data = table(folder, target="price", categorical=(), features=("width", "year"))
    assert data.problems() == []
    assert data.shape() == TaskShape((2,), 1, "number")
    np.testing.assert_array_equal(data.examples(KEY).targets, frame()["price"].astype("f4"))


@pytest.mark.parametrize("suffix", ["csv.gz", "tsv", "parquet", "semicolon.csv", "blanks.txt"])
def test_every_format_gives_the_same_examples(folder: Path, suffix: str) -> None:
    path = folder / f"t.{suffix}"
    match suffix:
        case "parquet":
            frame().to_parquet(path, index=False)
        case "csv.gz":
            frame().to_csv(path, index=False)
        case "tsv":
            frame().to_csv(path, index=False, sep="\t")
        case "semicolon.csv":
            frame().to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
        case _:
            write(path, frame().to_string(index=False))
    one, other = table(folder), table(folder, path.name)
    assert other.problems() == []
    for name in ("inputs", "targets"):
        np.testing.assert_array_equal(
            getattr(one.examples(KEY), name), getattr(other.examples(KEY), name)
        )


def test_without_a_header_columns_are_counted(folder: Path) -> None:
    frame().to_csv(folder / "bare.csv", index=False, header=False)
    bare = table(folder, "bare.csv", header=False, target="c5", categorical=("c3",))
    assert bare.problems() == []
    np.testing.assert_array_equal(bare.examples(KEY).inputs, table(folder).examples(KEY).inputs)


def test_whole_numbers_are_not_guessed_at(folder: Path) -> None:
    with pytest.raises(DataError, match=r"'grade' holds whole .*task: class or task: number"):
        table(folder, target="grade", categorical=("colour", "kind")).problems()
    grades = table(folder, target="grade", categorical=("colour", "kind"), task="class")
    assert grades.shape().outputs == 3
    np.testing.assert_array_equal(grades.examples(KEY).targets, np.resize([0, 2, 1], ROWS))
    assert replace(grades, task="number").shape().target == "number"


def test_what_says_the_same_is_the_same_trial(folder: Path) -> None:
    plain = table(folder, drop=("price", "year"))
    assert replace(plain, task="class", drop=("year", "price", "year")).effective() == plain
    grades = table(folder, target="grade", categorical=("colour", "kind"), task="class")
    assert grades.effective() == grades


def rewritten(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda path: path.write_text(change(path.read_text())) and None


DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an empty cell": (
        rewritten(lambda text: text.replace("1991.0", "")),
        r"line 3: column 'year' has no value; fill it in",
    ),
    "NaN": (
        rewritten(lambda text: text.replace("1991.0", "NaN")),
        r"line 3: column 'year' has no value \('NaN'\)",
    ),
    "infinite": (
        rewritten(lambda text: text.replace("1991.0", "inf")),
        r"'year' has no finite number in example 2",
    ),
    "beyond float32": (
        rewritten(lambda text: text.replace("1991.0", "1e39")),
        r"'year' has no finite number in example 2",
    ),
    "a word among numbers": (
        rewritten(lambda text: text.replace("1991.0", "later")),
        r"column 'year' is text .*name it in categorical",
    ),
    "a column twice": (
        rewritten(lambda text: text.replace("width,year", "year,year")),
        r"column 'year' stands there twice",
    ),
    "a column without a name": (
        rewritten(lambda text: text.replace("width,year", "width,")),
        r"column 2 has no name",
    ),
    "a short line": (
        rewritten(lambda text: text.replace(",1991.0", "")),
        r"line 3 has 5 values where line 1 has 6",
    ),
    "a long line": (
        rewritten(lambda text: text.replace("1991.0", "1991,0")),
        r"line 3 has 7 values where line 1 has 6",
    ),
    "an open quote": (
        rewritten(lambda text: text.replace("1991.0", '"1991')),
        r"not a table",
    ),
    "no rows": (rewritten(lambda text: text.splitlines()[0]), "holds no rows"),
    "nothing": (rewritten(lambda text: "\n"), "is empty"),
    "few rows": (
        rewritten(lambda text: "\n".join(text.splitlines()[:4])),
        "3 rows, too few|classes in 3 examples",
    ),
    "one class": (
        rewritten(lambda text: text.replace(",b,", ",a,")),
        r"'kind' holds only a; classes to tell apart are two or more",
    ),
    "another alphabet": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"red", b"r\xe9d")),
        r"not UTF-8 \(byte \d+\); save it as UTF-8",
    ),
    "UTF-16": (
        lambda path: path.write_bytes(path.read_text().encode("utf-16")),
        r"not UTF-8",
    ),
    "zero bytes": (lambda path: path.write_bytes(b"\0" * 4096), "zero bytes"),
    "removed": (lambda path: path.unlink(), r"there is no t\.csv in"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_one_clear_error(folder: Path, damage: str) -> None:
    spoil, message = DAMAGES[damage]
    assert table(folder).problems() == []
    spoil(folder / "t.csv")
    with pytest.raises(DataError, match=message) as error:
        table(folder).problems()
    assert "t.csv" in str(error.value)
    assert error.value.exit_code == 2


@pytest.mark.parametrize("suffix", ["csv.gz", "parquet"])
def test_a_table_cut_short_is_named(folder: Path, suffix: str) -> None:
    path = folder / f"t.{suffix}"
    frame().to_parquet(path) if suffix == "parquet" else frame().to_csv(path, index=False)
    write(path, path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"damaged or cut short|not a whole Parquet file") as error:
        table(folder, path.name).problems()
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Series([None, *[1.0] * (ROWS - 1)]), "column 'year' has no value in row 1"),
        (pd.Series([float("nan"), *[1.0] * (ROWS - 1)]), "column 'year' has no"),
        (pd.Series(pd.date_range("2020", periods=ROWS)), "'year' holds timestamp.*drop it"),
    ],
)
def test_what_a_parquet_column_may_not_hold(
    folder: Path, column: pd.Series[Any], message: str
) -> None:
    frame().assign(year=column).to_parquet(folder / "t.parquet")
    with pytest.raises(DataError, match=message):
        table(folder, "t.parquet").problems()


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no such target": ({"target": "kindd"}, "has no column 'kindd'; did you mean kind"),
    "no such feature": ({"features": ("widht",), "categorical": ()}, "did you mean width"),
    "text is no number": ({"task": "number"}, r"'kind' is text \('b'\), no number"),
    "unnamed text": ({"categorical": ()}, r"column 'colour' is text .* name it in categorical"),
    "not an input": ({"features": ("width",)}, "'colour' is categorical, but not among the inputs"),
    "nothing left": (
        {"drop": ("width", "year", "price", "grade", "colour"), "categorical": ()},
        "no column left",
    ),
    "numbers as classes": (
        {"target": "price", "task": "class", "categorical": ("kind", "colour")},
        r"30 classes in 30 examples; .* task: number",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_do_not_fit_the_file(folder: Path, name: str) -> None:
    settings, message = SETTINGS[name]
    with pytest.raises(DataError, match=message):
        table(folder, **settings).problems()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"features": ("width",), "drop": ("year",)}, "drop"),
        ({"drop": ("kind",)}, "target"),
        ({"features": ("width", "width"), "categorical": ()}, "features"),
        ({"standardize_target": True}, "standardize_target"),
        ({"file": "/data/t.csv"}, "file"),
        ({"file": "../t.csv"}, "file"),
        ({"file": ""}, "file"),
    ],
)
def test_settings_that_do_not_go_together(
    folder: Path, settings: dict[str, Any], field: str
) -> None:
    ((found, _),) = replace(table(folder), **settings).problems()
    assert found == field


def test_files_are_found_from_anywhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    inner = f"{folder.name}/t.csv"
    here = replace(table(folder), file=inner, folder=None)
    assert here.problems() == []
    # What a worker is told is the whole path.
    assert places(here) == {"folder": str(folder.parent)}
    assert places(replace(here, folder=".")) == {"folder": str(folder.parent)}
    monkeypatch.chdir("/")
    with pytest.raises(DataError, match="there is no"):
        here.problems()
    monkeypatch.setenv("RANDSTUDY_DATA", str(folder))
    assert replace(here, file="t.csv").problems() == []
    with pytest.raises(DataError, match=r"did you mean t\.csv"):
        replace(table(folder), file="tt.csv").problems()


IN_PLACE: dict[type[Any], dict[str, Any]] = {
    Cifar10: {"validation": 10},
    Mnist: {"validation": 10},
    FashionMnist: {"validation": 10},
    Mnist1d: {"validation": 10},
    Table: {"file": "rows.csv", "target": "kind", "drop": ("colour",)},
    Npz: {"file": "arrays.npz"},
    ImageFolder: {"images": "photos", "size": 6},
}
"""Data set in files -> settings, for files as `datafiles.write_all` makes them."""


def test_every_data_set_in_files_is_moved_here() -> None:
    parts = registered(Data).values()
    assert {part for part in parts if "folder" in settings(part)} == {*IN_PLACE}


@pytest.mark.parametrize("part", IN_PLACE, ids=lambda part: part.name)
def test_where_files_lie_changes_nothing(part: type[Any], tmp_path: Path) -> None:
    """Neither id nor numbers; other contents under the same names change the digest."""
    written = [write_all(tmp_path / name, seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    below = getattr(part, "default_folder", "")
    here, there, other = (part(folder=str(root / below), **IN_PLACE[part]) for root in written)
    one, two = (trial(data=data, model=Linear(), lr=0.01) for data in (here, there))
    assert one.id == two.id
    assert here.digest() == there.digest() != other.digest()
    assert bits(train([one])[0]) == bits(train([two])[0])
    # A worker makes the trial again from its settings and the places that it is told.
    order = Order(
        number=0, kind="", trials=(), store="", device="cpu", threads=1, share=1.0, observe={},
        metric="", places=places(here),
    )  # fmt: skip
    assert order.trial(one.settings).recipe.data == here.effective()


def test_other_contents_have_another_digest(folder: Path) -> None:
    before = table(folder).digest()
    path = folder / "t.csv"
    write(path, path.read_text().replace("1991.0", "1991.5"))
    os.utime(path, ns=(0, 0))
    assert table(folder).digest() != before
    write(folder / "t.csv.gz", gzip.compress(path.read_bytes()))
    assert table(folder, "t.csv.gz").digest() == table(folder).digest()


# Standardising


def pack(data: Data, *replicates: int, **fields: Any) -> list[Trial]:
    training = Training(lr=0.05, batch_size=6, steps=12)
    made = Recipe(data=data, model=Linear(), training=training, **fields).effective()
    assert made.problems() == []
    return [make_trial(made, 0, dict.fromkeys(sorted(made.streams()), r)) for r in replicates]


@pytest.mark.parametrize("scheme", [RandomSplit(), Bootstrap(), RandomSplit(train_size=7)])
def test_each_trial_is_standardised_by_its_own_training_rows(
    folder: Path, scheme: RandomSplit
) -> None:
    data = table(folder, target="price", categorical=("colour", "kind"), standardize_target=True)
    trials = pack(data, 0, 1, 2, split=scheme)
    found = PackData(trials, "cpu")
    for row, one in enumerate(trials):
        split = scheme.rows(data, 0, one.replicates["split"])
        inputs, targets = found.batch(found.rows["train"])
        raw = frame()["width"].to_numpy()
        expected = (raw - raw[split.train].mean()) / raw[split.train].std()
        np.testing.assert_allclose(inputs[row, :, 0], expected[split.train], rtol=2e-5, atol=2e-6)
        tested, _ = found.batch(found.rows["test"])
        np.testing.assert_allclose(tested[row, :, 0], expected[split.test], rtol=2e-5, atol=2e-6)
        assert float(targets[row].double().mean()) == pytest.approx(0, abs=1e-6)
        assert float(targets[row].double().std(correction=0)) == pytest.approx(1, abs=1e-6)


def test_test_rows_have_no_part_in_it(folder: Path) -> None:
    data = replace(table(folder), categorical=(), features=("width",))
    examples = data.examples(KEY)
    train = data.split(key(0, "split", 0)).train
    other = examples.inputs.copy()
    others = np.setdiff1d(np.arange(ROWS), train)
    other[others] *= 100
    one = standardized(data, examples, train).inputs
    two = standardized(data, replace(examples, inputs=other), train).inputs
    np.testing.assert_array_equal(one[train], two[train])
    assert (one[others] != two[others]).any()


def test_a_column_that_is_constant_in_training_is_only_centred(folder: Path) -> None:
    text = frame().assign(width=0.1)
    text.to_csv(folder / "t.csv", index=False)
    data = replace(table(folder), categorical=(), features=("width", "year"))
    inputs = standardized(data, data.examples(KEY), np.arange(7)).inputs
    assert (inputs[:, 0] == 0).all()
    assert np.isfinite(inputs).all()


def test_years_keep_their_differences(folder: Path) -> None:
    """As float32 these numbers would be one: the mean is taken off before."""
    frame().assign(year=1e9 + np.arange(ROWS)).to_csv(folder / "t.csv", index=False)
    data = replace(table(folder), categorical=(), features=("year",))
    inputs = standardized(data, data.examples(KEY), np.arange(ROWS)).inputs[:, 0]
    years = np.arange(ROWS)
    np.testing.assert_allclose(inputs, (years - years.mean()) / years.std(), rtol=1e-5)


def test_a_table_trains_the_same_alone_and_in_a_pack(folder: Path) -> None:
    trials = pack(table(folder), *range(5))
    together = [bits(outcome) for outcome in train(trials)]
    assert [bits(train([one])[0]) for one in trials[:2]] == together[:2]
    assert [bits(outcome) for outcome in train(trials[::-1])][::-1] == together


# Arrays


def arrays(path: Path, **changes: Any) -> Path:
    rng = np.random.default_rng(7)
    held = {
        "x": rng.normal(size=(20, 2, 3)),
        "y": np.resize([0, 1, 2], 20),
        "x_test": rng.normal(size=(6, 2, 3)),
        "y_test": np.resize([0, 1, 2], 6),
    }
    np.savez(path, **{k: v for k, v in (held | changes).items() if v is not None})
    return path


def npz(folder: Path, **fields: Any) -> Npz:
    return Npz(file="a.npz", folder=str(folder), **fields)


GIVEN = {"test_inputs": "x_test", "test_target": "y_test"}


def test_arrays_with_a_test_set_of_their_own(tmp_path: Path) -> None:
    arrays(tmp_path / "a.npz")
    data = npz(tmp_path, **GIVEN)
    assert data.problems() == []
    assert data.streams() == frozenset()
    assert data.shape() == TaskShape((2, 3), 3, "class")
    assert data.sizes() == Sizes(16, 4, 6)
    assert replace(data, validation=5).sizes() == Sizes(15, 5, 6)
    assert data.split(KEY).test.tolist() == [*range(20, 26)]
    found = data.examples(KEY)
    assert found.inputs.shape == (26, 2, 3)
    assert found.targets[:4].tolist() == [0, 1, 2, 0]
    shaped = replace(data, input_shape=(1, 2, 3))
    assert shaped.shape().inputs == shaped.examples(KEY).inputs.shape[1:] == (1, 2, 3)
    assert data.pooled() == replace(data, validation=5).pooled()


def test_arrays_without_one_are_split_by_the_stream(tmp_path: Path) -> None:
    arrays(tmp_path / "a.npz", y=np.linspace(0, 1, 20))
    data = npz(tmp_path)
    assert data.problems() == []
    assert data.streams() == {"split"}
    assert data.shape().target == "number"
    assert data.sizes() == Sizes(12, 4, 4)
    assert data.split(KEY).test.tolist() != data.split(key(0, "data", 1)).test.tolist()
    assert replace(data, task="number").effective() == data


NPZ_FAULTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no such array": ({}, {"inputs": "z"}, "has no array called 'z'"),
    "lengths": ({"y": np.zeros(19, int)}, {}, "x holds 20 examples and y 19"),
    "NaN": ({"x": np.full((20, 2), np.nan)}, {}, "x has no finite number in example 1"),
    "text": ({"y": np.array(["a"] * 20)}, {}, "y holds <U1, not plain numbers"),
    "objects": ({"y": np.array([{}] * 20)}, {}, "not a whole .npz file of plain numbers"),
    "one class": ({"y": np.zeros(20, int)}, {}, "y holds only 0"),
    "a scalar": ({"y": np.float64(1)}, {}, "y holds no examples"),
    "empty": ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, {}, "holds no examples"),
    "one-hot targets": ({"y": np.eye(20)}, {}, r"y has shape \(20, 20\); one target an example"),
    "other test shape": ({"x_test": np.zeros((6, 5))}, GIVEN, "inputs differ in shape"),
    "shape": ({}, {"input_shape": (7,)}, r"input_shape \[7\] does not fit"),
    "few": ({"x": np.zeros((4, 2)), "y": np.array([0, 1, 0, 1])}, {}, "too few to split"),
}


@pytest.mark.parametrize("name", NPZ_FAULTS)
def test_arrays_that_cannot_be_trained_on(tmp_path: Path, name: str) -> None:
    changes, fields, message = NPZ_FAULTS[name]
    path = arrays(tmp_path / "a.npz", **changes)
    with pytest.raises(DataError, match=message) as error:
        npz(tmp_path, **fields).problems()
    assert str(path) in str(error.value)


def test_damaged_arrays_are_named(tmp_path: Path) -> None:
    path = arrays(tmp_path / "a.npz")
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[300] ^= 1
    for content in (whole[: len(whole) // 2], whole[:-5], b"", b"<html>", bytes(flipped)):
        write(path, content)
        os.utime(path, ns=(len(content), hash(content) % 10**9))
        with pytest.raises(DataError, match=r"a\.npz: .*(write it again|several by name)"):
            npz(tmp_path).problems()
    np.save(tmp_path / "b.npy", np.zeros(3))
    (tmp_path / "b.npy").rename(path)
    with pytest.raises(DataError, match="holds one array, not several by name"):
        npz(tmp_path).problems()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"test_inputs": "x_test"}, "test_inputs"),
        ({"validation": 3}, "validation"),
        (GIVEN | {"validation": 20}, "validation"),
    ],
)
def test_settings_of_arrays(tmp_path: Path, fields: dict[str, Any], field: str) -> None:
    arrays(tmp_path / "a.npz")
    ((found, _),) = npz(tmp_path, **fields).problems()
    assert found == field


# Images


def draw(path: Path, shade: int, *, side: int = 8, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = (side, side)
    Image.new(mode, size, (shade, 0, 255) if mode == "RGB" else shade).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(6):
        draw(tmp_path / "pets" / "cat" / f"{number}.png", 10 * number)
        draw(tmp_path / "pets" / "dog" / f"{number}.JPG", 200 + number, side=16)
    return tmp_path


def test_a_folder_of_images(pictures: Path) -> None:
    data = ImageFolder(images="pets", folder=str(pictures), size=8)
    (pictures / "pets" / "notes.txt").write_text("not an image")
    (pictures / "pets" / ".hidden").mkdir()
    assert data.problems() == []
    assert data.shape() == TaskShape((3, 8, 8), 2, "class")
    assert data.sizes() == Sizes(8, 2, 2)
    found = data.examples(KEY)
    assert found.targets.tolist() == [0] * 6 + [1] * 6
    assert found.inputs[3, 0, 0, 0] == np.float32(30) / np.float32(255)
    assert (found.inputs[:6, 2] == 1).all()
    assert found.inputs[6, 0].mean() == pytest.approx(200 / 255, abs=0.02)
    gray = replace(data, gray=True, size=4)
    assert gray.examples(KEY).inputs.shape == (12, 1, 4, 4)
    assert len({gray.digest(), data.digest(), replace(data, size=4).digest()}) == 3
    assert places(data) == {"folder": str(pictures)}


def test_a_changed_image_is_other_data(pictures: Path) -> None:
    data = ImageFolder(images="pets", folder=str(pictures))
    before = data.digest()
    draw(pictures / "pets" / "cat" / "7.png", 77)
    assert data.sizes().total == 13
    assert data.digest() != before


PICTURE_DAMAGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut short": (
        lambda cat: write(cat / "1.png", (cat / "1.png").read_bytes()[:45]),
        r"1\.png: not a whole image",
    ),
    "no image": (lambda cat: write(cat / "1.png", "hello"), r"1\.png: not a whole image"),
    "empty folder": (lambda cat: (cat.parent / "eel").mkdir(), r"eel: holds no image"),
    "one class": (lambda cat: cat.rename(cat.parent.parent / "cat"), r"holds 1 folders"),
    "no folder": (lambda cat: cat.parent.rename(cat.parent.parent / "moved"), r"there is no pets"),
}


@pytest.mark.parametrize("damage", PICTURE_DAMAGES)
def test_damaged_folders_are_named(pictures: Path, damage: str) -> None:
    spoil, message = PICTURE_DAMAGES[damage]
    spoil(pictures / "pets" / "cat")
    with pytest.raises(DataError, match=message):
        ImageFolder(images="pets", folder=str(pictures)).problems()


def test_a_bomb_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(DataError, match="too large an image"):
        ImageFolder(images="pets", folder=str(pictures)).problems()


# Real tables, where there are any


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("concrete", 9, 1030),
        ("energy", 9, 768),
        ("kin8nm", 9, 8192),
        ("power-plant", 5, 9568),
        ("yacht", 7, 308),
        ("wine-quality-red", 12, 1599),
    ],
)
def test_real_tables(name: str, columns: int, rows: int) -> None:
    root = Path(__file__).parents[2] / "shared" / "data" / "uci"
    if not root.is_dir():
        pytest.skip(f"no tables in {root}")
    task: Any = {"wine-quality-red": "class"}.get(name)
    data = Table(
        file=f"{name}/data.txt", folder=str(root), header=False, target=f"c{columns}", task=task
    )
    assert data.problems() == []
    assert data.sizes().total == rows
    assert data.shape().inputs == (columns - 1,)
    assert data.shape().outputs == (6 if task else 1)
    raw = np.loadtxt(root / name / "data.txt")
    found = replace(data, standardize=False).examples(KEY)
    np.testing.assert_array_equal(found.inputs, raw[:, :-1].astype(np.float32))
    if not task:
        np.testing.assert_array_equal(found.targets, raw[:, -1].astype(np.float32))
