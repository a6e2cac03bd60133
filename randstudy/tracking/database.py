"""Our own SQLite file for MLflow: made once, whole, in the mode in which MLflow writes fastest."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mlflow import MlflowClient

from randstudy.errors import LedgerError
from randstudy.lock import lock
from randstudy.sealed import replace

PATIENCE_SECONDS = 60.0


def prepare(database: Path) -> None:
    """Make an MLflow database at `database` unless there is one.

    MLflow builds a fresh database by running all its migrations (seconds, most of it computing),
    and cannot go on from one that was killed half way; so it is built elsewhere and put in place
    whole. With a write-ahead log a run costs half as much, since a commit is one append.
    """
    if database.exists():
        return
    with alone(database.parent, "mlflow/database"):
        if not database.exists():
            for leftover in ("-wal", "-shm"):
                # The log of a database that was deleted would corrupt a new one.
                Path(f"{database}{leftover}").unlink(missing_ok=True)
            replace(database, _built())


def fold(database: Path) -> None:
    """Move the write-ahead log into the database, so that the one file may be copied.

    Where somebody else reads it (the UI), the log stays and nothing is lost.
    """
    if database.exists():
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(database, timeout=1.0)) as connection,
        ):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _built() -> bytes:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}").search_experiments(max_results=1)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


@contextlib.contextmanager
def alone(store: Path, name: str, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold a lock of the store, waiting for a holder that is about to end.

    Raises
    ------
    LedgerError
        It is still held after `patience` seconds.
    """
    end = time.monotonic() + patience
    with contextlib.ExitStack() as held:
        while True:
            try:
                held.enter_context(lock(store, name))
                break
            except LedgerError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield
