"""What a function that trains on its own reads and writes: its trial, its streams, its reports."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from randstudy.handover import HandedRecipe
from randstudy.nearest import suggestion
from randstudy.streams import HandedStream, handed, handed_together, seed_globals
from randstudy.trials import Trial

METRIC = re.compile(r"[A-Za-z]\w*(?:[./-]\w+)*")
SECONDS = "_seconds"
TAKEN = ("trial", "cell", "status", "repeat", "attempt", "step", "steps", "epoch", "reason", "arm")
"""Columns of the frame that are no metrics."""


class ReportError(ValueError):
    """A report, or what the function returned, is not what it should be."""


class Diverged(Exception):  # noqa: N818 (an end, not an error)
    """Ends a training whose numbers are not finite any more; functions may raise it themselves."""


class HandedTrial:
    """The trial as the function sees it: parameters by ``trial["lr"]`` or ``trial.lr``.

    Attributes
    ----------
    id : 16 hex digits, the trial's name everywhere.
    parameters : name -> value, every one that the study declares.
    replicates, repeat : which draws these are; the streams are made from them already.
    device, threads : "cpu" or "cuda", and the cores that are this training's.
    """

    def __init__(self, trial: Trial, *, device: str, threads: int, folder: Path) -> None:
        assert isinstance(trial.setup, HandedRecipe)
        self.id = trial.id
        self.parameters: Mapping[str, Any] = trial.setup.parameters
        self.replicates = dict(trial.replicates)
        self.repeat = trial.repeat
        self.device, self.threads = device, threads
        self._folder = folder

    def __getitem__(self, name: str) -> Any:
        if name not in self.parameters:
            told = suggestion(name, list(self.parameters)) or "; it declares none"
            raise KeyError(f"the study declares no parameter {name!r} under train{told}")
        return self.parameters[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "parameters":  # asked of a copy that is still empty
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError as error:
            raise AttributeError(error.args[0]) from None

    @property
    def checkpoint_folder(self) -> Path:
        """A folder of this trial's own, kept until its outcome is in the ledger.

        After a crash the function is called again and finds here what it had written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder


class Streams(Mapping[str, HandedStream]):
    """The streams that the study declares: ``streams["init"].numpy()``, ``.torch()``, ``.integer``.

    Whoever asks for a stream draws the same numbers in every cell with the same replicate.
    """

    def __init__(self, trial: Trial) -> None:
        self._seed, self._replicates = trial.seed, dict(trial.replicates)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> HandedStream:
        if name not in self._replicates:
            raise KeyError(
                f"the study does not declare the stream {name!r}; under train it has streams: "
                f"[{', '.join(self._replicates)}]"
            )
        self.asked.add(name)
        return handed(self._seed, name, self._replicates[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._replicates)

    def __len__(self) -> int:
        return len(self._replicates)

    @property
    def together(self) -> HandedStream:
        """One stream for code that takes a single seed; it moves with each declared stream."""
        self.asked.update(self._replicates)
        return handed_together(self._seed, self._replicates)

    def seed_everything(self) -> int:
        """Seed the global generators of Python, numpy and torch from all streams together.

        Returns the seed, from 0 to 2**63 - 1.
        """
        together = self.together
        seed_globals(together)
        return together.integer

    @property
    def unasked(self) -> list[str]:
        """Declared streams that the function never asked for."""
        return sorted(set(self._replicates) - self.asked)


@dataclass(frozen=True)
class Point:
    """One report."""

    step: int
    epoch: float
    metrics: Mapping[str, float]


@dataclass(kw_only=True)
class Report:
    """Called by the function as it trains: ``report(step=100, validation_accuracy=0.9)``.

    Points are kept beside a checkpoint, once there is one, so that a training that goes on after a
    crash has the whole of its curves. A point at a step that was reported before takes the place of
    it and of all later ones.
    """

    file: Path
    columns: frozenset[str] = frozenset()
    points: list[Point] = field(default_factory=list)
    broken: str = ""

    def __post_init__(self) -> None:
        self._last, self._written = 0, 0
        if self.file.exists():
            self.points = [Point(*json.loads(line)) for line in _whole(self.file.read_text())]
            self._written = len(self.points)

    def __call__(
        self,
        metrics: Mapping[str, Any] | None = None,
        /,
        *,
        step: int | None = None,
        epoch: float | None = None,
        **named: Any,
    ) -> None:
        """Add a point to the curves.

        Parameters
        ----------
        metrics, named : metric -> number; a mapping where names are no words of Python.
        step : grows from report to report; counted from 1 unless given.
        epoch : the same in epochs; the step unless given.

        Raises
        ------
        Diverged
            A number is not finite: the training ends here, and is counted as diverged.
        """
        values = numbers({**(metrics or {}), **named}, self.columns)
        if step is None and self._written and not self._last:
            raise ReportError("which step is this? A training that goes on has to say so: step=…")
        at = self._last + 1 if step is None else int(step)
        if at <= self._last or at < 0:
            raise ReportError(f"step {at} comes after step {self._last}; steps grow")
        refuse_broken(values, self)
        self._last = at
        kept = [point for point in self.points if point.step < at]
        rewritten = len(kept) < len(self.points)
        self.points = [*kept, Point(at, float(at if epoch is None else epoch), values)]
        self._keep(rewritten=rewritten)

    @property
    def names(self) -> list[str]:
        """All metrics that were reported, in order."""
        return list(dict.fromkeys(name for point in self.points for name in point.metrics))

    def _keep(self, *, rewritten: bool) -> None:
        """Write new points to the file, where the function has asked for a folder."""
        if not self.file.parent.exists():
            return
        start = 0 if rewritten else self._written
        lines = [json.dumps([one.step, one.epoch, one.metrics]) for one in self.points[start:]]
        with self.file.open("a" if start else "w") as out:
            out.writelines(f"{line}\n" for line in lines)
        self._written = len(self.points)


def _whole(text: str) -> list[str]:
    """Return the lines that a crash did not cut short."""
    return text.split("\n")[:-1]


def refuse_broken(values: Mapping[str, float], report: Report) -> None:
    """End the training where a value is not finite; a function that goes on ends here again."""
    bad = next((name for name, value in values.items() if not math.isfinite(value)), None)
    if bad is not None and not report.broken:
        report.broken = f"non-finite {bad}"
    if report.broken:
        raise Diverged(report.broken)


def numbers(values: Mapping[str, Any], columns: frozenset[str] = frozenset()) -> dict[str, float]:
    """Check names and values of metrics; `columns` are names that the study has taken.

    Raises
    ------
    ReportError
        A name is no metric's, or a value no number.
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        if not isinstance(name, str) or len(name) > 100 or not METRIC.fullmatch(name):
            raise ReportError(f"{name!r:.60} cannot name a metric; use letters, digits and _")
        if name in TAKEN or name in columns or name.startswith(("replicate.", "provenance.")):
            raise ReportError(f"{name!r} is a column of the frame; call the metric something else")
        try:
            found[name] = float(value)
        except (TypeError, ValueError, RuntimeError):
            raise ReportError(f"{name} is {type(value).__name__}, not a number") from None
        if isinstance(value, str):
            raise ReportError(f"{name} is text, not a number")
    return found
