"""The exporter: a process beside training that keeps MLflow up to date with the ledger.

Neither the driver nor training waits for it or imports MLflow. The driver's end of its standard
input is its life line: the word ``finish`` makes it complete everything, report and exit; the end
of input without that word, which is also what a killed driver leaves, makes it stop at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO

import randstudy
from randstudy.study import Study
from randstudy.tracking.place import ENVIRONMENT, place
from randstudy.tracking.plan import plan
from randstudy.tracking.report import Report

FINISH = "finish\n"
STOP_SECONDS = 4.0
LEAST_SECONDS = 60.0
TRIAL_SECONDS = 0.1


class Exporter:
    """A running exporter, as the driver sees it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        said: IO[bytes],
        errors: IO[bytes],
        where: str,
        trials: int,
    ) -> None:
        self._process = process
        self._trials = trials
        self._said = said
        self._errors = errors
        self._where = where

    def report(self) -> Report:
        """Return what the exporter last said, without waiting for it."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")[:-1]
        for line in reversed(lines):
            with contextlib.suppress(ValueError, TypeError):
                return Report(**json.loads(line))
        return Report(place=self._where, done=False)

    def finish(self, timeout: float | None = None) -> Report:
        """Let it write what is left, for `timeout` seconds at most; never raises for MLflow.

        Without a limit given it gets a minute and 0.1 s a trial, some four times what its own
        database takes. What it did not get to is written by the next export.
        """
        timeout = LEAST_SECONDS + TRIAL_SECONDS * self._trials if timeout is None else timeout
        self._tell(FINISH)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            return self._ended(f"stopped after {timeout:g} s")
        return self._ended("")

    def stop(self) -> Report:
        """Make it stop at once, leaving the rest to the next export."""
        self._tell("")
        return self._ended("")

    def _tell(self, word: str) -> None:
        """Write a last word and hang up; an exporter that is gone hears nothing."""
        assert self._process.stdin is not None, "it was started with a pipe"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(word.encode())
            self._process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _ended(self, why: str) -> Report:
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        report = self.report()
        if not report.done:
            report = replace(report, error=report.error or why or self._last_words())
        self._said.close()
        self._errors.close()
        return report

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        ending = f"the exporter ended with code {self._process.returncode}"
        return f"{ending}: {lines[-1][:300]}" if lines else ending


def start(study: Study, store: Path) -> Exporter:
    """Start the exporter of a study; it works until told to `finish`.

    Raises
    ------
    RandstudyError
        The study's tracking URI cannot be used.
    """
    store = store.resolve()
    planned = plan(study)
    where = place(store, planned.uri)
    store.mkdir(parents=True, exist_ok=True)
    said, errors = _scratch(), _scratch()
    # By descriptor, so that nothing is left to clear away and no URI stands in a process list.
    with tempfile.TemporaryFile() as handed:
        handed.write(planned.to_json().encode())
        handed.seek(0)
        process = subprocess.Popen(
            # -P: the store, in which it works, is no place to import from.
            [sys.executable, "-P", "-m", "randstudy.tracking", str(store), str(handed.fileno())],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=errors,
            cwd=store,
            env=environment(),
            pass_fds=(handed.fileno(),),
            # Ctrl-C is for the driver, which then says what the exporter is to do.
            start_new_session=True,
        )
    trials = sum(len(cell.trials) for cell in planned.cells)
    return Exporter(process, said, errors, where.uri, trials)


def _scratch() -> IO[bytes]:
    """Return a file that the exporter writes to: unlike a pipe it is never full."""
    return tempfile.TemporaryFile()


def environment() -> dict[str, str]:
    """Return this process's environment, with what MLflow needs to behave and be found."""
    source = str(Path(randstudy.__file__).parent.parent)
    paths = [source, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    search = {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    return ENVIRONMENT | dict(os.environ) | search


def line(report: Report) -> str:
    """Return a report as the one line that the exporter prints."""
    return json.dumps(asdict(report))
