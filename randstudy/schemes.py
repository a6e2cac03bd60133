"""How a study chooses its cells: all combinations of levels, some, or points that are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from randstudy import streams
from randstudy.fields import FAULT, Findings, read
from randstudy.grids import MOST_ROWS
from randstudy.parts import Part, Range
from randstudy.places import FieldPath

PATH: FieldPath = ("design",)


@dataclass(frozen=True, kw_only=True)
class Scheme(Part, kind="design"):
    """A way to choose cells; arms are always crossed with what it chooses."""


@dataclass(frozen=True, kw_only=True)
class Crossed(Scheme, name="crossed"):
    """Every combination of levels."""


@dataclass(frozen=True, kw_only=True)
class OneAtATime(Scheme, name="one_at_a_time"):
    """A reference level of each factor, and each other level with all else at the reference."""

    reference: Annotated[
        Mapping[str, Any], "factor -> its reference level; the first where nothing is said"
    ] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Drawn(Scheme):
    """Points drawn from ranges and lists of levels.

    All draws come from the study's seed, each factor's from a key of its own.
    """

    cells: Annotated[int, Range(least=1, most=MOST_ROWS), "how many points"]
    crossed: Annotated[tuple[str, ...], "factors crossed with the points instead of drawn"] = ()

    nests: ClassVar[bool] = True
    """Whether more points begin with the same ones as fewer."""

    def shares(self, seed: int, names: Sequence[str], count: int) -> NDArray[np.float64]:
        """Return (count, len(names)) numbers between 0 and 1: a row a point, a column a factor.

        Parameters
        ----------
        seed : the study's.
        names : full names of the factors, each with draws of its own.
        """
        raise NotImplementedError

    def _keys(self, seed: int, names: Sequence[str]) -> list[streams.Key]:
        return [streams.design_key(seed, f"{self.name} {name}") for name in names]


@dataclass(frozen=True, kw_only=True)
class Random(Drawn, name="random"):
    """Independent draws. More cells keep the earlier ones."""

    def shares(self, seed: int, names: Sequence[str], count: int) -> NDArray[np.float64]:
        """Return uniform numbers."""
        site = streams.site("design")
        return streams.uniforms(self._keys(seed, names), site=site, count=count).T


@dataclass(frozen=True, kw_only=True)
class LatinHypercube(Drawn, name="latin_hypercube"):
    """Each factor's range in as many slices as there are cells, each slice taken once.

    McKay, Beckman & Conover, Technometrics, 1979. Another number of cells is another design.
    """

    nests: ClassVar[bool] = False

    def shares(self, seed: int, names: Sequence[str], count: int) -> NDArray[np.float64]:
        """Return a random place in each slice, slices in random order."""
        keys = self._keys(seed, names)
        slices = streams.permutations(keys, count, epoch=0)
        inside = streams.uniforms(keys, site=streams.site("design"), count=count)
        found: NDArray[np.float64] = ((slices + inside) / count).T
        return found


@dataclass(frozen=True, kw_only=True)
class Sobol(Drawn, name="sobol"):
    """Points of Sobol's sequence, spread more evenly than by chance; best at powers of two.

    More cells keep the earlier ones.
    """

    def shares(self, seed: int, names: Sequence[str], count: int) -> NDArray[np.float64]:
        """Return the sequence of Joe & Kuo (2008), by a digital shift of 32 random bits a factor.

        The shift (exclusive or) keeps what makes the points a net, and makes each uniform.
        """
        from scipy.stats import qmc

        # Asked for a power of two at a time, it has nothing to warn of.
        sequence = qmc.Sobol(len(names), scramble=False, bits=32)
        plain = sequence.random_base2(max(0, (count - 1).bit_length()))[:count]
        shift = streams.words(self._keys(seed, names), site=streams.site("design"), count=1)
        shifted = np.rint(plain * 2.0**32).astype(np.uint64) ^ shift.T.astype(np.uint64)
        found: NDArray[np.float64] = (shifted.astype(np.float64) + 0.5) * 2.0**-32
        return found


def read_scheme(value: Any, found: Findings) -> Scheme | None:
    """Read ``design:``; crossed where nothing is said, None where a problem was noted."""
    scheme = Crossed() if value is None else read(Scheme, value, PATH, found)
    return None if scheme is FAULT else scheme
