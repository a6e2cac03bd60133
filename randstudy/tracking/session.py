"""A connection to MLflow that may fail and be made anew, without a word of it lost."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from randstudy.errors import RandstudyError
from randstudy.ledger import Ledger
from randstudy.reports import folder_of
from randstudy.tracking.database import alone, fold
from randstudy.tracking.mirror import Mirror, never
from randstudy.tracking.place import place
from randstudy.tracking.plan import Plan
from randstudy.tracking.report import Report
from randstudy.tracking.runs import Runs

# What a tracker that is down, full, locked or damaged raises; requests' errors are OSErrors.
ERRORS = (MlflowException, SQLAlchemyError, OSError, RandstudyError)
PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
CONNECT_SECONDS = 5.0


class Session:
    """One exporter of a study. After an error everything is read again and compared afresh."""

    def __init__(self, plan: Plan, store: Path, patience: float) -> None:
        self._plan = plan
        self._store = store
        self._place = place(store, plan.uri)
        self._ledger = Ledger(store)
        self._patience = patience
        self._held = contextlib.ExitStack()
        self._alone = False
        self._runs: Runs | None = None
        self._mirror: Mirror | None = None
        self._before = (0, 0)
        self._error = ""

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self._alone and self._place.own is not None:
            fold(self._place.own)
        self._held.close()

    def advance(self, stop: Callable[[], bool] = never) -> bool:
        """Write what is new; return whether that succeeded."""
        return self._try(lambda mirror: mirror.advance(stop))

    def close(self, stop: Callable[[], bool] = never) -> bool:
        """Write what is new, then complete cells and study."""

        def everything(mirror: Mirror) -> None:
            mirror.advance(stop)
            mirror.close(stop)

        return self._try(everything)

    def abandon(self) -> None:
        """Leave nothing RUNNING if that is still possible."""
        if self._mirror is not None:
            self._try(Mirror.abandon)

    def _try(self, action: Callable[[Mirror], None]) -> bool:
        try:
            action(self._connected())
        except ERRORS as error:
            self._error = _brief(error)
            self._before = self._written()
            self._runs = self._mirror = None
            return False
        self._error = ""
        return True

    def _connected(self) -> Mirror:
        if self._mirror is None:
            if not self._alone:
                name = f"{self._plan.study}/mlflow"
                self._held.enter_context(alone(self._store, name, self._patience))
                self._alone = True
            reach(self._place.uri)
            self._runs = Runs(self._place, self._plan.study)
            self._mirror = Mirror(
                self._plan, self._ledger, self._runs, folder_of(self._plan.study, self._store)
            )
        return self._mirror

    def _written(self) -> tuple[int, int]:
        written, removed = self._before
        if self._runs is None:
            return written, removed
        return written + self._runs.written, removed + self._runs.removed

    def report(self, *, done: bool) -> Report:
        """Say how far MLflow is; without a connection nothing counts as mirrored."""
        mirrored, behind = (0, 0)
        error = self._error
        if self._mirror is not None:
            mirrored, behind = self._mirror.mirrored, self._mirror.behind
            error = error or next(iter(self._mirror.refused.values()), "")
        else:
            try:
                held = self._ledger.index(skip_damaged=True)
            except ERRORS as problem:
                error = error or _brief(problem)
            else:
                planned = {trial.id for cell in self._plan.cells for trial in cell.trials}
                behind = len(planned & held.keys())
        written, removed = self._written()
        return Report(
            mirrored=mirrored,
            behind=behind,
            written=written,
            removed=removed,
            place=self._place.uri,
            error=error,
            done=done,
        )


def reach(uri: str) -> None:
    """Fail within seconds when a database server cannot be reached: MLflow itself tries for hours.

    Raises
    ------
    OSError
        Nothing listens there.
    """
    parts = urlsplit(uri)
    port = PORTS.get(parts.scheme.split("+")[0])
    if port is not None and parts.hostname:
        socket.create_connection((parts.hostname, parts.port or port), CONNECT_SECONDS).close()


def _brief(error: Exception) -> str:
    """Return the line of an error that names its cause.

    In SQLAlchemy's that is the one with the database's own words, behind a line about autoflush
    and before the SQL.
    """
    lines = [line for line in str(error).strip().splitlines() if "raised as a result" not in line]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def synchronise(plan: Plan, store: Path, patience: float) -> Report:
    """Bring MLflow up to date with the ledger in this process."""
    with Session(plan, store, patience) as session:
        done = session.close()
        return session.report(done=done)


def backoff(failures: int) -> float:
    """Return the seconds to wait after so many failures in a row: 1, 2, 4 … 30."""
    return float(min(30, 2 ** min(failures - 1, 5))) if failures else 0.0
