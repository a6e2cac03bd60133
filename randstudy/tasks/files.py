"""Files of data sets: where they are, packed or plain, whole or damaged."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar, cast

from randstudy.errors import DataError
from randstudy.nearest import nearest
from randstudy.tasks.arrays import cache_folder

BLOCK = 1 << 20
"""Bytes that are unpacked at a time; the contents of smaller packed files are always read."""


Asked = TypeVar("Asked", bound=Hashable)
Made = TypeVar("Made")


class State(NamedTuple):
    """A file as it was when it was looked at; what is read from it is kept by this."""

    path: Path
    size: int
    modified: int


class Contents(NamedTuple):
    """Length in bytes and BLAKE2b of a file's unpacked contents."""

    length: int
    digest: bytes


def state(path: Path) -> State:
    """Return a file's present state.

    Raises
    ------
    DataError : if it is not there or may not be read.
    """
    with told(path):
        found = path.stat()
        return State(path, found.st_size, found.st_mtime_ns)


@contextmanager
def told(path: Path, remedy: str = "download it again") -> Iterator[None]:
    """Turn what a file can be damaged by into errors that name it and say what to do."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start:,}); save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def opened(path: Path) -> BinaryIO:
    """Open a file for reading its unpacked bytes; .gz and .xz are packed."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path))
    return cast(BinaryIO, lzma.open(path)) if path.suffix == ".xz" else path.open("rb")


def read(path: Path, count: int = -1, remedy: str = "download it again") -> bytes:
    """Return the first `count` unpacked bytes, or all."""
    with told(path, remedy), opened(path) as file:
        return file.read(count)


def contents(path: Path) -> Contents:
    """Return what a file holds, hashing it once for each of its states.

    Of large packed files the cache folder keeps it, so that not every worker unpacks them.
    """
    found = state(path)
    large = path.suffix in (".gz", ".xz") and found.size >= BLOCK
    return _kept(found) if large else _hashed(found)


@lru_cache(maxsize=4096)
def _hashed(found: State) -> Contents:
    digest, length = blake2b(digest_size=16), 0
    with told(found.path), opened(found.path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            length += len(block)
    return Contents(length, digest.digest())


@lru_cache(maxsize=256)
def _kept(found: State) -> Contents:
    """Return the contents from the cache folder, and else hash them and keep that there."""
    text = f"{found.path.absolute()}\0{found.size}\0{found.modified}"
    name = blake2b(text.encode(), digest_size=16, person=b"randstudy.file").hexdigest()
    note = cache_folder() / f"{name}.digest"
    with suppress(OSError, ValueError):
        length, digest = note.read_text().split()
        if len(digest) == 32:
            return Contents(int(length), bytes.fromhex(digest))
    hashed = _hashed(found)
    with suppress(OSError):  # what cannot be kept is hashed again
        note.parent.mkdir(parents=True, exist_ok=True)
        part = note.with_suffix(f".{os.getpid()}.part")
        part.write_text(f"{hashed.length} {hashed.digest.hex()}")
        part.replace(note)
    return hashed


def find(folder: Path, name: str, packings: tuple[str, ...], needs: str) -> Path:
    """Return the plain file of this name, or the packed one; `needs` says what belongs there."""
    for suffix in ("", *packings):
        path = folder / f"{name}{suffix}"
        with told(path):
            if path.is_file():
                return path
    alternatives = " or ".join(f"{name}{suffix}" for suffix in ("", *packings))
    raise DataError(f"{folder}: no file {alternatives}; {needs}")


def known_folder(name: str, folder: str | None, default: str, what: str) -> Path:
    """Return the folder of a well-known data set: the study's, or its usual one in `data_root`."""
    if folder is not None:
        return named_folder(folder)
    usual = data_root() / default
    if usual.is_dir() or os.environ.get("RANDSTUDY_DATA"):
        return usual
    raise DataError(
        f"{name} does not come with randstudy. Where there is a network, `randstudy data get "
        f"{name}` fetches it, or says where it is to be had. Or put {what} into a folder "
        f"{default}/, and name the folder above it in the environment variable RANDSTUDY_DATA; or "
        f"name the folder itself in the study: data: {{name: {name}, folder: ...}}"
    )


def data_root() -> Path:
    """Return what data sets' folders lie in: RANDSTUDY_DATA, else ~/.local/share/randstudy."""
    named = os.environ.get("RANDSTUDY_DATA")
    return Path(named).expanduser() if named else Path.home() / ".local" / "share" / "randstudy"


def named_folder(folder: str) -> Path:
    """Return a folder that a study names; ``~`` is the home of whoever runs it."""
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        raise DataError(f"{folder[:200]}: {error} Write the folder out") from error


def own_path(name: str, folder: str | None) -> Path:
    """Return where a file or folder of one's own is.

    In the study's `folder`; else in RANDSTUDY_DATA, if it is there; else in the present folder.
    """
    if folder is not None:
        roots = [named_folder(folder)]
    else:
        root = os.environ.get("RANDSTUDY_DATA")
        roots = [*([Path(root).expanduser()] if root else []), Path.cwd()]
    for one in roots:
        with told(one / name[:200]):
            if (one / name).exists():
                return one / name
    tried = " and ".join(str(one) for one in roots)
    raise DataError(f"there is no {name} in {tried}{_close(roots[-1] / name)}")


def misnamed(name: str) -> str | None:
    """Say why a name cannot stand in a trial's id, if it cannot: it must be the same anywhere."""
    if not name:
        return "is empty; name the file"
    if Path(name).is_absolute() or name.startswith("~") or ".." in Path(name).parts:
        path = Path(name)
        return (
            f"{name[:200]!r} says where it lies, which must not change a trial's id; write "
            f"folder: {path.parent}, and here {path.name}"
        )
    return None


def _close(path: Path) -> str:
    names = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, names[:1000])
    advice = "; name the folder above it in the study's field folder, or in RANDSTUDY_DATA"
    return f"; did you mean {close}?" if close else advice


def once(function: Callable[[Asked, State], Made]) -> Callable[[Asked, State], Made]:
    """Keep what was made of a file in a state, or the DataError that it ended with.

    A study's every cell asks its data whether they are whole: a damaged file is read but once.
    """

    @lru_cache(maxsize=16)
    def kept(asked: Hashable, found: State) -> Made | DataError:
        try:
            return function(cast(Asked, asked), found)
        except DataError as error:
            return error

    def told_again(asked: Asked, found: State) -> Made:
        made = kept(asked, found)
        if isinstance(made, DataError):
            raise DataError(str(made))
        return made

    return told_again
