"""Schemes that look at a weight as a matrix.

A convolution's weight is flattened to (out, in * height * width), as torch's orthogonal_ does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from randstudy.inits.scheme import Floats, Init
from randstudy.parts import Range
from randstudy.streams import normal

if TYPE_CHECKING:
    from randstudy.models import Parameter


@dataclass(frozen=True, kw_only=True)
class Orthogonal(Init, name="orthogonal"):
    """Random matrix with orthonormal rows or columns, times the gain (Saxe et al. 2014)."""

    gain: Annotated[float, Range(above=0), "factor on the orthonormal matrix"] = 1.0
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return the gain times each trial's orthonormal matrix."""
        return self.gain * orthonormal(parameter, variates)


@dataclass(frozen=True, kw_only=True)
class Lsuv(Init, name="lsuv"):
    """Orthonormal, then scaled so that a layer's outputs have unit variance (Mishkin & Matas 2016).

    The variance is that over all units and a batch of training examples, the same whenever the
    trial is trained. Biases are zero, so that one pass a layer is exact and nothing is iterated.
    """

    gain: Annotated[float, Range(above=0), "standard deviation of each layer's outputs"] = 1.0
    scaled: ClassVar[tuple[str, ...]] = ("gain",)

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return each trial's orthonormal matrix."""
        return orthonormal(parameter, variates)

    def output_sd(self) -> float:
        """Return the gain."""
        return self.gain


@dataclass(frozen=True, kw_only=True)
class Sparse(Init, name="sparse"):
    """N(0, sd**2) with a fraction of zeros in every column (Martens 2010), as torch's sparse_.

    A column holds what one input sends to all units. Which weights are zero is drawn from the
    `init` stream too, and a higher sparsity keeps the zeros of a lower one.
    """

    sparsity: Annotated[float, Range(0, 1), "fraction of zeros in a column, rounded up"] = 0.1
    sd: Annotated[float, Range(above=0), "standard deviation of the other weights"] = 0.01
    scaled: ClassVar[tuple[str, ...]] = ("sd",)

    def problems(self) -> list[tuple[str, str]]:
        """Something must be drawn."""
        if self.sparsity == 1:
            return [("sparsity", "1 leaves no weight; use the init constant instead")]
        return []

    def zeros(self, rows: int) -> int:
        """Return how many of a column's `rows` weights are zero."""
        # Rounded so that 0.07 * 100 = 7.000000000000001 asks for 7.
        return math.ceil(round(self.sparsity * rows, 9))

    def count(self, parameter: Parameter) -> int:
        """Values, then what decides where the zeros are."""
        return 2 * parameter.size

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return normals, zero where a column's second uniforms are smallest."""
        rows = parameter.shape[0]
        values = normal(variates[:, : parameter.size]) * self.sd
        chances = variates[:, parameter.size :].reshape(len(variates), rows, -1)
        smallest = np.argsort(chances, axis=1, kind="stable")[:, : self.zeros(rows)]
        np.put_along_axis(values.reshape(chances.shape), smallest, 0.0, axis=1)
        return values


def orthonormal(parameter: Parameter, variates: Floats) -> Floats:
    """Return (P, size): the Q of each trial's normal matrix, signs fixed so that Q is Haar."""
    rows = parameter.shape[0]
    matrices = normal(variates).reshape(-1, rows, parameter.size // rows)
    tall = matrices.shape[1] >= matrices.shape[2]
    # From about 300 x 784, OpenBLAS's result depends on its number of threads.
    with _openblas().limit(limits=1):
        q, r = np.linalg.qr(matrices if tall else matrices.transpose(0, 2, 1))
    q *= np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
    return (q if tall else q.transpose(0, 2, 1)).reshape(len(variates), -1)


@lru_cache(maxsize=1)
def _openblas() -> ThreadpoolController:
    """Return the hold on numpy's linear algebra; looking for it takes milliseconds."""
    return ThreadpoolController().select(internal_api="openblas")
