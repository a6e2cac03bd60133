"""One driver a study: a lock that names its holder and dies with it.

The kernel's lock (flock) on the file decides on one machine: it ends with the process that holds
it, however that ends, and a process number used again cannot confuse it. The holder written in
the file is for people, and for a store that several machines share, where flock may not reach.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from randstudy.errors import LedgerError
from randstudy.sealed import make_folder

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@dataclass(frozen=True)
class Holder:
    """The process that drives a study."""

    pid: int
    host: str
    boot: str
    unix_time: float

    @classmethod
    def here(cls) -> Holder:
        """Return this process."""
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
        return cls(os.getpid(), socket.gethostname(), boot, time.time())

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.unix_time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} on {self.host}, since {since}"


def lock_path(store: Path, study: str) -> Path:
    """Return the lock file of a study, whatever characters its name has."""
    return store / "ledger" / "locks" / f"{quote(study, safe=' ')}.json"


@contextlib.contextmanager
def lock(store: Path, study: str) -> Iterator[Holder]:
    """Hold the study's lock in `store`; the lock of a driver that died is taken over.

    Raises
    ------
    LedgerError
        Another driver holds it (the message says which), or the file cannot be written.
    """
    path = lock_path(store, study)
    descriptor = _open(path)
    try:
        _claim(descriptor, path, study)
        me = Holder.here()
        _inscribe(descriptor, path, json.dumps(asdict(me)))
        try:
            yield me
        finally:
            # Emptied, not removed: one who opened the file before a removal would lock a ghost.
            _inscribe(descriptor, path, "")
    finally:
        os.close(descriptor)


def holder(store: Path, study: str) -> Holder | None:
    """Return who holds the study's lock, as far as can be told without touching the lock."""
    path = lock_path(store, study)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        named = _read(descriptor)
    finally:
        os.close(descriptor)
    return None if named is None or _gone(named, granted=None) else named


def _claim(descriptor: int, path: Path, study: str) -> None:
    granted = _flock(descriptor, path)
    named = _read(descriptor)
    if granted is not False and (named is None or _gone(named, granted)):
        return
    advice = "wait until it ends, or stop it"
    if granted is not False:
        advice += f"; if it is gone for certain, remove {path}"
    raise LedgerError(
        f"study {study!r} is already being run in {path.parent.parent.parent} by "
        f"{named or 'a process that has not yet written its name'}: {advice}."
    )


def _gone(named: Holder, granted: bool | None) -> bool:
    """Say whether a named holder is surely dead; `granted` as `_flock` returned it."""
    here = Holder.here()
    if named.boot != here.boot:
        return named.host == here.host
    if granted is not None:
        return granted
    if named.host != here.host:
        return False
    try:
        os.kill(named.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _flock(descriptor: int, path: Path) -> bool | None:
    """Try the kernel's lock: True granted, False refused, None where the file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_FLOCK:
            return None
        raise LedgerError(f"cannot lock {path}: {error.strerror or error}") from error
    return True


def _open(path: Path) -> int:
    try:
        make_folder(path.parent)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LedgerError(
            f"cannot write {path}: {error.strerror or error}. Name a folder that can be written "
            "with --store."
        ) from error


def _read(descriptor: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (ValueError, TypeError):
        return None


def _inscribe(descriptor: int, path: Path, text: str) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        os.fsync(descriptor)
    except OSError as error:
        raise LedgerError(f"cannot write {path}: {error.strerror or error}; make room") from error
