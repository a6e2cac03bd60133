"""Small data files of every kind that randstudy reads: noise, in which every class occurs."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from randstudy.tasks.cifar import RECORD, TEST, TRAIN
from randstudy.tasks.idx import FILES


def write_all(folder: Path, seed: int = 5) -> Path:
    """Fill a folder as RANDSTUDY_DATA: a subfolder or file for each part."""
    rng = np.random.default_rng(seed)
    for name in ("mnist", "fashion-mnist"):
        write_idx(folder / name, rng)
    write_cifar(folder / "cifar10", rng)
    write_signals(folder / "mnist1d", rng)
    write_images(folder / "photos", rng)
    write_images(folder / "others", rng)
    for name in ("arrays", "more"):
        write_arrays(folder / f"{name}.npz", rng)
    for name in ("rows", "lines"):
        write_rows(folder / f"{name}.csv", rng)
    write_bare(folder / "bare.csv", rng)
    return folder


def labels(count: int, rng: Generator) -> NDArray[np.uint8]:
    """Return all ten classes, in no order."""
    return rng.permutation(np.arange(count) % 10).astype(np.uint8)


def write_idx(folder: Path, rng: Generator, *, train: int = 60, test: int = 20) -> None:
    folder.mkdir(parents=True)
    for count, (images, classes) in zip((train, test), FILES.values(), strict=True):
        pixels = rng.integers(0, 256, (count, 28, 28), np.uint8)
        for name, array in ((images, pixels), (classes, labels(count, rng))):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            head = bytes((0, 0, 8, array.ndim)) + sizes
            (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.tobytes(), 1))


def write_cifar(folder: Path, rng: Generator) -> None:
    folder.mkdir()
    for name in (*TRAIN, TEST):
        pixels = rng.integers(0, 256, (12, RECORD - 1), np.uint8)
        body = np.concatenate([labels(12, rng)[:, None], pixels], axis=1)
        (folder / name).write_bytes(body.tobytes())


def write_signals(folder: Path, rng: Generator, *, train: int = 60, test: int = 20) -> None:
    folder.mkdir()
    arrays = {}
    for name, count in (("", train), ("_test", test)):
        arrays[f"x{name}"] = rng.normal(size=(count, 40))
        arrays[f"y{name}"] = labels(count, rng).astype(np.int64)
    np.savez(folder / "mnist1d_default.npz", **arrays)


def write_images(folder: Path, rng: Generator) -> None:
    for name in ("cat", "dog", "eel"):
        (folder / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def write_arrays(path: Path, rng: Generator) -> None:
    arrays = {
        name: rng.normal(size=(count, 6)).astype(np.float32)
        for name, count in (("x", 200), ("z", 200), ("x_test", 30), ("z_test", 30))
    }
    for name, count in (("t", 200), ("t_test", 30)):
        arrays[name] = labels(count, rng).astype(np.int64)
    arrays |= {name: arrays[other] % 2 for name, other in (("y", "t"), ("y_test", "t_test"))}
    np.savez(path, **arrays)


def write_rows(path: Path, rng: Generator) -> None:
    """Write two numbers, a colour, a whole number 0 to 3, a class in text, a fraction."""
    lines = ["a,b,colour,level,kind,price"]
    for row in range(100):
        a, b, price = rng.normal(size=3)
        colour = ("red", "blue", "green")[row % 3]
        kind = ("up", "down")[rng.integers(2)]
        lines.append(f"{a:.4f},{b:.4f},{colour},{row % 4},{kind},{price + a:.4f}")
    path.write_text("\n".join(lines) + "\n")


def write_bare(path: Path, rng: Generator) -> None:
    """Write names that may be taken for values, so that it matters whether they are names."""
    colours, kinds = ("red", "blue"), ("up", "down")
    rows = [f"{colours[rng.integers(2)]},{kinds[rng.integers(2)]}" for _ in range(60)]
    path.write_text("\n".join(["c1,c2", *rows]) + "\n")
