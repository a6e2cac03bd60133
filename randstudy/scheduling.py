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

from randstudy.lineage import Family, families, rows, take
from randstudy.outcomes import Failure
from randstudy.packs import USUAL, PackShape, evenly, fixed_width, shape_of
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
    shape: PackShape
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Mishap:
    """Why work came back without all its outcomes."""

    attempt: str
    kind: Literal["infrastructure", "memory", "error"]
    message: str
    traceback: str
    trial: str | None = None
    """The one trial to blame, where that is known."""


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
    known: dict[PackShape, int] = field(default_factory=dict)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        shapes: dict[PackShape, list[Trial]] = {}
        for trial in self.trials:
            shapes.setdefault(shape_of(trial.setup), []).append(trial)
        self._waiting = {shape: deque(families(some)) for shape, some in shapes.items()}
        self._again: deque[tuple[Trial, ...]] = deque()
        self._out: dict[int, Work] = {}
        self._calibrating: set[PackShape] = set()
        self._number = 0
        self.left = sum(map(len, shapes.values()))
        self.stillborn = 0
        self._alive = False

    def ask(self) -> Work | Literal["wait", "no more"]:
        """Return work, or why there is none."""
        if self._again:
            some = self._again.popleft()
            return self._hand_out("train", shape_of(some[0].setup), some)
        for shape, waiting in self._waiting.items():
            if not waiting:
                continue
            width = self._width(shape, waiting)
            if width is not None:
                return self._hand_out("train", shape, self._cut(waiting, width))
            if shape not in self._calibrating:
                self._calibrating.add(shape)
                return self._hand_out("calibrate", shape, waiting[0].trials[:1])
        if self._out and self._number < self.workers:
            return self._rehearse()
        return WAIT if self._out else NO_MORE

    def _width(self, shape: PackShape, waiting: deque[Family]) -> int | None:
        """Return the width of the next pack of a shape, None where it is to be calibrated first."""
        known = fixed_width(shape) or self.known.get(shape)
        return self.width or known or self._untimed(waiting)

    def _rehearse(self) -> Work | Literal["wait"]:
        """Have a worker that would wait for the first calibration start up and calibrate, too."""
        work = next(iter(self._out.values()))
        if fixed_width(work.shape) is not None:
            return WAIT
        return self._hand_out("calibrate", work.shape, work.trials[:1])

    def _untimed(self, waiting: deque[Family]) -> int | None:
        """Return a width for so few trials that a calibration would cost more than it brings."""
        return USUAL if rows(waiting) <= USUAL * self.workers else None

    def _cut(self, waiting: deque[Family], width: int) -> tuple[Trial, ...]:
        """Take the next pack off the trials of one shape."""
        return take(waiting, self.width or evenly(rows(waiting), width, self.workers))

    def _hand_out(
        self, kind: Literal["train", "calibrate"], shape: PackShape, trials: tuple[Trial, ...]
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

        Where one trial is known to be to blame it alone is given up, and the others go on.

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
        blamed = tuple(trial for trial in left if trial.id == what.trial)
        if blamed:
            self._give_up(blamed, what)
            rest = tuple(trial for trial in left if trial.id != what.trial)
            self._again.extend((rest,) if rest else ())
        elif len(left) > 1:
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
