"""A folder of images of one's own: a folder a class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.arrays import array_name, shared
from randstudy.tasks.files import contents, misnamed, own_path, told
from randstudy.tasks.parting import drawn, shares
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


class Listing(NamedTuple):
    """Image files in order of their class and name, and the class of each."""

    files: tuple[Path, ...]
    classes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ImageFolder(Data, name="image_folder"):
    """Images in a folder a class, as images/cat/1.png; pixels are divided by 255.

    Classes are numbered in the order of their folders' names. Images are resized to squares. The
    split of 60, 20 and 20 in a hundred is drawn.
    """

    images: Annotated[str, "folder of the classes' folders, as seen from `folder`"]
    # The folder's name is the data set's; what is above it may differ from machine to machine.
    folder: Annotated[
        str | None, "folder above it; null: RANDSTUDY_DATA, or where the command is given"
    ] = field(default=None, metadata={"identity": False})
    size: Annotated[int, Range(least=1, most=1024), "pixels a side, after resizing"] = 32
    gray: Annotated[bool, "one plane of gray; false: red, green and blue"] = False

    def streams(self) -> frozenset[str]:
        """The split is drawn."""
        return frozenset({"split"})

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the settings; then decode every image."""
        wrong = misnamed(self.images)
        if wrong:
            return [("images", wrong)]
        self._pixels()
        return []

    def shape(self) -> TaskShape:
        """Return the planes of an image and the number of classes."""
        classes = max(self._listing().classes) + 1
        return TaskShape((1 if self.gray else 3, self.size, self.size), classes, "class")

    def sizes(self) -> Sizes:
        """Return 60, 20 and 20 in a hundred images."""
        return shares(len(self._listing().files))

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, planes, size, size) in [0, 1] and targets (N,): class by class."""
        return Examples(self._pixels(), self.targets(key))

    def targets(self, key: Key) -> NDArray[np.int64]:
        """Return (N,) classes."""
        return np.array(self._listing().classes, np.int64)

    def split(self, key: Key) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        return drawn(key, self.sizes())

    def digest(self) -> str:
        """Return a hash of pixels as they are decoded and of classes: not of names, nor of folders.

        Two versions of Pillow may decode or resize an image differently; then so is this.
        """
        digest = blake2b(digest_size=16, person=b"randstudy.data")
        digest.update(_hashed(self._name()))
        digest.update(self.targets(Key(0)).tobytes())
        return digest.hexdigest()

    def located(self) -> Self:
        """Name the folder from the root."""
        path = self._path().absolute()
        return replace(self, folder=str(path.parents[len(Path(self.images).parts) - 1]))

    def _path(self) -> Path:
        return own_path(self.images, self.folder)

    def _listing(self) -> Listing:
        path = self._path()
        with told(path, "name a folder that holds a folder for each class"):
            folders = [Path(one.path) for one in os.scandir(path) if one.is_dir()]
            states = tuple((one, one.stat().st_mtime_ns) for one in sorted(folders))
        return _listed(path, states)

    def _name(self) -> str:
        """Return the name of the decoded array, which is made if it is not there yet."""
        self._pixels()
        return _array_name(self._listing(), self.size, self.gray)

    def _pixels(self) -> NDArray[np.float32]:
        listing = self._listing()
        name = _array_name(listing, self.size, self.gray)
        return shared(name, lambda: _decoded(listing.files, self.size, self.gray))


@lru_cache(maxsize=16)
def _listed(path: Path, states: tuple[tuple[Path, int], ...]) -> Listing:
    """Return the images in these folders; the times say whether one came or went."""
    files: list[Path] = []
    classes: list[int] = []
    visible = [folder for folder, _ in states if not folder.name.startswith(".")]
    if len(visible) < 2:
        raise DataError(
            f"{path}: holds {len(visible)} folders; images to tell apart lie in a folder a class, "
            "as cat/1.png and dog/1.png"
        )
    for number, folder in enumerate(visible):
        with told(folder, "look at its permissions"):
            own = sorted(one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES)
        if not own:
            raise DataError(
                f"{folder}: holds no image (.png, .jpg); remove the folder, or put its images there"
            )
        files += own
        classes += [number] * len(own)
    if len(files) < 5:
        raise DataError(f"{path}: holds {len(files)} images, too few to split in three")
    return Listing(tuple(files), tuple(classes))


@lru_cache(maxsize=16)
def _array_name(listing: Listing, size: int, gray: bool) -> str:
    """Return the name of the decoded images: of their files' contents, settings and decoder."""
    import PIL

    digest = blake2b(digest_size=16)
    for path in listing.files:
        digest.update(contents(path).digest)
    return array_name(f"{digest.hexdigest()} {size} {gray} Pillow {PIL.__version__}")


@lru_cache(maxsize=16)
def _hashed(name: str) -> bytes:
    """Hash decoded pixels, once a process."""

    def absent() -> NDArray[np.float32]:
        raise DataError(f"the prepared images {name} were removed while they were in use")

    return blake2b(shared(name, absent).data, digest_size=16).digest()


def _decoded(files: Sequence[Path], size: int, gray: bool) -> NDArray[np.float32]:
    """Return (N, planes, size, size) in [0, 1]."""
    pixels = np.empty((len(files), 1 if gray else 3, size, size), np.float32)
    for row, path in enumerate(files):
        image = _image(path, size, gray)
        pixels[row] = image[None] if gray else image.transpose(2, 0, 1)
    pixels /= np.float32(255)
    return pixels


def _image(path: Path, size: int, gray: bool) -> NDArray[np.uint8]:
    """Return (size, size) or (size, size, 3); where transparent, as on black."""
    from PIL import Image, UnidentifiedImageError

    try:
        # Pillow warns of files that may be meant to exhaust memory; they are refused.
        with warnings.catch_warnings(), Image.open(path) as opened:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = opened.convert("L" if gray else "RGB")
        if image.size != (size, size):
            image = image.resize((size, size), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path}: not a whole image ({error}); replace or remove it") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{path}: too large an image ({error}); make it smaller") from error
    return np.asarray(image, np.uint8)
