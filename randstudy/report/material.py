"""Every table of an answer, or the sentence that says why there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from randstudy.analysis.answer import Answer
from randstudy.errors import RandstudyError

TABLES = (
    *("compare", "explored", "cells", "rank", "best_of", "rank_stability", "superiority"),
    *("variance", "effects", "interactions", "power", "stability", "winners", "curves"),
    *("batch_sizes", "gap", "difficulty", "calibration", "confidence"),
    *("steps_to_target", "crossings", "importance"),
)
"""Names of an answer's tables, which are those of the files too."""


@dataclass(frozen=True)
class Material:
    """What a page is made from. `tables` hold all names of `TABLES`; `reasons` those without rows.

    Attributes
    ----------
    answer : whose tables they are.
    tables : name -> table, empty where there is none.
    reasons : name -> why it is empty, without a full stop; "" where nobody said.
    """

    answer: Answer
    tables: dict[str, pd.DataFrame]
    reasons: dict[str, str]

    def told(self, write: Callable[[Answer], list[str]]) -> list[str]:
        """Return sentences, or the one that says why they cannot be written."""
        try:
            return [one for one in write(self.answer) if one]
        except RandstudyError as error:
            return [f"{str(error).rstrip('.')}."]

    def why(self, name: str, otherwise: str) -> str:
        """Say why a table is empty, in a sentence."""
        reason = self.reasons.get(name) or otherwise
        return f"Not shown: {reason.rstrip('.')}."


def material(answer: Answer) -> Material:
    """Look at each table of an answer once.

    Raises
    ------
    RandstudyError
        There is no training, finished or not.
    """
    if not len(answer.layout.cells):
        told = f"; train it first: {command}" if (command := answer.evidence.command) else ""
        raise RandstudyError(f"{answer.evidence.name} has no training to report on{told}")
    tables, reasons = {}, {}
    for name in TABLES:
        try:
            table = _interactions(answer) if name == "interactions" else getattr(answer, name)
        except RandstudyError as error:
            table, reasons[name] = pd.DataFrame(), str(error)
        if not len(table):
            reasons.setdefault(name, answer.notes.get(name, ""))
        tables[name] = table
    return Material(answer, tables, reasons)


def _interactions(answer: Answer) -> pd.DataFrame:
    """Return the interaction tables of all pairs of factors below each other."""
    filled = [table for table in answer.interactions.values() if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def ranked(cells: pd.DataFrame, rank: pd.DataFrame) -> pd.DataFrame:
    """Return cells with their ranks, best first; the index stays that of `cells`."""
    if not len(rank):
        return cells
    names = ["cell", "rank", "rank_low", "rank_high", "p_best"]
    joined = cells.merge(rank[names], on="cell", how="left", validate="one_to_one")
    return joined.sort_values("rank", kind="stable")
