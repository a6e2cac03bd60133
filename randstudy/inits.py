"""Schemes that draw a network's first weights.

Schemes share their variates: one uniform u for each (parameter, index) at a replicate, used as
(2u - 1) * bound by uniform schemes and as the normal quantile of u by normal ones. So at a shared
replicate a comparison of schemes is paired. All arithmetic is float64, rounded once to float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from randstudy.parts import Part, Range
from randstudy.streams import Key, normal, site, uniforms

if TYPE_CHECKING:
    from randstudy.models import Parameter

Floats = NDArray[np.float64]

# Elements drawn at once (16 MB of float64), so that a large pack needs little scratch memory.
ELEMENTS = 2**21


@dataclass(frozen=True, kw_only=True)
class Init(Part, kind="init"):
    """A scheme; biases are zero unless it says otherwise."""

    def streams(self) -> frozenset[str]:
        """Schemes draw from `init`."""
        return frozenset({"init"})

    def draws(self, parameter: Parameter) -> bool:
        """Say whether this parameter is drawn at all."""
        return parameter.role == "weight"

    def draw(self, parameter: Parameter, variates: Floats) -> Floats:
        """Turn uniforms into initial values.

        Parameters
        ----------
        variates : (P, size) in (0, 1); not looked at where nothing is drawn.

        Returns
        -------
        (P, *shape) float64; row p depends on row p of the variates alone.
        """
        rows = len(variates)
        values = self.scale(parameter, variates) if self.draws(parameter) else self.fixed(parameter)
        return np.broadcast_to(values, (rows, parameter.size)).reshape(rows, *parameter.shape)

    def fixed(self, parameter: Parameter) -> Floats:
        """Return the value (1,) of a parameter that is not drawn."""
        return np.zeros(1)

    def scale(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return (P, size) values for (P, size) variates."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class UniformInit(Init):
    """A scheme that draws from U(-bound, bound)."""

    def bound(self, parameter: Parameter) -> float:
        """Return the largest absolute value."""
        raise NotImplementedError

    def scale(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return (2u - 1) * bound."""
        return (2 * variates - 1) * self.bound(parameter)


@dataclass(frozen=True, kw_only=True)
class NormalInit(Init):
    """A scheme that draws from N(0, deviation**2)."""

    def deviation(self, parameter: Parameter) -> float:
        """Return the standard deviation."""
        raise NotImplementedError

    def scale(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return the normal quantile of u, times the standard deviation."""
        return normal(variates) * self.deviation(parameter)


@dataclass(frozen=True, kw_only=True)
class Constant(Init, name="constant"):
    """Every weight one value, every bias another; nothing is drawn."""

    weight: Annotated[float, "value of every weight"] = 0.0
    bias: Annotated[float, "value of every bias"] = 0.0

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

    def deviation(self, parameter: Parameter) -> float:
        """Return `sd`."""
        return self.sd


@dataclass(frozen=True, kw_only=True)
class XavierUniform(UniformInit, name="xavier_uniform"):
    """U with variance gain**2 * 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = 1.0

    def bound(self, parameter: Parameter) -> float:
        """Return gain * sqrt(6 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(6 / (parameter.fan_in + parameter.fan_out))


@dataclass(frozen=True, kw_only=True)
class XavierNormal(NormalInit, name="xavier_normal"):
    """N with variance gain**2 * 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = 1.0

    def deviation(self, parameter: Parameter) -> float:
        """Return gain * sqrt(2 / (fan_in + fan_out))."""
        return self.gain * math.sqrt(2 / (parameter.fan_in + parameter.fan_out))


@dataclass(frozen=True, kw_only=True)
class KaimingUniform(UniformInit, name="kaiming_uniform"):
    """U with variance gain**2 / fan_in (He et al. 2015); the default gain is that of ReLU."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = math.sqrt(2)

    def bound(self, parameter: Parameter) -> float:
        """Return gain * sqrt(3 / fan_in)."""
        return self.gain * math.sqrt(3 / parameter.fan_in)


@dataclass(frozen=True, kw_only=True)
class KaimingNormal(NormalInit, name="kaiming_normal"):
    """N with variance gain**2 / fan_in (He et al. 2015); the default gain is that of ReLU."""

    gain: Annotated[float, Range(above=0), "factor on the standard deviation"] = math.sqrt(2)

    def deviation(self, parameter: Parameter) -> float:
        """Return gain / sqrt(fan_in)."""
        return self.gain / math.sqrt(parameter.fan_in)


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Init, name="orthogonal"):
    """Random matrix with orthonormal rows or columns, times the gain (Saxe et al. 2014).

    A convolution's weight is flattened to (out, in * height * width), as torch does.
    """

    gain: Annotated[float, Range(above=0), "factor on the orthonormal matrix"] = 1.0

    def scale(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return the Q of each trial's normal matrix, signs fixed so that Q is Haar."""
        rows = parameter.shape[0]
        columns = parameter.size // rows
        matrices = normal(variates).reshape(-1, rows, columns)
        tall = matrices if rows >= columns else matrices.transpose(0, 2, 1)
        # From about 300 x 784, OpenBLAS's result depends on its number of threads.
        with _openblas().limit(limits=1):
            q, r = np.linalg.qr(tall)
        q *= np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
        found = q if rows >= columns else q.transpose(0, 2, 1)
        return self.gain * found.reshape(len(variates), -1)


@lru_cache(maxsize=1)
def _openblas() -> ThreadpoolController:
    """Return the hold on numpy's linear algebra; looking for it takes milliseconds."""
    return ThreadpoolController().select(internal_api="openblas")


def initial(
    inits: Sequence[Init], keys: Sequence[Key], parameters: Sequence[Parameter]
) -> dict[str, NDArray[np.float32]]:
    """Return the first weights of a pack, each row the same bits in any pack.

    Parameters
    ----------
    inits, keys : a scheme and a key of the `init` stream for each of the P trials.
    parameters : the model's.

    Returns
    -------
    Path -> (P, *shape) float32.
    """
    rows: dict[Init, list[int]] = {}
    for row, init in enumerate(inits):
        rows.setdefault(init, []).append(row)
    found = {}
    for parameter in parameters:
        values = np.empty((len(inits), *parameter.shape), np.float32)
        at_once = max(1, ELEMENTS // parameter.size)
        for init, members in rows.items():
            for start in range(0, len(members), at_once):
                some = members[start : start + at_once]
                values[some] = init.draw(parameter, _variates(init, parameter, keys, some))
        found[parameter.path] = values
    return found


def _variates(init: Init, parameter: Parameter, keys: Sequence[Key], rows: list[int]) -> Floats:
    """Return (rows, size) uniforms, or (rows, 0) where the scheme draws nothing."""
    count = parameter.size if init.draws(parameter) else 0
    return uniforms([keys[row] for row in rows], site=site(parameter.path), count=count)
