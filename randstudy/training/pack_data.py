"""The examples of a pack: one table on the device, and each trial's rows in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from randstudy import streams
from randstudy.tasks import Examples, Split
from randstudy.tasks.standard import standardized
from randstudy.trials import Trial


class PackData:
    """Examples and splits of P trials.

    Trials that share a data replicate share its examples; trials that share both that and the
    split replicate hold equal rows. Where the data are standardised by the training rows, trials
    share examples only if they share both. ``rows[split]`` is an int64 tensor (P, n) on the device.
    """

    def __init__(self, trials: Sequence[Trial], device: str) -> None:
        recipe = trials[0].recipe
        data = recipe.data
        self.shape = data.shape()
        self.device = device
        drawn: dict[streams.Key, Examples] = {}
        splits: dict[streams.Key, Split] = {}
        tables: dict[tuple[streams.Key, streams.Key | None], tuple[int, Examples]] = {}
        rows: dict[str, list[NDArray[np.int64]]] = {"train": [], "validation": [], "test": []}
        starts: list[int] = []
        start = 0
        own = data.own_table
        for trial in trials:
            data_key, split_key = trial.key("data"), trial.key("split")
            if data_key not in drawn:
                drawn[data_key] = data.examples(data_key)
            if split_key not in splits:
                splits[split_key] = recipe.split.rows(
                    data, trial.seed, trial.replicates.get("split", 0)
                )
            table = (data_key, split_key if own else None)
            if table not in tables:
                examples = drawn[data_key]
                if own:
                    examples = standardized(data, examples, splits[split_key].train)
                tables[table] = (start, examples)
                start += len(examples.targets)
            starts.append(tables[table][0])
            for name, found in rows.items():
                found.append(getattr(splits[split_key], name) + tables[table][0])
        self.offsets = torch.tensor(starts, device=device)[:, None] if any(starts) else None
        self.inputs = self._table([examples.inputs for _, examples in tables.values()])
        self.targets = self._table([examples.targets for _, examples in tables.values()])
        self.rows = {
            name: torch.from_numpy(np.stack(found)).to(device) for name, found in rows.items()
        }

    def _table(self, pieces: Sequence[NDArray[np.generic]]) -> Tensor:
        """Join arrays; a single one, a read-only memory map perhaps, is not copied on a CPU."""
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        # Through DLPack, as torch warns of read-only arrays; nothing ever writes to the table.
        return from_dlpack(joined).to(self.device)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs (P, B, *shape) and targets (P, B) for row numbers (P, B)."""
        flat = rows.reshape(-1)
        inputs = self.inputs.index_select(0, flat).view(*rows.shape, *self.shape.inputs)
        return inputs, self.targets.index_select(0, flat).view(rows.shape)

    def samples(self, rows: Tensor) -> Tensor:
        """Return which examples of the data set rows of the table are, whatever the pack."""
        return rows if self.offsets is None else rows - self.offsets

    def spaced(self, most: int) -> Tensor:
        """Return at most so many training rows of each trial, (P, n), to look at before training.

        Evenly spaced from the first: files are often sorted by class.
        """
        rows = self.rows["train"]
        return rows[:, places(rows.shape[1], most).to(rows.device)]

    @property
    def repeats(self) -> bool:
        """Whether some trial's training examples hold one of them twice."""
        train = self.rows["train"].sort(dim=1).values
        return bool((train[:, 1:] == train[:, :-1]).any())

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials; their examples stay."""
        self.offsets = None if self.offsets is None else self.offsets[rows]
        self.rows = {name: found[rows] for name, found in self.rows.items()}


def places(rows: int, most: int) -> Tensor:
    """Return at most so many of `rows` places, evenly spaced from the first.

    >>> places(3, 5).tolist(), places(9, 4).tolist()
    ([0, 1, 2], [0, 2, 4, 6])
    """
    count = min(rows, most)
    return torch.arange(count) * rows // count
