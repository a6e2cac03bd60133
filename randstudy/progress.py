"""How far a run is: a live view on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from randstudy.scheduling import Work

LINE_SECONDS = 10.0
"""Time between lines in a log."""


@dataclass
class Mean:
    """A running mean of one cell."""

    total: float = 0.0
    n: int = 0

    @property
    def value(self) -> float:
        """The mean so far."""
        return self.total / self.n if self.n else math.nan


@dataclass
class Progress:
    """Counts of a run.

    Parameters
    ----------
    planned, before : trials of the design, and those the ledger held at the start.
    cells_of : trial id -> labels of the cells it belongs to.
    maximize : whether more of the metric is better.
    """

    planned: int
    before: int
    metric: str
    maximize: bool
    cells_of: Mapping[str, Sequence[str]]
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.ended = self.diverged = self.failed = 0
        self.packs: dict[int, tuple[float, int]] = {}
        self.means: dict[str, Mean] = {}
        self.first: float | None = None

    def told(self, work: Work, report: Mapping[str, Any]) -> None:
        """Take a worker's report."""
        if self.first is None:
            self.first = time.monotonic()
        self.diverged += report.get("diverged", 0)
        for trial, value in report.get("ended", {}).items():
            self.ended += 1
            if value is not None and math.isfinite(value):
                for cell in self.cells_of.get(trial, ()):
                    mean = self.means.setdefault(cell, Mean())
                    mean.total += value
                    mean.n += 1
        if report.get("done"):
            self.packs.pop(work.number, None)
        else:
            self.packs[work.number] = (report.get("progress", 0.0), report.get("pack", 0))

    @property
    def done(self) -> int:
        """Trials accounted for."""
        return self.before + self.ended + self.failed

    @property
    def seconds(self) -> float:
        """Time since the run began."""
        return time.monotonic() - self.started

    @property
    def worth(self) -> float:
        """Trials' worth of training done by this run, those under way counted in part."""
        return self.ended + sum(share * pack for share, pack in self.packs.values())

    @property
    def rate(self) -> float | None:
        """Trials a second since the first report, or None when it is too early to tell."""
        if self.first is None or time.monotonic() - self.first < 1.0 or not self.worth:
            return None
        return self.worth / (time.monotonic() - self.started_training)

    @property
    def started_training(self) -> float:
        """When workers first had something to report, as near as is known."""
        return self.started if self.first is None else self.first

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest will take at this rate."""
        rate = self.rate
        left = self.planned - self.before - self.failed - self.worth
        return None if not rate else max(0.0, left / rate)

    def extremes(self) -> list[tuple[str, str, Mean]]:
        """Return (word, cell, mean) of the best and the worst cell so far."""
        if len(self.means) < 2:
            return []
        ranked = sorted(self.means.items(), key=lambda item: item[1].value, reverse=self.maximize)
        return [("best", *ranked[0]), ("worst", *ranked[-1])]

    def line(self) -> str:
        """Return the state as one line of text."""
        parts = [f"{self.done:,}/{self.planned:,} trials"]
        if self.rate:
            parts.append(f"{self.rate:.1f} a second")
        if self.seconds_left is not None and self.done < self.planned:
            parts.append(f"{duration(self.seconds_left)} left")
        if self.diverged:
            parts.append(f"{self.diverged:,} diverged")
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        return ", ".join(parts)

    def highlights(self) -> list[str]:
        """Return a line each for the best and the worst cell so far."""
        return [
            f"{word:5s} {self.metric} {mean.value:.4f} (n {mean.n})  {cell}"
            for word, cell, mean in self.extremes()
        ]


def duration(seconds: float) -> str:
    """Write a time for people: 4 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextlib.contextmanager
def shown(progress: Progress, out: TextIO = sys.stderr) -> Iterator[Any]:
    """Show `progress` while the block runs; yields a function to call after each change."""
    if out.isatty():
        with _live(progress, out) as refresh:
            yield refresh
        return
    last = time.monotonic()

    def write() -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            print(progress.line(), file=out, flush=True)

    yield write


@contextlib.contextmanager
def _live(progress: Progress, out: TextIO) -> Iterator[Any]:
    """Redraw a bar, the counts and the extreme cells in place."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    def view() -> Group:
        bar = ProgressBar(
            total=max(1, progress.planned), completed=progress.before + progress.worth, width=60
        )
        return Group(bar, *(Text(line) for line in [progress.line(), *progress.highlights()]))

    console = Console(file=out)
    with Live(view(), console=console, get_renderable=view, refresh_per_second=4):
        yield lambda: None
