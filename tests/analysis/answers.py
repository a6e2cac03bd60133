"""Answers to questions about small frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Evidence, accounts_of
from randstudy.analysis.examples import Examples
from randstudy.analysis.layout import lay_out
from randstudy.analysis.roles import roles


def answer_of(
    frame: pd.DataFrame,
    factor: str,
    *,
    metric: str = "test_accuracy",
    declare: bool = True,
    reference: Any = None,
    smallest_difference: float | None = None,
    **evidence: Any,
) -> Answer:
    """The answer to whether the levels of one factor differ."""
    found = roles(frame, metric, factors=[factor])
    declared = Declared(factor=factor, reference=reference, smallest_difference=smallest_difference)
    given: dict[str, Any] = {
        "name": "small",
        "command": "randstudy run small.yaml",
        "frame": frame,
        "roles": found,
        "accounts": accounts_of(lay_out(frame, found)),
        "declared": declared if declare else None,
    }
    return Answer(Evidence(**(given | evidence)))


def with_predictions(
    frame: pd.DataFrame, right: NDArray[np.bool_]
) -> tuple[pd.DataFrame, Examples]:
    """The frame with the accuracies of (trials, examples) answers, and these as predictions."""
    predictions = pd.DataFrame(right.astype(np.uint8), index=pd.Index(frame["trial"]))
    known = Examples(predictions, np.ones(right.shape[1], np.uint8))
    return frame.assign(test_accuracy=right.mean(1)), known
