"""The factors of a study as a factorial design over its cells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.layout import Layout
from randstudy.analysis.squares import Term


@dataclass(frozen=True, eq=False)
class Factorial:
    """Factors with at least two levels, and how cells combine them.

    Attributes
    ----------
    names : the factors that vary.
    constant : those that do not.
    codes : (cells, factors) level of each cell, in order of appearance.
    shape : how many levels each factor has.
    terms : factors and interactions up to the wanted order, as factor numbers.
    cells : cells in the order of the factorial, the last factor fastest; empty where it has gaps.
    """

    names: tuple[str, ...]
    constant: tuple[str, ...]
    codes: NDArray[np.int64]
    shape: tuple[int, ...]
    terms: tuple[Term, ...]
    cells: NDArray[np.int64]

    @property
    def complete(self) -> bool:
        """Whether each combination of levels is one cell."""
        return len(self.cells) > 0

    def name(self, term: Term) -> str:
        """Return what a term is called."""
        return " × ".join(self.names[factor] for factor in term)

    def df(self, term: Term) -> int:
        """Return the degrees of freedom of a term when all combinations are there."""
        return math.prod(self.shape[factor] - 1 for factor in term)


def factorial(layout: Layout, order: int) -> Factorial:
    """Return the factorial of the cells that have a training; cells are levels without factors."""
    present = np.unique(layout.cell)
    frame = layout.cells.iloc[present]
    names = list(layout.roles.factors) or ["cell"]
    levels = [pd.factorize(frame[name], use_na_sentinel=False)[0] for name in names]
    counts = [int(codes.max()) + 1 if len(codes) else 0 for codes in levels]
    moving = [number for number, count in enumerate(counts) if count > 1]
    codes = np.full((len(layout.cells), len(moving)), -1, np.int64)
    for column, number in enumerate(moving):
        codes[present, column] = levels[number]
    shape = tuple(counts[number] for number in moving)
    sizes = range(1, min(order, len(moving)) + 1)
    return Factorial(
        tuple(names[number] for number in moving),
        tuple(name for number, name in enumerate(names) if number not in moving),
        codes,
        shape,
        tuple(term for size in sizes for term in combinations(range(len(moving)), size)),
        _ordered(codes, present, shape),
    )


def _ordered(
    codes: NDArray[np.int64], present: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return cells in the order of the factorial, none where it has gaps or a cell twice."""
    if not shape or math.prod(shape) != len(present):
        return np.empty(0, np.int64)
    number = np.ravel_multi_index(tuple(codes[present].T), shape)
    if len(np.unique(number)) < len(number):
        return np.empty(0, np.int64)
    return np.asarray(present[np.argsort(number)], np.int64)
