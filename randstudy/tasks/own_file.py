"""Data sets in one file of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.streams import Key
from randstudy.tasks.files import contents, own_path
from randstudy.tasks.task import Data, Examples, TaskShape


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a file comes to: inputs (N, *shape), targets (N,), how many classes, 0 for numbers."""

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    classes: int


@dataclass(frozen=True, kw_only=True)
class OwnFile(Data):
    """A file with inputs and targets; a subclass says how it is read."""

    file: Annotated[str, "file name, as seen from `folder`"]
    # The file's name is the data set's; the folder above it may differ from machine to machine.
    folder: Annotated[
        str | None, "folder of the file; null: RANDSTUDY_DATA, or where the command is given"
    ] = field(default=None, metadata={"identity": False})

    def shape(self) -> TaskShape:
        """Return the shape of one input as it was read, and the number of classes."""
        found = self._prepared()
        target: Literal["class", "number"] = "class" if found.classes else "number"
        return TaskShape(found.inputs.shape[1:], found.classes or 1, target)

    def examples(self, key: Key) -> Examples:
        """Return inputs (N, *shape) and targets (N,) in the order in which they were read."""
        found = self._prepared()
        whole = found.inputs if isinstance(found.inputs, np.memmap) else found.inputs.copy()
        return Examples(whole, found.targets.copy())

    def digest(self) -> str:
        """Return a hash of the file."""
        held = contents(self._path()).digest
        return blake2b(held, digest_size=16, person=b"randstudy.data").hexdigest()

    def located(self) -> Self:
        """Name the folder from the root."""
        path = self._path().absolute()
        return replace(self, folder=str(path.parents[len(Path(self.file).parts) - 1]))

    def _path(self) -> Path:
        return own_path(self.file, self.folder)

    def _prepared(self) -> Prepared:
        """Return what the file comes to in its present state."""
        raise NotImplementedError
