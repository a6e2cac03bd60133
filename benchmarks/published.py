"""MNIST-1D pruning beside the published accuracies.

    randstudy run studies/prune-mnist1d.yaml && python -m benchmarks.published [--store results]

Published: two trainings an arm and sparsity, each the best of its looks at the test set, so ours
are test-selected too (looks every 100 of 1,501 updates, and at the end).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from randstudy import Study, load

STUDY = Path(__file__).parent.parent / "studies" / "prune-mnist1d.yaml"
METRIC = "test_accuracy_test_selected"
PUBLISHED = {
    ("random", 0.0): (63.8, 65.2),
    ("magnitude", 0.0): (66.4, 65.4),
    ("random", 0.81): (67.5, 69.0),
    ("magnitude", 0.81): (72.1, 73.4),
    ("random", 0.909): (62.3, 62.1),
    ("magnitude", 0.909): (75.0, 72.9),
    ("random", 0.939): (58.0, 60.4),
    ("magnitude", 0.939): (72.1, 74.3),
    ("random", 0.97): (41.2, 43.9),
    ("magnitude", 0.97): (69.0, 68.3),
}
DENSE = float(np.mean([PUBLISHED[arm, 0.0] for arm in ("random", "magnitude")]))
"""Both dense arms are one training: the mean of all four."""


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row an arm and sparsity: n, our mean and sd, the published mean, the difference."""
    rows = []
    for (arm, sparsity), pair in PUBLISHED.items():
        own = frame[(frame["arm"] == arm) & (frame["pruning.rate"] == sparsity)]
        found = 100 * own[METRIC].to_numpy(float)
        theirs = DENSE if sparsity == 0 else float(np.mean(pair))
        rows.append(
            {
                "arm": arm,
                "sparsity": sparsity,
                "n": len(found),
                "mean": found.mean(),
                "sd": found.std(ddof=1),
                "published": theirs,
                "difference": found.mean() - theirs,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="results")
    options = parser.parse_args()
    frame = load(Study.load(STUDY), store=options.store)
    table = compared(frame)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    distinct = table[~((table["arm"] == "magnitude") & (table["sparsity"] == 0))]
    print(f"mean absolute difference {distinct['difference'].abs().mean():.2f} points")
    spent = frame.drop_duplicates("trial")[["train_seconds", "evaluation_seconds"]].to_numpy().sum()
    print(f"training and looking took {spent / 60:.1f} minutes of one core in all")


if __name__ == "__main__":
    main()
