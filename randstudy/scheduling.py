"""What to train next: an ask/tell queue of work, free of Ray.

`ask` hands out work, `tell` takes back what became of it. Today's answer depends only on what is
missing and on what failed; a design that adapts to results would answer behind the same two calls.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from randstudy.outcomes import Failure
from randstudy.packs import USUAL, Shape, evenly, shape_of
from randstudy.trials import Trial

WAIT: Literal["wait"] = "wait"
"""Nothing can be handed out before some work comes back."""

NO_MORE: Literal["no more"] = "no more"
"""Everything is accounted for."""


@dataclass(frozen=True)
class Work:
    """Something for one worker: train these trials as a pack, or measure how wide packs may be."""

    number: int
    kind: Literal["train", "calibrate"]
    shape: Shape
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Mishap:
    """Why work came back without all its outcomes."""

    attempt: str
    kind: Literal["infrastructure", "memory", "error"]
    message: str
    traceback: str


@dataclass
class Queue:
    """Missing trials, cut into packs as workers ask for them.

    Parameters
    ----------
    trials : what is missing, in the order of the design.
    workers : how many packs train at once.
    width : trials a pack, or None to have each shape calibrated first.
    known : widths of shapes that were calibrated before.
    fail : called with the evidence for trials that are given up.

    ``left`` counts trials not accounted for; ``stillborn`` those packs that were lost to dead
    workers before any worker had shown that it can work.
    """

    trials: Iterable[Trial]
    workers: int
    width: int | None
    fail: Callable[[Failure], object]
    known: dict[Shape, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._waiting: dict[Shape, deque[Trial]] = {}
        for trial in self.trials:
            self._waiting.setdefault(shape_of(trial.recipe), deque()).append(trial)
        self._again: deque[tuple[Trial, ...]] = deque()
        self._out: dict[int, Work] = {}
        self._calibrating: set[Shape] = set()
        self._number = 0
        self.left = sum(map(len, self._waiting.values()))
        self.stillborn = 0
        self._alive = False

    def ask(self) -> Work | Literal["wait", "no more"]:
        """Return work, or why there is none."""
        if self._again:
            some = self._again.popleft()
            return self._hand_out("train", shape_of(some[0].recipe), some)
        for shape, waiting in self._waiting.items():
            if not waiting:
                continue
            width = self.width or self.known.get(shape) or self._untimed(waiting)
            if width is not None:
                return self._hand_out("train", shape, self._cut(waiting, width))
            if shape not in self._calibrating:
                self._calibrating.add(shape)
                return self._hand_out("calibrate", shape, (waiting[0],))
        if self._out and self._number < self.workers:
            return self._rehearse()
        return WAIT if self._out else NO_MORE

    def _rehearse(self) -> Work:
        """Have a worker that would wait for the first calibration start up and calibrate, too."""
        work = next(iter(self._out.values()))
        return self._hand_out("calibrate", work.shape, work.trials[:1])

    def _untimed(self, waiting: deque[Trial]) -> int | None:
        """Return a width for so few trials that a calibration would cost more than it brings."""
        return USUAL if len(waiting) <= USUAL * self.workers else None

    def _cut(self, waiting: deque[Trial], width: int) -> tuple[Trial, ...]:
        """Take the next pack off the trials of one shape."""
        elsewhere = any(other for other in self._waiting.values() if other is not waiting)
        size = width if elsewhere or self.width else evenly(len(waiting), width, self.workers)
        return tuple(waiting.popleft() for _ in range(min(size, len(waiting))))

    def _hand_out(
        self, kind: Literal["train", "calibrate"], shape: Shape, trials: tuple[Trial, ...]
    ) -> Work:
        self._number += 1
        self._out[self._number] = Work(self._number, kind, shape, trials)
        return self._out[self._number]

    def calibrated(self, number: int, width: int) -> None:
        """Take back the width that a shape's packs may have."""
        work = self._out.pop(number)
        self._alive = True
        self.known[work.shape] = width
        self._calibrating.discard(work.shape)

    def trained(self, number: int) -> None:
        """Take back a pack whose outcomes are all in the ledger."""
        self._alive = True
        self.left -= len(self._out.pop(number).trials)

    def mishap(self, number: int, what: Mishap, committed: Iterable[str] = ()) -> None:
        """Take back work that went wrong: halve the pack and try again, or give up a lone trial.

        Halving finds a trial that breaks its neighbours in about log2 of the width, and is what a
        pack that ran out of memory needs anyway.
        """
        work = self._out.pop(number)
        self._alive = self._alive or what.kind != "infrastructure"
        self.stillborn += not self._alive
        if work.kind == "calibrate":
            self._calibrating.discard(work.shape)
            self.known.setdefault(work.shape, 1)
            return
        done = set(committed)
        left = tuple(trial for trial in work.trials if trial.id not in done)
        self.left -= len(work.trials) - len(left)
        if what.kind == "memory" and work.shape in self.known:
            half = max(1, len(work.trials) // 2)
            self.known[work.shape] = min(half, self.known[work.shape])
        if len(left) > 1:
            middle = (len(left) + 1) // 2
            self._again.extend((left[:middle], left[middle:]))
        else:
            self._give_up(left, what)

    def _give_up(self, trials: Sequence[Trial], what: Mishap) -> None:
        for trial in trials:
            self.left -= 1
            self.fail(
                Failure(
                    attempt=what.attempt,
                    trials=(trial.id,),
                    kind=what.kind,
                    message=what.message,
                    traceback=what.traceback,
                    unix_time=self.clock(),
                )
            )

    @property
    def handed_out(self) -> int:
        """Orders handed out so far."""
        return self._number
