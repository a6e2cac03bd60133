"""What the kept predictions should have been: targets of the test examples, in their order.

Free of torch: data sets are asked as training asks them, for the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from randstudy.design import Design, Trial
from randstudy.errors import RandstudyError
from randstudy.handover import FIELD
from randstudy.splits import Splitting
from randstudy.study import Study
from randstudy.tasks import Data

Array = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Targets:
    """The targets of trials' test examples.

    Trials in one group are tested on the same examples in the same order. Groups of the same data
    need not differ in their targets, but they do in their examples.

    Attributes
    ----------
    by_trial : trial id -> index into `groups`.
    groups : (n_test,) int64 class, or float32 number, of each example of a test split, in the order
        of ``Outcome.predictions``.
    """

    by_trial: Mapping[str, int]
    groups: tuple[Array, ...]

    def of(self, trial: str) -> Array:
        """Return (n_test,) targets of one trial.

        Raises
        ------
        RandstudyError
            The trial is not among those that were asked for.
        """
        return self.groups[self._group(trial)]

    def common(self, trials: Iterable[str]) -> Array | None:
        """Return (n_test,) targets that all these trials share; None if they are tested on several.

        None for no trials, too.

        Raises
        ------
        RandstudyError
            A trial is not among those that were asked for.
        """
        groups = {self._group(trial) for trial in trials}
        return self.groups[groups.pop()] if len(groups) == 1 else None

    def rows(self, trials: Iterable[str]) -> Array:
        """Return (trials, n_test): a row a trial, as ``Frame.predictions`` has them.

        ``(frame.predictions == targets.rows(frame.predictions.index)).mean(axis=1)`` is the test
        accuracy of each.

        Raises
        ------
        RandstudyError
            A trial is not among those that were asked for, or test sets differ in size.
        """
        chosen = [self._group(trial) for trial in trials]
        sizes = sorted({len(self.groups[group]) for group in chosen})
        if len(sizes) > 1:
            raise RandstudyError(
                f"the trials were tested on {' or '.join(map(str, sizes))} examples; select those "
                "of one data set before asking for their targets"
            )
        if not chosen:
            return np.empty((0, 0), np.int64)
        used = sorted(set(chosen))
        table = np.stack([self.groups[group] for group in used])
        return cast("Array", table[np.searchsorted(used, chosen)])

    def _group(self, trial: str) -> int:
        try:
            return self.by_trial[trial]
        except KeyError:
            raise RandstudyError(
                f"trial {trial} is not among the trials of the study whose targets were asked for"
            ) from None


def targets(study: Study, trials: Iterable[str] | None = None) -> Targets:
    """Return the targets of the test examples of a study's trials.

    Parameters
    ----------
    study : the study; its data say what the examples are, and where.
    trials : ids of the trials that matter, None for all of the design. Ids that the design does not
        have are left out.

    Raises
    ------
    DataError
        The files of a data set are not on this machine.
    RandstudyError
        The training is handed over, so that only its own code knows the examples.
    """
    if FIELD in study.base:
        raise RandstudyError(
            f"{study.name} hands its training over; only its own code knows the test examples"
        )
    wanted = None if trials is None else frozenset(trials)
    by_trial: dict[str, int] = {}
    groups: dict[tuple[Data, Splitting, int, int], int] = {}
    arrays: list[Array] = []
    examples: dict[tuple[Data, int], Array] = {}
    for trial in Design(study):
        if wanted is not None and trial.id not in wanted:
            continue
        data, scheme = trial.recipe.data, trial.recipe.split
        drawn, split = (trial.replicates.get(stream, 0) for stream in ("data", "split"))
        if (data, scheme, drawn, split) not in groups:
            if (data, drawn) not in examples:
                examples[data, drawn] = data.targets(trial.key("data"))
            groups[data, scheme, drawn, split] = len(arrays)
            arrays.append(_tested(trial, examples[data, drawn]))
        by_trial[trial.id] = groups[data, scheme, drawn, split]
    return Targets(by_trial, tuple(arrays))


def _tested(trial: Trial, every: Array) -> Array:
    """Return the targets of the trial's test rows, which nobody may write to."""
    recipe, replicate = trial.recipe, trial.replicates.get("split", 0)
    found = every[recipe.split.rows(recipe.data, trial.seed, replicate).test]
    found.flags.writeable = False
    return found
