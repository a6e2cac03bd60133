"""Which columns of each table the page shows, and under what heads."""

from __future__ import annotations

from collections.abc import Sequence

from randstudy.analysis.words import Quantity
from randstudy.report.tables import Column, column

MOST_FACTORS = 6
"""Factors that get a column each; a cell of more is told by its label."""


def in_unit(head: str, unit: str) -> str:
    """Write a head with its unit.

    >>> in_unit("mean", "%"), in_unit("mean", "")
    ('mean, %', 'mean')
    """
    return f"{head}, {unit}" if unit else head


def compare(quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of declared comparisons."""
    name, points = quantity.unit.name, quantity.unit.difference
    return (
        column("level", "level", kind="text"),
        column("against", "reference", kind="text"),
        column("verdict", "verdict", kind="text"),
        column(in_unit("mean", name), "mean_level", kind="value"),
        column(in_unit("reference", name), "mean_reference", kind="value"),
        column(in_unit("difference", points), "estimate", kind="difference"),
        column("95 % interval", "low", "high", kind="difference"),
        column("deciding interval", "decisive_low", "decisive_high", kind="difference"),
        column("on new data", "new_data_low", "new_data_high", kind="difference"),
        column("n", "n", kind="text"),
        column("p, Holm", "p_holm", kind="p"),
    )


def measures() -> tuple[Column, ...]:
    """Return the columns of declared comparisons that no verdict rests on."""
    return (
        column("level", "level", kind="text"),
        column("against", "reference", kind="text"),
        column("missing pairs", "missing_pairs", kind="count"),
        column("p", "p", kind="p"),
        column("p, sign flip", "sign_flip_p", kind="p"),
        column("r of pairs", "r", kind="aligned"),
        column("Hedges g", "g", kind="aligned"),
        column("P(level better), %", "superiority", kind="share"),
        column("95 % interval", "superiority_low", "superiority_high", kind="share"),
    )


def explored(quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of comparisons that nobody declared."""
    name, points = quantity.unit.name, quantity.unit.difference
    return (
        column("factor", "factor", kind="text"),
        column("level", "level", kind="text"),
        column("against", "reference", kind="text"),
        column(in_unit("mean", name), "mean_level", kind="value"),
        column(in_unit("reference", name), "mean_reference", kind="value"),
        column(in_unit("difference", points), "estimate", kind="difference"),
        column("95 % interval", "low", "high", kind="difference"),
        column("n", "n", kind="text"),
        column("P(level better), %", "superiority", kind="share"),
        column("95 % interval", "superiority_low", "superiority_high", kind="share"),
    )


def variance(quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of the sources of luck."""
    return (
        column("source", "source", kind="text"),
        column(in_unit("sd", quantity.unit.difference), "sd", kind="difference"),
        column("share alone, %", "share", kind="share"),
        column("95 % interval", "low", "high", kind="share"),
        column("with interactions, %", "total", kind="share"),
        column("95 % interval", "total_low", "total_high", kind="share"),
        column("n", "n", kind="count"),
        column("levels", "levels", kind="count"),
        column("df", "df"),
    )


def cell(factors: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns that tell a cell."""
    few = 0 < len(factors) <= MOST_FACTORS
    return tuple(column(name, name, kind="text") for name in (factors if few else ("cell",)))


def cells(factors: Sequence[str], quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of cells in the order of their ranks."""
    name, points = quantity.unit.name, quantity.unit.difference
    return (
        column("rank", "rank", kind="count"),
        column("plausible ranks", "rank_low", "rank_high", kind="count"),
        *cell(factors),
        column(in_unit("mean", name), "mean", kind="value"),
        column("95 % interval", "low", "high", kind="value"),
        column("n", "n", kind="count"),
        column(in_unit("sd", points), "sd", kind="difference"),
        column("least to most", "least", "most", kind="value"),
        column("best in, %", "p_best", kind="share"),
        column("diverged", "diverged", kind="count"),
        column("failed", "failed", kind="count"),
    )


def best_of(factors: Sequence[str], quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of the expected best of k seeds."""
    return (
        *cell(factors),
        column("seeds tried", "k", kind="count"),
        column(in_unit("expected best", quantity.unit.name), "expected", kind="value"),
        column("95 % interval", "low", "high", kind="value"),
        column("n", "n", kind="count"),
    )


def power(quantity: Quantity) -> tuple[Column, ...]:
    """Return the columns of how many replicates comparisons take."""
    points = quantity.unit.difference
    return (
        column("comparison", "comparison", kind="text"),
        column("design", "design", kind="text"),
        column(in_unit("wanted", points), "wanted", kind="difference"),
        column("n now", "n", kind="count"),
        column(in_unit("sd", points), "sd", kind="difference"),
        column(in_unit("found with n now", points), "detectable", kind="difference"),
        column("n to detect", "to_detect", kind="count"),
        column("n to settle", "needed", kind="count"),
        column("plausibly", "needed_low", "needed_high", kind="count"),
        column("plan on", "planned", kind="count"),
        column("minutes more", "minutes", kind="minutes"),
    )


def stability(factors: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of churn and of the test set's part in the spread."""
    return (
        *cell(factors),
        column("n", "n", kind="count"),
        column("examples", "examples", kind="count"),
        column("error, %", "mean_error", kind="share"),
        column("pairs disagree on, %", "disagreement", kind="share"),
        column("ensemble gains, points", "ensemble_gain", kind="points"),
        column("sd, points", "sd", kind="points"),
        column("if errors were independent", "sd_independent", kind="points"),
        column("on unlimited test data", "sd_distribution", kind="points"),
        column("95 % interval", "distribution_low", "distribution_high", kind="points"),
    )


def winners(factors: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of the best of k seeds seen on other examples."""
    return (
        *cell(factors),
        column("seeds tried", "k", kind="count"),
        column("best where chosen, %", "chosen_half", kind="share"),
        column("the same elsewhere, %", "other_half", kind="share"),
        column("mean seed, %", "mean", kind="share"),
        column("lead kept, %", "kept_share", kind="share"),
        column("95 % interval", "low", "high", kind="share"),
        column("n", "n", kind="count"),
    )


def gap(factors: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of the generalisation gap."""
    return (
        *cell(factors),
        column("training loss", "train", kind="aligned"),
        column("test loss", "test", kind="aligned"),
        column("gap", "gap", kind="aligned"),
        column("95 % interval", "low", "high", kind="aligned"),
        column("n", "n", kind="count"),
    )


def batch_sizes(factors: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of steps to a target."""
    return (
        *cell(factors),
        column("steps", "steps"),
        column("95 % interval", "low", "high"),
        column("n", "n", kind="count"),
        column("reached it", "reached", kind="count"),
        column("slope", "slope", kind="aligned"),
        column("95 % interval", "slope_low", "slope_high", kind="aligned"),
        column("regime", "regime", kind="text"),
    )


RANK_STABILITY = (
    column("replicates", "n", kind="count"),
    column("same winner, %", "same_winner", kind="share"),
    column("95 % interval", "low", "high", kind="share"),
)

EFFECTS = (
    column("term", "term", kind="text"),
    column("df", "df"),
    column("df of error", "df_error"),
    column("F", "f"),
    column("p", "p", kind="p"),
    column("p, corrected", "p_corrected", kind="p"),
    column("partial ω²", "omega_squared", kind="aligned"),
    column("n", "n", kind="count"),
)
