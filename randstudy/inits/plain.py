"""Schemes that give every layer the same distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from randstudy.inits.scheme import Floats, Init, NormalInit, UniformInit
from randstudy.parts import Range
from randstudy.streams import normal

if TYPE_CHECKING:
    from randstudy.models import Parameter


@dataclass(frozen=True, kw_only=True)
class Constant(Init, name="constant"):
    """Every weight one value, every bias another; nothing is drawn."""

    weight: Annotated[float, "value of every weight"] = 0.0
    bias: Annotated[float, "value of every bias"] = 0.0
    scaled: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def streams(self) -> frozenset[str]:
        """Nothing is drawn."""
        return frozenset()

    def draws(self, parameter: Parameter) -> bool:
        """Nothing is drawn."""
        return False

    def fixed(self, parameter: Parameter) -> Floats:
        """Return the weight's or the bias's value."""
        return np.array([self.weight if parameter.role == "weight" else self.bias])


@dataclass(frozen=True, kw_only=True)
class Uniform(UniformInit, name="uniform"):
    """Weights U(-weight_range, weight_range), biases U(-bias_range, bias_range)."""

    weight_range: Annotated[float, Range(least=0), "largest absolute weight"] = 0.1
    bias_range: Annotated[float, Range(least=0), "largest absolute bias"] = 0.1
    scaled: ClassVar[tuple[str, ...]] = ("weight_range", "bias_range")

    def problems(self) -> list[tuple[str, str]]:
        """Something must be drawn."""
        if self.weight_range == 0 and self.bias_range == 0:
            return [("weight_range", "is 0, and so is bias_range; use the init constant instead")]
        return []

    def bound(self, parameter: Parameter) -> float:
        """Return the range of the parameter's role."""
        return self.weight_range if parameter.role == "weight" else self.bias_range

    def draws(self, parameter: Parameter) -> bool:
        """Biases too."""
        return self.bound(parameter) > 0


@dataclass(frozen=True, kw_only=True)
class Normal(NormalInit, name="normal"):
    """Weights N(0, sd**2), whatever the layer."""

    sd: Annotated[float, Range(above=0), "standard deviation of the weights"] = 0.01
    scaled: ClassVar[tuple[str, ...]] = ("sd",)

    def deviation(self, parameter: Parameter) -> float:
        """Return `sd`."""
        return self.sd


@dataclass(frozen=True, kw_only=True)
class TruncatedNormal(Init, name="truncated_normal"):
    """Weights N(0, sd**2) given that they lie within `cut` standard deviations.

    `sd` is that of the whole normal, as in torch.nn.init.trunc_normal_: what is left has a smaller
    one, 0.8796 of it at the default cut.
    """

    sd: Annotated[float, Range(above=0), "standard deviation before the cut"] = 0.01
    cut: Annotated[float, Range(above=0), "largest absolute weight, in multiples of sd"] = 2.0
    scaled: ClassVar[tuple[str, ...]] = ("sd",)

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return the quantiles of the normal between its cuts."""
        outside = math.erfc(self.cut / math.sqrt(2)) / 2
        return normal(outside + variates * (1 - 2 * outside)) * self.sd
