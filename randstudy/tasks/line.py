"""A straight line with noise: the data set whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Range
from randstudy.streams import Key, normal, site, uniforms
from randstudy.tasks.parting import consecutive
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape


@dataclass(frozen=True, kw_only=True)
class LinearRegression(Data, name="linear_regression"):
    """y = slope * x + intercept + noise * e, with x and e standard normal.

    Inputs are normal, as in scikit-learn's make_regression, or signs, with which the squared error
    has equal curvature in slope and intercept and gradients differ by the errors alone. Each split
    has draws of its own and a longer split begins with a shorter one: changing `train` changes
    neither validation nor test, and `noise` scales the same errors.
    """

    slope: Annotated[float, "change of y with x"] = 2.0
    intercept: Annotated[float, "y at x = 0"] = 3.0
    noise: Annotated[float, Range(least=0), "standard deviation of the error in y"] = 1.0
    inputs: Annotated[Literal["normal", "signs"], "x standard normal, or 1 and -1 in turn"] = (
        "normal"
    )
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
                [self._drawn(key, f"{split}.{what}", count) for split, count in counts.items()]
            )
            for what in ("input", "error")
        )
        y = self.slope * x + self.intercept + self.noise * error
        return Examples(x.astype(np.float32)[:, None], y.astype(np.float32))

    def _drawn(self, key: Key, what: str, count: int) -> NDArray[np.float64]:
        """Return inputs or errors of one split."""
        if what.endswith(".input") and self.inputs == "signs":
            return np.where(np.arange(count) % 2, -1.0, 1.0)
        return normal(uniforms([key], site=site(what), count=count)[0])

    def split(self, key: Key) -> Split:
        """Return consecutive rows; nothing is drawn."""
        return consecutive(self.sizes())

    def digest(self) -> str:
        """Return a hash of the settings: the numbers themselves depend on the replicate."""
        return blake2b(repr(self).encode(), digest_size=16, person=b"randstudy.data").hexdigest()
