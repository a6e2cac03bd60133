"""MNIST and Fashion-MNIST from their four original IDX files, packed (.gz) or plain."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, BinaryIO, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.arrays import shared
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CLASSES = 10
SIDE = 28


@dataclass(frozen=True, kw_only=True)
class IdxImages(Data):
    """Images of 28 x 28 pixels in ten classes; pixels are divided by 255.

    The split is given by the files: the last `validation` rows of the training file are held out.
    """

    # Where the files lie does not change what is in them, so it is no part of a trial's identity.
    folder: Annotated[str | None, "folder of the four IDX files"] = field(
        default=None, metadata={"identity": False}
    )
    validation: Annotated[int, Range(least=1), "training images held out, the last ones"] = 5000

    default_folder: ClassVar[str]

    def shape(self) -> TaskShape:
        """Return one plane of 28 x 28, ten classes."""
        return TaskShape((1, SIDE, SIDE), CLASSES, "class")

    def sizes(self) -> Sizes:
        """Return the sizes that the files' headers state."""
        counts = {split: self._count(split) for split in FILES}
        return Sizes(counts["train"] - self.validation, self.validation, counts["test"])

    def problems(self) -> list[tuple[str, str]]:
        """Something must be left to train on."""
        count = self._count("train")
        if self.validation >= count:
            return [("validation", f"{self.validation} leaves nothing of {count} training images")]
        return []

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, 1, 28, 28) in [0, 1] and targets (N,): the training file, then test."""
        pairs = [[self._file(name) for name in pair] for pair in FILES.values()]
        for split in FILES:
            self._count(split)
        targets = np.concatenate([_labels(labels) for _, labels in pairs])
        name = blake2b(
            f"{self.digest()} float32 /255".encode(), digest_size=16, person=b"randstudy.array"
        ).hexdigest()
        return Examples(shared(name, lambda: _pixels([images for images, _ in pairs])), targets)

    def split(self, key: Key) -> Split:
        """Return consecutive rows; nothing is drawn."""
        sizes = self.sizes()
        rows = np.arange(sizes.train + sizes.validation + sizes.test, dtype=np.int64)
        train, validation, test = np.split(rows, [sizes.train, sizes.train + sizes.validation])
        return Split(train, validation, test)

    def digest(self) -> str:
        """Return a hash of the four files' contents; packed and plain files give the same."""
        digest = blake2b(digest_size=16, person=b"randstudy.data")
        for pair in FILES.values():
            for name in pair:
                path = self._file(name)
                state = path.stat()
                digest.update(_digest(path, state.st_size, state.st_mtime_ns))
        return digest.hexdigest()

    def _count(self, split: str) -> int:
        """Return the images that the split's headers agree on."""
        images, labels = (self._file(name) for name in FILES[split])
        (count, height, width), (named,) = _header(images, 3), _header(labels, 1)
        if (height, width) != (SIDE, SIDE):
            raise DataError(
                f"{images}: holds images of {height} x {width} pixels, not {SIDE} x {SIDE}"
            )
        if count != named:
            raise DataError(
                f"{labels}: holds {named} labels for the {count} images of {images.name}; "
                "the two files do not belong together"
            )
        return count

    def _file(self, name: str) -> Path:
        """Return the plain file or the packed one."""
        folder = self._folder()
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
        wanted = ", ".join(f"{file}[.gz]" for pair in FILES.values() for file in pair)
        raise DataError(
            f"{folder}: no file {name} or {name}.gz; the data set {self.name} needs {wanted} there"
        )

    def _folder(self) -> Path:
        if self.folder is not None:
            return Path(self.folder).expanduser()
        root = os.environ.get("RANDSTUDY_DATA")
        if root:
            return Path(root).expanduser() / self.default_folder
        raise DataError(
            f"{self.name} does not come with randstudy. Put its four IDX files "
            f"({FILES['train'][0]}.gz and so on) into a folder {self.default_folder}/, and name "
            "the folder above it in the environment variable RANDSTUDY_DATA; or name the folder "
            f"itself in the study: data: {{name: {self.name}, folder: ...}}"
        )


@dataclass(frozen=True, kw_only=True)
class Mnist(IdxImages, name="mnist"):
    """Handwritten digits (LeCun, Cortes & Burges): 60,000 and 10,000 images."""

    default_folder: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class FashionMnist(IdxImages, name="fashion_mnist"):
    """Articles of clothing (Xiao, Rasul & Vollgraf 2017): 60,000 and 10,000 images."""

    default_folder: ClassVar[str] = "fashion-mnist"


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _read(path: Path, count: int = -1) -> bytes:
    """Return the first `count` unpacked bytes, or all."""
    try:
        with _open(path) as file:
            return file.read(count)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or cut short ({error}); download it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _header(path: Path, dimensions: int) -> tuple[int, ...]:
    """Return the sizes that an IDX file of unsigned bytes states.

    The format: two zero bytes, type 8, the number of dimensions, then each size as a big-endian
    32-bit number.
    """
    length = 4 + 4 * dimensions
    head = _read(path, length)
    if len(head) < length:
        raise DataError(f"{path}: cut short within its header; download it again")
    magic = bytes((0, 0, 8, dimensions))
    if head[:4] != magic:
        raise DataError(
            f"{path}: not an IDX file of {dimensions}-dimensional bytes: it begins with "
            f"{head[:4].hex()}, not {magic.hex()}; is it another file under this name?"
        )
    return tuple(int(size) for size in np.frombuffer(head, ">u4", offset=4))


def _body(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Return the bytes of an IDX file in the shape of its header."""
    sizes = _header(path, dimensions)
    body = np.frombuffer(_read(path), np.uint8, offset=4 + 4 * dimensions)
    expected = int(np.prod(sizes))
    if body.size != expected:
        raise DataError(
            f"{path}: holds {body.size} bytes where its header states {expected}; download it again"
        )
    return body.reshape(sizes)


def _labels(path: Path) -> NDArray[np.int64]:
    labels = _body(path, 1)
    if labels.max(initial=0) >= CLASSES:
        raise DataError(f"{path}: has a label {labels.max()}; labels are 0 to {CLASSES - 1}")
    return labels.astype(np.int64)


def _pixels(paths: list[Path]) -> NDArray[np.float32]:
    """Return (N, 1, 28, 28) in [0, 1]."""
    parts = [_body(path, 3) for path in paths]
    pixels = np.concatenate(parts)[:, None].astype(np.float32)
    pixels /= np.float32(255)
    return pixels


@lru_cache(maxsize=32)
def _digest(path: Path, size: int, modified: int) -> bytes:
    """Hash a file's unpacked bytes, once for each state of the file."""
    return blake2b(_read(path), digest_size=16).digest()
