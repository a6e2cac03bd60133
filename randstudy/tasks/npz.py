"""Arrays of one's own in a NumPy .npz file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from randstudy.errors import DataError
from randstudy.nearest import suggestion
from randstudy.parts import Range
from randstudy.streams import Key
from randstudy.tasks.coding import classes, finite, sharing
from randstudy.tasks.files import State, contents, misnamed, once, state, told
from randstudy.tasks.own_file import OwnFile, Prepared
from randstudy.tasks.parting import consecutive, drawn, shares
from randstudy.tasks.task import Sizes, Split


@dataclass(frozen=True, eq=False)
class PreparedArrays(Prepared):
    """Likewise; the first `train` examples are not from the test arrays."""

    train: int


@dataclass(frozen=True, kw_only=True)
class Npz(OwnFile, name="npz"):
    """Arrays by name from one .npz file; the first dimension counts examples.

    Whole-number targets are classes, others numbers. With test arrays the split is given and the
    last `validation` examples are held out; without, 60, 20 and 20 in a hundred are drawn.
    """

    inputs: Annotated[str, "name of the array of inputs"] = "x"
    target: Annotated[str, "name of the array of targets"] = "y"
    test_inputs: Annotated[str | None, "name of the array of test inputs"] = None
    test_target: Annotated[str | None, "name of the array of test targets"] = None
    validation: Annotated[
        int | None,
        Range(least=1),
        "examples held out before the test arrays; null: a fifth",
    ] = None
    task: Annotated[
        Literal["class", "number"] | None, "what targets are; null: whole numbers are classes"
    ] = None
    input_shape: Annotated[
        tuple[int, ...], Range(least=1), "shape of one input, as [1, 28, 28]; []: as in the file"
    ] = ()
    standardize: Annotated[bool, "centre and scale inputs by each trial's training examples"] = (
        False
    )

    @property
    def standardized(self) -> bool:
        """As the setting says."""
        return self.standardize

    @property
    def given(self) -> bool:
        """Whether the file says which examples test."""
        return self.test_inputs is not None

    def streams(self) -> frozenset[str]:
        """A split that the file does not give is drawn."""
        return frozenset() if self.given else frozenset({"split"})

    def problems(self) -> list[tuple[str, str]]:
        """Return what is wrong with the settings; then read the file."""
        wrong = misnamed(self.file)
        if wrong:
            return [("file", wrong)]
        if (self.test_inputs is None) != (self.test_target is None):
            return [("test_inputs", "give both test_inputs and test_target, or neither")]
        if self.validation is not None and not self.given:
            return [("validation", "without test arrays nothing is held out; see split")]
        train = self._prepared().train
        if self.given and self._held() >= train:
            return [("validation", f"{self._held()} leaves nothing of {train} training examples")]
        return []

    def effective(self) -> Self:
        """What is read from the file anyway needs not be said."""
        plain = replace(self, task=None)
        same = self.task is not None and plain._kind() == self.task
        return plain if same else self

    def sizes(self) -> Sizes:
        """Return the file's, or 60, 20 and 20 in a hundred of its examples."""
        found = self._prepared()
        if not self.given:
            return shares(len(found.targets))
        held = self._held()
        return Sizes(found.train - held, held, len(found.targets) - found.train)

    def split(self, key: Key) -> Split:
        """Return the file's split, or one that is drawn."""
        return consecutive(self.sizes()) if self.given else drawn(key, self.sizes())

    def pooled(self) -> Self:
        """Hold nothing out: all examples are split anew."""
        return replace(self, validation=None)

    def _held(self) -> int:
        return self.validation or max(1, self._prepared().train // 5)

    def _kind(self) -> str:
        array = load(self._path(), (self.target,))[self.target]
        return "class" if _whole(array) else "number"

    def _prepared(self) -> PreparedArrays:
        return _prepare(replace(self, folder=None, validation=None), state(self._path()))


def load(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return arrays of a .npz file.

    Raises
    ------
    DataError : if the file is damaged, or has no array of a name.
    """
    try:
        # Opened here, as numpy leaves a file open that begins like a .npz and is none.
        with told(path, "write it again"), path.open("rb") as stream:
            opened = np.load(stream, allow_pickle=False)
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: holds one array, not several by name; see numpy.savez")
            return _named(path, opened, names)
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path}: not a whole .npz file of plain numbers ({str(error).rstrip('.')}); write it "
            "again with numpy.savez"
        ) from error
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory here: {error}") from error


def _named(
    path: Path, opened: np.lib.npyio.NpzFile, names: tuple[str, ...]
) -> dict[str, NDArray[Any]]:
    """Read the arrays of these names, and close the file."""
    with opened as held:
        missing = [name for name in names if name not in held.files]
        if missing:
            close = suggestion(missing[0], held.files)
            raise DataError(f"{path}: has no array called {missing[0]!r}{close}")
        found = {name: held[name] for name in names}
    strange = [name for name, array in found.items() if not isinstance(array, np.ndarray)]
    if strange:
        raise DataError(f"{path}: {strange[0]} is no array; write it again with numpy.savez")
    return found


@once
def _prepare(data: Npz, found: State) -> PreparedArrays:
    """Read and check the arrays of a file in this state."""
    path = found.path
    pairs = [(data.inputs, data.target)]
    if data.test_inputs is not None and data.test_target is not None:
        pairs.append((data.test_inputs, data.test_target))
    arrays = load(path, tuple(name for pair in pairs for name in pair))
    for pair in pairs:
        _check(path, pair, arrays)
    inputs = _joined(path, [pair[0] for pair in pairs], arrays)
    values = np.concatenate([arrays[pair[1]].reshape(-1) for pair in pairs])
    count, targets = 0, values.astype(np.float32)
    if data.task == "class" or (data.task is None and _whole(values)):
        targets, count = classes(values, path, data.target)  # type: ignore[assignment]
    if len(values) < 5:
        raise DataError(f"{path}: holds {len(values)} examples, too few to split in three")
    shape = data.input_shape or inputs.shape[1:] or (1,)
    if int(np.prod(shape)) != inputs[0].size:
        raise DataError(
            f"{path}: one input in {data.inputs} has shape {inputs.shape[1:]}, which input_shape "
            f"{list(shape)} does not fit"
        )
    whole = inputs.reshape(-1, *shape).astype(np.float32)
    name = f"{contents(path).digest.hex()} {pairs} {shape}"
    return PreparedArrays(sharing(whole, name), targets, count, len(arrays[data.target]))


def _whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "biu"


def _check(path: Path, pair: tuple[str, str], arrays: dict[str, NDArray[Any]]) -> None:
    """Inputs and targets must belong together, and be numbers."""
    inputs, targets = (arrays[name] for name in pair)
    for name in pair:
        if arrays[name].dtype.kind not in "biuf":
            raise DataError(f"{path}: {name} holds {arrays[name].dtype}, not plain numbers")
        if not arrays[name].ndim or not len(arrays[name]):
            raise DataError(f"{path}: {name} holds no examples")
        if not arrays[name].size:
            raise DataError(f"{path}: {name} has shape {arrays[name].shape}: no values at all")
        finite(arrays[name], path, name)
    if targets.size != len(targets):
        raise DataError(f"{path}: {pair[1]} has shape {targets.shape}; one target an example")
    if len(inputs) != len(targets):
        raise DataError(
            f"{path}: {pair[0]} holds {len(inputs):,} examples and {pair[1]} {len(targets):,}"
        )


def _joined(path: Path, names: list[str], arrays: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Join the inputs to train on and those to test."""
    shapes = {arrays[name].shape[1:] for name in names}
    if len(shapes) > 1:
        both = " and ".join(f"{name} {arrays[name].shape[1:]}" for name in names)
        raise DataError(f"{path}: inputs differ in shape: {both}")
    return np.concatenate([arrays[name] for name in names])
