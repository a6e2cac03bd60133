"""Arrays that the processes of a node share: memory-mapped .npy files named by digest."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError

Number = TypeVar("Number", bound=np.generic)


def cache_folder() -> Path:
    """Return the folder of shared arrays: RANDSTUDY_CACHE, else ~/.cache/randstudy."""
    named = os.environ.get("RANDSTUDY_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "randstudy"


def array_name(text: str) -> str:
    """Return the digest that names an array: of what it is made from, and how."""
    return blake2b(text.encode(), digest_size=16, person=b"randstudy.array").hexdigest()


def shared(digest: str, make: Callable[[], NDArray[Number]]) -> NDArray[Number]:
    """Return the array of this digest as a memory map, making and storing it if need be.

    The map is copy-on-write: processes share its pages, torch takes it without a copy, and a write
    reaches neither the file nor another process.

    Raises
    ------
    DataError : if the cache folder cannot be written.
    """
    path = cache_folder() / f"{digest}.npy"
    try:
        found = _open(path)
        if found is None:
            _store(path, make())
            found = _open(path)
    except OSError as error:
        raise DataError(
            f"{path}: cannot keep the prepared data there ({error.strerror}); free some space, "
            "or name another folder in the environment variable RANDSTUDY_CACHE"
        ) from error
    if found is None:
        raise DataError(f"{path}: damaged as soon as it was written; check the disk")
    return found


def _open(path: Path) -> NDArray[Any] | None:
    """Return the map, or None where there is no whole file."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return found


def _store(path: Path, array: NDArray[Any]) -> None:
    """Write under another name, then rename: nobody sees half a file, and the last of two wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        try:
            np.save(part, array, allow_pickle=False)
            part.flush()
            os.fsync(part.fileno())
            # Temporary files are private; a cache may serve several users of a node.
            os.chmod(part.name, 0o644)
            os.replace(part.name, path)
        except BaseException:
            os.unlink(part.name)
            raise
