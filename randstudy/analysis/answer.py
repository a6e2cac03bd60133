"""The answer to a study's question: every table and sentence, each made when it is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from html import escape
from typing import Any

import pandas as pd

from randstudy.analysis.batch_sizes import batch_sizes
from randstudy.analysis.calibration import calibration, confidence, difficulty
from randstudy.analysis.cells import BEST_OF, best_of, cells
from randstudy.analysis.compare import COLUMNS, Declared, compare, explore
from randstudy.analysis.crossings import crossings
from randstudy.analysis.curves import curves, steps_to_target
from randstudy.analysis.effects import effects
from randstudy.analysis.evidence import Evidence
from randstudy.analysis.examples import Examples
from randstudy.analysis.gap import gap
from randstudy.analysis.importance import importance
from randstudy.analysis.interactions import interactions
from randstudy.analysis.layout import Layout, records
from randstudy.analysis.looks import Look
from randstudy.analysis.pairs import same
from randstudy.analysis.power import power
from randstudy.analysis.rank import rank, rank_stability
from randstudy.analysis.reach import differences, new_data_interval
from randstudy.analysis.sentences import Setting, headline, sentence, setting_of
from randstudy.analysis.stability import stability
from randstudy.analysis.superiority import superiority
from randstudy.analysis.tuning import tuned
from randstudy.analysis.variance import variance
from randstudy.analysis.winners import winners
from randstudy.analysis.words import counted
from randstudy.errors import DataError, RandstudyError

MOST_BY_CELL = 12
"""Most cells whose variance is split one by one."""

MOST_MATRIX = 30
"""Cells up to which each is held against each other."""

MOST_CROSSED = 12
"""Cells up to which each curve is held against each."""

CONTINUOUS = 8
"""Distinct numbers from which on a factor counts as continuous."""

BATCH_SIZES = ("batch_size", "training.batch_size")

MOST_CURVES = 200
"""Cells up to which curves, and winners among seeds, are summed up."""

REACH = ("new_data_low", "new_data_high", "new_data_note", "reach", "sentence")


class Answer:
    """What the evidence says. Tables are data frames; empty ones have a reason in `notes`."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.layout = evidence.layout
        self.notes: dict[str, str] = {}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """Each cell on its own."""
        evidence = self.evidence
        return cells(self.layout, collapse=evidence.collapse, resampled=evidence.resampled)

    @cached_property
    def best_of(self) -> pd.DataFrame:
        """What the best of k seeds is expected to come to."""
        return best_of(self.layout)

    @cached_property
    def setting(self) -> Setting:
        """How sentences are written."""
        table = self._compared if len(self._compared) else self._explored
        return setting_of(
            self.evidence.roles,
            self.evidence.axes,
            (table["high"] - table["low"]).tolist(),
            caveat=self.evidence.caveat,
            minutes_per_replicate=self.evidence.minutes_per_replicate,
        )

    def _repr_html_(self) -> str:
        """Show question, verdicts and cells in a notebook."""
        said = [self.evidence.question, self.headline, *self.compare["sentence"]]
        parts = [f"<p>{escape(one)}</p>" for one in said if one]
        tables = [table for table in (self.compare, self.cells) if len(table)]
        shown = [table.dropna(axis=1, how="all").to_html(index=False) for table in tables]
        return "\n".join(parts + shown)

    @property
    def declared(self) -> Declared | None:
        """What was declared."""
        return self.evidence.declared

    @cached_property
    def _compared(self) -> pd.DataFrame:
        """The declared family, before sentences."""
        declared, accounts = self.declared, self.evidence.accounts
        if declared is None or not (accounts.complete or self._begun(declared)):
            return pd.DataFrame(columns=list(COLUMNS))
        found = compare(
            self.layout,
            factor=declared.factor,
            reference=declared.reference,
            smallest_difference=declared.smallest_difference,
            alpha=declared.alpha,
            looks=self._looks,
            resampled=self.evidence.resampled,
        )
        if not accounts.complete:
            found["verdict"], found["note"] = "withheld", self._waiting
        return found

    def _begun(self, declared: Declared) -> bool:
        """Tell whether an incomplete plan has anything of the reference level."""
        column = self.layout.cells[declared.factor]
        return declared.reference is None or bool(same(column, declared.reference).any())

    @property
    def _waiting(self) -> str:
        """Say what an incomplete plan lacks."""
        left = self.evidence.accounts.left
        verb = "is" if left == 1 else "are"
        told = counted(left, "planned training")
        return f"{told} {verb} missing; the verdict waits for the whole plan"

    @property
    def _looks(self) -> list[Look]:
        """Earlier looks: all were spent on, but only those at this comparison decided it."""
        evidence = self.evidence
        return [
            look
            if look.comparison == evidence.comparison
            else replace(look, verdicts={}, estimates={})
            for look in evidence.looks
        ]

    @cached_property
    def _explored(self) -> pd.DataFrame:
        declared = self.declared
        return explore(
            self.layout,
            skip=() if declared is None else (declared.factor,),
            resampled=self.evidence.resampled,
        )

    @cached_property
    def compare(self) -> pd.DataFrame:
        """The declared comparisons with verdicts, reach and sentences."""
        return self._told(self._reached(self._compared))

    @cached_property
    def explored(self) -> pd.DataFrame:
        """Every other factor's levels against its first, without verdicts."""
        return self._told(self._explored)

    def _told(self, table: pd.DataFrame) -> pd.DataFrame:
        found = table.copy()
        found["sentence"] = [sentence(row, self.setting) for row in records(table)]
        return found

    def _reached(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add the intervals for new data, from kept predictions."""
        rows = [self._new_data(row) for row in records(table)]
        extra = pd.DataFrame(rows, columns=list(REACH[:3]), index=table.index)
        found = pd.concat([table, extra], axis=1)
        found["reach"] = self.setting.reach
        return found

    def _new_data(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return the interval of one comparison for new seeds on new data."""
        examples, told = self.examples
        nothing = {"new_data_low": math.nan, "new_data_high": math.nan}
        if not row["pairs"]:
            return nothing | {"new_data_note": told or "the arms share no seeds"}
        if examples is None:
            return nothing | {"new_data_note": told}
        layout = self._places(examples, row["factor"])
        try:
            grid = differences(layout, examples, row["factor"], row["level"], row["reference"])
        except RandstudyError as error:
            return nothing | {"new_data_note": str(error)}
        found = new_data_interval(grid)
        told = found.note
        return {"new_data_low": found.low, "new_data_high": found.high, "new_data_note": told}

    def _places(self, examples: Examples, factor: str) -> Layout:
        """Lay out the predictions of the cells that a comparison of this factor takes."""
        frame, chosen = self.evidence.frame, tuned(self.layout, factor)
        if chosen.told:
            frame = frame[frame["cell"].isin(chosen.layout.cells["cell"])]
        return examples.layout(frame, factors=chosen.layout.roles.factors)

    @cached_property
    def examples(self) -> tuple[Examples | None, str]:
        """Kept predictions with their targets, or why there are none."""
        if self.evidence.examples is None:
            return None, "no predictions were kept"
        try:
            found = self.evidence.examples()
        except DataError as error:
            return None, f"the data set is not on this machine: {error}"
        return (found, "") if len(found.trials) else (None, "no predictions were kept")

    @cached_property
    def rank(self) -> pd.DataFrame:
        """Cells, best first."""
        return rank(self.layout)

    @cached_property
    def rank_stability(self) -> pd.DataFrame:
        """How often another n replicates would name the same winner."""
        return rank_stability(self.layout)

    @cached_property
    def superiority(self) -> pd.DataFrame:
        """P(row beats column) for each two cells; empty above `MOST_MATRIX`."""
        if len(self.layout.cells) > MOST_MATRIX:
            self.notes["superiority"] = f"more than {MOST_MATRIX} cells"
            return pd.DataFrame()
        return superiority(self.layout)

    @cached_property
    def variance(self) -> pd.DataFrame:
        """Which luck: variance by source."""
        return variance(self.layout)

    @cached_property
    def variance_by_cell(self) -> pd.DataFrame:
        """Which luck in each cell by itself; empty but for a few cells with crossed streams."""
        count = len(self.layout.cells)
        if len(self.layout.axes) < 2 or not 1 < count <= MOST_BY_CELL:
            return pd.DataFrame()
        tables = [
            variance(self.layout.select([index])).assign(cell=cell)
            for index, cell in enumerate(self.layout.cells["cell"])
        ]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """Analysis of variance of the factors."""
        return effects(self.layout)

    @cached_property
    def importance(self) -> pd.DataFrame:
        """How much continuous factors matter; empty where all have few levels."""
        cells = self.layout.cells
        continuous = [
            name
            for name in self.evidence.roles.factors
            if pd.api.types.is_numeric_dtype(cells[name]) and cells[name].nunique() >= CONTINUOUS
        ]
        if not continuous:
            self.notes["importance"] = f"no factor has {CONTINUOUS} or more numbers as levels"
            return pd.DataFrame()
        return importance(self.layout)

    @cached_property
    def interactions(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The interaction table of each two factors."""
        names = [
            name
            for name in self.evidence.roles.factors
            if 1 < self.layout.cells[name].nunique() <= MOST_MATRIX
        ]
        return {
            (a, b): interactions(self.layout, a, b)
            for place, a in enumerate(names)
            for b in names[place + 1 :]
        }

    @cached_property
    def power(self) -> pd.DataFrame:
        """How many replicates each comparison takes."""
        source = self._compared if len(self._compared) else self._explored
        return power(source, minutes_per_replicate=self.evidence.minutes_per_replicate)

    @cached_property
    def stability(self) -> pd.DataFrame:
        """Churn, ensemble gain and test-set noise of each cell."""
        examples, told = self.examples
        if examples is None:
            self.notes["stability"] = told
            return pd.DataFrame()
        return stability(self.evidence.frame, examples, factors=self.evidence.roles.factors)

    @cached_property
    def difficulty(self) -> pd.DataFrame:
        """How many of all trainings are right on each test example."""
        return self._by_example("difficulty", difficulty)

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """How often a class is true where a share of seeds predicts it."""
        return self._by_example("calibration", calibration)

    @cached_property
    def confidence(self) -> pd.DataFrame:
        """How well trainings know what they know; only where logits were kept."""
        examples, _ = self.examples
        if examples is not None and examples.logits is None:
            self.notes["confidence"] = "no logits were kept (evaluation: {logits: true})"
            return pd.DataFrame()
        return self._by_example("confidence", confidence)

    def _by_example(self, name: str, make: Callable[..., pd.DataFrame]) -> pd.DataFrame:
        examples, told = self.examples
        if examples is None or len(self.layout.cells) > MOST_CURVES:
            self.notes[name] = told or f"more than {MOST_CURVES} cells"
            return pd.DataFrame()
        return make(self.evidence.frame, examples, factors=self.evidence.roles.factors)

    @cached_property
    def winners(self) -> pd.DataFrame:
        """The best of k seeds on one half of the test set, seen on the other."""
        examples, told = self.examples
        if examples is None or len(self.layout.cells) > MOST_CURVES:
            self.notes["winners"] = told or f"more than {MOST_CURVES} cells"
            return pd.DataFrame()
        sizes = sorted({*BEST_OF[1:], int(self.cells["n"].max())})
        factors = self.evidence.roles.factors
        return winners(self.evidence.frame, examples, sizes, factors=factors)

    @cached_property
    def _raw_curves(self) -> pd.DataFrame | None:
        read = self.evidence.curves
        if read is None or len(self.layout.cells) > MOST_CURVES:
            return None
        return read()

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Mean and interval of the validation metric along training."""
        raw, name = self._raw_curves, self.curve_metric
        if raw is None or name is None:
            many = len(self.layout.cells) > MOST_CURVES
            self.notes["curves"] = f"more than {MOST_CURVES} cells" if many else "no curves"
            return pd.DataFrame()
        return curves(self.evidence.frame, raw, name, factors=self.evidence.roles.factors)

    @cached_property
    def curve_metric(self) -> str | None:
        """The curve that belongs to the metric: that of validation for one of test."""
        raw = self._raw_curves
        if raw is None:
            return None
        metric = self.evidence.roles.metric
        wanted = (metric, metric.replace("test_", "validation_"))
        return next((name for name in wanted if name in raw.columns), None)

    @cached_property
    def gap(self) -> pd.DataFrame:
        """Generalisation gap of each cell, in loss; empty where a loss was not kept."""
        if not {"train_loss", "test_loss"} <= set(self.evidence.frame.columns):
            self.notes["gap"] = "no training and test loss"
            return pd.DataFrame()
        return gap(self.evidence.frame, factors=self.evidence.roles.factors)

    @cached_property
    def target(self) -> float:
        """The curve's value that steps are counted to: what the worst cell comes to on average."""
        table = self.curves
        if not len(table):
            return math.nan
        last = table.groupby("cell", sort=False)["mean"].last()
        return float(last.min() if self.evidence.roles.maximize else last.max())

    @cached_property
    def steps_to_target(self) -> pd.DataFrame:
        """Steps to what the worst cell comes to, by cell."""
        raw, metric, roles = self._raw_curves, self.curve_metric, self.evidence.roles
        if raw is None or metric is None or math.isnan(self.target):
            self.notes["steps_to_target"] = "no curves"
            return pd.DataFrame()
        return steps_to_target(
            self.evidence.frame,
            raw,
            metric,
            self.target,
            factors=roles.factors,
            maximize=roles.maximize,
        )

    @cached_property
    def crossings(self) -> pd.DataFrame:
        """Where the mean curves of two cells cross; only among `MOST_CROSSED` cells or fewer."""
        raw, metric = self._raw_curves, self.curve_metric
        if raw is None or metric is None or not 1 < len(self.layout.cells) <= MOST_CROSSED:
            self.notes["crossings"] = f"no curves, one cell, or more than {MOST_CROSSED}"
            return pd.DataFrame()
        return crossings(self.evidence.frame, raw, metric, factors=self.evidence.roles.factors)

    @cached_property
    def batch_sizes(self) -> pd.DataFrame:
        """Steps to the target by batch size, where that is a factor."""
        name = next((one for one in BATCH_SIZES if one in self.evidence.roles.factors), None)
        raw, metric = self._raw_curves, self.curve_metric
        if name is None or raw is None or metric is None or math.isnan(self.target):
            self.notes["batch_sizes"] = "batch size is no factor, or no curves were kept"
            return pd.DataFrame()
        factors, full = self.evidence.roles.factors, self.evidence.full_batch
        return batch_sizes(
            self.evidence.frame, raw, metric, self.target, factor=name, full=full, factors=factors
        )

    @cached_property
    def headline(self) -> str:
        """All verdicts in a line."""
        if self.declared is None:
            if len(self.layout.cells) == 1:
                return "One cell, so there is nothing to compare: which luck is there?"
            return "No comparison was declared, so there is no verdict: all of this is exploratory."
        if not len(self.compare) and not self.evidence.accounts.complete:
            return f"No verdict yet: {self._waiting}."
        return headline(records(self.compare))
