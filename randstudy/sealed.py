"""Sealed files: whole or absent, never changed, and each naming the digest of its own bytes.

A file is called ``<stem>-<digest><suffix>``, with 16 hex digits of BLAKE2b over its content. Any
flipped or missing byte, wherever it lies, therefore contradicts the name, and a file written
twice with the same content is one file. It appears under its name only when it is complete and on
disk: written beside under a hidden name, fsynced, renamed, then the folder fsynced.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from randstudy.errors import LedgerError

T = TypeVar("T")
SEALED = re.compile(r"^(?P<stem>.+)-(?P<digest>[0-9a-f]{16})\.[a-z]+$")
LEFT_BEHIND_SECONDS = 24 * 3600.0
LISTINGS = 5


class DamagedError(LedgerError):
    """A sealed file whose bytes are not those that were written."""


def digest(content: bytes) -> str:
    """Return the 16 hex digits that seal `content`."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def seal(folder: Path, stem: str, suffix: str, content: bytes) -> Path:
    """Write `content` durably and return its path; after a crash it is there whole or not at all.

    Raises
    ------
    LedgerError
        The file could not be written (disk full, no permission); nothing of it is left.
    """
    path = folder / f"{stem}-{digest(content)}{suffix}"
    replace(path, content)
    return path


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader sees the old bytes or the new ones."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    try:
        make_folder(path.parent)
        try:
            _write(hidden, content)
            os.rename(hidden, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(hidden)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise LedgerError(
            f"cannot write {path}: {error.strerror or error}; nothing of it was kept. Make room "
            "there, or name a folder that can be written with --store, and run again."
        ) from error


def unseal(path: Path) -> bytes:
    """Return the content of a sealed file, checked against its name.

    Raises
    ------
    DamagedError
        The bytes are not those that were written, or the name is not that of a sealed file.
    FileNotFoundError
        There is no such file (a reader may have listed it just before it was compacted).
    LedgerError
        It cannot be read (no permission, an error of the disk).
    """
    name = SEALED.match(path.name)
    if name is None:
        raise DamagedError(f"{path}: not a name that randstudy gives; move it out of the ledger")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise LedgerError(f"cannot read {path}: {error.strerror or error}") from error
    if digest(content) != name["digest"]:
        raise DamagedError(f"{path}: damaged, its {len(content):,} bytes are not those written")
    return content


class Shelf(Generic[T]):
    """A folder of sealed files, each read once and kept as what `decode` makes of it.

    Damaged files are named in `damaged` and left out; the others stay readable.
    """

    def __init__(self, folder: Path, suffix: str, decode: Callable[[Path, bytes], T]) -> None:
        self.folder = folder
        self.suffix = suffix
        self.damaged: dict[Path, str] = {}
        self._decode = decode
        self._held: dict[Path, T] = {}

    def refresh(self) -> dict[Path, T]:
        """Read the files that are new, drop those that went, and return all in order of name."""
        for _ in range(LISTINGS):
            paths = self.paths()
            try:
                fresh = {path: self._held[path] for path in paths if path in self._held}
                damaged: dict[Path, str] = {}
                for path in paths:
                    if path not in fresh:
                        self._read(path, fresh, damaged)
            except FileNotFoundError:
                # Compacted since it was listed: its rows are in a file of the next listing.
                continue
            self._held, self.damaged = dict(sorted(fresh.items())), damaged
            return self._held
        raise LedgerError(f"{self.folder}: files vanish while they are read; try again")

    def _read(self, path: Path, fresh: dict[Path, T], damaged: dict[Path, str]) -> None:
        try:
            fresh[path] = self._decode(path, unseal(path))
        except DamagedError as error:
            damaged[path] = str(error)

    def paths(self) -> list[Path]:
        """List the folder's sealed files by name; a folder that is not there yet is empty."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LedgerError(f"cannot read {self.folder}: {error.strerror or error}") from error
        kept = (name for name in names if name.endswith(self.suffix) and name[0] != ".")
        return [self.folder / name for name in sorted(kept)]

    def left_behind(self) -> Iterator[Path]:
        """Yield unfinished files of writers that were killed, a day old or more."""
        for path in self.folder.glob(".*.part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LEFT_BEHIND_SECONDS:
                    yield path


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents, each entered durably into the one above."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
