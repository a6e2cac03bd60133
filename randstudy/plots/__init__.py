"""Figures of the analysis tables: an axes in, an axes out; no global state, no window.

Each function takes a table of `randstudy.analysis` and draws it into `ax`, or into a new figure
that a notebook shows by itself (``cells(table).figure``). `metric` names what the table is about,
so that accuracies are written in percent and their differences in points.
"""

from randstudy.plots.comparisons import comparisons, slopes
from randstudy.plots.estimates import cells, churn, rank
from randstudy.plots.heat import interactions, seeds, superiority
from randstudy.plots.inline import svg
from randstudy.plots.lines import batch_sizes, best_of, curves, winners
from randstudy.plots.saving import save
from randstudy.plots.shares import difficulty, variance
from randstudy.plots.sizes import power, rank_stability
from randstudy.plots.style import PALETTE, style

__all__ = [
    "PALETTE",
    "batch_sizes",
    "best_of",
    "cells",
    "churn",
    "comparisons",
    "curves",
    "difficulty",
    "interactions",
    "power",
    "rank",
    "rank_stability",
    "save",
    "seeds",
    "slopes",
    "style",
    "superiority",
    "svg",
    "variance",
    "winners",
]
