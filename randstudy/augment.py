"""Augmentation: training inputs that change from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from randstudy.own.augmentation import OwnChange
from randstudy.parts import Range
from randstudy.tasks import TaskShape

Misfits = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Augment:
    """What is done to each training input when it is used; evaluation sees inputs as they are.

    Images (channels, height, width) and signals (channels, length) alike, in the order of the
    fields: a crop is mirrored, then moved, then has a hole cut into it. `own` comes before all of
    these, noise on inputs after.
    """

    crop: Annotated[
        int, Range(least=0), "positions added on each side before a random cut of the old size"
    ] = 0
    crop_fill: Annotated[
        Literal["zero", "reflect"], "what is added: zeros, or the mirrored input"
    ] = "zero"
    flip: Annotated[bool, "mirror left to right (signals: in time) at probability 1/2"] = False
    translate: Annotated[
        int, Range(least=0), "most positions moved along each axis; zeros come in"
    ] = 0
    cutout: Annotated[
        int, Range(least=0), "side of a square of zeros at a random place; it may reach outside"
    ] = 0
    own: Annotated[
        OwnChange | None, "a function of your own, package.module:function, before all else"
    ] = None

    @property
    def active(self) -> bool:
        """Whether any of randstudy's own operations is done to inputs."""
        return bool(self.crop or self.flip or self.translate or self.cutout)

    def streams(self) -> frozenset[str]:
        """Return the streams that are consumed."""
        return frozenset({"augment"} if self.active or self.own is not None else ())

    def misfits(self, shape: TaskShape) -> Misfits:
        """Return (field, message) where the data's shape forbids it."""
        found = [] if self.own is None else [("own", text) for _, text in self.own.misfits(shape)]
        if not self.active:
            return found
        if len(shape.inputs) not in (2, 3):
            return [(name, _no_axes(shape)) for name in self._used()]
        least = min(shape.inputs[1:])
        places = "x".join(map(str, shape.inputs[1:]))
        for name, most in (("crop", least - 1), ("translate", least - 1), ("cutout", least)):
            value = getattr(self, name)
            if value > most:
                message = f"{value} is too much for inputs of {places}; it can be up to {most}"
                found.append((name, message))
        if self.flip and shape.inputs[-1] == 1:
            found.append(("flip", f"inputs of {places} are their own mirror image"))
        return found

    def effective(self) -> Augment:
        """Return it with fields that have no effect set back to their defaults."""
        return self if self.crop else replace(self, crop_fill="zero")

    def _used(self) -> list[str]:
        """Return the names of the fields that do something."""
        return [name for name in ("crop", "flip", "translate", "cutout") if getattr(self, name)]


def _no_axes(shape: TaskShape) -> str:
    given = "x".join(map(str, shape.inputs))
    return (
        f"needs images (channels, height, width) or signals (channels, length); "
        f"inputs here have shape {given}"
    )
