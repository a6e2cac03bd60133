"""Components of crossed luck by restricted maximum likelihood, where trainings are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from randstudy.analysis.components import (
    CELL,
    REPEAT,
    Components,
    Noise,
    place,
    stream_terms,
)
from randstudy.analysis.squares import Term

MOST_ROWS = 1000
"""Trainings beyond which the dense likelihood takes more than seconds."""

STEPS = 40
HALVINGS = 12
CLOSE = 1e-7
SINGULAR = 1e10


def reml(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    codes: NDArray[np.int64],
    noise: Noise | None = None,
) -> tuple[Components, list[Term]]:
    """Return components, and the terms that cannot be told from a higher interaction.

    Parameters
    ----------
    values : (n,) one a training.
    cell : (n,) its cell.
    codes : (n, streams) its place on each axis, -1 where its cell does not consume the stream.
    noise : where trials were repeated.

    Notes
    -----
    Fisher scoring on the likelihood of contrasts free of cell means (Patterson & Thompson,
    Biometrika, 1971), with variances free to be negative as long as the covariance of the values
    is positive definite; on complete tables that gives the ANOVA estimates. The mean squares in
    the result are those that a table with the harmonic mean of trainings behind each effect would
    have, so intervals are approximate (Thomas & Hultquist, Annals of Statistics, 1978).

    Raises
    ------
    numpy.linalg.LinAlgError
        The likelihood has no maximum inside its bounds.
    """
    terms, groups = _groups(cell, codes)
    kept = [number for number, one in enumerate(groups) if _own(one, groups[number + 1 :])]
    aliased = [term for number, term in enumerate(terms) if number not in kept]
    terms, groups = [terms[number] for number in kept], [groups[number] for number in kept]
    variances = _scored(values, cell, groups)
    return _components(values, cell, codes, terms, groups, variances, noise), aliased


def _groups(
    cell: NDArray[np.int64], codes: NDArray[np.int64]
) -> tuple[list[Term], list[NDArray[np.int64]]]:
    """Return each term with the effect, -1 for none, that each training has of it."""
    terms, groups = [], []
    for term in stream_terms(codes.shape[1]):
        own = codes[:, [axis - 1 for axis in term]]
        uses = (own >= 0).all(1)
        keys = [(term, own)]
        if len(np.unique(cell[uses])) > 1:
            keys.append(((0, *term), np.column_stack((cell, own))))
        for name, key in keys:
            group = np.full(len(cell), -1, np.int64)
            group[uses] = np.unique(key[uses], axis=0, return_inverse=True)[1].reshape(-1)
            if uses.any():
                terms.append(name)
                groups.append(group)
    order = sorted(range(len(terms)), key=lambda one: place(terms[one]))
    return [terms[one] for one in order], [groups[one] for one in order]


def _own(group: NDArray[np.int64], later: Sequence[NDArray[np.int64]]) -> bool:
    """Tell whether no later term groups the trainings in the same way."""
    counts = group.max() + 1
    for other in later:
        same = ((group >= 0) == (other >= 0)).all()
        pairs = np.unique(np.column_stack((group, other))[group >= 0], axis=0)
        if same and len(pairs) == counts == other.max() + 1:
            return False
    return True


def _scored(
    values: NDArray[np.float64], cell: NDArray[np.int64], groups: Sequence[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return the variances at the maximum of the restricted likelihood."""
    cells = np.unique(cell, return_inverse=True)[1]
    means = np.bincount(cells, values) / np.bincount(cells)
    centred = values - means[cells]
    scale = float(np.sqrt((centred**2).sum() / max(len(values) - len(means), 1)))
    centred = centred / scale
    fixed = np.eye(len(means))[cells]
    at = np.full(len(groups), 1 / len(groups))
    state = _likelihood(centred, fixed, groups, at)
    if state is None:
        raise np.linalg.LinAlgError("no starting point")
    for _ in range(STEPS):
        height, score, information = state
        step = _step(information, score)
        for _ in range(HALVINGS):
            tried = _likelihood(centred, fixed, groups, at + step)
            if tried is not None and tried[0] >= height - 1e-9:
                break
            step = step / 2
        else:
            raise np.linalg.LinAlgError("no ascent")
        at, state = at + step, tried
        if np.abs(step).max() < CLOSE:
            return np.asarray(at * scale**2, np.float64)
    raise np.linalg.LinAlgError("no convergence")


def _step(information: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return information^-1 score; no maximum is near where some direction carries nothing."""
    scale = np.sqrt(information.diagonal())
    known = bool((scale > 0).all() and np.isfinite(scale).all())
    scaled = information / np.outer(scale, scale) if known else information
    if not known or np.linalg.cond(scaled) > SINGULAR:
        raise np.linalg.LinAlgError("some variances cannot be told apart")
    return np.asarray(np.linalg.solve(scaled, score / scale) / scale, np.float64)


def _likelihood(
    values: NDArray[np.float64],
    fixed: NDArray[np.float64],
    groups: Sequence[NDArray[np.int64]],
    variances: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]] | None:
    """Return log-likelihood, score and information; None outside of positive definiteness."""
    covariance = np.zeros((len(values), len(values)))
    for group, variance in zip(groups, variances, strict=True):
        uses = group >= 0
        covariance += variance * ((group[:, None] == group) & uses[:, None] & uses)
    try:
        factor = linalg.cholesky(covariance, lower=True)
        inverse = linalg.cho_solve((factor, True), np.eye(len(values)))
        weighed = inverse @ fixed
        inner = linalg.cholesky(fixed.T @ weighed, lower=True)
    except np.linalg.LinAlgError:
        return None
    projected = inverse - weighed @ linalg.cho_solve((inner, True), weighed.T)
    residual = projected @ values
    logs = np.log(np.diag(factor)).sum() + np.log(np.diag(inner)).sum()
    halves = [_summed(projected, group) for group in groups]
    traces = [
        float(half[group[group >= 0], group >= 0].sum())
        for half, group in zip(halves, groups, strict=True)
    ]
    fits = [float((_summed(residual[:, None], group) ** 2).sum()) for group in groups]
    score = 0.5 * (np.array(fits) - np.array(traces))
    information = np.empty((len(groups), len(groups)))
    for one, half in enumerate(halves):
        for two, group in enumerate(groups[: one + 1]):
            square = 0.5 * float((_summed(half.T, group) ** 2).sum())
            information[one, two] = information[two, one] = square
    return float(-logs - 0.5 * values @ residual), score, information


def _summed(matrix: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the sums of a matrix's rows over each effect of a term, (effects, columns)."""
    rows = np.flatnonzero(group >= 0)
    rows = rows[np.argsort(group[rows], kind="stable")]
    starts = np.searchsorted(group[rows], np.arange(group.max() + 1))
    return np.asarray(np.add.reduceat(matrix[rows], starts, axis=0))


def _components(
    values: NDArray[np.float64],
    cell: NDArray[np.int64],
    codes: NDArray[np.int64],
    terms: list[Term],
    groups: list[NDArray[np.int64]],
    variances: NDArray[np.float64],
    noise: Noise | None,
) -> Components:
    """Return variances with the mean squares that a regular table would have had."""
    cells = np.unique(cell, return_inverse=True)[1]
    kept = _noise_within(terms, cells, codes, noise)
    if cells.max() > 0:
        variances = np.append(variances, _cell_variance(values, cells, terms, groups, variances))
        terms, groups, kept = [*terms, CELL], [*groups, cells], [*kept, 0.0]
    behind = [1 / float(np.mean(1 / np.bincount(group[group >= 0]))) for group in groups]
    within = np.array([[set(low) <= set(high) for high in terms] for low in terms])
    expected = within * np.array(behind)
    df = _freedom(terms, groups)
    size = len(terms) + (noise is not None)
    matrix, squares = np.zeros((size, size)), expected @ variances
    matrix[: len(terms), : len(terms)] = np.linalg.inv(expected)
    if noise:
        matrix[:-1, -1] = -np.array(kept)
        matrix[-1, -1] = 1.0
        squares, df = np.append(squares, noise.square), np.append(df, noise.df)
        terms = [*terms, REPEAT]
    order = sorted(range(size), key=lambda one: (terms[one] == REPEAT, *place(terms[one])))
    consuming = [len(np.unique(cells[group >= 0])) for group in groups] + [int(cells.max()) + 1]
    return Components(
        tuple(terms[one] for one in order),
        matrix[order],
        squares,
        df,
        np.arange(size),
        tuple(order),
        tuple(consuming[one] for one in order),
        "REML",
    )


def _freedom(terms: list[Term], groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Return effects of each term, less what the terms within it took."""
    df: dict[Term, float] = {}
    for term, group in sorted(zip(terms, groups, strict=True), key=lambda one: place(one[0])):
        df[term] = group.max() - sum(df[low] for low in df if set(low) < set(term))
    return np.array([df[term] for term in terms], np.float64)


def _cell_variance(
    values: NDArray[np.float64],
    cells: NDArray[np.int64],
    terms: list[Term],
    groups: list[NDArray[np.int64]],
    variances: NDArray[np.float64],
) -> float:
    """Return the variance of true cell means: of the means, less what luck adds to it."""
    means = np.bincount(cells, values) / np.bincount(cells)
    found = float(means.var(ddof=1))
    for term, group, variance in zip(terms, groups, variances, strict=True):
        if 0 in term:
            effects = np.unique(np.column_stack((cells, group))[group >= 0], axis=0)
            a_cell = np.bincount(effects[:, 0], minlength=len(means))
            found -= variance * float((1 / a_cell[a_cell > 0]).sum()) / len(means)
    return found


def _noise_within(
    terms: list[Term],
    cells: NDArray[np.int64],
    codes: NDArray[np.int64],
    noise: Noise | None,
) -> list[float]:
    """Return how much of the noise a term holds: that of trainings which it alone tells apart."""
    if noise is None:
        return [0.0] * len(terms)
    kept = []
    for term in terms:
        streams = np.zeros(codes.shape[1], bool)
        streams[[axis - 1 for axis in term if axis]] = True
        consumed = codes >= 0
        uses = consumed[:, streams].all(1)
        finest = 0 in term or (0, *term) not in terms
        own = (consumed[uses] == streams).all(1).mean()
        kept.append(float(own) * noise.kept if finest else 0.0)
    return kept
