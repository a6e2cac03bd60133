"""Inputs and numbers to predict, centred and scaled by what a trial trains on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from randstudy.tasks.task import Data, Examples


def standardized(data: Data, examples: Examples, train: NDArray[np.int64]) -> Examples:
    """Return examples less mean, over standard deviation, of the training rows: no other is used.

    Feature by feature, in float64 on the host, so that a trial's numbers depend on its own split
    alone. The deviation is that of the rows as a population; a feature that is constant in them is
    only centred. A row that a bootstrap sample holds twice counts twice.

    Parameters
    ----------
    data : says what is standardised: inputs, targets, both.
    examples : inputs (N, *shape), targets (N,).
    train : (n,) rows.
    """
    inputs: NDArray[np.float32] = examples.inputs
    targets: Any = examples.targets
    if data.standardized:
        inputs = _scaled(inputs, train)
    if data.standardized_target:
        targets = _scaled(targets, train)
    return Examples(inputs, targets)


def _scaled(values: NDArray[np.float32], train: NDArray[np.int64]) -> NDArray[np.float32]:
    trained = values[train].astype(np.float64)
    mean = trained.mean(axis=0)
    deviation = np.sqrt(np.square(trained - mean).mean(axis=0))
    # A constant's mean may be off by a rounding, which is no deviation.
    still = trained.min(axis=0) == trained.max(axis=0)
    found: NDArray[np.float32] = ((values - mean) / np.where(still, 1.0, deviation)).astype("f4")
    return found
