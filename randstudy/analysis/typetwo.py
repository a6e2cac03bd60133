"""Type II sums of squares of factorials with gaps, from one small matrix of products."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from randstudy.analysis.factorial import Factorial

MOST_COLUMNS = 900
"""Effects, levels of all terms together, beyond which the matrix takes more than seconds."""

SINGULAR = 1e-9
"""Eigenvalues this small beside the largest are zero: products are sums of fractions of counts."""

EXACT = 1e-24
"""Sums of squares this small beside that of the values are rounding."""


@dataclass(frozen=True)
class Error:
    """A mean square to test against."""

    square: float
    df: int


def within_cells(values: NDArray[np.float64], cell: NDArray[np.int64]) -> Error:
    """Return the variance of independent trainings within cells."""
    cells = _compact(cell)
    df = len(values) - int(cells.max()) - 1
    if df < 1:
        return Error(math.nan, 0)
    first = values[np.unique(cells, return_index=True)[1]]
    if (values == first[cells]).all():
        return Error(0.0, df)
    means = np.bincount(cells, values) / np.bincount(cells)
    return Error(float(((values - means[cells]) ** 2).sum()) / df, df)


def own_error(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    levels: NDArray[np.int64],
    blocks: NDArray[np.int64],
) -> Error | None:
    """Return the mean square of a term's interaction with the blocks, None for too many columns.

    Parameters
    ----------
    values, cell : (n,).
    levels : (n, factors) of the term.
    blocks : (n, columns); trainings with equal rows are one block.

    Returns
    -------
    What blocks within the term's levels explain beyond cells and beyond blocks within the levels of
    fewer of its factors. On complete tables that is the error term of repeated measures.
    """
    block = _grouped(blocks)[:, None]
    columns = range(levels.shape[1])
    fewer = [np.delete(levels, column, axis=1) for column in columns]
    inner = [_grouped(np.column_stack((block, one))) for one in fewer]
    outer = _grouped(np.column_stack((block, levels)))
    if outer.max() >= MOST_COLUMNS:
        return None
    cells = _compact(cell)
    left = values - (np.bincount(cells, values) / np.bincount(cells))[cells]
    # Within a level, what blocks explain beyond cells sums to zero: one block says nothing new.
    outer[block[:, 0] == block.max()] = -1
    below, above = (_fit(groups, left, cells) for groups in (inner, [outer]))
    df = above[1] - below[1]
    squares = above[0] - below[0]
    if df < 1:
        return Error(math.nan, 0)
    return Error(squares / df if squares > EXACT * float((values**2).sum()) else 0.0, df)


def _fit(
    groups: list[NDArray[np.int64]], left: NDArray[np.float64], swept: NDArray[np.int64]
) -> tuple[float, int]:
    design = sparse.hstack([_indicators(group) for group in groups], "csr")
    return _explained(_swept(design, swept), np.asarray(design.T @ left, np.float64))


def _indicators(group: NDArray[np.int64]) -> sparse.csr_array:
    """Return a column a group, rows of group -1 in none."""
    rows = np.flatnonzero(group >= 0)
    numbers = _compact(group[rows])
    shape = (len(group), int(numbers.max()) + 1 if len(rows) else 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, numbers)), shape=shape)


def _swept(design: sparse.csr_array, group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the products of a design's columns after the means of each group are taken out."""
    sums = _indicators(group).T @ design
    scaled = sparse.diags_array(1 / np.bincount(group)) @ sums
    return np.asarray((design.T @ design - sums.T @ scaled).toarray(), np.float64)


def type_two(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    plan: Factorial,
    blocks: NDArray[np.int64] | None = None,
) -> list[tuple[float, int]] | None:
    """Return (sum of squares, degrees of freedom) of each term, None for too many columns.

    A term's sum is what it explains beyond blocks and all terms that do not contain it (Yates'
    method of fitting constants; type II of SAS and of statsmodels' ``anova_lm``). Degrees of
    freedom are differences of ranks, so what cannot be told apart has none.
    """
    block = np.zeros(len(values), np.int64)
    if blocks is not None:
        block = _grouped(blocks)
    codes = plan.codes[cell]
    sizes = [math.prod(plan.shape[factor] for factor in term) for term in plan.terms]
    if sum(sizes) > MOST_COLUMNS:
        return None
    groups = [_grouped(codes[:, list(term)]) for term in plan.terms]
    contrasts = [_contrasts(codes[:, list(t)], [plan.shape[f] for f in t]) for t in plan.terms]
    starts = np.cumsum([0, *(one.shape[1] for one in contrasts)])
    wide = linalg.block_diag(*contrasts)
    products = _swept(sparse.hstack([_indicators(group) for group in groups], "csr"), block)
    products = wide.T @ products @ wide
    left = values - (np.bincount(block, values) / np.bincount(block))[block]
    response = wide.T @ np.concatenate([np.bincount(group, left) for group in groups])

    def fitted(terms: list[int]) -> tuple[float, int]:
        ranges = [np.arange(starts[one], starts[one + 1]) for one in terms]
        chosen = np.concatenate([np.empty(0, np.int64), *ranges])
        return _explained(products[np.ix_(chosen, chosen)], response[chosen])

    found = []
    for number, term in enumerate(plan.terms):
        others = [n for n, other in enumerate(plan.terms) if not set(term) <= set(other)]
        without, beyond = fitted(others), fitted([*others, number])
        found.append((max(beyond[0] - without[0], 0.0), beyond[1] - without[1]))
    return found


def _contrasts(levels: NDArray[np.int64], shape: list[int]) -> NDArray[np.float64]:
    """Return (combinations that are there, degrees of freedom) columns that sum to zero.

    Without them every design would be singular, and a decomposition ten times as slow be needed.
    """
    wide: NDArray[np.float64] = np.ones((1, 1))
    for count in shape:
        own = np.vstack((np.eye(count - 1), -np.ones(count - 1)))
        wide = np.asarray(np.kron(wide, own), np.float64)
    number = np.ravel_multi_index(tuple(levels.T), tuple(shape))
    return np.asarray(wide[np.bincount(number, minlength=len(wide)) > 0], np.float64)


def _grouped(levels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each row among the distinct rows."""
    number = np.zeros(len(levels), np.int64)
    for column in levels.T:
        number = number * (int(column.max()) + 2) + column + 1
        number = _compact(number)
    return number


def _compact(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return numbers from 0 without gaps, in the same order; sorting only where they are sparse."""
    if not len(number) or number.max() > 50 * len(number):
        return np.asarray(np.unique(number, return_inverse=True)[1], np.int64)
    there = np.bincount(number) > 0
    return np.asarray((np.cumsum(there) - 1)[number], np.int64)


def _explained(products: NDArray[np.float64], response: NDArray[np.float64]) -> tuple[float, int]:
    """Return the sum of squares that a design explains, and its rank."""
    if not len(products):
        return 0.0, 0
    try:
        factor = linalg.cholesky(products, lower=True)
    except np.linalg.LinAlgError:
        return _explained_singular(products, response)
    if np.diag(factor).min() ** 2 <= SINGULAR * products.diagonal().max():
        return _explained_singular(products, response)
    turned = linalg.solve_triangular(factor, response, lower=True)
    return float(turned @ turned), len(products)


def _explained_singular(
    products: NDArray[np.float64], response: NDArray[np.float64]
) -> tuple[float, int]:
    values, vectors = linalg.eigh(products)
    real = values > SINGULAR * max(values[-1], 1.0)
    turned = vectors[:, real].T @ response
    return float((turned**2 / values[real]).sum()), int(real.sum())
