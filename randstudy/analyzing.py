"""Analysing anybody's results: a table, an MLflow experiment, an export of W&B."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from randstudy import sources, terminal
from randstudy.analysis.answer import Answer
from randstudy.analysis.compare import Declared
from randstudy.analysis.evidence import Evidence, accounts_of
from randstudy.analysis.layout import lay_out
from randstudy.analysis.looks import Look
from randstudy.analysis.pairs import split_axis
from randstudy.analysis.roles import Roles, roles
from randstudy.analysis.score_shares import probability_of_improvement
from randstudy.analysis.scores import aggregate_scores
from randstudy.errors import RandstudyError

ARM, ROW = "arm", "row number"

UNKNOWN = Look(number=0, comparison="", data="", n="", verdicts={}, estimates={})
"""An earlier look at a table, of which nothing is kept but that it was made."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of a table; see ``randstudy analyze --help``."""

    place: str
    metric: Sequence[str]
    factors: Sequence[str] = ()
    replicate: Sequence[str] = ()
    compare: str | None = None
    reference: str | None = None
    smallest_difference: float | None = None
    alpha: float = 0.05
    look: int = 1
    arms: Sequence[str] = ()
    task: str | None = None
    tasks: Sequence[str] = ()
    test_share: float | None = None
    maximize: bool | None = None
    tracking_uri: str | None = None
    report: Path | None = None


@dataclass(frozen=True)
class Finding:
    """What a table says: as text, and as tables by name."""

    text: str
    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...] = ()

    def json(self) -> str:
        """Return the tables as JSON; what does not exist is null."""
        plain = {name: json.loads(_plain(table)) for name, table in self.tables.items()}
        return json.dumps(plain | {"notes": list(self.notes)}, indent=1, allow_nan=False)


def _plain(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="records", double_precision=15))


def analyze(question: Question) -> Finding:
    """Answer what is asked of a table.

    Score tables (`task` or `tasks`) get aggregates over tasks; several metrics a row each; one
    metric all that a study's frame gets.

    Raises
    ------
    RandstudyError
        The table cannot be read, or has no such column.
    """
    _refuse_contradictions(question)
    frame = sources.read(question.place, tracking_uri=question.tracking_uri)
    notes = tuple(frame.attrs.get("notes", ()))
    if frame.attrs.get("kind") == "curves":
        frame = sources.last(frame)
        notes += ("of each curve the last value is taken",)
    if question.task or question.tasks:
        found = _scores(frame, question)
    elif question.arms:
        found = _trials(*_arms(frame, question))
    else:
        if not question.metric:
            raise RandstudyError(f"name the column to analyse with --metric; {_numbers(frame)}")
        metrics = sources.metrics_matching(frame, question.metric)
        several = len(metrics) > 1
        if several and question.compare:
            raise RandstudyError("--compare goes with one metric; run it once for each")
        found = (
            _metrics(frame, metrics, question) if several else _trials(frame, metrics[0], question)
        )
    text = "\n".join((found.text, *(f"Note: {note}." for note in notes)))
    return Finding(text, found.tables, notes)


def _refuse_contradictions(question: Question) -> None:
    """Stop for options that would otherwise be left out in silence."""
    if (question.task or question.tasks) and question.compare:
        raise RandstudyError("a table of scores compares all algorithms; leave --compare out")
    given = {
        "--reference": question.reference is not None,
        "--smallest-difference": question.smallest_difference is not None,
        "--alpha": question.alpha != Question.alpha,
        "--look": question.look != Question.look,
    }
    if question.compare is None:
        for name in (one for one, there in given.items() if there):
            raise RandstudyError(f"{name} goes with --compare FACTOR, which declares a comparison")


def _numbers(frame: pd.DataFrame) -> str:
    names = [str(name) for name in frame.select_dtypes("number").columns]
    return f"numbers are in {', '.join(names[:12]) or 'no column'}"


def _arms(frame: pd.DataFrame, question: Question) -> tuple[pd.DataFrame, str, Question]:
    """Turn columns that are arms into a factor, rows into replicates."""
    if len(question.metric) != 1:
        raise RandstudyError("name with --metric what the columns of --arms measure, one word")
    name, replicate = question.metric[0], next(iter(question.replicate), None)
    if replicate is None:
        # In a wide table a row is a replicate: its arms are a pair.
        replicate = ROW
        frame = frame.assign(**{ROW: range(len(frame))})
    long = sources.melt_arms(
        frame, question.arms, name, replicate=replicate, keep=question.factors, arm=ARM
    )
    asked = {"factors": (ARM, *question.factors), "replicate": (replicate,)}
    return long, name, Question(**{**vars(question), **asked})


def _scores(frame: pd.DataFrame, question: Question) -> Finding:
    """Aggregate a runs x tasks table of scores."""
    if len(question.factors) > 1:
        raise RandstudyError("a table of scores has one column of algorithms: name it by --factors")
    named: dict[str, Any] = {
        "algorithm": next(iter(question.factors), None),
        "run": next(iter(question.replicate), None),
        "maximize": question.maximize,
    }
    if question.tasks:
        named["tasks"] = sources.metrics_matching(frame, question.tasks)
    else:
        named |= {"score": question.metric[0], "task": question.task}
    tables = {"aggregates": aggregate_scores(frame, **named)}
    if named["algorithm"]:
        tables["improvement"] = probability_of_improvement(frame, **named)
    return Finding(terminal.scores(tables), tables)


def _metrics(frame: pd.DataFrame, metrics: Sequence[str], question: Question) -> Finding:
    """Sum several metrics up, a row each."""
    table = sources.metric_table(
        frame, metrics, factors=question.factors, replicates=question.replicate
    )
    return Finding(terminal.metrics(table), {"metrics": table})


def _trials(frame: pd.DataFrame, metric: str, question: Question) -> Finding:
    """Give one metric all that a study's frame gets."""
    told = Answer(evidence(frame, metric, question))
    tables = {
        "cells": told.cells,
        "compare": told.compare,
        "exploratory": told.explored,
        "rank": told.rank,
        "variance": told.variance,
        "effects": told.effects,
        "power": told.power,
    }
    parts = [terminal.cells(told.cells, told.evidence.roles)]
    if question.maximize is None:
        parts.append(_direction(told.evidence.roles))
    if len(told.layout.cells) > 1:
        parts.append(terminal.compare(told))
    if told.layout.paired and told.layout.axes:
        parts.append(terminal.variance(told))
    if question.report is not None:
        from randstudy.report import publish

        parts.append(f"The report: {publish(told, question.report)}")
    return Finding("\n\n".join(parts), tables)


def _direction(known: Roles) -> str:
    """Say which way is taken for better, as its name alone told."""
    better, other = ("larger", "--minimize") if known.maximize else ("smaller", "--maximize")
    return f"Taken for granted: {better} {known.metric} is better ({other} if not)."


def evidence(frame: pd.DataFrame, metric: str, question: Question) -> Evidence:
    """Return a table as evidence; nothing is known of how it was made."""
    if metric.endswith("accuracy") and frame[metric].abs().max() > 1:
        frame = frame.assign(**{metric: frame[metric] / 100})
    known = roles(
        frame,
        metric,
        factors=question.factors or frame.attrs.get("factors", ()),
        replicates=question.replicate or None,
        maximize=question.maximize,
    )
    declared = None
    if question.compare is not None:
        declared = Declared(
            factor=question.compare,
            reference=question.reference,
            smallest_difference=question.smallest_difference,
            alpha=question.alpha,
        )
    layout = lay_out(frame, known)
    if not len(layout.values):
        raise RandstudyError(f"column {metric!r} holds no number in {len(frame):,} rows")
    if question.test_share is not None and split_axis(layout) is None:
        there = ", ".join(known.replicates) or "no column"
        told = "call the one that redraws the data split or fold"
        raise RandstudyError(f"--test-share needs a replicate of splits; there is {there}: {told}")
    return Evidence(
        name=Path(question.place).name,
        frame=frame,
        roles=known,
        accounts=accounts_of(layout),
        declared=declared,
        looks=(UNKNOWN,) * (question.look - 1),
        resampled=question.test_share,
        minutes_per_replicate=math.nan,
    )
