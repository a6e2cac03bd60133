"""People's functions of arrays, tried on made-up ones before any training. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import RandstudyError
from randstudy.streams import Key, normal, site, uniforms

if TYPE_CHECKING:
    from randstudy.inits import Init
    from randstudy.models import Parameter
    from randstudy.pruning import Pruning

MOST_TRIED = 8
"""Parameters of a network on which a function is tried, no two of them of one shape."""

KEY = Key(0)
"""That of all draws while a function is tried."""


def made_up(name: str, shape: Sequence[int]) -> NDArray[np.float32]:
    """Return standard normal numbers of this shape, the same for one name."""
    size = int(np.prod(shape))
    drawn = normal(uniforms([KEY], site=site(name), count=size))
    return drawn.reshape(shape).astype(np.float32)


def init_problem(init: Init, parameters: Iterable[Parameter]) -> str:
    """Say what is wrong with somebody's init in a network of these parameters, or nothing."""
    drawn = [one for one in parameters if init.draws(one) and one.role in ("weight", "bias")]
    return next(filter(None, (_init_problem(init, one) for one in _different(drawn))), "")


def score_problem(method: Pruning, parameters: Iterable[Parameter]) -> str:
    """Say what is wrong with somebody's scores of a network's weights, or nothing."""
    weights = [one for one in parameters if one.role == "weight"]
    return next(filter(None, (_score_problem(method, one) for one in _different(weights))), "")


def _different(parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return some parameters of different shapes, small ones first."""
    kinds = {(one.role, one.shape): one for one in reversed([*parameters])}
    return sorted(kinds.values(), key=lambda one: one.size)[:MOST_TRIED]


@lru_cache(maxsize=4096)
def _init_problem(init: Init, parameter: Parameter) -> str:
    """Try an init on one parameter."""

    def called() -> str:
        finite = np.isfinite(init.first(parameter, [KEY])).all()
        told = f"for {parameter.path} of shape {parameter.shape}"
        return "" if finite else f"returns numbers {told} that are not finite"

    return _said(called, f"for {parameter.path} of shape {parameter.shape}")


@lru_cache(maxsize=4096)
def _score_problem(method: Pruning, parameter: Parameter) -> str:
    """Try a score on made-up weights of one parameter."""

    def called() -> str:
        method.ranks(KEY, parameter, made_up(parameter.path, [parameter.size]))
        return ""

    return _said(called, f"on made-up weights {parameter.path} of shape {parameter.shape}")


def _said(called: Callable[[], str], where: str) -> str:
    """Return what a call says, or how it fails."""
    try:
        return called()
    except RandstudyError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (somebody's function may raise anything)
        return f"fails {where}: {told(error)}"


def told(error: Exception) -> str:
    """Return the first line of an error, with its kind."""
    lines: list[Any] = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
