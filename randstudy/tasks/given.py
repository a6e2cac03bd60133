"""Data sets whose test examples come apart from those to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.files import contents, known_folder
from randstudy.tasks.parting import consecutive
from randstudy.tasks.task import Data, Sizes, Split


@dataclass(frozen=True, kw_only=True)
class KnownFiles(Data):
    """A well-known data set in files: the last `validation` training examples are held out.

    A subclass says how many examples its files hold, which files these are, and what is in them.
    """

    # Where the files lie does not change what is in them, so it is no part of a trial's identity.
    folder: Annotated[str | None, "folder of the data set's files"] = field(
        default=None, metadata={"identity": False}
    )
    validation: Annotated[int, Range(least=1), "training examples held out, the last ones"]

    default_folder: ClassVar[str]
    what: ClassVar[str]

    def counts(self) -> tuple[int, int]:
        """Return the examples to train on, validation included, and those to test."""
        raise NotImplementedError

    def files(self) -> Sequence[Path]:
        """Return the files, in the order in which their contents are hashed."""
        raise NotImplementedError

    def check(self) -> None:
        """Read so much of the files that training cannot find them damaged."""
        raise NotImplementedError

    def sizes(self) -> Sizes:
        """Return the sizes that the files state."""
        train, test = self.counts()
        return Sizes(train - self.validation, self.validation, test)

    def problems(self) -> list[tuple[str, str]]:
        """Files must be whole, and something must be left to train on."""
        count, _ = self.counts()
        if self.validation >= count:
            message = f"{self.validation} leaves nothing of {count} training examples"
            return [("validation", message)]
        self.check()
        return []

    def split(self, key: Key) -> Split:
        """Return consecutive rows; nothing is drawn."""
        return consecutive(self.sizes())

    def digest(self) -> str:
        """Return a hash of the files' contents; packed and plain files give the same."""
        digest = blake2b(digest_size=16, person=b"randstudy.data")
        for path in self.files():
            digest.update(contents(path).digest)
        return digest.hexdigest()

    def pooled(self) -> Self:
        """Hold out as many as usual: all examples are split anew."""
        usual: dict[str, Any] = {one.name: one.default for one in fields(self)}
        return replace(self, validation=usual["validation"])

    def located(self) -> Self:
        """Name the folder from the root."""
        return replace(self, folder=str(self.home().absolute()))

    def home(self) -> Path:
        """Return the folder of the files."""
        return known_folder(self.name, self.folder, self.default_folder, self.what)
