"""A run as it should stand in MLflow: plain values, made from the ledger and nothing else.

Equal outcomes make equal records, times included, so that writing one again adds no row.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["study", "cell", "trial"]
Status = Literal["FINISHED", "FAILED", "KILLED"]

KIND = "randstudy.kind"
STUDY = "randstudy.study"
CELL = "randstudy.cell"
TRIAL = "randstudy.trial"
TRIALS = "randstudy.trials"
RECORD = "randstudy.record"
PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"

# MLflow's limits: mlflow/utils/validation.py.
LONGEST_NAME = 250
LONGEST_TAG = 8000
LONGEST_PARAM = 6000
MOST_TAGS = 100

FIRST_MILLISECOND = 1
ATTEMPT = re.compile(r"[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric."""

    metric: str
    value: float
    step: int
    time: int


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run.

    Attributes
    ----------
    kind, key : what the run is about; one active run a (kind, key) in an experiment.
    digest : 16 hex digits over what the record is made from, written as a tag: a run that has
        another is replaced, since MLflow keeps every row ever logged to a run.
    tags, params : cut to MLflow's limits.
    points : metrics, finite values only; the others are named in a tag.
    start, end : milliseconds since 1970.
    """

    kind: Kind
    key: str
    digest: str
    name: str
    status: Status
    start: int
    end: int
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()


def digest(value: Any) -> str:
    """Return 16 hex digits over JSON values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def written_at(attempt: str) -> int:
    """Return the time in an attempt's id, in milliseconds; the first one where it holds none."""
    found = int(attempt[:12], 16) if ATTEMPT.fullmatch(attempt) else 0
    return max(found, FIRST_MILLISECOND)


def key(text: str) -> str:
    """Return `text` as a name that MLflow takes for a parameter, metric or tag."""
    return re.sub(r"[^\w.\-/: ]", "_", text).strip("/")[:LONGEST_NAME]


def tags(values: Mapping[str, object]) -> dict[str, str]:
    """Return tags cut to MLflow's limits, leaving out empty ones."""
    texts = {key(name): str(value) for name, value in values.items() if value not in ("", None)}
    return {name: shortened(text, LONGEST_TAG) for name, text in texts.items()}


def params(values: Mapping[str, object]) -> dict[str, str]:
    """Return parameters cut to MLflow's limits."""
    return {key(name): shortened(level(value), LONGEST_PARAM) for name, value in values.items()}


def level(value: object) -> str:
    """Write a value as in a study file on one line."""
    return value if isinstance(value, str) else json.dumps(value)


def shortened(text: str, longest: int) -> str:
    """Cut the end of a text that is too long."""
    return text if len(text) <= longest else text[: longest - 2] + " …"


def split_finite(points: Iterable[Point]) -> tuple[tuple[Point, ...], str]:
    """Return the finite points, and a note of the others as ``metric@step=value``.

    MLflow stores infinities as the largest double and some of its stores refuse NaN.
    """
    finite, odd = [], []
    for point in points:
        if math.isfinite(point.value):
            finite.append(point)
        else:
            odd.append(f"{point.metric}@{point.step}={point.value}")
    return tuple(finite), " ".join(odd)
