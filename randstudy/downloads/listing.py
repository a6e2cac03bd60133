"""What data sets there are, and where each is on this machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from randstudy.downloads.catalogue import COLLECTIONS, Collection
from randstudy.errors import DataError
from randstudy.tasks import Data


@dataclass(frozen=True)
class Listed:
    """A line of ``randstudy data list``."""

    name: str
    what: str
    size: int
    where: str


def listed() -> list[Listed]:
    """Return every data set of the catalogue, and where it is, or how it is to be had."""
    found = []
    for name, part in Data.choices.items():
        known = COLLECTIONS.get(name)
        what = known.what if known else (part.__doc__ or "").split("\n")[0]
        found.append(Listed(name, what, known.size if known else 0, _where(part, known)))
    return found


def _where(part: type[Any], known: Collection | None) -> str:
    """Say where a data set is."""
    if known is None:
        own = {"file", "images"} & {one.name for one in fields(part)}
        return "your own, by the study" if own else "with randstudy"
    try:
        return str(part().located().files()[0].parent)
    except DataError:
        how = "see" if known.by_hand else "missing:"
        return f"{how} randstudy data get {known.name}"
