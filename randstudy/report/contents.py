"""What stands on the page, and in which order: the question, the verdict, and what bears on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from randstudy.analysis import paragraphs
from randstudy.analysis.words import counted
from randstudy.report import columns
from randstudy.report.figures import Drawing
from randstudy.report.material import Material, ranked
from randstudy.report.parts import Part, Section
from randstudy.report.tables import MOST_ROWS, Column, Table, shown

MOST_FIRST = 4
"""Cells that rank first, of which more is shown."""

MOST_MINOR = 12
"""Rows of tables that few readers need whole."""


class Contents:
    """Makes the sections of a page from its material and drawings."""

    def __init__(self, found: Material, drawings: Mapping[str, Drawing]) -> None:
        self.found = found
        self.drawings = drawings
        self.quantity = found.answer.setting.quantity
        self.factors = found.answer.evidence.roles.factors

    def sections(self) -> tuple[Section, ...]:
        """Return all sections in order; the verdict's cards stand before them."""
        luck = (self._luck(), self._test_set(), self._winners())
        told = [
            Section("luck", "Which luck matters", luck),
            Section("cells", "Cells", (self._cells(), self._best_of())),
            Section("curves", "Curves", (self._curves(), self._batch_sizes(), self._gap())),
            Section("interactions", "Do the factors interact?", (self._interactions(),)),
            Section("power", "How many seeds?", (self._power(),)),
            Section("endings", "Failures and divergences", (self._endings(),)),
        ]
        # Where nothing was declared, differences are what a reader looks for first.
        declared = self.found.answer.declared is not None
        title = "Other differences" if declared else "Differences"
        explored = Section("explored", title, (self._explored(),), "exploratory: no verdicts")
        told.insert(3 if declared else 0, explored)
        return tuple(told)

    def _drawn(self, *names: str) -> tuple[Drawing, ...]:
        return tuple(self.drawings[name] for name in names if name in self.drawings)

    def _table(
        self,
        name: str,
        title: str,
        spec: Sequence[Column],
        frame: pd.DataFrame | None = None,
        *,
        files: Sequence[str] = (),
        most: int = MOST_ROWS,
        order: str = "",
        part: str = "",
    ) -> tuple[Table, ...]:
        """Return a table of the material, or none where it has no rows."""
        rows = self.found.tables[name] if frame is None else frame
        if not len(rows):
            return ()
        found = shown(
            name,
            title,
            rows,
            spec,
            self.quantity,
            files=files,
            most=most,
            order=order,
            part=part,
        )
        return (found,)

    def _first(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the cells that rank first."""
        first = self._by_rank(table)
        return first[first["cell"].isin(list(self.found.tables["rank"]["cell"].head(MOST_FIRST)))]

    def _by_rank(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return rows in the order in which their cells rank, with a column a factor."""
        place = {cell: place for place, cell in enumerate(self.found.tables["rank"]["cell"])}
        return self._told_apart(table).iloc[table["cell"].map(place).argsort(kind="stable")]

    def _told_apart(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return rows of cells with a column a factor; index and order stay."""
        cells = self.found.tables["cells"][["cell", *self.factors]]
        joined = table[["cell"]].merge(cells, on="cell", how="left", validate="many_to_one")
        levels = joined[list(self.factors)].set_index(table.index)
        return pd.concat([table.drop(columns=list(self.factors), errors="ignore"), levels], axis=1)

    def verdict(self) -> Part:
        """Return what stands below the cards: the comparisons in numbers."""
        title = "Declared comparisons, averaged over all other factors."
        other = "The same comparisons by other measures; no verdict rests on these."
        # The notes stand below the first table; they are about the same rows.
        measured = self.found.tables["compare"].drop(columns="note")
        return Part(
            small=True,
            drawings=self._drawn(*(name for name in self.drawings if name.startswith("slopes"))),
            tables=(
                *self._table("compare", title, columns.compare(self.quantity)),
                *self._table("compare", other, columns.measures(), measured, part="-measures"),
            ),
        )

    def _explored(self) -> Part:
        if not len(self.found.tables["explored"]):
            return Part(paragraphs=(self.found.why("explored", "there is no other factor"),))
        told = (
            "Nobody announced these comparisons before the numbers were seen. Their intervals are "
            "those of single comparisons: of twenty, one excludes zero by luck."
        )
        title = "Each level of the other factors against the first, averaged over the rest."
        drawn = () if self.found.answer.declared else self._drawn("comparisons")
        return Part(
            paragraphs=(told,),
            drawings=drawn,
            tables=self._table("explored", title, columns.explored(self.quantity)),
        )

    def _luck(self) -> Part:
        title = (
            "Variance between trainings by source. Alone: what the source brings by itself; with "
            "interactions: all that varying it moves. Shares alone add up to one hundred."
        )
        told = self.found.told(paragraphs.luck)
        if not len(self.found.tables["variance"]):
            told.append(self.found.why("variance", "there are too few replicates"))
        return Part(
            paragraphs=tuple(told),
            drawings=self._drawn("variance"),
            tables=self._table("variance", title, columns.variance(self.quantity)),
        )

    def _test_set(self) -> Part:
        told = self.found.told(paragraphs.test_set)
        if not len(self.found.tables["stability"]):
            told = told or [self.found.why("stability", "no predictions were kept")]
            return Part("Is it the seed or the test set?", tuple(told))
        title = "How far the seeds of a cell agree, example by example."
        return Part(
            "Is it the seed or the test set?",
            tuple(told),
            self._drawn("churn", "difficulty"),
            self._table(
                "stability",
                title,
                columns.stability(self.factors),
                self._by_rank(self.found.tables["stability"]),
                most=MOST_MINOR,
                order="by rank",
            ),
        )

    def _winners(self) -> Part:
        told = self.found.told(paragraphs.winners)
        heading = "What the lucky seed is worth on other examples"
        if not len(self.found.tables["winners"]):
            told = told or [self.found.why("winners", "no predictions were kept")]
            return Part(heading, tuple(told))
        title = (
            "The best of some seeds on one half of the test set, seen on the other half, in the "
            "cells that rank first. Lead kept: of its lead over the mean seed, what is left there."
        )
        first = self._first(self.found.tables["winners"])
        table = self._table("winners", title, columns.winners(self.factors), first)
        return Part(heading, tuple(told), self._drawn("winners"), table)

    def _cells(self) -> Part:
        cells, rank = self.found.tables["cells"], self.found.tables["rank"]
        if not len(cells):
            return Part(paragraphs=(self.found.why("cells", "there are no cells"),))
        title = "Cells, best first. Best in: share of resamplings that name the cell the winner."
        return Part(
            drawings=self._drawn("cells", "seeds", "rank_stability"),
            tables=(
                *self._table(
                    "cells",
                    title,
                    columns.cells(self.factors, self.quantity),
                    ranked(cells, rank),
                    files=("tables/cells.csv", "tables/rank.csv"),
                    order="by rank",
                ),
                *self._table(
                    "rank_stability",
                    "How often a study of so many other replicates would name the same winner.",
                    columns.RANK_STABILITY,
                ),
            ),
        )

    def _best_of(self) -> Part:
        best = self.found.tables["best_of"]
        if not len(best):
            return Part()
        spec = columns.best_of(self.factors, self.quantity)
        title = "What the best of so many seeds is expected to reach, in the cells that rank first."
        return Part(
            "The best of several seeds",
            drawings=self._drawn("best_of"),
            tables=self._table("best_of", title, spec, self._first(best)),
        )

    def _curves(self) -> Part:
        if not len(self.found.tables["curves"]):
            return Part(paragraphs=(self.found.why("curves", "no curves were kept"),))
        return Part(drawings=self._drawn("curves"))

    def _batch_sizes(self) -> Part:
        if not len(self.found.tables["batch_sizes"]):
            return Part()
        lines = self._told_apart(self.found.tables["batch_sizes"])
        target = self.quantity.value(self.found.answer.target)
        metric = self.found.answer.curve_metric
        title = (
            f"Steps until {metric} reaches {target}, which every cell does on average. Slope: of "
            "the logarithm of steps over that of the batch size; −1 is perfect scaling."
        )
        return Part(
            "Steps to a target by batch size",
            drawings=self._drawn("batch_sizes"),
            tables=self._table(
                "batch_sizes", title, columns.batch_sizes(self.factors), lines, most=MOST_MINOR
            ),
        )

    def _gap(self) -> Part:
        if not len(self.found.tables["gap"]):
            return Part()
        title = "Test loss less training loss at the end, in the cells that rank first."
        table = self._table(
            "gap",
            title,
            columns.gap(self.factors),
            self._by_rank(self.found.tables["gap"]),
            most=MOST_MINOR,
            order="by rank",
        )
        return Part("Generalisation gap", tables=table)

    def _interactions(self) -> Part:
        if not len(self.found.tables["effects"]):
            told = self.found.why("effects", "it takes a factor of two levels or more")
            return Part(paragraphs=(told,))
        drawn = tuple(d for name, d in self.drawings.items() if name.startswith("interactions"))
        title = "Analysis of variance of the factors, with replicates as blocks where shared."
        return Part(
            drawings=drawn,
            tables=self._table("effects", title, columns.EFFECTS),
        )

    def _power(self) -> Part:
        if not len(self.found.tables["power"]):
            return Part(paragraphs=(self.found.why("power", "nothing is compared"),))
        told = (
            "To detect: a test finds the wanted difference with 80 % power. To settle: the "
            "interval fits inside it where there is no difference. The spread that this is planned "
            "from is itself uncertain: plausibly gives the range, plan on the number to be safe."
        )
        return Part(
            paragraphs=(told,),
            drawings=self._drawn("power"),
            tables=self._table(
                "power", "Replicates that each comparison takes.", columns.power(self.quantity)
            ),
        )

    def _endings(self) -> Part:
        told = self.found.told(paragraphs.endings)
        if not told:
            done = counted(self.found.answer.evidence.accounts.finished, "training")
            told = [f"{done} finished; none diverged, none failed."]
        return Part(paragraphs=tuple(told))
