"""What somebody's own ``torch.nn.Module`` is made of: found by building it and running it.

A module is built with the global generators of Python, numpy and torch held at a fixed seed, and
they are put back afterwards. So what it draws while it is built is the same for all trials; weights
are drawn anew by the study's init, and everything else of the module is taken as it was built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from randstudy import streams
from randstudy.errors import RandstudyError
from randstudy.models import Buffer, Parameter
from randstudy.models.modules.dropping import Recording
from randstudy.tasks import TaskShape

if TYPE_CHECKING:
    from randstudy.own.model import OwnModel

Role = Literal["weight", "bias", "scale", "shift"]

EXAMPLES = 2
"""Examples on which a module is tried; batch norm needs more than one."""

BUILDING = streams.handed_at(streams.Key(0), "building a module")
"""What a module draws from while it is built, whatever the trial."""

NORMALISATION: tuple[type[nn.Module], ...] = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


class ModuleError(RandstudyError):
    """A module that cannot be built or run for a task."""


@dataclass(frozen=True, kw_only=True)
class ModuleParameter(Parameter):
    """A parameter of somebody's module, which knows where it comes from."""

    model: OwnModel
    task: TaskShape


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """Parameters, changing buffers, whether anything is dropped; or why there is none of it."""

    parameters: tuple[Parameter, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    drops: bool = False
    problem: str = ""


def build(model: Any, shape: TaskShape, stream: streams.HandedStream = BUILDING) -> nn.Module:
    """Build the module of an `OwnModel`; what it draws comes from `stream`.

    Raises
    ------
    ModuleError : where the factory raises, or makes something else.
    """
    with streams.global_generators(stream):
        try:
            module = model.build(shape)
            if isinstance(module, nn.Module) and _lazy(module):
                module(example(shape))
        except Exception as error:
            raise ModuleError(f"cannot be built for {told(shape)}: {said(error)}") from error
    if not isinstance(module, nn.Module):
        raise ModuleError(f"made a {type(module).__name__}, not a torch.nn.Module")
    return module.float()


def example(shape: TaskShape, count: int = EXAMPLES) -> Tensor:
    """Return inputs (count, *shape) of numbers from 0 to 1, no two of them equal."""
    size = count * math.prod(shape.inputs)
    return torch.linspace(0, 1, size).reshape(count, *shape.inputs)


@lru_cache(maxsize=64)
def anatomy(model: OwnModel, shape: TaskShape) -> Anatomy:
    """Take a model apart; what is wrong with it stands in `problem`."""
    try:
        return _taken_apart(model, shape, build(model, shape))
    except ModuleError as error:
        return Anatomy(problem=str(error))


def _taken_apart(model: OwnModel, shape: TaskShape, module: nn.Module) -> Anatomy:
    before = {path: buffer.clone() for path, buffer in module.named_buffers()}
    parameters = tuple(_parameters(model, shape, module))
    if not parameters:
        raise ModuleError("has no parameters to train")
    recording, held = Recording(), _numbers(module)
    run(module, shape, training=True, recording=recording)
    _check_memory(held, _numbers(module))
    buffers = tuple(_changing(module, before))
    run(module, shape, training=False, recording=Recording())
    return Anatomy(parameters=parameters, buffers=buffers, drops=bool(recording.sites))


def run(module: nn.Module, shape: TaskShape, *, training: bool, recording: Recording) -> None:
    """Run a module on examples.

    Raises
    ------
    ModuleError : where it fails, gives another shape, or draws from a global generator.
    """
    when = "while training" if training else "while evaluated"
    module.train(training)
    with streams.global_generators(BUILDING):
        state = streams.global_state()
        try:
            with torch.no_grad(), recording:
                outputs = module(example(shape))
        except Exception as error:
            raise ModuleError(
                f"fails {when} on {EXAMPLES} examples of {told(shape)}: {said(error)}"
            ) from error
        drew = streams.drawn_since(state)
    if drew:
        raise ModuleError(
            f"draws from a global generator {when}, so its numbers would depend on what ran "
            "before; torch.nn.Dropout and torch.nn.functional.dropout are taken over by "
            "randstudy, any other noise is not"
        )
    _check_outputs(outputs, shape)


def _check_outputs(outputs: Any, shape: TaskShape) -> None:
    allowed = [(EXAMPLES, shape.outputs)] + ([(EXAMPLES,)] if shape.outputs == 1 else [])
    if not isinstance(outputs, Tensor):
        raise ModuleError(f"returns a {type(outputs).__name__}, not a tensor of outputs")
    if tuple(outputs.shape) not in allowed:
        raise ModuleError(
            f"returns {tuple(outputs.shape)} for {EXAMPLES} examples of {told(shape)}; "
            f"{(EXAMPLES, shape.outputs)} would be right"
        )


def _parameters(model: OwnModel, shape: TaskShape, module: nn.Module) -> list[ModuleParameter]:
    """Return what is trained; parameters that need no gradient stay as they were built."""
    found = []
    for path, parameter in module.named_parameters():
        if parameter.requires_grad:
            place, _, name = path.rpartition(".")
            owner = module.get_submodule(place)
            fans = _fans(parameter, getattr(owner, name.replace("bias", "weight"), None))
            role = _role(owner, name, parameter)
            size = tuple(parameter.shape)
            found.append(ModuleParameter(path, size, *fans, role, model=model, task=shape))
    return found


def _role(owner: nn.Module, name: str, parameter: Tensor) -> Role:
    """Return the role that a parameter plays in its layer."""
    if isinstance(owner, NORMALISATION):
        return "scale" if name == "weight" else "shift"
    return "weight" if parameter.dim() >= 2 and not name.startswith("bias") else "bias"


def _fans(parameter: Tensor, sibling: object) -> tuple[int, int]:
    """Return fan-in and fan-out as torch counts them; a bias has those of its layer's weight."""
    weight = parameter if parameter.dim() >= 2 else sibling
    if not isinstance(weight, Tensor) or weight.dim() < 2:
        return max(1, parameter.numel()), max(1, parameter.numel())
    area = math.prod(weight.shape[2:])
    return weight.shape[1] * area, weight.shape[0] * area


def _changing(module: nn.Module, before: Mapping[str, Tensor]) -> list[Buffer]:
    """Return the buffers that a training pass changes, and those beside them that it may change."""
    after = dict(module.named_buffers())
    moved = {path for path, one in before.items() if not torch.equal(after[path], one)}
    layers = {path.rpartition(".")[0] for path in moved}
    found = []
    for path, first in before.items():
        value = float(first.reshape(-1)[0]) if first.numel() else 0.0
        even = bool((first == value).all())
        if path in moved and not even:
            raise ModuleError(
                f"changes its buffer {path} in training, which begins with unequal numbers; only "
                "buffers that begin with one number everywhere can be kept for each trial"
            )
        if even and path.rpartition(".")[0] in layers:
            found.append(Buffer(path, tuple(first.shape), value))
    return found


def _numbers(module: nn.Module) -> dict[str, float]:
    """Return the plain numbers that a module's layers hold beside parameters and buffers."""
    return {
        f"{path}.{name}".lstrip("."): value
        for path, layer in module.named_modules()
        for name, value in vars(layer).items()
        if isinstance(value, int | float) and name != "training"
    }


def _check_memory(before: Mapping[str, float], after: Mapping[str, float]) -> None:
    """Refuse what would pass from one trial to the next."""
    for name, value in after.items():
        if before.get(name, value) != value:
            raise ModuleError(
                f"changes its attribute {name} in training, which trials would share; keep it in "
                "a buffer (register_buffer)"
            )


def _lazy(module: nn.Module) -> bool:
    """Tell whether parameters wait for the first inputs."""
    waiting = nn.parameter.UninitializedParameter
    return any(isinstance(parameter, waiting) for parameter in module.parameters())


def told(shape: TaskShape) -> str:
    """Return a task's shape in words."""
    return f"inputs of shape {shape.inputs} and {shape.outputs} outputs"


def said(error: Exception) -> str:
    """Return the first line of an error, with its kind."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__
