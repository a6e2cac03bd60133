"""Which figures a report has, what is said below them, and what who cannot see them is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from randstudy import plots
from randstudy.analysis.layout import ROWS, Layout, records
from randstudy.analysis.pairs import pair
from randstudy.analysis.power import power_curve
from randstudy.analysis.tuning import tuned
from randstudy.analysis.words import level_name
from randstudy.errors import RandstudyError
from randstudy.report.material import Material
from randstudy.report.values import missing

MOST_CELLS = 60
"""Cells up to which each is drawn against each, or each with all of its trainings."""

MOST_SLOPES = 4
"""Comparisons whose pairs are drawn one by one."""

MOST_SEEDS = 100
"""Replicates up to which each is drawn."""

ESTIMATES = (
    *("mean", "share", "estimate", "expected", "same_winner", "steps", "disagreement"),
    *("chosen_half", "interaction"),
)
"""Columns of which a figure shows one; without a single value there is no figure."""

FIRST = 5
"""Cells whose lines are drawn: those that rank first."""


@dataclass(frozen=True)
class Drawing:
    """A figure. `alt` says what it shows; `caption` says from how much and by which method."""

    name: str
    alt: str
    caption: str
    axes: Axes

    @cached_property
    def svg(self) -> str:
        """The figure as an element of the page."""
        return plots.svg(self.axes, title=self.alt)


def drawings(found: Material) -> dict[str, Drawing]:
    """Draw all figures for which there is something to draw, by name."""
    drawn: dict[str, Drawing] = {}
    for name, alt, table, draw in _plans(found):
        if _silent(table):
            continue
        try:
            axes = draw()
        except RandstudyError:
            # A figure that cannot be drawn is one picture less; its table says why.
            continue
        drawn[name] = Drawing(name, alt, f"{alt} {_basis(table)}".strip(), axes)
    return drawn


def _silent(table: pd.DataFrame | Layout) -> bool:
    """Tell whether a figure of a table would show nothing but its axes."""
    if isinstance(table, Layout):
        return not len(table.values)
    shown = [name for name in ESTIMATES if name in table.columns]
    return not len(table) or bool(shown and table[shown].isna().all(axis=None))


Plan = tuple[str, str, pd.DataFrame | Layout, Callable[[], Axes]]


def _plans(found: Material) -> Iterator[Plan]:
    """Yield name, what it shows, the table behind it, and how to draw it."""
    answer, tables = found.answer, found.tables
    metric = answer.evidence.roles.metric
    by_rank = _by_rank(found)
    few = len(answer.layout.cells) <= MOST_CELLS

    def told(draw: Callable[..., Axes], table: Any, **more: Any) -> Callable[[], Axes]:
        return lambda: draw(table, metric=metric, **more)

    compared = tables["compare"] if len(tables["compare"]) else tables["explored"]
    alt = "Differences from the reference with 95 % intervals."
    yield "comparisons", alt, compared, told(plots.comparisons, compared)
    yield from _slopes(found)
    table = tables["variance"]
    yield "variance", "Share of each source in the luck.", table, told(plots.variance, table)
    points = answer.layout if few else None
    alt = "Mean of each cell with its 95 % interval, best first."
    cells = by_rank(tables["cells"])
    yield "cells", alt, cells, told(plots.cells, cells, points=points)
    table = tables["rank"]
    alt = "Rank of each cell and how far other seeds would move it."
    yield "rank", alt, table, lambda: plots.rank(tables["rank"])
    table = tables["rank_stability"]
    alt = "How often another study names the same winner, by its number of replicates."
    yield "rank_stability", alt, table, lambda: plots.rank_stability(tables["rank_stability"])
    if few and len(answer.layout.cells) > 1 and _paired(answer.layout):
        alt = "Each training against the mean of its cell: a seed lucky everywhere is a column."
        yield "seeds", alt, answer.layout, told(plots.seeds, answer.layout)
    if len(tables["superiority"]) > 1:
        alt = "How often the cell of a row beats that of a column."
        order = list(tables["rank"]["cell"])
        square = tables["superiority"].loc[order, order]
        yield "superiority", alt, square, lambda: plots.superiority(square)
    table = by_rank(tables["best_of"], FIRST)
    alt = "What the best of several seeds is expected to reach."
    yield "best_of", alt, table, told(plots.best_of, table)
    table = by_rank(tables["curves"], FIRST)
    name = answer.curve_metric or metric
    alt = f"Mean of {name} along training with pointwise 95 % intervals."
    yield "curves", alt, table, lambda: plots.curves(by_rank(tables["curves"], FIRST), name)
    table = tables["batch_sizes"]
    alt = "Steps to the target by batch size."
    yield "batch_sizes", alt, table, lambda: plots.batch_sizes(tables["batch_sizes"])
    yield from _interactions(found)
    yield from _power(found)
    table = by_rank(tables["stability"])
    alt = "How unlike the seeds of each cell are, example by example."
    yield "churn", alt, table, lambda: plots.churn(by_rank(tables["stability"]))
    table = tables["difficulty"]
    alt = "How many trainings are right on a test example, over all examples."
    yield "difficulty", alt, table, lambda: plots.difficulty(tables["difficulty"])
    table = tables["winners"]
    alt = "The best of several seeds where it was chosen, and on other examples."
    yield "winners", alt, table, told(plots.winners, table)


def _by_rank(found: Material) -> Callable[..., pd.DataFrame]:
    """Return what puts a table's rows into the order of their cells' ranks."""
    rank = found.tables["rank"]
    place = {} if not len(rank) else {cell: place for place, cell in enumerate(rank["cell"])}

    def ordered(table: pd.DataFrame, most: int = len(place)) -> pd.DataFrame:
        if not len(table):
            return table
        places = table["cell"].map(place)
        kept = table[places < most]
        return kept.iloc[places[places < most].argsort(kind="stable")]

    return ordered


def _paired(layout: Layout) -> bool:
    """Tell whether replicates are few enough, and shared, to be drawn as columns."""
    axes = layout.axes
    return len(axes) == 1 and axes[0].name != ROWS and len(axes[0]) <= MOST_SEEDS


def _slopes(found: Material) -> Iterator[Plan]:
    """Yield the pairs of the first declared comparisons, a line a pair."""
    answer = found.answer
    for number, row in enumerate(records(found.tables["compare"].head(MOST_SLOPES)), 1):
        if not row["pairs"] or "×" in row["n"]:
            continue
        sides = [level_name(row["factor"], row[side]) for side in ("level", "reference")]
        alt = f"{sides[0]} against {sides[1]}, a line a pair. n = {row['n']} pairs."

        def draw(row: dict[str, Any] = row) -> Axes:
            layout = tuned(answer.layout, row["factor"]).layout
            told = pair(layout, row["factor"], row["level"], row["reference"])
            return plots.slopes(told, metric=answer.evidence.roles.metric)

        yield f"slopes-{number}", alt, answer.layout, draw


def _interactions(found: Material) -> Iterator[Plan]:
    """Yield a picture for each two factors."""
    metric = found.answer.evidence.roles.metric
    table = found.tables["interactions"]
    if not len(table):
        return
    pairs = table[["factor_a", "factor_b"]].drop_duplicates()
    for number, (a, b) in enumerate(pairs.itertuples(index=False, name=None), 1):
        alt = f"What {a} and {b} do together beyond what each does alone."
        some = table[(table["factor_a"] == a) & (table["factor_b"] == b)]

        def draw(some: pd.DataFrame = some) -> Axes:
            return plots.interactions(some, metric=metric)

        yield f"interactions-{number}", alt, some, draw


def _power(found: Material) -> Iterator[Plan]:
    """Yield the power of the comparison whose differences scatter most."""
    table = found.tables["compare"]
    known = table[(table["sd"] > 0) & (table["smallest_difference"] > 0)] if len(table) else table
    if not len(known):
        return
    row = records(known.sort_values("sd"))[-1]
    sides = [level_name(row["factor"], row[side]) for side in ("level", "reference")]
    alt = f"Power by number of seeds, for {sides[0]} against {sides[1]}."
    paired, n = bool(row["pairs"]), int(row["smallest_n"])
    wanted = float(row["smallest_difference"])

    def draw() -> Axes:
        alpha = float(row["decisive_alpha"])
        df = n - 1 if paired else 2 * n - 2
        curve = power_curve(float(row["sd"]), df, wanted, paired=paired, alpha=alpha)
        metric = found.answer.evidence.roles.metric
        return plots.power(curve, n_now=n, wanted=wanted, metric=metric)

    yield "power", alt, known.tail(1).assign(method="noncentral t"), draw


def _basis(table: pd.DataFrame | Layout) -> str:
    """Say how many trainings a figure rests on and by which method it was made."""
    if isinstance(table, Layout):
        return ""
    told = []
    if "n" in table.columns:
        counts = [one for one in table["n"].unique() if not missing(one)]
        if all(isinstance(one, str) for one in counts):
            told.append(f"n = {', '.join(counts[:3])}{', …' if len(counts) > 3 else ''}")
        elif counts:
            low, high = int(min(counts)), int(max(counts))
            told.append(f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}")
    if "method" in table.columns:
        methods = [str(one) for one in table["method"].unique() if not missing(one)]
        methods = [one for one in methods if one not in ("", "none")]
        told += [f"method: {', '.join(methods[:3])}"] if methods else []
    text = "; ".join(told)
    return (
        f"{text[:1].upper() if not text.startswith('n ') else text[:1]}{text[1:]}." if text else ""
    )
