"""What training leaves behind: an outcome a trial, an attempt a try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Status = Literal["finished", "diverged"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """The final record of one trial; never changed once it is in the ledger.

    Attributes
    ----------
    trial : the trial's id, 16 hex digits.
    status : "finished" or "diverged"; both are final.
    reason : why it diverged ("non-finite loss", "non-finite gradient", "loss above 100",
        "non-finite test_loss", "pruning emptied layers.0.weight", "non-finite pruning score"; then
        " in training 1 of 3" where pruning makes it several), empty when finished.
    steps : optimiser steps taken; for a diverged trial, those before it diverged.
    metrics : final metrics by name; NaN where there is none (a diverged trial's test metrics).
    curve_step : (E,) int64, the step of each evaluation.
    curve_epoch : (E,) float64, the same in epochs.
    curves : metric name -> (E,) float64.
    predictions : (n_test,) uint8 predicted class of each test example in the data set's own order
        of the test split; None where there are no classes or it was not asked for.
    logits : (n_test, classes) float32 outputs for each test example, in the order of `predictions`,
        which are their argmax; None where there are no classes or it was not asked for.
    weights_digest : 32 hex digits over the final weights; empty for a diverged trial.
    settings : the trial's resolved fields minus defaults, as canonical JSON (what its id hashes).
    replicates : replicate of each stream that the trial consumed.
    provenance : what else the bits may depend on: data digest, numerics class, versions.
    seconds : what was measured of the work itself and is no result: names ending in ``_seconds``
        -> wall time; ``examples_per_second`` of training; ``peak_memory_bytes`` of the worker.
    """

    trial: str
    status: Status
    reason: str = ""
    steps: int
    metrics: Mapping[str, float]
    curve_step: NDArray[np.int64]
    curve_epoch: NDArray[np.float64]
    curves: Mapping[str, NDArray[np.float64]]
    predictions: NDArray[np.uint8] | None = None
    logits: NDArray[np.float32] | None = None
    weights_digest: str = ""
    settings: str = "{}"
    replicates: Mapping[str, int] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """Longest of its times, in seconds."""
        times = [time for name, time in self.seconds.items() if name.endswith("_seconds")]
        return max(times, default=0.0)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed attempt at some trials: evidence, not an outcome."""

    attempt: str
    trials: tuple[str, ...]
    kind: Literal["infrastructure", "memory", "error"]
    message: str
    traceback: str
    unix_time: float
    provenance: Mapping[str, Any] = field(default_factory=dict)
