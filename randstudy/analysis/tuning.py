"""Levels at their best: the setting of what is nested in a factor, chosen on validation.

Where a field is nested in the factor that is compared (a learning rate in the optimizer), each
level is taken at the one setting with the best mean of the validation metric. Test is never read.
The seeds that choose are those that compare, which flatters a level with more settings than others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from randstudy.analysis.layout import MISSING, SELECTION, Layout


@dataclass(frozen=True)
class Tuned:
    """A layout of each level's chosen cells alone, and what was chosen.

    Attributes
    ----------
    layout : without the nested factors.
    told : level -> "0.1 of 3", the setting and out of how many; empty where nothing is nested.
    counts : level -> out of how many.
    names : the nested factors.
    """

    layout: Layout
    told: Mapping[Any, str]
    counts: Mapping[Any, int]
    names: tuple[str, ...] = ()

    def caveat(self, level: Any, reference: Any) -> str:
        """Say how two levels were tuned."""
        if not self.told:
            return ""
        roles, names = self.layout.roles, " and ".join(self.names)
        sides = "; ".join(self.told[one] for one in (level, reference))
        if SELECTION not in self.layout.cells:
            return f"{names} as listed first, untuned: no validation metric to choose by ({sides})"
        same = roles.selection == roles.metric
        on = "the metric compared, so flattered," if same else "validation"
        more = ", more settings flatter" * (self.counts[level] != self.counts[reference])
        return f"{names} tuned on {on} within each level ({sides}{more})"


def within(factor: str, nested: Mapping[str, str]) -> tuple[str, ...]:
    """Return the factors nested in a factor, or in one that is.

    >>> within("optimizer", {"lr": "batch_size", "batch_size": "optimizer"})
    ('lr', 'batch_size')
    """
    found: list[str] = []
    for name in nested:
        outer: str | None = nested[name]
        while outer is not None and outer != factor:
            outer = nested.get(outer)
        found += [name] if outer == factor else []
    return tuple(found)


def tuned(layout: Layout, factor: str) -> Tuned:
    """Keep of each level of a factor the best setting of what is nested in it.

    A setting is judged by the mean over its trainings, and over all cells that differ in other
    factors only. One in which more trainings diverged or ended without a value loses to one in
    which fewer did, and then one that stands beside fewer levels of the other factors; of equal
    ones the first in the study's order wins.

    Where nothing is nested in the factor, the layout is returned as it is. Without any validation
    metric the first setting that diverged least stands for each level, and is called untuned.
    """
    names = within(factor, dict(layout.roles.nested))
    if not names:
        return Tuned(layout, {}, {})
    cells = layout.cells
    settings = list(cells[list(names)].itertuples(index=False, name=None))
    kept: list[int] = []
    told: dict[Any, str] = {}
    counts: dict[Any, int] = {}
    for level in dict.fromkeys(cells[factor].tolist()):
        rows = np.flatnonzero((cells[factor] == level).to_numpy(bool)).tolist()
        groups: dict[Any, list[int]] = {}
        for row in rows:
            groups.setdefault(settings[row], []).append(row)
        best = min(groups, key=lambda one: _rank(layout, groups[one]))
        kept += groups[best]
        counts[level] = len(groups)
        told[level] = f"{_text(best)} of {len(groups)}"
    roles = replace(
        layout.roles,
        factors=tuple(name for name in layout.roles.factors if name not in names),
        nested=tuple(pair for pair in layout.roles.nested if pair[0] not in names),
    )
    return Tuned(replace(layout.select(kept), roles=roles), told, counts, names)


def _rank(layout: Layout, rows: list[int]) -> tuple[int, int, float]:
    """Return what a setting is judged by, the smaller the better."""
    cells = layout.cells.iloc[rows]
    lost = int(cells[["diverged", "no_value"]].to_numpy().sum())
    scores = cells[SELECTION].to_numpy(float) if SELECTION in cells else np.full(1, np.nan)
    if not np.isfinite(scores).all():
        return lost, -len(rows), math.inf
    mean = float(scores.mean())
    return lost, -len(rows), -mean if layout.roles.tuned_upwards else mean


def _text(setting: tuple[Any, ...]) -> str:
    """Write a setting; levels that are not there have no part in it."""
    texts = [f"{one:.6g}" if isinstance(one, float) else str(one) for one in setting]
    return ", ".join(text for text in texts if text != MISSING) or "none"
