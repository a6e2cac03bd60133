"""Downloads of the well-known data sets, where the machine has a network.

Files are fetched by pooch: it compares each with the SHA-256 of the catalogue, and only then moves
it to its place. pooch itself starts from nothing where a transfer broke off; the downloader that it
is given here goes on from the bytes that came, if the server can send the rest.
"""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from randstudy.downloads.catalogue import COLLECTIONS, Collection, Remote, collection
from randstudy.downloads.listing import Listed, listed
from randstudy.downloads.transfers import Progress, Resuming, TransferError, bar
from randstudy.errors import DataError, RandstudyError

__all__ = ["COLLECTIONS", "Collection", "Listed", "Remote", "bar", "collection", "get", "listed"]


def get(wanted: Collection, root: Path, progress: Progress | None = None) -> Path:
    """Download what is missing of a collection into its folder below `root`; return the folder.

    A file that is there and whole is left alone. A file that is there but has another checksum is
    replaced, once the right one has come.

    Raises
    ------
    RandstudyError
        Nothing to download from; or no address gave a file with the right checksum.
    """
    folder = root / wanted.folder
    if wanted.by_hand:
        raise RandstudyError(f"{wanted.name} cannot be downloaded: {wanted.by_hand}, into {folder}")
    if wanted.members and not _damaged(wanted, folder):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in wanted.files:
            _fetch(file, folder, progress or _silent)
            if wanted.members:
                _unpack(wanted, folder / file.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def _silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


def _fetch(file: Remote, folder: Path, progress: Progress) -> None:
    """Get one file from the first address that has it."""
    import pooch

    pooch.get_logger().setLevel("ERROR")  # pooch speaks of hashes to users who asked for data
    kept = folder / f"{file.name}.part"
    failures: list[str] = []
    waiting = [*file.addresses]
    while waiting:
        address = waiting.pop(0)
        leftover = kept.exists()
        try:
            pooch.retrieve(
                address,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=folder,
                downloader=Resuming(kept, file, progress),
            )
        except TransferError as error:
            failures.append(f"{address}: {error}")
        except ValueError:  # pooch's, of a checksum
            if leftover:
                waiting.insert(0, address)  # what was there before may have been another file's
            else:
                failures.append(f"{address}: has another checksum")
        else:
            return
    said = "\n".join(f"  {failure}" for failure in failures)
    resume = "; run this again to go on from where it broke off" if kept.exists() else ""
    raise RandstudyError(
        f"{file.name} could not be downloaded:\n{said}\n"
        f"Is there a network? Or put the file into {folder} by hand{resume}"
    )


def _damaged(wanted: Collection, folder: Path) -> list[str]:
    """Return the members of an archive that are not there as they should be."""
    return [name for name, sha256 in wanted.members if _sha256(folder / name) != sha256]


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(wanted: Collection, archive: Path) -> None:
    """Unpack the named members and nothing else, check them, and remove the archive."""
    with tarfile.open(archive) as packed:
        for name, _ in wanted.members:
            packed.extract(name, archive.parent, filter="data")
    wrong = _damaged(wanted, archive.parent)
    if wrong:
        raise DataError(f"{archive.parent / wrong[0]}: not what it should be after unpacking")
    archive.unlink()
