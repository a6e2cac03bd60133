"""MNIST-1D: signals of 40 points in ten classes, small enough for hundreds of trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.coding import finite
from randstudy.tasks.files import State, find, once, state
from randstudy.tasks.given import KnownFiles
from randstudy.tasks.npz import load
from randstudy.tasks.task import Examples, TaskShape

FILE = "mnist1d_default.npz"
POINTS = 40
CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Mnist1d(KnownFiles, name="mnist1d"):
    """Signals of 40 points (Greydanus & Kobak 2024): 4,000 and 1,000, one channel, unscaled.

    The split is given by the file: the last `validation` signals to train on are held out.
    """

    validation: Annotated[int, Range(least=1), "training signals held out, the last ones"] = 500

    default_folder: ClassVar[str] = "mnist1d"
    what: ClassVar[str] = f"its arrays x, y, x_test and y_test as {FILE}"

    def shape(self) -> TaskShape:
        """Return one channel of 40 points, ten classes."""
        return TaskShape((1, POINTS), CLASSES, "class")

    def counts(self) -> tuple[int, int]:
        """Return the lengths of the arrays."""
        arrays = self._arrays()
        return len(arrays["y"]), len(arrays["y_test"])

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, 1, 40) and targets (N,): those to train on, then those to test."""
        arrays = self._arrays()
        signals = np.concatenate([arrays["x"], arrays["x_test"]]).astype(np.float32)
        return Examples(signals[:, None], self.targets(key))

    def targets(self, key: Key) -> NDArray[np.int64]:
        """Return (N,) labels."""
        arrays = self._arrays()
        return np.concatenate([arrays["y"], arrays["y_test"]]).astype(np.int64)

    def files(self) -> Sequence[Path]:
        """Return the one file."""
        return [find(self.home(), FILE, (), f"the data set {self.name} needs {self.what} there")]

    def check(self) -> None:
        """Reading the arrays checks them."""
        self._arrays()

    def digest(self) -> str:
        """Return a hash of the arrays; however their file was written, they give the same."""
        digest = blake2b(digest_size=16, person=b"randstudy.data")
        for array in self._arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _arrays(self) -> dict[str, NDArray[np.float64]]:
        return _checked(FILE, state(self.files()[0]))


@once
def _checked(_name: str, found: State) -> dict[str, NDArray[np.float64]]:
    """Return the arrays of a whole file."""
    path = found.path
    arrays = load(path, ("x", "y", "x_test", "y_test"))
    for x, y in (("x", "y"), ("x_test", "y_test")):
        if arrays[x].shape != (len(arrays[y]), POINTS) or not len(arrays[y]):
            raise DataError(f"{path}: {x} has shape {arrays[x].shape}, not ({len(arrays[y])}, 40)")
        finite(arrays[x], path, x)
        if not np.isin(arrays[y], range(CLASSES)).all():
            raise DataError(f"{path}: {y} has labels other than 0 to {CLASSES - 1}")
    return arrays
