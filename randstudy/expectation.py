"""What a type annotation expects of a plain value, and how to say that it is something else."""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin

from randstudy.nearest import nearest
from randstudy.parts import Part


@lru_cache(maxsize=4096)
def members(kind: Any) -> tuple[Any, ...]:
    """Return the alternatives of a union, or the type itself."""
    if get_origin(kind) in (Union, types.UnionType):
        return get_args(kind)
    return (kind,)


def is_part(kind: Any) -> bool:
    """Tell whether `kind` is a kind of part, or a part."""
    return isinstance(kind, type) and issubclass(kind, Part)


def fits(kind: Any, value: Any) -> bool:
    """Tell whether a value has the right type on its surface."""
    if kind is type(None):
        return value is None
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind in (str, bool):
        return isinstance(value, kind)
    if kind is object:
        return value is None or isinstance(value, str | bool | int | float)
    if get_origin(kind) is Literal:
        return any(value == option and type(value) is type(option) for option in get_args(kind))
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple)
    return isinstance(value, dict) or (is_part(kind) and isinstance(value, str))


def mismatch(alternatives: Sequence[Any], value: Any) -> str:
    """Say what was expected and what was found."""
    expected = " or ".join(describe(one) for one in alternatives)
    words = [str(option) for one in alternatives if get_origin(one) is Literal
             for option in get_args(one)]  # fmt: skip
    hint = ""
    close = nearest(value, words) if isinstance(value, str) else None
    if close is not None:
        hint = f"; did you mean {close}?"
    elif int in alternatives and isinstance(value, float) and value.is_integer():
        hint = f"; write {int(value)}"
    elif any(get_origin(one) is tuple for one in alternatives) and value is not None:
        hint = f"; write [{value}]" if isinstance(value, int | float | str) else ""
    return f"expected {expected}, got {show(value)}{hint}"


def describe(kind: Any) -> str:
    """Name a type in words.

    >>> describe(tuple[int, ...])
    'a list, each item a whole number'
    """
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    words[object] = "a number, text, true, false or null"
    if kind in words:
        return words[kind]
    if kind is type(None):
        return "null"
    if get_origin(kind) is Literal:
        return " or ".join(str(option) for option in get_args(kind))
    if get_origin(kind) is tuple:
        return f"a list, each item {describe(get_args(kind)[0])}"
    if is_part(kind):
        return f"the name of one ({', '.join(kind.choices)}) or a mapping with name and fields"
    return "a mapping of fields"


def show(value: Any) -> str:
    """Write a value as it would stand in the file, shortened."""
    if value is None:
        return "null (nothing)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = f"the text {value!r}" if isinstance(value, str) else f"{value!r}"
    return text if len(text) <= 60 else f"{text[:57]}..."
