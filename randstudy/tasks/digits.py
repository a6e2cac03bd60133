"""Handwritten digits of scikit-learn: small, and always there."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from randstudy.streams import Key
from randstudy.tasks.parting import drawn
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape

SIZES = Sizes(train=1077, validation=360, test=360)


@dataclass(frozen=True, kw_only=True)
class Digits(Data, name="digits"):
    """1,797 images of 8 x 8 pixels in ten classes; pixels are divided by 16.

    The split is a permutation drawn from the `split` stream, not stratified: a class's share of
    the test set varies with the replicate as it would in a new sample.
    """

    def streams(self) -> frozenset[str]:
        """The split is drawn."""
        return frozenset({"split"})

    def shape(self) -> TaskShape:
        """Return one plane of 8 x 8, ten classes."""
        return TaskShape((1, 8, 8), 10, "class")

    def sizes(self) -> Sizes:
        """Return 1,077, 360 and 360."""
        return SIZES

    def examples(self, key: Key) -> Examples:
        """Return inputs (1797, 1, 8, 8) in [0, 1] and targets (1797,)."""
        pixels, targets = _package()
        return Examples((pixels / 16).astype(np.float32).reshape(-1, 1, 8, 8), targets.copy())

    def split(self, key: Key) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        return drawn(key, SIZES)

    def digest(self) -> str:
        """Return a hash of pixels and targets as scikit-learn holds them."""
        return _digest()


@lru_cache(maxsize=1)
def _digest() -> str:
    digest = blake2b(digest_size=16, person=b"randstudy.data")
    for array in _package():
        digest.update(array.tobytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _package() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return pixels (1797, 64) from 0 to 16 and targets (1797,).

    Read from scikit-learn's file where it lies as usual: importing scikit-learn takes each worker
    over a second.
    """
    spec = find_spec("sklearn")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.exists():
            with gzip.open(path) as file:
                table = np.loadtxt(file, delimiter=",")
            return table[:, :-1], table[:, -1].astype(np.int64)
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    return pixels.astype(np.float64), targets.astype(np.int64)
