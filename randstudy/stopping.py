"""Stopping a run: by Ctrl-C, by SIGTERM, or because it cannot go on."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """Whether somebody asked to stop, and by which signal."""

    signal: int | None = None
    fatal: str | None = None

    def __bool__(self) -> bool:
        return self.signal is not None or self.fatal is not None


@contextlib.contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run cleanly; a second one ends it at once.

    Only the main thread may handle signals; in another one they are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, _frame: FrameType | None) -> None:
        if stop.signal is not None:
            raise KeyboardInterrupt
        stop.signal = number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
