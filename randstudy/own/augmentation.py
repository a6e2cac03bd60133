"""A function that changes training inputs, as augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from randstudy.own.functions import OwnPart
from randstudy.parts import Part
from randstudy.streams import HandedStream
from randstudy.tasks import TaskShape

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class OwnChange(Part, kind="augmentation"):
    """Something of one's own that is done to a batch of training inputs."""

    def change(self, inputs: torch.Tensor, generator: torch.Generator) -> Any:
        """Return other inputs (B, *shape) for inputs (B, *shape) of one trial."""
        raise NotImplementedError

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Return (field, message) where it cannot be done to such inputs."""
        return []


@dataclass(frozen=True, kw_only=True)
class OwnAugmentation(OwnPart, OwnChange):
    """What somebody's function makes of inputs (B, *shape), a torch tensor.

    The second thing that it is handed is a ``torch.Generator`` of the `augment` stream, another one
    for each trial and batch; all draws must come from it.
    """

    given: ClassVar[int] = 2

    def change(self, inputs: torch.Tensor, generator: torch.Generator) -> Any:
        """Call the function."""
        return self.call(inputs, generator)

    def misfits(self, shape: TaskShape) -> list[tuple[str, str]]:
        """Try the function on made-up examples."""
        from randstudy.own.trying import augmentation_problem

        found = augmentation_problem(self, shape)
        return [("", found)] if found else []


def changed(change: OwnChange, inputs: torch.Tensor, stream: HandedStream) -> torch.Tensor:
    """Return what the augmentation makes of one trial's inputs (B, *shape).

    Raises
    ------
    ValueError : where that is no such tensor.
    """
    found = change.change(inputs.clone(), stream.torch(inputs.device))
    if not isinstance(found, type(inputs)) or found.shape != inputs.shape:
        told = tuple(found.shape) if isinstance(found, type(inputs)) else type(found).__name__
        raise ValueError(f"returns {told} for inputs of shape {tuple(inputs.shape)}")
    return found.to(inputs.dtype)
