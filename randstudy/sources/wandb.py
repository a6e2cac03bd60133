"""Exports of Weights & Biases, told by their columns.

Its table of runs has a row a run: Name, State, Created, Runtime, … and then config and summary, a
column each. A chart has a column x (Step, or what the chart is drawn over) and for each run
``<run> - <metric>``. Both may have companions ``…__MIN`` and ``…__MAX``, the range that a
smoothed or grouped line hides. The script of W&B's own guide writes a table with the columns
summary, config and name, the first two Python dictionaries as text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pandas as pd

from randstudy.errors import RandstudyError
from randstudy.sources.status import MEANINGS, without_running, word

COMPANION = re.compile(r"__(MIN|MAX)$")
CURVE = re.compile(r"(?P<run>.+) - (?P<metric>.+)")

RUNS = frozenset(("Name", "State"))
BESIDES = frozenset(("ID", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "Group"))
"""A table of runs has these two, and at least one of those."""

SCRIPT = frozenset(("summary", "config", "name"))

AXES = frozenset(
    ("Step", "_step", "step", "epoch", "trainer/global_step", "global_step", "Wall Time")
)
RELATIVE = "Relative Time"
COUNTERS = frozenset(("_step", "_runtime", "_timestamp"))
"""What W&B logs beside every metric."""


def is_runs(frame: pd.DataFrame) -> bool:
    """Tell whether a table is an export of the table of runs."""
    names = set(frame.columns)
    return names >= RUNS and bool(names & BESIDES)


def runs(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run that ended: trial, status, then its columns as exported.

    The trial is the run's ID, else its name, numbered where several runs share it. Finished is
    finished; crashed, failed, killed and preempted are failed; those that still ran are left out.
    Companions and columns without a value are dropped.

    Raises
    ------
    RandstudyError
        A state that W&B does not have, or no run that ended.
    """
    names = [str(name) for name in frame.columns]
    states = {state: _state(state) for state in frame["State"].unique()}
    trial = "ID" if "ID" in names else "Name"
    dropped = [name for name in names if COMPANION.sub("", name) != name]
    kept = frame.drop(columns=[*dropped, "State"]).dropna(axis=1, how="all")
    clash = [name for name in ("trial", "status") if name in kept.columns]
    kept = kept.rename(columns={name: f"config.{name}" for name in clash})
    kept.insert(0, "trial", _told_apart(frame[trial].astype(str)))
    kept.insert(1, "status", frame["State"].map(states).astype("str"))
    kept = kept.drop(columns=[trial], errors="ignore")
    found, notes = without_running(kept)
    if found.empty:
        raise RandstudyError("no run of this W&B export has ended")
    found.attrs = {"kind": "trials", "origin": "W&B runs", "notes": notes}
    return found


def _state(state: object) -> str:
    known = word(state)
    if known is None:
        words = ", ".join(word for words in MEANINGS.values() for word in words)
        raise RandstudyError(f"State {state!r} is no end of a run; known are {words}")
    return known


def _told_apart(names: pd.Series[str]) -> pd.Series[str]:
    """Number names that stand there more than once."""
    count = names.groupby(names).cumcount()
    return names.where(count == 0, names + " #" + (count + 1).astype(str))


def is_script(frame: pd.DataFrame) -> bool:
    """Tell whether a table was written by the script of W&B's guide."""
    return set(frame.columns) == SCRIPT


def script(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run: trial, its configuration, its summary; no state was exported.

    A summary under a name that the configuration has is called ``summary.<name>``; what W&B
    keeps for itself (``_wandb``, ``_timestamp``, …) is dropped.

    Raises
    ------
    RandstudyError
        A cell that is no dictionary.
    """
    config, summary = (pd.DataFrame([_mapping(t) for t in frame[n]]) for n in ("config", "summary"))
    trial = pd.DataFrame({"trial": _told_apart(frame["name"].astype(str))})
    summary = summary.rename(columns={name: f"summary.{name}" for name in config.columns})
    found = pd.concat([trial, config.drop(columns="trial", errors="ignore"), summary], axis=1)
    notes = ("the export has no states: every run counts as finished",)
    found.attrs = {"kind": "trials", "origin": "W&B runs", "notes": notes}
    return found


class _Floats(ast.NodeTransformer):
    """Turns nan and inf, which Python writes but does not read as literals, into numbers."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in ("nan", "inf") else node


def _mapping(text: object) -> dict[str, object]:
    """Read a dictionary as Python writes it, and nothing that would have to be run."""
    try:
        found = ast.literal_eval(_Floats().visit(ast.parse(str(text).strip(), mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise RandstudyError(f"{str(text)[:60]!r} is no dictionary of a W&B run")
    return {str(key): value for key, value in found.items() if not str(key).startswith("_")}


def is_chart(frame: pd.DataFrame) -> bool:
    """Tell whether a table is an export of a line chart."""
    first, *others = (str(name) for name in frame.columns)
    if not others or not all(CURVE.fullmatch(COMPANION.sub("", name)) for name in others):
        return False
    known = first in AXES or first.startswith(RELATIVE)
    return known or any(COMPANION.search(name) for name in others)


def curves(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a row a run and step that has a value: trial, step and a column a metric.

    ``step`` is whatever the chart was drawn over.
    """
    axis = str(frame.columns[0])
    lines = list(_lines(frame))
    if not any(map(len, lines)):
        raise RandstudyError("this W&B chart holds no value of a metric")
    table = pd.concat(lines, ignore_index=True)
    metrics = list(dict.fromkeys(table["metric"]))
    keys = ["trial", "step", "metric"]
    if table.duplicated(keys).any():
        raise RandstudyError(f"the chart has several values of a run at the same {axis}")
    wide = table.pivot(index=["trial", "step"], columns="metric", values="value")
    # Pivoting sorts; runs come back in the chart's order.
    found = wide.reindex(table["trial"].unique(), level="trial").reset_index()
    found = found[["trial", "step", *metrics]].rename_axis(columns=None)
    told = () if axis.casefold() == "step" else (f"step is the chart's {axis}",)
    found.attrs = {"kind": "curves", "origin": "W&B chart", "notes": told}
    return found


def _lines(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yield each run's line: trial, step, metric, value."""
    for name in frame.columns[1:]:
        match = CURVE.fullmatch(str(name))
        if COMPANION.search(str(name)) or match is None or match["metric"] in COUNTERS:
            continue
        value = pd.to_numeric(frame[name], errors="coerce")
        there = value.notna().to_numpy()
        line = pd.DataFrame({"step": frame.iloc[:, 0][there], "value": value[there]})
        yield line.assign(trial=match["run"], metric=match["metric"])


def last(curves: pd.DataFrame) -> pd.DataFrame:
    """Return a row a trial with its last step and each metric's last value, infinite ones too.

    Evaluations of one training are no replicates of each other; means over trainings start here.
    """
    ordered = curves.sort_values(["trial", "step"], kind="stable")
    found = ordered.groupby("trial", sort=False).last()
    found = found.reindex(curves["trial"].unique()).reset_index()
    found.attrs = dict(curves.attrs) | {"kind": "trials"}
    return found
