"""Everything that an answer is made from: a frame, what was declared, and how it came to be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from randstudy.analysis.compare import Declared
from randstudy.analysis.examples import Examples
from randstudy.analysis.layout import Layout, lay_out
from randstudy.analysis.looks import Look
from randstudy.analysis.roles import Roles


@dataclass(frozen=True, kw_only=True)
class Accounts:
    """How many trials were planned, and what became of them."""

    planned: int
    finished: int
    diverged: int
    failed: int
    left: int
    stale: int = 0
    """Of those that ended: trained with other data, code or versions than today's."""

    @property
    def complete(self) -> bool:
        """Whether every planned trial was trained, or given up."""
        return self.left == 0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known about one question.

    Attributes
    ----------
    name, question : of the study; for a table of somebody else's, its file and nothing.
    frame : a row a trial.
    roles : which of its columns are what.
    accounts : of its trials.
    declared : the comparison that was announced; None where none was.
    declared_after : outcomes that were already there when it was announced.
    looks : earlier looks at other data, or at other comparisons, in order.
    comparison, data : digests of what is compared and of the outcomes; they tell looks apart.
    curves : returns a row an evaluation (trial, step, epoch, metrics); None where none were kept.
    examples : returns kept predictions with their targets; None where none were kept.
    resampled : test over training examples, where splits resample one data set.
    caveat : what a comparison leaves open, as "lr 0.1 for both, untuned".
    minutes_per_replicate : what one more replicate of the whole study takes, NaN where unknown.
    collapse : value of the metric that a training which learned something exceeds.
    full_batch : examples in a full batch; None where it is not one number.
    text : the study file.
    made : how it was made: name of a fact -> text.
    command : what to type to make it again.
    """

    name: str
    frame: pd.DataFrame
    roles: Roles
    accounts: Accounts
    question: str = ""
    declared: Declared | None = None
    declared_after: int = 0
    looks: tuple[Look, ...] = ()
    comparison: str = ""
    data: str = ""
    curves: Callable[[], pd.DataFrame] | None = None
    examples: Callable[[], Examples] | None = None
    resampled: float | None = None
    caveat: str = ""
    minutes_per_replicate: float = math.nan
    collapse: float | None = None
    full_batch: int | None = None
    text: str = ""
    made: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    @cached_property
    def layout(self) -> Layout:
        """The frame laid out by its roles."""
        return lay_out(self.frame, self.roles)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes of replicates that move."""
        return tuple(axis.name for axis in self.layout.axes)


def accounts_of(layout: Layout) -> Accounts:
    """Return the accounts of a frame that is all there is: nothing is left."""
    counts = layout.cells[["finished", "diverged", "failed", "no_value"]].sum()
    return Accounts(
        planned=int(counts.sum()),
        finished=int(counts["finished"]),
        diverged=int(counts["diverged"]),
        failed=int(counts["failed"] + counts["no_value"]),
        left=0,
    )
