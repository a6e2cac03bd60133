"""Commands that answer: cells, compare, variance, power, report, analyze."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from randstudy.cli.arguments import command, named

if TYPE_CHECKING:
    import pandas as pd

    from randstudy.analysis.answer import Answer

TABLES = {
    "cells": "show each cell's n, mean, spread and interval",
    "compare": "show the verdict on what the study declared, and what else its numbers suggest",
    "variance": "show which luck moves trainings apart",
    "power": "show how many seeds the comparisons take, and what they cost",
}


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    for name, text in TABLES.items():
        one = command(commands, name, text, _table)
        one.add_argument("--json", action="store_true", help="print JSON")
        one.set_defaults(table=name)
    report = command(commands, "report", "write the answer as one HTML page", _report)
    report.add_argument(
        "--out", type=Path, metavar="DIR", help="folder to write to (default: in the store)"
    )
    _add_analyze(commands)


def _table(options: argparse.Namespace) -> int:
    from randstudy import terminal
    from randstudy.analysis.paragraphs import stale
    from randstudy.looking import answer

    study, store = named(options)
    found = answer(study, store)
    for line in stale(found):
        print(f"randstudy: {line}", file=sys.stderr)
    if options.json:
        print(json.dumps(_plain(found, options.table), indent=1, allow_nan=False))
    elif options.table == "cells":
        print(terminal.cells(found.cells, found.evidence.roles))
    else:
        print(getattr(terminal, options.table)(found))
    return 0


def _plain(answer: Answer, name: str) -> dict[str, Any]:
    """Return a command's tables as plain values; what does not exist is null."""
    found: dict[str, Any] = {
        "study": answer.evidence.name,
        "metric": answer.evidence.roles.metric,
        name: _rows(getattr(answer, name)),
    }
    if name == "compare":
        found |= {"headline": answer.headline, "exploratory": _rows(answer.explored)}
        found |= {"rank": _rows(answer.rank), "rank_stability": _rows(answer.rank_stability)}
    if name == "cells":
        found["best_of"] = _rows(answer.best_of)
    return found


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows


def _report(options: argparse.Namespace) -> int:
    from randstudy.analysis.paragraphs import stale
    from randstudy.publishing import publish
    from randstudy.reports import folder_of

    study, store = named(options)
    folder = options.out or folder_of(study.name, store)
    done = publish(study, store, folder)
    for line in stale(done.answer):
        print(f"randstudy: {line}", file=sys.stderr)
    print(done.answer.headline)
    print(done.page)
    return 0


def _add_analyze(commands: Any) -> None:
    text = "analyse anybody's results: a table, an MLflow experiment, a W&B export"
    one = commands.add_parser("analyze", help=text, description=text)
    one.set_defaults(command=_analyze)
    one.add_argument("place", metavar="TABLE", help=".csv, .tsv or .parquet, or mlflow:EXPERIMENT")
    names = {"type": _names, "default": [], "metavar": "A,B"}
    one.add_argument("--metric", **names, help="column to analyse; several, or patterns as 'acc_*'")
    one.add_argument("--factors", **names, help="columns that say what was varied")
    one.add_argument("--replicate", **names, help="columns that number seeds; equal ones are pairs")
    one.add_argument("--compare", metavar="FACTOR", help="declare: compare this factor's levels")
    one.add_argument("--reference", metavar="LEVEL", help="level that the others are compared with")
    one.add_argument(
        "--smallest-difference", type=float, metavar="X", help="smallest difference that matters"
    )
    one.add_argument("--alpha", type=float, default=0.05, help="error rate (default: %(default)s)")
    look = "number of this look at a table that grew; nobody else counts (default: %(default)s)"
    one.add_argument("--look", type=_look, default=1, metavar="N", help=look)
    one.add_argument("--arms", **names, help="columns that are arms, a row a replicate")
    one.add_argument("--task", metavar="COLUMN", help="column of tasks: a runs x tasks table")
    one.add_argument("--tasks", **names, help="columns that are tasks, a row a run")
    share = (
        "test over training examples, where a replicate named split or fold redraws one data set"
    )
    one.add_argument("--test-share", type=float, metavar="R", help=share)
    way = one.add_mutually_exclusive_group()
    way.add_argument("--maximize", action="store_true", default=None, help="larger is better")
    way.add_argument("--minimize", action="store_false", dest="maximize", help="smaller is better")
    one.add_argument("--tracking-uri", metavar="URI", help="of MLflow, for mlflow:EXPERIMENT")
    one.add_argument("--report", type=Path, metavar="DIR", help="also write the report there")
    one.add_argument("--json", action="store_true", help="print JSON")


def _look(text: str) -> int:
    """Read the number of a look."""
    if not text.isdigit() or not 1 <= int(text) <= 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 20")
    return int(text)


def _names(text: str) -> list[str]:
    """Read names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _analyze(options: argparse.Namespace) -> int:
    from dataclasses import fields

    from randstudy.analyzing import Question, analyze

    given = vars(options)
    found = analyze(Question(**{one.name: given[one.name] for one in fields(Question)}))
    print(found.json() if options.json else found.text)
    return 0
