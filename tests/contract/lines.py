"""Which lines of some functions are run: to see that every refusal has a case."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from entry import is_ours

Line = tuple[str, int]


def checks(owners: Iterable[type]) -> set[CodeType]:
    """Return the code of every `problems` and `misfits`, and what is called alike, of classes."""
    found: set[CodeType] = set()
    for owner in owners:
        for name in dir(owner):
            if "problems" in name or "misfits" in name:
                found |= _code(owner, name)
    return found


def _code(owner: type, name: str) -> set[CodeType]:
    """Return the code that a method's name stands for, with that of its `super`."""
    found: set[CodeType] = set()
    for each in filter(is_ours, owner.__mro__):
        if name in vars(each):
            code = vars(each)[name].__code__
            found |= set(_nested(code))
            if "super" not in code.co_names:
                break
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def lines(codes: Iterable[CodeType]) -> set[Line]:
    """Return the lines that hold something to run."""
    return {
        (code.co_filename, line)
        for code in codes
        for _, _, line in code.co_lines()
        if line is not None and line != code.co_firstlineno
    }


@contextmanager
def ran(codes: set[CodeType]) -> Iterator[set[Line]]:
    """Note the lines of these functions that are run meanwhile."""
    found: set[Line] = set()

    def within(frame: FrameType, event: str, _: Any) -> Any:
        found.add((frame.f_code.co_filename, frame.f_lineno))
        return within

    def called(frame: FrameType, event: str, _: Any) -> Any:
        return within if frame.f_code in codes else None

    before = sys.gettrace()
    sys.settrace(called)
    try:
        yield found
    finally:
        sys.settrace(before)
