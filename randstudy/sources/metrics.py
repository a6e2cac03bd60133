"""A row a metric: what each came to over all trainings, or over those of each cell."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from randstudy.analysis.cells import cells

NUMBERS = ("n", "mean", "sd", "low", "high", "method", "median", "iqm", "least", "most")


def metric_table(
    frame: pd.DataFrame,
    metrics: Sequence[str],
    *,
    factors: Sequence[str] | None = None,
    replicates: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Sum up several metrics.

    Parameters
    ----------
    frame : a row a training.
    metrics : columns, as `randstudy.sources.metrics_matching` finds them.
    factors, replicates : columns; see `randstudy.analysis.roles.roles`.

    Returns
    -------
    Columns metric, then cell and the factors where there are any, and n, mean, sd, low, high,
    method, median, iqm, least, most (see `randstudy.analysis.cells.cells`), missing (trainings
    that failed, diverged or have no finite value) and note. Many metrics are many looks: these
    intervals are each metric's own, and allow for no comparison among them.
    """
    parts = []
    for metric in metrics:
        found = cells(frame, metric, factors=factors, replicates=replicates)
        named = [name for name in found.columns[: list(found.columns).index("n")] if len(found) > 1]
        table = found[[*named, *NUMBERS]].copy()
        table.insert(0, "metric", metric)
        table["missing"] = found["diverged"] + found["failed"] + found["no_value"]
        table["note"] = found["note"]
        parts.append(table)
    if not parts:
        return pd.DataFrame(columns=["metric", *NUMBERS, "missing", "note"])
    return pd.concat(parts, ignore_index=True)
