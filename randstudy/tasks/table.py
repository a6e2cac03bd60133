"""A table of one's own: a CSV or Parquet file with a column to predict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.nearest import suggestion
from randstudy.streams import Key
from randstudy.tasks.coding import classes, finite, sharing, task_of
from randstudy.tasks.columns import Columns, columns
from randstudy.tasks.files import State, contents, misnamed, once, state
from randstudy.tasks.own_file import OwnFile, Prepared
from randstudy.tasks.parting import drawn, shares
from randstudy.tasks.task import Sizes, Split


@dataclass(frozen=True, eq=False)
class PreparedTable(Prepared):
    """Likewise; `guessed` says whether nobody had to say what the target is."""

    guessed: bool


@dataclass(frozen=True, kw_only=True)
class Table(OwnFile, name="table"):
    """A CSV or Parquet file: a row an example, one column the target, the others inputs.

    Text is a class if it is the target, and otherwise has to be named in `categorical`. A value
    that is missing anywhere is an error. The split of 60, 20 and 20 in a hundred is drawn.
    """

    target: Annotated[str, "column to predict"]
    task: Annotated[
        Literal["class", "number"] | None,
        "what the target is; null: text is classes, fractions are numbers, anything else an error",
    ] = None
    features: Annotated[tuple[str, ...], "columns that are inputs; []: all but the target"] = ()
    drop: Annotated[tuple[str, ...], "columns that are not inputs"] = ()
    categorical: Annotated[tuple[str, ...], "inputs that become one 0 or 1 for each value"] = ()
    header: Annotated[bool, "the first line names the columns; false: c1, c2 and so on"] = True
    standardize: Annotated[bool, "centre and scale inputs by each trial's training examples"] = True
    standardize_target: Annotated[
        bool, "likewise a target that is a number; losses are then in its standard deviations"
    ] = False

    @property
    def standardized(self) -> bool:
        """As the setting says."""
        return self.standardize

    @property
    def standardized_target(self) -> bool:
        """As the setting says."""
        return self.standardize_target

    def streams(self) -> frozenset[str]:
        """The split is drawn."""
        return frozenset({"split"})

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the settings; then read the file."""
        wrong = misnamed(self.file)
        if wrong:
            return [("file", wrong)]
        if self.features and self.drop:
            return [("drop", "give features or drop, not both")]
        if self.target in (*self.features, *self.drop, *self.categorical):
            return [("target", f"{self.target!r} is the target; it is no input anyway")]
        if len(set(self.features)) < len(self.features):
            return [("features", "names a column twice")]
        found = self._prepared()
        if self.standardize_target and found.classes:
            return [("standardize_target", "classes have no mean; only numbers to predict do")]
        return []

    def effective(self) -> Self:
        """The order of names does not matter where it changes nothing, nor a task that is plain."""
        ordered = {
            name: tuple(sorted(set(getattr(self, name)))) for name in ("drop", "categorical")
        }
        task = None if self.task is not None and self._prepared().guessed else self.task
        return replace(self, task=task, drop=ordered["drop"], categorical=ordered["categorical"])

    def sizes(self) -> Sizes:
        """Return 60, 20 and 20 in a hundred rows."""
        return shares(len(self._prepared().targets))

    def split(self, key: Key) -> Split:
        """Return train in the permutation's order, validation and test sorted."""
        return drawn(key, self.sizes())

    def _prepared(self) -> PreparedTable:
        return _prepare(replace(self, folder=None), state(self._path()))


@once
def _prepare(data: Table, found: State) -> PreparedTable:
    """Read a file in this state as the settings say."""
    path = found.path
    table = columns(path, data.header)
    for name in (data.target, *data.features, *data.drop, *data.categorical):
        if name not in table:
            raise DataError(f"{path}: has no column {name!r}{suggestion(name, [*table])}")
    targets, count, guessed = _targets(data, table, path)
    inputs = _inputs(data, table, path)
    if len(targets) < 5:
        raise DataError(f"{path}: holds {len(targets)} rows, too few to split in three")
    name = f"{contents(path).digest.hex()} {data!r}"
    return PreparedTable(sharing(inputs, name), targets, count, guessed)


def _targets(
    data: Table, table: Columns, path: Path
) -> tuple[NDArray[np.int64] | NDArray[np.float32], int, bool]:
    """Return targets, how many classes there are, and whether the column alone says what it is."""
    values, what = table[data.target], f"column {data.target!r}"
    plain = task_of(values)
    if data.task is None and plain is None:
        raise DataError(
            f"{path}: {what} holds whole numbers, which may be classes or numbers to predict; say "
            "task: class or task: number"
        )
    if (data.task or plain) == "class":
        return *classes(values, path, what), plain == "class"
    if values.dtype == object:
        raise DataError(f"{path}: {what} is text ({values[0]!r}), no number to predict")
    finite(values, path, what)
    if (values == values[0]).all():
        raise DataError(f"{path}: {what} is {values[0]:g} in every row: nothing to predict")
    centre, spread = _scale(values) if data.standardize_target else (0.0, 1.0)
    return ((values - centre) / spread).astype(np.float32), 0, plain == "number"


def _inputs(data: Table, table: Columns, path: Path) -> NDArray[np.float32]:
    """Return (N, F): features in their order, categorical ones as a column for each value."""
    without = {data.target, *data.drop}
    names = data.features or tuple(name for name in table if name not in without)
    unused = [name for name in data.categorical if name not in names]
    if unused:
        raise DataError(f"{path}: column {unused[0]!r} is categorical, but not among the inputs")
    if not names:
        raise DataError(f"{path}: has no column left to predict {data.target!r} from")
    found: list[NDArray[Any]] = []
    for name in names:
        values = table[name]
        if name in data.categorical:
            found += [values == value for value in np.unique(values)]
            continue
        if values.dtype == object:
            raise DataError(
                f"{path}: column {name!r} is text ({values[0]!r}); name it in categorical to have "
                "a 0 or 1 for each of its values, or in drop"
            )
        finite(values, path, f"column {name!r}")
        centre, spread = _scale(values.astype(float)) if data.standardize else (0.0, 1.0)
        found.append((values - centre) / spread)
    return np.stack(found, axis=1).astype(np.float32)


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return centre and spread of a column that trials standardise anyway.

    They change no trial's numbers but for rounding: years or time stamps would lose theirs as
    float32 before their mean is taken off.
    """
    centre = float(values.mean())
    return centre, float(np.abs(values - centre).max()) or 1.0
