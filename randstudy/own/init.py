"""A function that draws first weights, as an init; and the init that a module has itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from randstudy.inits import Floats, Init
from randstudy.inits.scheme import NORMALISATION
from randstudy.own.functions import OwnPart, ReturnError
from randstudy.own.probing import init_problem
from randstudy.streams import Key, handed_at, site, uniforms

if TYPE_CHECKING:
    from randstudy.models import Parameter


@dataclass(frozen=True, kw_only=True)
class OwnInit(OwnPart, Init):
    """A scheme of somebody's own: a function of a weight's shape that returns its values.

    The shape is handed over by position. By name there are ``fan_in``, ``fan_out``, ``path``,
    ``rng`` (a numpy generator of the `init` stream, of the parameter's own) and ``uniforms`` (an
    array of that shape, the same that all of randstudy's schemes start from). A function that takes
    ``role`` is asked for biases too, which are zero otherwise.
    """

    given: ClassVar[int] = 1
    offered: ClassVar[tuple[str, ...]] = (
        "fan_in",
        "fan_out",
        "path",
        "role",
        "rng",
        "uniforms",
    )

    def streams(self) -> frozenset[str]:
        """Return `init` where the function takes draws."""
        return frozenset({"init"} if {"rng", "uniforms"} & self.wanted else ())

    def draws(self, parameter: Parameter) -> bool:
        """Weights, and biases where the function knows what they are."""
        return parameter.role == "weight" or "role" in self.wanted

    def first(self, parameter: Parameter, keys: Sequence[Key]) -> Floats:
        """Ask the function, once a trial."""
        if parameter.role in NORMALISATION or not self.draws(parameter):
            return self.draw(parameter, np.empty((len(keys), 0)))
        return np.stack([self._called(parameter, key) for key in keys]) * self.scale

    def unmade(self, parameters: tuple[Parameter, ...]) -> list[tuple[str, str]]:
        """Try the function on some of the network's parameters."""
        found = init_problem(self, parameters)
        return [("", found)] if found else []

    def _called(self, parameter: Parameter, key: Key) -> Floats:
        """Return the values of one trial's parameter."""
        place = site(parameter.path)
        uniform = uniforms([key], site=place, count=parameter.size).reshape(parameter.shape)
        values = np.asarray(
            self.call_watched(
                parameter.shape,
                fan_in=parameter.fan_in,
                fan_out=parameter.fan_out,
                path=parameter.path,
                role=parameter.role,
                rng=handed_at(key, parameter.path).numpy(),
                uniforms=uniform,
            ),
            dtype=np.float64,
        )
        if values.shape != parameter.shape:
            raise ReturnError(
                f"{self.name} returns {values.shape} for the {parameter.role} {parameter.path} of "
                f"shape {parameter.shape}"
            )
        return values
