"""A function or class that makes a ``torch.nn.Module``, as a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from randstudy.models import Buffer, Model, Parameter
from randstudy.own.functions import OwnPart
from randstudy.tasks import Data, TaskShape

if TYPE_CHECKING:
    from randstudy.models.modules.anatomy import Anatomy


@dataclass(frozen=True, kw_only=True)
class OwnModel(OwnPart, Model):
    """A network of somebody's own.

    The factory, or the module's constructor, may take ``inputs`` (the shape of one input),
    ``outputs`` (their number) and ``shape`` (the whole `TaskShape`); its other parameters are the
    model's settings. What the network is made of is found by building it and running it on two
    examples, once a process; see `randstudy.models.modules.anatomy`.
    """

    offered: ClassVar[tuple[str, ...]] = ("inputs", "outputs", "shape")
    program: ClassVar[str] = "randstudy.models.modules.program:ModuleProgram"
    layered: ClassVar[bool] = False

    def build(self, shape: TaskShape) -> Any:
        """Call the factory."""
        return self.call(inputs=shape.inputs, outputs=shape.outputs, shape=shape)

    def parameters(self, shape: TaskShape) -> tuple[Parameter, ...]:
        """Return the module's parameters in the order in which it registered them."""
        return self._anatomy(shape).parameters

    def buffers(self, shape: TaskShape) -> tuple[Buffer, ...]:
        """Return the buffers that training changes."""
        return self._anatomy(shape).buffers

    def consumes(self, shape: TaskShape) -> frozenset[str]:
        """Return `dropout` where the network drops anything."""
        return frozenset({"dropout"} if self._anatomy(shape).drops else ())

    def alone(self, shape: TaskShape, batches: tuple[int, ...] = ()) -> str | None:
        """Say why trials are computed one by one on batches of these sizes, None where in packs."""
        from randstudy.models.modules.packing import alone

        return alone(self, shape, batches)

    def misfits(self, data: Data) -> list[tuple[str, str]]:
        """Return why the network cannot be built for this data, or be trained."""
        problem = self._anatomy(data.shape()).problem
        return [("", problem)] if problem else []

    def _anatomy(self, shape: TaskShape) -> Anatomy:
        from randstudy.models.modules.anatomy import anatomy

        return anatomy(self, shape)
