"""CIFAR-10 from its binary version: six files of records, plain or packed (.xz, .gz)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.arrays import array_name, shared
from randstudy.tasks.files import contents, find, read
from randstudy.tasks.given import KnownFiles
from randstudy.tasks.task import Examples, TaskShape

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
CLASSES = 10
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
"""Bytes of an example: its label, then red, green and blue, row by row."""


@dataclass(frozen=True, kw_only=True)
class Cifar10(KnownFiles, name="cifar10"):
    """Photographs in ten classes (Krizhevsky 2009): 50,000 and 10,000; pixels divided by 255.

    The split is given by the files: the last `validation` images to train on are held out.
    """

    validation: Annotated[int, Range(least=1), "training images held out, the last ones"] = 5000

    default_folder: ClassVar[str] = "cifar10"
    what: ClassVar[str] = "the six files of its binary version (data_batch_1.bin and so on)"

    def shape(self) -> TaskShape:
        """Return three planes of 32 x 32, ten classes."""
        return TaskShape(SHAPE, CLASSES, "class")

    def counts(self) -> tuple[int, int]:
        """Return the whole records in the files."""
        *train, test = (_records(path) for path in self.files())
        return sum(train), test

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, 3, 32, 32) in [0, 1] and targets (N,): files 1 to 5, then test."""
        name = array_name(f"{self.digest()} float32 /255")
        return Examples(shared(name, lambda: _pixels(self.files())), self.targets(key))

    def targets(self, key: Key) -> NDArray[np.int64]:
        """Return (N,) labels."""
        # A copy, which nobody shares: they are few bytes.
        return np.array(shared(array_name(f"{self.digest()} labels"), self._labels))

    def files(self) -> Sequence[Path]:
        """Return the five files to train on, then that to test."""
        home = self.home()
        inner = home / "cifar-10-batches-bin"
        folder = inner if inner.is_dir() else home
        needs = f"the data set {self.name} needs {', '.join(TRAIN)} and {TEST} there"
        return [find(folder, name, (".xz", ".gz"), needs) for name in (*TRAIN, TEST)]

    def check(self) -> None:
        """Look at every label."""
        self.targets(Key(0))

    def _labels(self) -> NDArray[np.int64]:
        return np.concatenate([_file_labels(path) for path in self.files()])


def _records(path: Path) -> int:
    """Return the number of records in a file."""
    plain = path.suffix == ".bin"
    length = path.stat().st_size if plain else contents(path).length
    if length == 0 or length % RECORD:
        raise DataError(
            f"{path}: holds {length:,} bytes, not a whole number of records of {RECORD:,}; it is "
            "damaged, or not of CIFAR-10's binary version: download it again"
        )
    return length // RECORD


def _body(path: Path) -> NDArray[np.uint8]:
    """Return (records, 3073) bytes."""
    return np.frombuffer(read(path), np.uint8).reshape(-1, RECORD)


def _file_labels(path: Path) -> NDArray[np.int64]:
    labels = _body(path)[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        raise DataError(
            f"{path}: has a label {labels.max()}; labels are 0 to {CLASSES - 1}. It is damaged, or "
            "not of CIFAR-10's binary version: download it again"
        )
    return labels


def _pixels(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return (N, 3, 32, 32) in [0, 1], a file at a time: the whole takes 737 MB."""
    count = sum(_records(path) for path in paths)
    pixels = np.empty((count, *SHAPE), np.float32)
    start = 0
    for path in paths:
        body = _body(path)[:, 1:].reshape(-1, *SHAPE)
        np.divide(body, np.float32(255), out=pixels[start : start + len(body)])
        start += len(body)
    return pixels
