"""Variances of crossed sources of luck, from mean squares of a table of cells by replicates.

The model of a training in cell c with replicates i, j, … of its streams is

    y = mean of c + init_i + order_j + (init x order)_ij + (cell x init)_ci + … + repeat

with cells fixed and all else random. It is the unrestricted model (Searle, Casella & McCulloch,
Variance Components, 1992, section 4.3): the variance of ``init`` is the average covariance between
two cells that share an init, which is luck everywhere, and that of ``cell x init`` is what one cell
has beyond it. Trainings are deterministic, so the interaction of all takes the residual's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from randstudy.analysis.crossed import ROUNDING, effect, sphericity
from randstudy.analysis.squares import Term, mean_squares

CELL: Term = (0,)
"""What the factors explain. Axis 0 of a table is the cell, the streams follow."""

REPEAT: Term = ()
"""The noise floor: same cell, same seeds, another training."""


@dataclass(frozen=True, eq=False)
class Components:
    """Variances as linear functions of mean squares.

    Attributes
    ----------
    terms : (T,) sources; a term with axis 0 is an interaction with the cell.
    matrix : (T, M) takes mean squares to variances; `REPEAT` is taken off where it belongs.
    squares : (M,) mean squares.
    df : (M,) their degrees of freedom.
    pivots : (M,) which mean squares are the same one, seen in different sets of cells.
    own : (T,) number of each term's own mean square.
    cells : (T,) how many cells each term was found in.
    method : how they were found.
    """

    terms: tuple[Term, ...]
    matrix: NDArray[np.float64]
    squares: NDArray[np.float64]
    df: NDArray[np.float64]
    pivots: NDArray[np.int64]
    own: tuple[int, ...]
    cells: tuple[int, ...]
    method: str

    @cached_property
    def variances(self) -> NDArray[np.float64]:
        """Unbiased variances (T,), negative where a small one came out below zero by chance."""
        return self.matrix @ self.squares

    @property
    def luck(self) -> NDArray[np.bool_]:
        """Which terms are luck: all but the cell."""
        return np.array([term != CELL for term in self.terms], bool)

    def containing(self, term: Term) -> NDArray[np.bool_]:
        """Return which terms contain one: itself and all its interactions."""
        if term == REPEAT:
            return np.array([one == REPEAT for one in self.terms], bool)
        return np.array([set(term) <= set(one) for one in self.terms], bool)


@dataclass(frozen=True)
class Noise:
    """Variance of repeated trainings with the same seeds.

    Attributes
    ----------
    square : pooled variance (ddof 1 each).
    df : its degrees of freedom.
    kept : share of it that is left in a value of the table, a mean over repeats.
    """

    square: float
    df: int
    kept: float


def anova(
    table: NDArray[np.float64], uses: NDArray[np.bool_], noise: Noise | None = None
) -> Components:
    """Return the components of a complete table by the method of moments.

    Parameters
    ----------
    table : (C, k1, k2, …) one training an entry, no gaps, every k at least 2. A cell that does not
        consume a stream stands with its one training along that axis.
    uses : (C, streams) which streams each cell consumes.
    noise : where trials were repeated.

    Notes
    -----
    E[MS of S] is the sum, over the terms that contain S, of their variance times the entries behind
    one of their effects, solved for the variances (Searle et al., section 4.3). A stream's variance
    is found among the cells that consume it. Degrees of freedom of interactions with the cell are
    multiplied by `sphericity`: a thousand cells that move alike are not a thousand.
    """
    found = _Collected()
    seen: dict[bytes, _Squares] = {}
    for term in stream_terms(table.ndim - 1):
        those = uses[:, [axis - 1 for axis in term]].all(1)
        if not those.any():
            continue
        if those.tobytes() not in seen:
            seen[those.tobytes()] = _Squares(table[those], found)
        squares, count = seen[those.tobytes()], int(those.sum())
        own = (uses[those].sum(1) == len(term)).mean() * (noise.kept if noise else 0.0)
        many = count > 1
        found.add(_Row(term, squares.row(term), squares.numbers[term], count, 0.0 if many else own))
        if many:
            both = (0, *term)
            found.add(_Row(both, squares.row(both), squares.numbers[both], count, own))
    if len(table) > 1:
        everywhere = np.ones(len(table), bool).tobytes()
        whole = seen[everywhere] if everywhere in seen else _Squares(table, found)
        found.add(_Row(CELL, whole.row(CELL), whole.numbers[CELL], len(table)))
    return found.components("ANOVA", noise, len(table))


def one_way(
    values: NDArray[np.float64], cell: NDArray[np.int64], term: Term, noise: Noise | None = None
) -> Components:
    """Return the components of trainings that no two cells share.

    Parameters
    ----------
    values : (n,) one a training.
    cell : (n,) its cell, 0 to C - 1, at least one cell with two trainings.
    term : what to call the variance within cells.
    noise : where trials were repeated.

    Notes
    -----
    E[MS between] = within + n0 x between, n0 = (n - sum of n_c^2 / n) / (C - 1) (Searle et al.,
    section 3.6).
    """
    found = _Collected()
    counts = np.bincount(cell)
    means = np.bincount(cell, values) / counts
    n, cells = len(values), len(counts)
    least = (ROUNDING * float(np.abs(values).max())) ** 2
    inner = float(((values - means[cell]) ** 2).sum()) / (n - cells)
    within = found.square(term, inner if inner > least else 0.0, n - cells)
    found.add(_Row(term, {within: 1.0}, within, cells, noise.kept if noise else 0.0))
    if cells > 1:
        outer = float((counts * (means - values.mean()) ** 2).sum()) / (cells - 1)
        each = (n - float((counts**2).sum()) / n) / (cells - 1)
        between = found.square(CELL, outer if outer > least else 0.0, cells - 1)
        found.add(_Row(CELL, {between: 1 / each, within: -1 / each}, between, cells))
    return found.components("ANOVA", noise, cells)


def stream_terms(streams: int) -> list[Term]:
    """Return the sets of stream axes, which start at 1, single ones first."""
    axes = range(1, streams + 1)
    return [term for size in axes for term in combinations(axes, size)]


@dataclass(frozen=True)
class _Row:
    """A term's coefficient of each mean square, and the share of the noise within its variance."""

    term: Term
    coefficients: dict[int, float]
    own: int
    cells: int
    noise: float = 0.0


class _Collected:
    """Mean squares and rows of the matrix, while they come in."""

    def __init__(self) -> None:
        self.squares: list[float] = []
        self.df: list[float] = []
        self.same: list[Term] = []
        self.rows: list[_Row] = []

    def square(self, term: Term, square: float, df: float) -> int:
        """Take in a mean square and return its number."""
        self.squares.append(square)
        self.df.append(df)
        self.same.append(term)
        return len(self.squares) - 1

    def add(self, row: _Row) -> None:
        """Take in a term."""
        self.rows.append(row)

    def components(self, method: str, noise: Noise | None, cells: int) -> Components:
        """Return what came in, single streams first and the noise last."""
        rows = sorted(self.rows, key=lambda row: place(row.term))
        last = self.square(REPEAT, noise.square, noise.df) if noise else -1
        if noise:
            rows.append(_Row(REPEAT, {last: 1.0}, last, cells))
        matrix = np.zeros((len(rows), len(self.squares)))
        for number, row in enumerate(rows):
            matrix[number, list(row.coefficients)] = list(row.coefficients.values())
            if row.noise:
                matrix[number, last] = -row.noise
        known = {term: number for number, term in enumerate(dict.fromkeys(self.same))}
        return Components(
            tuple(row.term for row in rows),
            matrix,
            np.array(self.squares),
            np.array(self.df, np.float64),
            np.array([known[term] for term in self.same], np.int64),
            tuple(row.own for row in rows),
            tuple(row.cells for row in rows),
            method,
        )


def place(term: Term) -> tuple[int, bool, Term]:
    """Return what terms are sorted by: few axes first, those without the cell before those with."""
    return len(term), 0 in term, term


class _Squares:
    """Numbered mean squares of one set of cells, and how variances follow from them."""

    def __init__(self, table: NDArray[np.float64], found: _Collected) -> None:
        self.shape = table.shape
        single = table.shape[0] == 1
        centred = table - table.mean()
        squares = mean_squares(centred[0] if single else centred)
        least = (ROUNDING * float(np.abs(table).max())) ** 2
        self.numbers: dict[Term, int] = {}
        for axes, (square, df) in squares.items():
            term = tuple(axis + 1 for axis in axes) if single else axes
            alike = _alike(centred, term, df) if 0 in term[:1] and len(term) > 1 else 1.0
            exact = square if square > least else 0.0
            self.numbers[term] = found.square(term, exact, df * alike)

    def row(self, term: Term) -> dict[int, float]:
        """Return the coefficients of mean squares in a term's variance."""
        behind = np.prod([self.shape[axis] for axis in range(len(self.shape)) if axis not in term])
        return {
            number: float((-1) ** (len(other) - len(term)) / behind)
            for other, number in self.numbers.items()
            if set(term) <= set(other)
        }


def _alike(centred: NDArray[np.float64], term: Term, df: int) -> float:
    """Return the share of an interaction's degrees of freedom that cells moving alike leave."""
    effects = effect(centred, term).reshape(len(centred), -1)
    share = sphericity(effects, len(centred) - 1, df // (len(centred) - 1))
    return share if np.isfinite(share) else 1.0
