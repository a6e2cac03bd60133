"""Data files of noise in the formats that data sets come in, a few examples each."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RNG = np.random.default_rng(5)


def write_all(folder: Path) -> None:
    """Fill a folder as RANDSTUDY_DATA: a subfolder or file for each part."""
    for name in ("mnist", "fashion-mnist"):
        write_idx(folder / name)
    write_cifar(folder / "cifar10")
    write_signals(folder / "mnist1d")
    write_images(folder / "photos")
    write_images(folder / "others")
    for name in ("arrays", "more"):
        write_arrays(folder / f"{name}.npz")
    for name in ("rows", "lines"):
        write_rows(folder / f"{name}.csv")
    write_bare(folder / "bare.csv")


def labels(count: int) -> NDArray[np.uint8]:
    """Return all ten classes, in no order."""
    return RNG.permutation(np.arange(count) % 10).astype(np.uint8)


def write_idx(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, count in (("train", 60), ("t10k", 20)):
        arrays = {
            f"{name}-images-idx3-ubyte.gz": RNG.integers(0, 256, (count, 28, 28), np.uint8),
            f"{name}-labels-idx1-ubyte.gz": labels(count),
        }
        for file, array in arrays.items():
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            head = bytes((0, 0, 8, array.ndim)) + sizes
            (folder / file).write_bytes(gzip.compress(head + array.tobytes()))


def write_cifar(folder: Path) -> None:
    folder.mkdir()
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        pixels = RNG.integers(0, 256, (12, 3072), np.uint8)
        body = np.concatenate([labels(12)[:, None], pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(body.tobytes())


def write_signals(folder: Path) -> None:
    folder.mkdir()
    arrays = {}
    for name, count in (("", 60), ("_test", 20)):
        arrays[f"x{name}"] = RNG.normal(size=(count, 40))
        arrays[f"y{name}"] = labels(count).astype(np.int64)
    np.savez(folder / "mnist1d_default.npz", **arrays)


def write_images(folder: Path) -> None:
    for name in ("cat", "dog", "eel"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = RNG.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_arrays(path: Path) -> None:
    arrays = {
        name: RNG.normal(size=(count, 6)).astype(np.float32)
        for name, count in (("x", 200), ("z", 200), ("x_test", 30), ("z_test", 30))
    }
    arrays |= {name: labels(count).astype(np.int64) for name, count in (("t", 200), ("t_test", 30))}
    arrays |= {name: arrays[other] % 2 for name, other in (("y", "t"), ("y_test", "t_test"))}
    np.savez(path, **arrays)


def write_rows(path: Path) -> None:
    """Write two numbers, a colour, a whole number 0 to 3, a class in text, a fraction."""
    lines = ["a,b,colour,level,kind,price"]
    for row in range(100):
        a, b, price = RNG.normal(size=3)
        colour = ("red", "blue", "green")[row % 3]
        kind = ("up", "down")[RNG.integers(2)]
        lines.append(f"{a:.4f},{b:.4f},{colour},{row % 4},{kind},{price + a:.4f}")
    path.write_text("\n".join(lines) + "\n")


def write_bare(path: Path) -> None:
    """Write names that may be taken for values, so that it matters whether they are names."""
    colours, kinds = ("red", "blue"), ("up", "down")
    rows = [f"{colours[RNG.integers(2)]},{kinds[RNG.integers(2)]}" for _ in range(60)]
    path.write_text("\n".join(["c1,c2", *rows]) + "\n")
