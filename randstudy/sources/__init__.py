"""Results that somebody else wrote, read into the tidy frame that the analyses take.

=======  ==========================================================================================
reading  one way in: a file (CSV, TSV, Parquet) or ``mlflow:EXPERIMENT``
tables   files
status   whose words for "finished" and "failed" are turned into ours
wandb    exports of Weights & Biases: its table of runs, and a chart's curves
wide     tables with many columns of one kind: metrics, arms
metrics  a row a metric: its mean, interval, spread
=======  ==========================================================================================

What was left out or renamed is told in ``frame.attrs["notes"]``, a tuple of sentences;
``frame.attrs["kind"]`` is "trials" (a row a training) or "curves" (a row an evaluation, which
`last` turns into trials).
"""

from __future__ import annotations

from randstudy.sources.metrics import metric_table
from randstudy.sources.reading import read
from randstudy.sources.wandb import last
from randstudy.sources.wide import melt_arms, metrics_matching

__all__ = ["last", "melt_arms", "metric_table", "metrics_matching", "read"]
