"""People's own functions as parts: named ``package.module:function``, settings and all.

A function that a study names where a part is expected becomes a part: its keyword parameters are
the settings, with their annotations as the grammar and their defaults as defaults. What randstudy
hands to the function is no setting; each kind of part says what that is, in a room of its own.
"""

from __future__ import annotations

from typing import Any, Final

from randstudy import importing
from randstudy.own.functions import OwnPart, OwnPartError, from_function
from randstudy.parts import Part

__all__ = ["OwnPart", "OwnPartError", "part_from"]

ROOMS: Final = {
    "model": "randstudy.own.model:OwnModel",
    "data": "randstudy.own.data:OwnData",
    "init": "randstudy.own.init:OwnInit",
    "pruning": "randstudy.own.pruning:OwnPruning",
    "loss": "randstudy.own.loss:OwnLoss",
    "augmentation": "randstudy.own.augmentation:OwnAugmentation",
}
"""Kind of part -> what wraps a function that is one; imported when it is needed."""

_made: dict[tuple[str, str], tuple[Any, type[Part]]] = {}


def part_from(kind: type[Part], name: str, found: Any) -> type[Part] | None:
    """Return the part that the callable `found` at `name` is, or None where none can be made.

    The same function gives the same part, and a function that was defined again another one.

    Raises
    ------
    OwnPartError
        When the function's parameters cannot be settings; its text says which and why.
    """
    if kind.kind not in ROOMS or not callable(found):
        return None
    if isinstance(found, type) and issubclass(found, Part):
        return None
    known = _made.get((kind.kind, name))
    if known is not None and known[0] is found:
        return known[1]
    made = from_function(importing.found(ROOMS[kind.kind]), name, found)
    _made[kind.kind, name] = (found, made)
    return made
