"""A straight line with noise: the data set whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

import numpy as np

from randstudy.parts import Range
from randstudy.streams import Key, normal, site, uniforms
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape


@dataclass(frozen=True, kw_only=True)
class LinearRegression(Data, name="linear_regression"):
    """y = slope * x + intercept + noise * e, with x and e standard normal.

    Inputs are normal, as in scikit-learn's make_regression, so that the squared error has unit
    curvature in slope and intercept. Each split has draws of its own and a longer split begins with
    a shorter one: changing `train` changes neither validation nor test, and `noise` scales the same
    errors.
    """

    slope: Annotated[float, "change of y with x"] = 2.0
    intercept: Annotated[float, "y at x = 0"] = 3.0
    noise: Annotated[float, Range(least=0), "standard deviation of the error in y"] = 1.0
    train: Annotated[int, Range(least=1), "training examples"] = 100
    validation: Annotated[int, Range(least=1), "validation examples"] = 100
    test: Annotated[int, Range(least=1), "test examples"] = 100

    def streams(self) -> frozenset[str]:
        """Inputs and errors are drawn; the split is not."""
        return frozenset({"data"})

    def shape(self) -> TaskShape:
        """Return one input, one number."""
        return TaskShape((1,), 1, "number")

    def sizes(self) -> Sizes:
        """Return the settings."""
        return Sizes(self.train, self.validation, self.test)

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, 1) and targets (N,): train, then validation, then test."""
        counts = {"train": self.train, "validation": self.validation, "test": self.test}
        x, error = (
            np.concatenate(
                [
                    normal(uniforms([key], site=site(f"{split}.{what}"), count=count)[0])
                    for split, count in counts.items()
                ]
            )
            for what in ("input", "error")
        )
        y = self.slope * x + self.intercept + self.noise * error
        return Examples(x.astype(np.float32)[:, None], y.astype(np.float32))

    def split(self, key: Key) -> Split:
        """Return consecutive rows; nothing is drawn."""
        rows = np.arange(self.train + self.validation + self.test, dtype=np.int64)
        train, validation, test = np.split(rows, [self.train, self.train + self.validation])
        return Split(train, validation, test)

    def digest(self) -> str:
        """Return a hash of the settings: the numbers themselves depend on the replicate."""
        return blake2b(repr(self).encode(), digest_size=16, person=b"randstudy.data").hexdigest()
