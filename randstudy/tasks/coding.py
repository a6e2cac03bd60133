"""Values as files hold them, turned into inputs and targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.tasks.arrays import array_name, shared

LARGE = 1 << 24
"""Bytes from which on a node's processes share inputs as one memory map."""


def classes(values: NDArray[Any], path: Path, what: str) -> tuple[NDArray[np.int64], int]:
    """Return (N,) classes numbered in the order of their labels, and how many there are.

    Raises
    ------
    DataError : if there is but one, or so many that they will be numbers.
    """
    labels, numbers = np.unique(values, return_inverse=True)
    if len(labels) < 2:
        only = f"only {labels[0]!s}" if len(labels) else "nothing"
        raise DataError(f"{path}: {what} holds {only}; classes to tell apart are two or more")
    if len(labels) > max(2, len(values) // 2):
        raise DataError(
            f"{path}: {what} holds {len(labels):,} classes in {len(values):,} examples; if these "
            "are numbers to predict, say task: number"
        )
    return numbers.reshape(-1).astype(np.int64), len(labels)


def task_of(values: NDArray[Any]) -> Literal["class", "number"] | None:
    """Tell classes (text, true and false) from numbers (with fractions); whole numbers are both."""
    if values.dtype.kind in "OUSb":
        return "class"
    return None if (values == np.floor(values)).all() else "number"


def finite(values: NDArray[Any], path: Path, what: str) -> None:
    """Refuse what no network can be trained on.

    Raises
    ------
    DataError : naming the first example that has a value missing, or beyond float32.
    """
    with np.errstate(over="ignore"):
        good = np.isfinite(values.astype(np.float32, copy=False))
    if not good.all():
        row = int(np.argwhere(~good)[0][0])
        raise DataError(
            f"{path}: {what} has no finite number in example {row + 1:,} "
            f"({int((~good).sum()):,} such values in all); fill or drop them first"
        )


def sharing(inputs: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return large inputs as the memory map of the node, small ones as they are."""
    return inputs if inputs.nbytes < LARGE else shared(array_name(name), lambda: inputs)
