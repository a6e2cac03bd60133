"""People's own metrics of outputs, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randstudy import importing, streams
from randstudy.errors import RandstudyError
from randstudy.own.probing import made_up, told
from randstudy.tasks import TaskShape

Metric = Callable[[NDArray[np.float32], NDArray[Any]], float]
"""Takes outputs and targets (n,) of one trial's examples; returns a number.

Outputs are (n, K) for classes and (n,) for numbers."""

MADE_UP = 32
"""Examples on which a metric is tried, or more where there are many classes."""


def metric_named(name: str) -> Metric:
    """Import ``package.module:function``.

    Raises
    ------
    RandstudyError
        When it cannot be imported or called; as it is called, where it draws.
    """
    try:
        found = importing.found(name)
    except importing.UnimportableError as error:
        raise RandstudyError(f"the metric {error}") from None
    if not callable(found):
        raise RandstudyError(f"the metric {name[:60]!r} is no function")
    try:
        inspect.signature(found).bind("outputs", "targets")
    except TypeError:
        raise RandstudyError(
            f"the metric {name[:60]!r} must take two arguments: outputs and targets"
        ) from None
    except ValueError:  # a built-in that tells nobody what it takes
        pass

    def metric(outputs: NDArray[np.float32], targets: NDArray[Any]) -> float:
        numbers = targets.dtype.kind == "f" and outputs.shape[1:] == (1,)
        try:
            with streams.watched(name):
                value = found(outputs[:, 0] if numbers else outputs, targets)
        except RandstudyError:
            raise
        except Exception as error:
            raise RandstudyError(f"the metric {name[:60]!r} raised {told(error)}") from error
        return _number(name, value)

    return metric


def _number(name: str, value: Any) -> float:
    """Return what a metric returned, where that is a number."""
    shape = getattr(value, "shape", ())
    try:
        if len(shape) == 0:
            return float(value)
    except (TypeError, ValueError):
        pass
    what = f"an array of shape {tuple(shape)}" if len(shape) else f"a {type(value).__name__}"
    raise RandstudyError(f"the metric {name[:60]!r} returns {what}; one number would be right")


def metric_problem(name: str, shape: TaskShape) -> str:
    """Say what is wrong with a metric on made-up outputs for a task, or nothing.

    Every class is there several times, so that a metric may ask for all of them.
    """
    count = max(MADE_UP, 4 * shape.outputs)
    outputs = made_up("outputs", (count, shape.outputs))
    targets: NDArray[Any] = np.arange(count) % shape.outputs
    if shape.target == "number":
        targets = made_up("targets", (count,))
    try:
        metric_named(name)(outputs, targets)
    except RandstudyError as error:
        return f"{error} (tried on {count} made-up examples)"
    return ""
