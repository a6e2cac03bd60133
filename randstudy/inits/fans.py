"""Schemes whose spread follows from the number of inputs and outputs of a layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from randstudy.inits.scheme import NormalInit, UniformInit
from randstudy.parts import Range

if TYPE_CHECKING:
    from randstudy.models import Parameter

Mode = Literal["fan_in", "fan_out"]


@dataclass(frozen=True, kw_only=True)
class XavierUniform(UniformInit, name="xavier_uniform"):
    """U with variance gain**2 * 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = 1.0
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def bound(self, parameter: Parameter) -> float:
        """Return gain * sqrt(6 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(6 / (parameter.fan_in + parameter.fan_out))


@dataclass(frozen=True, kw_only=True)
class XavierNormal(NormalInit, name="xavier_normal"):
    """N with variance gain**2 * 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = 1.0
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def deviation(self, parameter: Parameter) -> float:
        """Return gain * sqrt(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2 / (parameter.fan_in + parameter.fan_out))


@dataclass(frozen=True, kw_only=True)
class KaimingUniform(UniformInit, name="kaiming_uniform"):
    """U with variance gain**2 / fan (He et al. 2015); the default gain is that of ReLU."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = math.sqrt(2)
    mode: Annotated[Mode, "keep the variance of outputs, or that of gradients"] = "fan_in"
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def bound(self, parameter: Parameter) -> float:
        """Return gain * sqrt(3 / fan)."""
        return self.gain * math.sqrt(3 / _fan(parameter, self.mode))


@dataclass(frozen=True, kw_only=True)
class KaimingNormal(NormalInit, name="kaiming_normal"):
    """N with variance gain**2 / fan (He et al. 2015); the default gain is that of ReLU."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = math.sqrt(2)
    mode: Annotated[Mode, "keep the variance of outputs, or that of gradients"] = "fan_in"
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def deviation(self, parameter: Parameter) -> float:
        """Return gain / sqrt(fan)."""
        return self.gain / math.sqrt(_fan(parameter, self.mode))


@dataclass(frozen=True, kw_only=True)
class TorchDefault(UniformInit, name="torch_default"):
    """Weights and biases U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), as torch.nn.Linear and Conv."""

    def bound(self, parameter: Parameter) -> float:
        """Return 1 / sqrt(fan_in)."""
        return 1 / math.sqrt(parameter.fan_in)

    def draws(self, parameter: Parameter) -> bool:
        """Biases too."""
        return True


def _fan(parameter: Parameter, mode: Mode) -> int:
    return parameter.fan_in if mode == "fan_in" else parameter.fan_out
