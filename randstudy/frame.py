"""The tidy frame: a row a trial of each cell, read from the ledger, in the order of the design.

Two stores that hold the same outcomes give equal frames, whatever the order, packs and attempts
in which they were trained (``*_seconds`` apart).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from randstudy.columns import TEXT, Record, Row, columns, provenance_columns, stranger
from randstudy.design import Design
from randstudy.errors import RandstudyError
from randstudy.ledger import Ledger
from randstudy.outcomes import Outcome
from randstudy.rows import Entry
from randstudy.sealed import replace
from randstudy.study import Study


class Logits(NamedTuple):
    """Outputs on test examples: ``values[i, j]`` are those of trial ``trials[i]`` for example j.

    Attributes
    ----------
    trials : ids of T trials.
    values : (T, examples, classes) float32, before any softmax.
    """

    trials: tuple[str, ...]
    values: NDArray[np.float32]


class Frame(pd.DataFrame):
    """A DataFrame that knows its factors and where its curves, predictions and logits lie.

    Selections of rows keep these: ``frame[frame.status == "finished"].curves`` are theirs alone.
    """

    _metadata: ClassVar[list[str]] = ["factors", "nested", "store", "lenient"]
    factors: tuple[str, ...] = ()
    nested: Mapping[str, str] = MappingProxyType({})
    store: Path | None = None
    lenient: bool = False

    @property
    def _constructor(self) -> type[Frame]:
        return Frame

    @property
    def curves(self) -> pd.DataFrame:
        """The evaluations of this frame's trials: trial, step, epoch and a column a metric.

        Read from the ledger at each call. A trial that stands in several cells comes once.
        """
        found = {outcome.trial: outcome for outcome in self._outcomes()}
        return _curves([found[trial] for trial in self._trials() if trial in found])

    @property
    def predictions(self) -> pd.DataFrame:
        """The predicted class of each test example: a row a trial, a column an example, uint8.

        Trials that kept none are left out. Columns number the examples of the test split.

        Raises
        ------
        RandstudyError
            The trials were tested on different numbers of examples.
        """
        kept = {
            outcome.trial: outcome.predictions
            for outcome in self._outcomes(predictions=True)
            if outcome.predictions is not None
        }
        sizes = sorted({len(predicted) for predicted in kept.values()})
        if len(sizes) > 1:
            raise RandstudyError(
                f"the trials were tested on {' or '.join(map(str, sizes))} examples; select those "
                "of one data set before asking for predictions"
            )
        trials = [trial for trial in self._trials() if trial in kept]
        rows = np.stack([kept[trial] for trial in trials]) if trials else np.empty((0, 0), np.uint8)
        return pd.DataFrame(rows, index=pd.Index(trials, name="trial", dtype=TEXT))

    @property
    def logits(self) -> Logits:
        """The outputs for each test example of the trials that kept them (``evaluation.logits``).

        Read from the ledger at each call. Trials are in the order of the frame, each once; those
        that kept none are left out. Examples are numbered as in `predictions`.

        Raises
        ------
        RandstudyError
            The trials were tested on different numbers of examples, or have other classes.
        """
        kept = {
            outcome.trial: outcome.logits
            for outcome in self._outcomes(logits=True)
            if outcome.logits is not None
        }
        shapes = sorted({array.shape for array in kept.values()})
        if len(shapes) > 1:
            told = " or ".join(f"{examples} examples of {k} classes" for examples, k in shapes)
            raise RandstudyError(
                f"the trials were tested on {told}; select those of one data set before asking for "
                "logits"
            )
        trials = tuple(trial for trial in self._trials() if trial in kept)
        none = np.empty((0, 0, 0), np.float32)
        return Logits(trials, np.stack([kept[trial] for trial in trials]) if trials else none)

    def _trials(self) -> list[str]:
        if "trial" not in self.columns:
            raise RandstudyError("the frame has lost its column trial; select rows, not columns")
        return list(dict.fromkeys(self["trial"]))

    def _outcomes(self, **kept: bool) -> Iterable[Outcome]:
        if self.store is None:
            raise RandstudyError("this frame is not from a store; load it with randstudy.load")
        ledger = Ledger(self.store)
        return ledger.outcomes(self._trials(), skip_damaged=self.lenient, **kept)


def load(
    study: Study | str | Path,
    *,
    store: str | Path = "results",
    all: bool = False,
    overrides: Sequence[str] = (),
    provenance: bool = False,
    mix: bool = False,
    skip_damaged: bool = False,
) -> Frame:
    """Return the outcomes of a study as a frame.

    Parameters
    ----------
    study : the study, or its file.
    store : folder that holds the ledger.
    all : also the store's trials that are not in the study's present design, at the end.
    overrides : ``field=value`` as for ``--set``; only with a file.
    provenance : also the columns attempt, steps, reason and ``provenance.<name>``.
    mix : allow outcomes of several numerics classes, whose bits are not comparable.
    skip_damaged : leave out what damaged files of the ledger hold, rather than stop.

    Returns
    -------
    Columns trial, cell, status (finished, diverged, failed), the factors, ``replicate.<stream>``
    (missing where the trial does not consume it), repeat where the study repeats, the metrics, and
    timings in ``*_seconds``. A trial that was not trained yet has no row.

    Raises
    ------
    LedgerError
        The store is damaged.
    RandstudyError
        Outcomes of several numerics classes.
    """
    if isinstance(study, Study):
        if overrides:
            raise RandstudyError("overrides go with a study file; this study is already read")
    else:
        study = Study.load(Path(study), overrides)
    ledger = Ledger(Path(store).absolute())
    index = ledger.index(skip_damaged=skip_damaged)
    failed = {t for failure in ledger.failures(skip_damaged=skip_damaged) for t in failure.trials}
    rows: list[Row] = []
    streams: set[str] = set()
    for cell, trial in Design(study).points():
        streams.update(trial.replicates)
        if trial.id in index or trial.id in failed:
            rows.append(Row(cell.label, cell.levels, trial.id, trial.replicates, trial.repeat))
    wanted = {row.trial for row in rows}
    chosen = [entry for trial, entry in index.items() if all or trial in wanted]
    if not mix:
        _refuse_mixture(chosen)
    records = {
        outcome.trial: Record.of(outcome)
        for outcome in ledger.outcomes((e.trial for e in chosen), skip_damaged=skip_damaged)
    }
    if all:
        others = sorted(records.keys() - wanted)
        rows += [stranger(trial, records[trial], study.axes) for trial in others]
    table = columns(rows, records, study.axes, streams, repeats=study.repeat > 1)
    if provenance:
        attempts = {entry.trial: entry.attempt for entry in chosen}
        table |= provenance_columns(rows, records, attempts)
    frame = Frame(table)
    frame.factors = tuple(axis.name for axis in study.axes)
    frame.nested = {axis.name: axis.nested_in for axis in study.axes if axis.nested_in}
    frame.store, frame.lenient = ledger.folder.parent, skip_damaged
    return frame


def predictions(
    study: Study | str | Path, *, store: str | Path = "results", overrides: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the kept test predictions of a study's trials; see `Frame.predictions`."""
    return load(study, store=store, overrides=overrides).predictions


def write(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a frame as .parquet or .csv, whole or not at all; return the path.

    Raises
    ------
    RandstudyError
        Another suffix, or a path that cannot be written.
    """
    path = Path(path)
    plain = pd.DataFrame(frame)
    if path.suffix == ".parquet":
        buffer = io.BytesIO()
        plain.to_parquet(buffer, index=False)
        content = buffer.getvalue()
    elif path.suffix == ".csv":
        content = plain.to_csv(index=False).encode()
    else:
        raise RandstudyError(f"{path}: write a frame as .parquet or .csv")
    replace(path, content)
    return path


def _refuse_mixture(entries: Iterable[Entry]) -> None:
    """Stop when outcomes were trained in several numerics classes."""
    classes = Counter(entry.provenance.get("numerics_class", "unknown") for entry in entries)
    if len(classes) > 1:
        counts = ", ".join(f"{count} in {name}" for name, count in sorted(classes.items()))
        raise RandstudyError(
            f"the outcomes were trained in {len(classes)} numerics classes, so the same trial need "
            f"not have the same bits: {counts}. Load them together all the same with mix=True, or "
            "forget those of one class and run again."
        )


def _curves(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return the long frame: a row an evaluation, NaN for metrics that a trial does not have."""
    lengths = [len(outcome.curve_step) for outcome in outcomes]
    trials = np.repeat(np.array([outcome.trial for outcome in outcomes], dtype=object), lengths)
    found: dict[str, Any] = {
        "trial": pd.Series(trials, dtype=TEXT),
        "step": _joined([outcome.curve_step for outcome in outcomes], np.int64),
        "epoch": _joined([outcome.curve_epoch for outcome in outcomes], np.float64),
    }
    for name in sorted({name for outcome in outcomes for name in outcome.curves}):
        absent = (np.full(length, np.nan) for length in lengths)
        pairs = zip(outcomes, absent, strict=True)
        found[name] = _joined([o.curves.get(name, gap) for o, gap in pairs], np.float64)
    return pd.DataFrame(found)


def _joined(arrays: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)
