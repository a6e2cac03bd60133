"""Trials that a function of somebody's own trains, one after another in one process.

The same small interface as `PackRun`: `advance`, `take`, `done`, `progress`. Each function
runs in a thread, so that the worker can say that it lives; what it prints goes no further.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from randstudy import digests
from randstudy.handover import USUAL_STREAMS, HandedRecipe, function_named
from randstudy.numerics import configure, numerics_class, versions
from randstudy.outcomes import Outcome
from randstudy.training.reports import (
    SECONDS,
    Diverged,
    HandedTrial,
    Report,
    ReportError,
    Streams,
    numbers,
    refuse_broken,
)
from randstudy.trials import Trial

CHECKPOINTS = "checkpoints"
LEAST_WAIT = 0.001
PRINTED = 2000
"""Characters of what a function printed last that stand with its error."""


class HandedRun:
    """Trials handed to a function of somebody's own.

    Parameters
    ----------
    trials : in the order in which they train.
    store : folder in which functions may keep checkpoints.
    metric : the study's; a function that never says it has failed. Empty: any will do.
    device, threads : what the function may use.
    predictions : keep the predicted classes that functions return.

    An exception of the function comes out of `advance`; `blamed` names the trial then, and the next
    call goes on with the trial after it.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        *,
        store: Path,
        metric: str = "",
        device: str = "cpu",
        threads: int = 1,
        predictions: bool = True,
    ) -> None:
        self.total, self.step = len(trials), 0
        self.blamed: str | None = None
        self.store, self.metric, self.predictions = store, metric, predictions
        self.device, self.threads = device, threads
        self._waiting = list(trials)
        self._going: Attempt | None = None
        self._ended: list[Outcome] = []

    @property
    def done(self) -> bool:
        """Whether every trial has ended."""
        return not self._waiting and self._going is None

    @property
    def progress(self) -> float:
        """Share of the trials that have ended."""
        return self.step / self.total if self.total else 1.0

    @property
    def alive(self) -> int:
        """Trials that have not ended."""
        return len(self._waiting) + (self._going is not None)

    def take(self) -> list[Outcome]:
        """Hand over the outcomes of trials that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def advance(self, seconds: float = math.inf) -> None:
        """Train for about `seconds`, or to the end.

        Raises
        ------
        Exception
            Whatever a function raised, or what was wrong with what it reported.
        """
        stop = time.monotonic() + seconds
        while not self.done:
            if self._going is None:
                self._going = self._begin(self._waiting.pop(0))
            left = stop - time.monotonic()
            self._going.wait(None if math.isinf(left) else max(LEAST_WAIT, left))
            if self._going.running:
                return
            ended, self._going = self._going, None
            self.step += 1
            self.blamed = ended.trial.id
            self._ended.append(ended.outcome(self.metric, predictions=self.predictions))
            self.blamed = None
            if time.monotonic() >= stop:
                return

    def _begin(self, trial: Trial) -> Attempt:
        """Start the function for a trial."""
        self.blamed = trial.id
        begun = Attempt(trial, self.store, device=self.device, threads=self.threads)
        self.blamed = None
        return begun


class Attempt:
    """One call of the function, in a thread of its own."""

    def __init__(self, trial: Trial, store: Path, *, device: str, threads: int) -> None:
        assert isinstance(trial.setup, HandedRecipe)
        self.trial, self.device, self.threads = trial, device, threads
        self.function = function_named(trial.setup.train.function)
        self.provenance = _provenance(trial, device)
        folder = checkpoint_folder(store, trial.id, self.provenance["source_digest"])
        # What went on from a checkpoint need not draw again what it drew before.
        self.resumed = folder.exists()
        self.report = Report(
            file=folder / ".reports.jsonl", columns=frozenset(trial.setup.parameters)
        )
        self.streams = Streams(trial)
        self.given = HandedTrial(trial, device=device, threads=threads, folder=folder)
        self.returned: Any = None
        self.error: BaseException | None = None
        self.printed = Tail()
        self.began = time.monotonic()
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._call, name=trial.id, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the function has not returned yet."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None) -> None:
        """Wait for the function to return, at most so long."""
        self._thread.join(seconds)

    def _call(self) -> None:
        """Call the function; whatever it raises is kept."""
        try:
            configure(self.device, self.threads)
            with contextlib.redirect_stdout(self.printed), contextlib.redirect_stderr(self.printed):
                self.returned = self.function(self.given, self.streams, self.report)
        except BaseException as error:  # noqa: BLE001 (even sys.exit() must not pass for success)
            self.error = error
        self.seconds = time.monotonic() - self.began

    def outcome(self, metric: str, *, predictions: bool) -> Outcome:
        """Return what came of it.

        Raises
        ------
        Exception
            What the function raised, or what is wrong with what it said.
        """
        try:
            if self.error is None:
                return self._finished(metric, predictions=predictions)
            raise self.error
        except Diverged as end:
            return self._diverged(metric, str(end) or "the function said so")
        except Exception as error:
            if self.printed.text:
                error.add_note(f"It had printed last:\n{self.printed.text}")
            raise
        except BaseException as error:
            raise RuntimeError(f"the function ended its process ({error!r}); return instead") from (
                error
            )

    def _finished(self, metric: str, *, predictions: bool) -> Outcome:
        """Check what was said, and close the trial."""
        if self.report.broken:
            raise Diverged(self.report.broken)
        metrics, predicted = self._said()
        seconds = {name: metrics.pop(name) for name in list(metrics) if name.endswith(SECONDS)}
        refuse_broken(metrics, self.report)
        if metric and metric not in metrics:
            there = ", ".join(metrics) or "nothing"
            raise ReportError(f"the study's metric is {metric}; the function came to {there}")
        if self.streams.unasked and not self.resumed:
            raise ReportError(self._unasked())
        kept = predicted if predictions else None
        digest = _digest(metrics, predicted)
        return self._outcome(metrics, seconds=seconds, predictions=kept, digest=digest)

    def _unasked(self) -> str:
        """Say which streams the function never asked for, and what to write instead."""
        assert isinstance(self.trial.setup, HandedRecipe)
        train, idle = self.trial.setup.train, self.streams.unasked
        used = ", ".join(one for one in train.streams if one not in idle)
        usual = " and ".join(USUAL_STREAMS)
        default = f" ({usual} are the default)" if set(train.streams) == {*USUAL_STREAMS} else ""
        return (
            f"the study declares the streams {', '.join(idle)} under train{default}, but the "
            "function never asked for them, so their replicates would be the same training: use "
            f"them, or write train: {{function: {train.function}, streams: [{used}]}}"
        )

    def _said(self) -> tuple[dict[str, float], NDArray[np.uint8] | None]:
        """Return final metrics and predictions: what was returned, or else reported last."""
        returned = self.returned
        if returned is None:
            if not self.report.points:
                raise ReportError("the function returned no metrics and reported none")
            return dict(self.report.points[-1].metrics), None
        if not isinstance(returned, Mapping):
            raise ReportError(
                f"the function returned {type(returned).__name__}; return metrics by name, as in "
                '{"test_accuracy": 0.97}, or nothing'
            )
        values = dict(returned)
        predicted = _classes(values.pop("predictions", None))
        return numbers(values, self.report.columns), predicted

    def _diverged(self, metric: str, reason: str) -> Outcome:
        """Close a trial whose numbers are not finite any more; its final metrics are all NaN."""
        names = dict.fromkeys([*self.report.names, *([metric] if metric else [])], math.nan)
        return self._outcome(names, status="diverged", reason=reason)

    def _outcome(
        self,
        metrics: Mapping[str, float],
        *,
        status: str = "finished",
        reason: str = "",
        seconds: Mapping[str, float] | None = None,
        predictions: NDArray[np.uint8] | None = None,
        digest: str = "",
    ) -> Outcome:
        points = self.report.points
        return Outcome(
            trial=self.trial.id,
            status="finished" if status == "finished" else "diverged",
            reason=reason,
            steps=points[-1].step if points else 0,
            metrics=dict(metrics),
            curve_step=np.array([point.step for point in points], np.int64),
            curve_epoch=np.array([point.epoch for point in points], np.float64),
            curves={
                name: np.array([point.metrics.get(name, math.nan) for point in points])
                for name in self.report.names
            },
            predictions=predictions,
            weights_digest=digest,
            settings=self.trial.settings,
            replicates=dict(self.trial.replicates),
            provenance=self.provenance,
            seconds={"train_seconds": self.seconds, **(seconds or {})},
        )


class Tail(io.TextIOBase):
    """Keeps the end of what is written to it."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        """Take text."""
        return True

    def write(self, text: str) -> int:
        """Keep the last characters."""
        self.text = (self.text + text)[-PRINTED:]
        return len(text)

    def close(self) -> None:
        """Stay open: what a function closes is not its own."""


def checkpoint_folder(store: Path, trial: str, digest: str) -> Path:
    """Return where a trial's function may keep files; changed code does not find older code's."""
    return store / CHECKPOINTS / f"{trial}-{digest}"


def discard_checkpoints(store: Path, trial: str) -> None:
    """Remove what a trial's function kept, now that its outcome is in the ledger."""
    for folder in (store / CHECKPOINTS).glob(f"{trial}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _provenance(trial: Trial, device: str) -> dict[str, str]:
    found = {"numerics_class": numerics_class(device), **versions()}
    return found | {"source_digest": digests.source_digest(trial.setup)}


def _classes(values: Any) -> NDArray[np.uint8] | None:
    """Return predicted classes as they are kept."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
        raise ReportError("predictions must be whole numbers in one row: the class of each example")
    if array.min() < 0 or array.max() > 255:
        raise ReportError("predictions are classes from 0 to 255")
    return array.astype(np.uint8)


def _digest(metrics: Mapping[str, float], predicted: NDArray[np.uint8] | None) -> str:
    """Return 32 hex digits over what a training came to; of its weights nothing is known here."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(metrics):
        digest.update(f"{name}={metrics[name].hex()}\0".encode())
    digest.update(b"" if predicted is None else predicted.tobytes())
    return digest.hexdigest()


Function = Callable[[HandedTrial, Streams, Report], Mapping[str, Any] | None]
"""What a study names under ``train``."""
