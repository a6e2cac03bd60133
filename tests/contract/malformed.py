"""Values that a field must refuse, made from its annotation."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from randstudy.expectation import fits, is_part, members
from randstudy.fields import Setting

STRANGERS = ("nonsense", True, 3, 2.5, [], [[]], {"nonsense": 1}, None)


def malformed(setting: Setting) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Yield values of a wrong type or out of bounds, with words that the message may hold."""
    kinds = members(setting.kind)
    for value in STRANGERS:
        if not any(fits(kind, value) for kind in kinds):
            yield value, ("expected",)
    if any(is_part(kind) for kind in kinds):
        yield "nonsense", ("is called",)
        yield {"name": 3}, ("needs a name",)
    if any(isinstance(kind, type) and dataclasses.is_dataclass(kind) for kind in kinds):
        yield {"nonsense": 1}, ("no such field", "has no fields", "needs a name")
    if float in kinds:
        for value in (math.nan, math.inf, -math.inf):
            yield value, ("finite",)
    whole = int in kinds or any(get_args(kind)[:1] == (int,) for kind in kinds)
    for value in _outside(setting, whole):
        wrapped = any(get_origin(kind) is tuple for kind in kinds)
        yield [value] if wrapped else value, ("must be",)
    if any(get_origin(kind) is tuple for kind in kinds):
        yield [{}], ("expected",)


def _outside(setting: Setting, whole: bool) -> Iterator[float]:
    """Yield numbers just out of bounds."""
    bounds, step = setting.bounds, 1 if whole else 1e-9
    if bounds is None:
        return
    for limit, beyond in (
        (bounds.least, -step),
        (bounds.above, 0),
        (bounds.most, step),
        (bounds.below, 0),
    ):
        if limit is not None:
            yield limit + beyond if not whole else int(limit + beyond)
