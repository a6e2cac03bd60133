"""Tasks: shapes, splits, streams, real files where there are any, and damaged ones."""

from __future__ import annotations

import gzip
import lzma
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.streams import Key, key
from randstudy.tasks import (
    Cifar10,
    Data,
    Digits,
    FashionMnist,
    LinearRegression,
    Mnist,
    Mnist1d,
    Sizes,
    arrays,
    files,
)
from randstudy.tasks.cifar import RECORD, TEST, TRAIN
from randstudy.tasks.idx import FILES

NAMES = [name for pair in FILES.values() for name in pair]


def data_key(replicate: int = 0) -> Key:
    return key(0, "data", replicate)


def split_key(replicate: int = 0) -> Key:
    return key(0, "split", replicate)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "cache"))


def idx_bytes(array: NDArray[np.uint8]) -> bytes:
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes((0, 0, 8, array.ndim)) + sizes + array.tobytes()


def write_files(folder: Path, *, train: int = 60, test: int = 20, packed: bool = True) -> Path:
    """Write four small IDX files whose pixels count up and whose labels repeat 0 to 9."""
    folder.mkdir(parents=True, exist_ok=True)
    for count, (images, labels) in zip((train, test), FILES.values(), strict=True):
        pixels = (np.arange(count * 784) % 251).astype(np.uint8).reshape(count, 28, 28)
        for name, array in ((images, pixels), (labels, np.arange(count, dtype=np.uint8) % 10)):
            content = idx_bytes(array)
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
            else:
                (folder / name).write_bytes(content)
    return folder


def check_contract(data: Data) -> None:
    """Check what every data set promises."""
    sizes, shape = data.sizes(), data.shape()
    examples, split = data.examples(data_key()), data.split(split_key())
    total = sizes.train + sizes.validation + sizes.test
    assert examples.inputs.shape == (total, *shape.inputs)
    assert examples.inputs.dtype == np.float32
    assert examples.targets.shape == (total,)
    rows = [split.train, split.validation, split.test]
    assert [len(part) for part in rows] == [sizes.train, sizes.validation, sizes.test]
    assert all(part.dtype == np.int64 for part in rows)
    assert np.array_equal(np.sort(np.concatenate(rows)), np.arange(total))
    if shape.target == "class":
        assert examples.targets.dtype == np.int64
        assert set(np.unique(examples.targets)) == set(range(shape.outputs))
        assert 0 <= examples.inputs.min() < examples.inputs.max() <= 1
    else:
        assert examples.targets.dtype == np.float32
        assert shape.outputs == 1
    for stream, consumed in (
        ("data", "data" in data.streams()),
        ("split", "split" in data.streams()),
    ):
        moved = not np.array_equal(
            data.examples(data_key(1)).inputs
            if stream == "data"
            else data.split(split_key(1)).train,
            examples.inputs if stream == "data" else split.train,
        )
        assert moved == consumed, stream
    assert data.digest() == data.digest()
    assert len(bytes.fromhex(data.digest())) == 16
    # Torch takes the arrays as they are, and warns of nothing.
    assert torch.from_numpy(examples.inputs).shape == examples.inputs.shape


def test_contract(tmp_path: Path) -> None:
    folder = str(write_files(tmp_path / "files"))
    check_contract(Digits())
    check_contract(LinearRegression(train=30, validation=7, test=5))
    check_contract(Mnist(folder=folder, validation=10))
    check_contract(FashionMnist(folder=folder, validation=10))
    check_contract(Cifar10(folder=str(write_cifar(tmp_path / "cifar")), validation=7))


# Digits


def test_digits_sizes() -> None:
    assert Digits().sizes() == Sizes(1077, 360, 360)


def test_digits_rows_are_in_the_promised_order() -> None:
    split = Digits().split(split_key())
    assert (np.diff(split.validation) > 0).all()
    assert (np.diff(split.test) > 0).all()
    assert not (np.diff(split.train) > 0).all()
    assert split.train[:5].tolist() == GOLDEN_DIGITS_ROWS
    assert split.test[:5].tolist() == GOLDEN_DIGITS_TEST


def test_digits_are_those_of_scikit_learn() -> None:
    examples = Digits().examples(data_key())
    assert np.bincount(examples.targets).tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]
    assert examples.inputs[0, 0, 0].tolist() == [0, 0, 5 / 16, 13 / 16, 9 / 16, 1 / 16, 0, 0]
    assert Digits().digest() == "a5a4faa5ecf58deded1d543f277632dd"


def test_digits_cannot_be_spoilt_by_one_user_for_another() -> None:
    spoilt = Digits().examples(data_key())
    spoilt.inputs[:] = 0
    spoilt.targets[:] = 0
    assert Digits().examples(data_key()).inputs.max() == 1
    assert Digits().examples(data_key()).targets.max() == 9


# Linear regression


def test_the_line_is_recovered() -> None:
    data = LinearRegression(slope=-4.0, intercept=0.5, noise=0.1, train=4000)
    examples = data.examples(data_key())
    x, y = examples.inputs[:4000, 0].astype(float), examples.targets[:4000].astype(float)
    slope, intercept = np.polyfit(x, y, 1)
    assert slope == pytest.approx(-4.0, abs=4.5 * 0.1 / np.sqrt(4000))
    assert intercept == pytest.approx(0.5, abs=4.5 * 0.1 / np.sqrt(4000))
    assert np.std(y - slope * x - intercept) == pytest.approx(0.1, rel=0.05)
    assert x.mean() == pytest.approx(0, abs=4.5 / np.sqrt(4000))
    assert x.std() == pytest.approx(1, rel=0.05)


def test_without_noise_the_line_is_exact() -> None:
    examples = LinearRegression(noise=0.0).examples(data_key())
    np.testing.assert_allclose(
        examples.targets, 2 * examples.inputs[:, 0] + 3, rtol=1e-6, atol=1e-6
    )


def test_other_settings_keep_the_draws() -> None:
    one = LinearRegression(train=50, noise=1.0).examples(data_key())
    other = LinearRegression(train=80, noise=2.0).examples(data_key())
    np.testing.assert_array_equal(one.inputs[:50], other.inputs[:50])
    np.testing.assert_array_equal(one.inputs[50:], other.inputs[80:])
    clean = 2 * one.inputs[:50, 0] + 3
    np.testing.assert_allclose(
        2 * (one.targets[:50] - clean), other.targets[:50] - clean, rtol=1e-4, atol=1e-5
    )


def test_inputs_and_errors_are_uncorrelated_within_and_across_splits() -> None:
    data = LinearRegression(train=2000, validation=2000, test=2000)
    examples = data.examples(data_key())
    error = examples.targets - 2 * examples.inputs[:, 0] - 3
    rows = np.concatenate([examples.inputs.reshape(3, -1), error.reshape(3, -1)])
    off = np.corrcoef(rows)[np.triu_indices(6, 1)]
    assert np.abs(off).max() < 4.5 / np.sqrt(2000)


# IDX files


def test_packed_and_plain_files_are_the_same_data(tmp_path: Path) -> None:
    packed = Mnist(folder=str(write_files(tmp_path / "packed")), validation=10)
    plain = Mnist(folder=str(write_files(tmp_path / "plain", packed=False)), validation=10)
    assert packed.sizes() == plain.sizes() == Sizes(50, 10, 20)
    assert packed.digest() == plain.digest()
    one, other = packed.examples(data_key()), plain.examples(data_key())
    np.testing.assert_array_equal(one.inputs, other.inputs)
    np.testing.assert_array_equal(one.targets, other.targets)
    assert one.inputs[0, 0, 0, 17] == np.float32(17) / np.float32(255)
    assert one.targets[57:62].tolist() == [7, 8, 9, 0, 1]


def test_validation_is_the_end_of_the_training_file(tmp_path: Path) -> None:
    split = Mnist(folder=str(write_files(tmp_path / "files")), validation=10).split(split_key())
    assert split.train.tolist() == list(range(50))
    assert split.validation.tolist() == list(range(50, 60))
    assert split.test.tolist() == list(range(60, 80))


def test_validation_must_leave_something_to_train_on(tmp_path: Path) -> None:
    data = Mnist(folder=str(write_files(tmp_path / "files")), validation=60)
    assert data.problems() == [("validation", "60 leaves nothing of 60 training examples")]
    assert replace(data, validation=59).problems() == []


def test_files_are_found_through_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "root" / "mnist")
    write_files(tmp_path / "root" / "fashion-mnist", train=70)
    monkeypatch.setenv("RANDSTUDY_DATA", str(tmp_path / "root"))
    assert Mnist(validation=10).sizes() == Sizes(50, 10, 20)
    assert FashionMnist(validation=10).sizes() == Sizes(60, 10, 20)


def test_where_the_files_lie_is_no_part_of_identity() -> None:
    kept = {field.name: field.metadata.get("identity", True) for field in fields(Mnist)}
    assert kept == {"folder": False, "validation": True}


def test_without_files_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RANDSTUDY_DATA", raising=False)
    with pytest.raises(DataError) as error:
        FashionMnist().sizes()
    for part in ("fashion_mnist", "fashion-mnist/", "RANDSTUDY_DATA", "train-images-idx3-ubyte.gz"):
        assert part in str(error.value)
    with pytest.raises(DataError, match=rf"{tmp_path}: no file train-images-idx3-ubyte or "):
        Mnist(folder=str(tmp_path)).sizes()


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def contents(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def use(data: Mnist) -> None:
    data.sizes()
    data.examples(data_key())


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, packed: bool) -> None:
    folder = write_files(tmp_path / "files", packed=packed)
    path = folder / (f"{name}.gz" if packed else name)
    data = Mnist(folder=str(folder), validation=10)
    good = contents(path)
    damages = {
        "not an IDX file": b"\x89PNG" + good[4:],
        "cut short within its header": good[:5],
        "where its header states": good[:-1],
        "holds": good + b"\0",
    }
    for message, content in damages.items():
        overwrite(path, content)
        with pytest.raises(DataError, match=message) as error:
            use(data)
        assert str(path) in str(error.value)
        assert error.value.exit_code == 2
    overwrite(path, good)
    use(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_download_that_was_cut_off_is_named(tmp_path: Path, name: str) -> None:
    folder = write_files(tmp_path / "files")
    path = folder / f"{name}.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-6] ^= 1
    pieces = [whole[: len(whole) // 2], whole[:-3], whole[:4], b"<html>404</html>", bytes(flipped)]
    for content in pieces:
        path.write_bytes(content)
        with pytest.raises(DataError, match="damaged or cut short") as error:
            use(Mnist(folder=str(folder), validation=10))
        assert str(path) in str(error.value)
        assert "download it again" in str(error.value)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files")
    data = Mnist(folder=str(folder), validation=10)
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    good = labels.read_bytes()
    overwrite(labels, idx_bytes(np.zeros(21, np.uint8)))
    with pytest.raises(DataError, match="21 labels for the 20 images"):
        data.sizes()
    overwrite(labels, idx_bytes(np.full(20, 10, np.uint8)))
    with pytest.raises(DataError, match="has a label 10; labels are 0 to 9"):
        data.examples(data_key())
    labels.write_bytes(good)
    overwrite(folder / "t10k-images-idx3-ubyte.gz", idx_bytes(np.zeros((20, 32, 32), np.uint8)))
    with pytest.raises(DataError, match="32 x 32 pixels, not 28 x 28"):
        data.sizes()


def test_sizes_read_no_more_than_headers(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", packed=False)
    path = folder / NAMES[0]
    path.write_bytes(path.read_bytes()[:16])
    assert Mnist(folder=str(folder), validation=10).sizes() == Sizes(50, 10, 20)


def test_other_contents_have_another_digest(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "files", packed=False)
    data = Mnist(folder=str(folder), validation=10)
    before = data.digest()
    path = folder / NAMES[2]
    changed = bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(0, 0))
    assert data.digest() != before
    assert data.examples(data_key()).inputs[-1, 0, -1, -1] == np.float32(changed[-1]) / 255


def test_a_damaged_body_is_found_when_the_study_is_read(tmp_path: Path) -> None:
    """Before anything is trained: the header alone would not tell."""
    folder = write_files(tmp_path / "files", packed=False)
    data = Mnist(folder=str(folder), validation=10)
    assert data.problems() == []
    for name in NAMES:
        path = folder / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(DataError, match="where its header states"):
            data.problems()
        path.write_bytes(whole)
    (folder / NAMES[3]).write_bytes(whole[:8] + b"\x0b" * 20)
    with pytest.raises(DataError, match="has a label 11"):
        data.problems()


def test_large_packed_files_are_hashed_once_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xz"
    body = np.random.default_rng(5).bytes(2 * files.BLOCK)
    path.write_bytes(lzma.compress(body))
    first = files.contents(path)
    assert first.length == len(body)
    (note,) = (tmp_path / "cache").glob("*.digest")
    files._kept.cache_clear()
    files._hashed.cache_clear()
    monkeypatch.setattr(files, "_hashed", None)
    assert files.contents(path) == first
    monkeypatch.undo()
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "cache"))
    for text in ("", "5", f"{first.length} abc"):
        note.write_text(text)
        files._kept.cache_clear()
        assert files.contents(path) == first
    assert files.contents(path).digest == files.contents(write(tmp_path / "a", body)).digest


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# CIFAR-10


def write_cifar(folder: Path, suffix: str = "") -> Path:
    """Write six small files in the binary layout; pixels count up, labels repeat 0 to 9."""
    folder.mkdir(parents=True)
    for name in (*TRAIN, TEST):
        body = (np.arange(10 * RECORD) % 251).astype(np.uint8).reshape(10, RECORD)
        body[:, 0] = np.arange(10)
        content = lzma.compress(body.tobytes()) if suffix else body.tobytes()
        (folder / f"{name}{suffix}").write_bytes(content)
    return folder


def test_cifar_packed_and_plain_are_the_same_data(tmp_path: Path) -> None:
    plain = Cifar10(folder=str(write_cifar(tmp_path / "plain")), validation=7)
    inner = write_cifar(tmp_path / "packed" / "cifar-10-batches-bin", ".xz").parent
    packed = Cifar10(folder=str(inner), validation=7)
    assert plain.problems() == packed.problems() == []
    assert plain.sizes() == packed.sizes() == Sizes(43, 7, 10)
    assert plain.digest() == packed.digest()
    one, other = plain.examples(data_key()), packed.examples(data_key())
    np.testing.assert_array_equal(one.inputs, other.inputs)
    # Byte 1 of the first record is the first pixel of red, byte 1025 that of green.
    assert one.inputs[0, 0, 0, 0] == np.float32(1) / np.float32(255)
    assert one.inputs[0, 1, 0, 0] == np.float32(1025 % 251) / np.float32(255)
    assert isinstance(one.inputs, np.memmap)


@pytest.mark.parametrize("name", [TRAIN[0], TEST])
def test_damaged_cifar_files_are_named(tmp_path: Path, name: str) -> None:
    folder = write_cifar(tmp_path / "files")
    data, path = Cifar10(folder=str(folder), validation=7), folder / name
    whole = path.read_bytes()
    for content, message in (
        (whole[:-1], "not a whole number of records"),
        (b"", "not a whole number of records"),
        (b"\x0a" + whole[1:], "has a label 10"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as error:
            data.problems()
        assert str(path) in str(error.value)
    path.unlink()
    with pytest.raises(DataError, match=f"no file {name} or {name}.xz or {name}.gz"):
        data.problems()
    (folder / f"{name}.xz").write_bytes(lzma.compress(whole)[:-20])
    with pytest.raises(DataError, match="damaged or cut short"):
        data.problems()


# MNIST-1D


def write_signals(folder: Path, **changes: NDArray[Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    held = {
        "x": rng.normal(size=(30, 40)),
        "y": np.resize(np.arange(10), 30),
        "x_test": rng.normal(size=(10, 40)),
        "y_test": np.arange(10),
    }
    np.savez(folder / "mnist1d_default.npz", **(held | changes))
    return folder


def test_signals_have_one_channel(tmp_path: Path) -> None:
    data = Mnist1d(folder=str(write_signals(tmp_path)), validation=1)
    assert data.problems() == []
    assert data.sizes() == Sizes(29, 1, 10)
    assert data.shape().inputs == (1, 40)
    assert data.examples(data_key()).inputs.shape == (40, 1, 40)
    before = data.digest()
    held = dict(np.load(tmp_path / "mnist1d_default.npz"))
    np.savez_compressed(tmp_path / "mnist1d_default.npz", **held)
    assert data.digest() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": np.zeros((30, 39))}, r"x has shape \(30, 39\), not \(30, 40\)"),
        ({"x_test": np.full((10, 40), np.nan)}, "x_test has no finite number in example 1"),
        ({"y": np.full(30, 10)}, "y has labels other than 0 to 9"),
    ],
)
def test_damaged_signals(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    data = Mnist1d(folder=str(write_signals(tmp_path, **changes)), validation=1)
    with pytest.raises(DataError, match=message):
        data.problems()


# Shared arrays


def counting(calls: list[int], value: float = 1.5) -> NDArray[np.float32]:
    calls.append(1)
    return np.full((3, 4), value, np.float32)


def test_an_array_is_made_once_and_mapped(tmp_path: Path) -> None:
    calls: list[int] = []
    first = arrays.shared("ab", lambda: counting(calls))
    again = arrays.shared("ab", lambda: counting(calls))
    assert len(calls) == 1
    assert isinstance(again, np.memmap)
    np.testing.assert_array_equal(first, again)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["ab.npy"]


def test_a_write_reaches_nobody_else() -> None:
    first = arrays.shared("ab", lambda: counting([]))
    first[:] = 7
    assert (arrays.shared("ab", lambda: counting([])) == 1.5).all()


@pytest.mark.parametrize("keep", [0, 7, 100, 175])
def test_a_torn_array_is_made_again(tmp_path: Path, keep: int) -> None:
    arrays.shared("ab", lambda: counting([]))
    path = tmp_path / "cache" / "ab.npy"
    content = path.read_bytes()
    assert keep < len(content)
    path.write_bytes(content[:keep])
    calls: list[int] = []
    assert (arrays.shared("ab", lambda: counting(calls)) == 1.5).all()
    assert len(calls) == 1
    assert path.read_bytes() == content


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("a file")
    monkeypatch.setenv("RANDSTUDY_CACHE", str(tmp_path / "occupied" / "cache"))
    with pytest.raises(DataError, match="RANDSTUDY_CACHE") as error:
        arrays.shared("ab", lambda: counting([]))
    assert str(tmp_path / "occupied" / "cache") in str(error.value)


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder of the array's name stands in the way of the rename.
    (tmp_path / "cache" / "ab.npy").mkdir(parents=True)
    with pytest.raises(DataError, match=r"ab\.npy"):
        arrays.shared("ab", lambda: counting([]))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["ab.npy"]


# The real files, where there are any


def real(folder: str) -> str:
    """Return the folder of a real data set, or skip."""
    root = Path(os.environ.get("RANDSTUDY_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (root / folder).is_dir():
        pytest.skip(f"no {folder} in {root}; name its folder's parent in RANDSTUDY_DATA")
    return str(root / folder)


@pytest.mark.parametrize(
    ("kind", "train", "test"),
    [
        (
            Mnist,
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
        ),
        (FashionMnist, [6000] * 10, [1000] * 10),
    ],
)
def test_real_files(kind: type[Mnist], train: list[int], test: list[int]) -> None:
    data = kind(folder=real(kind.default_folder))
    assert data.sizes() == Sizes(55_000, 5_000, 10_000)
    examples, split = data.examples(data_key()), data.split(split_key())
    held = np.concatenate([split.train, split.validation])
    assert np.bincount(examples.targets[held]).tolist() == train
    assert np.bincount(examples.targets[split.test]).tolist() == test
    assert examples.inputs.shape == (70_000, 1, 28, 28)
    assert examples.inputs.max() == 1
    # Published mean and deviation of the 60,000 training images' pixels.
    mean, deviation = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}[data.name]
    pixels = examples.inputs[:60_000]
    assert float(pixels.mean(dtype=np.float64)) == pytest.approx(mean, abs=5e-5)
    squares = sum(float(np.square(part).sum(dtype=np.float64)) for part in np.split(pixels, 60))
    assert np.sqrt(squares / pixels.size - mean**2) == pytest.approx(deviation, abs=1e-4)


@pytest.mark.slow
def test_real_photographs() -> None:
    data = Cifar10(folder=real("cifar10"))
    assert data.problems() == []
    assert data.sizes() == Sizes(45_000, 5_000, 10_000)
    examples = data.examples(data_key())
    assert np.bincount(examples.targets[:50_000]).tolist() == [5000] * 10
    assert np.bincount(examples.targets[50_000:]).tolist() == [1000] * 10
    # Published means of the training images' channels.
    means = [float(examples.inputs[:50_000, plane].mean(dtype=np.float64)) for plane in range(3)]
    assert means == pytest.approx([0.4914, 0.4822, 0.4465], abs=5e-5)


def test_real_signals() -> None:
    data = Mnist1d(folder=real("mnist1d"))
    assert data.problems() == []
    assert data.sizes() == Sizes(3_500, 500, 1_000)
    examples = data.examples(data_key())
    assert float(examples.inputs[:4000].std(dtype=np.float64)) == pytest.approx(0.99765, abs=1e-4)
    assert examples.targets[:5].tolist() == [2, 6, 4, 5, 6]


GOLDEN_DIGITS_ROWS = [321, 1682, 1505, 1516, 1043]
GOLDEN_DIGITS_TEST = [2, 3, 4, 5, 6]
