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
from randstudy.trials import Trial


class PackData:
    """Examples and splits of P trials.

    Trials that share a data replicate share its examples; trials that share both that and the
    split replicate hold equal rows. ``rows[split]`` is an int64 tensor (P, n) on the device.
    """

    def __init__(self, trials: Sequence[Trial], device: str) -> None:
        recipe = trials[0].recipe
        data = recipe.data
        self.shape = data.shape()
        self.device = device
        tables: dict[streams.Key, tuple[int, Examples]] = {}
        splits: dict[streams.Key, Split] = {}
        rows: dict[str, list[NDArray[np.int64]]] = {"train": [], "validation": [], "test": []}
        starts: list[int] = []
        start = 0
        for trial in trials:
            data_key, split_key = trial.key("data"), trial.key("split")
            if data_key not in tables:
                examples = data.examples(data_key)
                tables[data_key] = (start, examples)
                start += len(examples.targets)
            starts.append(tables[data_key][0])
            if split_key not in splits:
                splits[split_key] = recipe.split.rows(
                    data, trial.seed, trial.replicates.get("split", 0)
                )
            for name, found in rows.items():
                found.append(getattr(splits[split_key], name) + tables[data_key][0])
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

    @property
    def repeats(self) -> bool:
        """Whether some trial's training examples hold one of them twice."""
        train = self.rows["train"].sort(dim=1).values
        return bool((train[:, 1:] == train[:, :-1]).any())

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials; their examples stay."""
        self.offsets = None if self.offsets is None else self.offsets[rows]
        self.rows = {name: found[rows] for name, found in self.rows.items()}
