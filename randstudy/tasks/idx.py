"""MNIST and Fashion-MNIST from their four original IDX files, packed (.gz) or plain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.arrays import array_name, shared
from randstudy.tasks.files import State, contents, find, read, state
from randstudy.tasks.given import KnownFiles
from randstudy.tasks.task import Examples, TaskShape

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
CLASSES = 10
SIDE = 28


@dataclass(frozen=True, kw_only=True)
class IdxImages(KnownFiles):
    """Images of 28 x 28 pixels in ten classes; pixels are divided by 255.

    The split is given by the files: the last `validation` rows of the training file are held out.
    """

    validation: Annotated[int, Range(least=1), "training images held out, the last ones"] = 5000

    what: ClassVar[str] = f"its four IDX files ({FILES['train'][0]}.gz and so on)"

    def shape(self) -> TaskShape:
        """Return one plane of 28 x 28, ten classes."""
        return TaskShape((1, SIDE, SIDE), CLASSES, "class")

    def counts(self) -> tuple[int, int]:
        """Return the numbers of images that the files' headers state."""
        return self._count("train"), self._count("test")

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, 1, 28, 28) in [0, 1] and targets (N,): the training file, then test."""
        self.counts()
        images = self.files()[::2]
        name = array_name(f"{self.digest()} float32 /255")
        return Examples(shared(name, lambda: _pixels(images)), self.targets(key))

    def targets(self, key: Key) -> NDArray[np.int64]:
        """Return (N,) labels."""
        return np.concatenate([_labels(state(path)) for path in self.files()[1::2]])

    def files(self) -> Sequence[Path]:
        """Return images and labels to train on, then those to test."""
        return [self._file(name) for pair in FILES.values() for name in pair]

    def check(self) -> None:
        """Compare the lengths of the files with their headers, and look at every label."""
        for path, dimensions in zip(self.files(), (3, 1, 3, 1), strict=True):
            _check_length(path, dimensions, contents(path).length - (4 + 4 * dimensions))
            if dimensions == 1:
                _labels(state(path))

    def _count(self, split: str) -> int:
        """Return the images that the split's headers agree on."""
        images, labels = (self._file(name) for name in FILES[split])
        (count, height, width), (named,) = _header(state(images), 3), _header(state(labels), 1)
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
        wanted = ", ".join(f"{file}[.gz]" for pair in FILES.values() for file in pair)
        needs = f"the data set {self.name} needs {wanted} there"
        return find(self.home(), name, (".gz",), needs)


@dataclass(frozen=True, kw_only=True)
class Mnist(IdxImages, name="mnist"):
    """Handwritten digits (LeCun, Cortes & Burges): 60,000 and 10,000 images."""

    default_folder: ClassVar[str] = "mnist"


@dataclass(frozen=True, kw_only=True)
class FashionMnist(IdxImages, name="fashion_mnist"):
    """Articles of clothing (Xiao, Rasul & Vollgraf 2017): 60,000 and 10,000 images."""

    default_folder: ClassVar[str] = "fashion-mnist"


@lru_cache(maxsize=256)
def _header(found: State, dimensions: int) -> tuple[int, ...]:
    """Return the sizes that an IDX file of unsigned bytes states.

    The format: two zero bytes, type 8, the number of dimensions, then each size as a big-endian
    32-bit number.
    """
    path, length = found.path, 4 + 4 * dimensions
    head = read(path, length)
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
    body = np.frombuffer(read(path), np.uint8, offset=4 + 4 * dimensions)
    return body.reshape(_check_length(path, dimensions, body.size))


def _check_length(path: Path, dimensions: int, length: int) -> tuple[int, ...]:
    """Return the sizes in the file's header, which must come to as many bytes as there are."""
    sizes = _header(state(path), dimensions)
    expected = int(np.prod(sizes))
    if length != expected:
        raise DataError(
            f"{path}: holds {length} bytes where its header states {expected}; download it again"
        )
    return sizes


@lru_cache(maxsize=64)
def _labels(found: State) -> NDArray[np.int64]:
    labels = _body(found.path, 1)
    if labels.max(initial=0) >= CLASSES:
        raise DataError(f"{found.path}: has a label {labels.max()}; labels are 0 to {CLASSES - 1}")
    return labels.astype(np.int64)


def _pixels(paths: Sequence[Path]) -> NDArray[np.float32]:
    """Return (N, 1, 28, 28) in [0, 1]."""
    parts = [_body(path, 3) for path in paths]
    pixels = np.concatenate(parts)[:, None].astype(np.float32)
    pixels /= np.float32(255)
    return pixels
