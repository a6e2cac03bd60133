"""Small frames with known numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def one_stream(
    values: Mapping[Any, Sequence[float]], *, factor: str = "init", metric: str = "test_accuracy"
) -> pd.DataFrame:
    """A level a key, its replicates 0, 1, … in order; NaN is a diverged trial."""
    rows = [
        (f"{factor}={level}", level, seed, value, "finished" if value == value else "diverged")
        for level, some in values.items()
        for seed, value in enumerate(some)
    ]
    frame = pd.DataFrame(rows, columns=["cell", factor, "replicate.init", metric, "status"])
    frame.insert(0, "trial", [f"{number:016x}" for number in range(len(frame))])
    frame["replicate.order"] = frame["replicate.init"]
    return frame


def crossed(
    grids: Mapping[Any, NDArray[np.float64]], *, metric: str = "test_accuracy"
) -> pd.DataFrame:
    """A level a key, with an (inits, orders) table of values."""
    parts = []
    for level, grid in grids.items():
        inits, orders = (index.ravel() for index in np.indices(grid.shape))
        parts.append(
            pd.DataFrame(
                {
                    "cell": f"lr={level}",
                    "lr": level,
                    "replicate.init": inits,
                    "replicate.order": orders,
                    metric: grid.ravel(),
                    "status": "finished",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
