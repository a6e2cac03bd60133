"""The table of cells that is kept with a study's run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from randstudy.tracking.plan import Plan
from randstudy.tracking.records import RECORD, level
from randstudy.tracking.runs import Known

COUNTS = ("n", "diverged", "failed", "planned")
FIGURES = ("mean", "sd", "low", "high")


def table(plan: Plan, cells: Mapping[str, Known]) -> str:
    """Return CSV with a row a cell in design order: levels, counts, estimates of the metric.

    Numbers are those of the cells' tags; what does not exist is empty. ``complete`` says whether
    all of a cell's trials are accounted for.
    """
    factors = list(dict.fromkeys(name for cell in plan.cells for name in cell.levels))
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["cell", *factors, "metric", *COUNTS, *FIGURES, "complete"])
    for cell in plan.cells:
        known = cells.get(cell.label)
        told = known.tags if known else {}
        complete = RECORD in told
        numbers = [told.get(f"randstudy.{name}", "") for name in (*COUNTS, *FIGURES)]
        levels = [level(cell.levels[name]) if name in cell.levels else "" for name in factors]
        writer.writerow([cell.label, *levels, plan.metric, *numbers, complete])
    return sink.getvalue()
