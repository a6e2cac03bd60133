"""What an init says of each parameter, and the values that are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.parts import Part, Range
from randstudy.streams import Key, normal, site, uniforms

if TYPE_CHECKING:
    from randstudy.models import Model, Parameter

Floats = NDArray[np.float64]

NORMALISATION = {"scale": 1.0, "shift": 0.0}
"""Where the parameters of normalisation layers start, whatever the scheme."""


@dataclass(frozen=True, kw_only=True)
class Init(Part, kind="init"):
    """A scheme; biases are zero unless it says otherwise.

    A scheme of one's own says `values`, and what else of `draws`, `fixed`, `count` and `streams` is
    not as usual. Scales and shifts of normalisation are none of its business.
    """

    scale: Annotated[float, Range(above=0), "factor on all values that the scheme gives"] = 1.0

    scaled: ClassVar[tuple[str, ...]] = ()
    """Fields that say the same as `scale`: where there are any, it is multiplied into them, so that
    ``gain: 2`` and ``scale: 2`` are one trial."""

    def streams(self) -> frozenset[str]:
        """Schemes draw from `init`."""
        return frozenset({"init"})

    def effective(self) -> Self:
        """Return the scheme with its `scale` in the fields that it multiplies."""
        if self.scale == 1 or not self.scaled:
            return self
        fields = {name: getattr(self, name) * self.scale for name in self.scaled}
        return replace(self, **fields, scale=1.0)

    def draws(self, parameter: Parameter) -> bool:
        """Say whether this weight or bias is drawn at all."""
        return parameter.role == "weight"

    def count(self, parameter: Parameter) -> int:
        """Return how many uniforms this parameter takes, where it is drawn.

        The first `size` are those that all schemes share.
        """
        return parameter.size

    def first(self, parameter: Parameter, keys: Sequence[Key]) -> Floats:
        """Return the initial values (P, *shape) of trials with these keys of the `init` stream."""
        drawn = parameter.role not in NORMALISATION and self.draws(parameter)
        if not drawn:
            return self.draw(parameter, np.empty((len(keys), 0)))
        count, place = self.count(parameter), site(parameter.path)
        return self.draw(parameter, uniforms(keys, site=place, count=count))

    def draw(self, parameter: Parameter, variates: Floats) -> Floats:
        """Turn uniforms into initial values.

        Parameters
        ----------
        variates : (P, count) in (0, 1); not looked at where nothing is drawn.

        Returns
        -------
        (P, *shape) float64; row p depends on row p of the variates alone.
        """
        rows = len(variates)
        values = self._values(parameter, variates)
        return np.broadcast_to(values, (rows, parameter.size)).reshape(rows, *parameter.shape)

    def _values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return (P, size) values, or (1,) where all are the same."""
        if parameter.role in NORMALISATION:
            return np.array([NORMALISATION[parameter.role]])
        drawn = self.draws(parameter)
        values = self.values(parameter, variates) if drawn else self.fixed(parameter)
        return values * self.scale

    def fixed(self, parameter: Parameter) -> Floats:
        """Return the value (1,) of a weight or bias that is not drawn."""
        return np.zeros(1)

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return (P, size) values for (P, count) variates."""
        raise NotImplementedError

    def output_sd(self) -> float | None:
        """Return the standard deviation that each layer's outputs are to have on training examples.

        None leaves the weights as they were drawn. Otherwise training rescales them, layer by
        layer, before the first step (`randstudy.training.lsuv`).
        """
        return None

    def misfits(self, model: Model) -> list[tuple[str, str]]:
        """Return (field, message) where the scheme cannot be used with this model."""
        if self.output_sd() is not None and not model.probed:
            return [("", f"{self.name} rescales each layer's outputs, which {model.name} hides")]
        return []

    def unmade(self, parameters: tuple[Parameter, ...]) -> list[tuple[str, str]]:
        """Return (field, message) where the scheme has no values for a network's parameters."""
        return []


@dataclass(frozen=True, kw_only=True)
class UniformInit(Init):
    """A scheme that draws from U(-bound, bound)."""

    def bound(self, parameter: Parameter) -> float:
        """Return the largest absolute value."""
        raise NotImplementedError

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return (2u - 1) * bound."""
        return (2 * variates - 1) * self.bound(parameter)


@dataclass(frozen=True, kw_only=True)
class NormalInit(Init):
    """A scheme that draws from N(0, deviation**2)."""

    def deviation(self, parameter: Parameter) -> float:
        """Return the standard deviation."""
        raise NotImplementedError

    def values(self, parameter: Parameter, variates: Floats) -> Floats:
        """Return the normal quantile of u, times the standard deviation."""
        return normal(variates) * self.deviation(parameter)
