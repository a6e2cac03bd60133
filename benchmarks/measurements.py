"""What one benchmark run measured, and the figures that are made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from benchmarks.limit import Limit
from benchmarks.ours import OurRun
from benchmarks.peers import PeerRun
from benchmarks.serial import SerialRun

MB = 1e6


@dataclass
class Measurements:
    """Everything measured in one run on one machine; several of a kind are repetitions."""

    trials: int
    ours: list[OurRun] = field(default_factory=list)
    serial: list[SerialRun] = field(default_factory=list)
    plain: list[PeerRun] = field(default_factory=list)
    reuse: list[PeerRun] = field(default_factory=list)
    limit: list[Limit] = field(default_factory=list)
    large: list[OurRun] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, the figures and bars among them."""
        bars = [asdict(bar) | {"passed": bar.passed} for bar in self.bars()]
        return asdict(self) | {"bars": bars}

    @property
    def total(self) -> float:
        """Median wall seconds of our whole run."""
        return median(run.total_seconds for run in self.ours)

    @property
    def rate(self) -> float:
        """Median trials a second after start-up, all tracking included."""
        return 1 / median(run.seconds_per_trial for run in self.ours)

    def bars(self) -> Iterator[Bar]:
        """Yield the bars that can be told from what was measured."""
        if self.ours:
            yield from self._against_peers()
        if self.ours and self.serial:
            each = median(run.seconds_per_trial for run in self.serial)
            bare = median(run.total(self.trials) for run in self.serial)
            yield Bar("bare serial PyTorch loop, after start-up", each * self.rate, 2.0, "x")
            yield Bar("bare serial PyTorch loop, overall", bare / self.total, 1.5, "x")
        yield from self._at_scale()

    def _against_peers(self) -> Iterator[Bar]:
        for name, runs, least in (
            ("Ray Tune + MLflowLoggerCallback, overall", self.plain, 60.0),
            ("the same with reuse_actors, overall", self.reuse, 15.0),
        ):
            if runs:
                peer = median(run.total(self.trials) for run in runs)
                yield Bar(name, peer / self.total, least, "x")

    def _at_scale(self) -> Iterator[Bar]:
        for run in self.large:
            name = f"{run.trials:,} trials"
            if run.driver_growth is not None:
                yield Bar(f"{name}: driver grows", run.driver_growth / MB, 300.0, " MB", most=True)
            if self.ours:
                share = 100 / run.seconds_per_trial / self.rate
                yield Bar(f"{name}: rate of that at {self.trials:,}", share, 80.0, " %")


@dataclass(frozen=True)
class Bar:
    """A figure that must be at least, or less than, some value."""

    name: str
    value: float
    bar: float
    unit: str
    most: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure is good enough."""
        return self.value < self.bar if self.most else self.value >= self.bar

    def __str__(self) -> str:
        word = "PASS" if self.passed else "FAIL"
        asked = f"{'<' if self.most else '>='} {self.bar:g}{self.unit}"
        return f"{word}  {self.name:55s} {self.value:8.2f}{self.unit:3s} {asked:>10s}"


def spread(values: Sequence[float], digits: int) -> str:
    """Write a median, with the range where there are several."""
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f}-{max(values):.{digits}f})"
