"""A function that returns arrays, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError, RandstudyError
from randstudy.own.functions import OwnPart
from randstudy.streams import Key, handed_at
from randstudy.tasks import Data, Examples, Sizes, Split, TaskShape
from randstudy.tasks.coding import finite
from randstudy.tasks.parting import consecutive, drawn, shares

SPLITS: Final = ("train", "validation", "test")


class Arrays(NamedTuple):
    """What a function comes to: all examples, the classes (0 for numbers), and its own split."""

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    classes: int
    sizes: Sizes | None


@dataclass(frozen=True, kw_only=True)
class OwnData(OwnPart, Data):
    """Examples that somebody's function makes or reads.

    It returns ``(inputs, targets)``, which are then split by the study, or a mapping of ``train``,
    ``validation`` and ``test`` to such pairs. Whole-number targets are classes from 0, others
    numbers. A function that takes ``rng`` is handed a numpy generator of the `data` stream.
    """

    offered: ClassVar[tuple[str, ...]] = ("rng",)

    def streams(self) -> frozenset[str]:
        """Return `data` where the function draws, and `split` where it does not split."""
        given = frozenset() if self._first().sizes else frozenset({"split"})
        return given | (frozenset({"data"}) if self._draws else frozenset())

    def problems(self) -> list[tuple[str, str]]:
        """Call the function: what it returns must be whole."""
        try:
            self._first()
        except DataError as error:
            return [("", str(error))]
        return []

    def shape(self) -> TaskShape:
        """Return the shape of one input; a number is an input of shape (1,)."""
        found = self._first()
        target: Literal["class", "number"] = "class" if found.classes else "number"
        return TaskShape(found.inputs.shape[1:], found.classes or 1, target)

    def sizes(self) -> Sizes:
        """Return those of the function's splits, or 60, 20 and 20 in a hundred."""
        found = self._first()
        return found.sizes or shares(len(found.targets))

    def examples(self, key: Key) -> Examples:
        """Return the examples, made anew for each key where the function draws."""
        first, found = self._first(), _arrays(self, key if self._draws else Key(0))
        if (found.inputs.shape, found.sizes) != (first.inputs.shape, first.sizes):
            raise DataError(
                f"{self.name} returns inputs of shape {found.inputs.shape} for one generator and "
                f"{first.inputs.shape} for another; sizes must not depend on what is drawn"
            )
        if found.classes > first.classes > 0:
            raise DataError(
                f"{self.name} draws {first.classes} classes for one generator and {found.classes} "
                "for another; say how many there are: return a mapping with classes too"
            )
        return Examples(found.inputs, found.targets)

    def split(self, key: Key) -> Split:
        """Return the function's split, or one that is drawn."""
        return consecutive(self.sizes()) if self._first().sizes else drawn(key, self.sizes())

    def digest(self) -> str:
        """Return a hash of the arrays that the function returns, at a fixed generator if any."""
        digest = blake2b(digest_size=16, person=b"randstudy.data")
        for array in (self._first().inputs, self._first().targets):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def _draws(self) -> bool:
        return "rng" in self.wanted

    def _first(self) -> Arrays:
        return _arrays(self, Key(0))


@lru_cache(maxsize=8)
def _arrays(data: OwnData, key: Key) -> Arrays:
    """Call the function and put in order what it returns."""
    try:
        returned = data.call_watched(rng=handed_at(key, "data").numpy())
    except RandstudyError as error:
        raise DataError(str(error)) from error
    except Exception as error:
        raise DataError(f"{data.name} raised {type(error).__name__}: {error}") from error
    if isinstance(returned, Mapping):
        return _split_by_itself(data.name, returned)
    if isinstance(returned, tuple) and len(returned) == 2:
        return _joined(data.name, [returned], classes=0, split=False)
    raise DataError(
        f"{data.name} returns a {type(returned).__name__}; (inputs, targets) would be right, or a "
        "mapping of train, validation and test to such pairs"
    )


def _split_by_itself(name: str, returned: Mapping[str, Any]) -> Arrays:
    """Put the three splits one after the other."""
    classes = returned.get("classes", 0)
    if {"inputs", "targets"} <= set(returned):
        pairs = [(returned["inputs"], returned["targets"])]
        return _joined(name, pairs, classes=classes, split=False)
    missing = [split for split in SPLITS if split not in returned]
    if missing:
        raise DataError(
            f"{name} returns a mapping without {', '.join(missing)}; where nothing is to be held "
            "out by the function, return (inputs, targets) and let the study split"
        )
    return _joined(name, [returned[split] for split in SPLITS], classes=classes, split=True)


def _joined(name: str, pairs: list[Any], *, classes: int, split: bool) -> Arrays:
    """Check pairs of inputs and targets, and join them."""
    checked = [_pair(name, *pair) for pair in pairs]
    shapes = {inputs.shape[1:] for inputs, _ in checked}
    if len(shapes) > 1:
        raise DataError(f"{name}: inputs of the splits differ in shape: {shapes}")
    inputs = np.concatenate([inputs for inputs, _ in checked])
    targets = np.concatenate([targets for _, targets in checked])
    where = Path(name)  # what messages begin with
    finite(inputs, where, "inputs")
    finite(targets, where, "targets")
    if len(targets) < 5:
        raise DataError(f"{name} returns {len(targets)} examples, too few to split in three")
    sizes = Sizes(*(len(targets) for _, targets in checked)) if split else None
    if targets.dtype.kind not in "biu":
        return Arrays(inputs, targets.astype(np.float32), 0, sizes)
    whole = targets.astype(np.int64)
    count = classes or int(whole.max()) + 1
    if whole.min() < 0 or whole.max() >= count or count < 2:
        raise DataError(
            f"{name}: classes are {whole.min()} to {whole.max()}; they should be 0 to K - 1, two "
            "or more; numbers to predict are floats"
        )
    return Arrays(inputs, whole, count, sizes)


def _pair(name: str, inputs: Any, targets: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return inputs (n, *shape) and targets (n,) as arrays."""
    values, wanted = np.asarray(inputs), np.asarray(targets)
    if values.dtype.kind not in "biuf" or wanted.dtype.kind not in "biuf":
        raise DataError(f"{name} returns {values.dtype} and {wanted.dtype}, not plain numbers")
    if values.ndim == 0 or wanted.size != len(wanted) or len(values) != len(wanted):
        raise DataError(
            f"{name} returns inputs of shape {values.shape} and targets of shape {wanted.shape}; "
            "(N, ...) and (N,) would be right"
        )
    shaped = values.reshape(len(values), *(values.shape[1:] or (1,)))
    return np.ascontiguousarray(shaped, dtype=np.float32), wanted.reshape(-1)
