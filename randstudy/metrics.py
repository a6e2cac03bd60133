"""People's own metrics of outputs, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randstudy import importing
from randstudy.errors import RandstudyError

Metric = Callable[[NDArray[np.float32], NDArray[Any]], float]
"""Takes outputs and targets (n,) of one trial's examples; returns a number.

Outputs are (n, K) for classes and (n,) for numbers."""


def metric_named(name: str) -> Metric:
    """Import ``package.module:function``.

    Raises
    ------
    RandstudyError
        When it cannot be imported or called.
    """
    try:
        found = importing.found(name)
    except importing.UnimportableError as error:
        raise RandstudyError(f"the metric {error}") from None
    if not callable(found):
        raise RandstudyError(f"the metric {name[:60]!r} is no function")

    def metric(outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        numbers = targets.dtype.kind == "f" and outputs.shape[1:] == (1,)
        return float(found(outputs[:, 0] if numbers else outputs, targets))

    return metric
