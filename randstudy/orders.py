"""Work as plain values that any process can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from randstudy.recipe import Recipe
from randstudy.tasks import Data
from randstudy.trials import Trial, trial_from_settings


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a worker is to do, and where.

    `trials` are settings as canonical JSON; `share` is the part of the device that is this
    worker's, 1 for all of it; `places` are the data's fields outside the identity (its folder);
    `paths` are folders to look for the study's own parts in, after all others.
    """

    number: int
    kind: str
    trials: tuple[str, ...]
    store: str
    device: str
    threads: int
    share: float
    observe: Mapping[str, Any]
    metric: str
    places: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the order as a dict."""
        return asdict(self)

    def trial(self, settings: str) -> Trial:
        """Make a trial again, with its data where this order says."""
        trial = trial_from_settings(settings)
        if not self.places or not isinstance(trial.setup, Recipe):
            return trial
        data = replace(trial.setup.data, **self.places)
        return replace(trial, setup=replace(trial.setup, data=data))


def places(data: Data) -> dict[str, Any]:
    """Return the settings of a data part that its trials' ids leave out, as other processes need.

    A worker may run in another folder and another environment than the command.
    """
    located = data.located()
    return {
        declared.name: getattr(located, declared.name)
        for declared in fields(located)
        if not declared.metadata.get("identity", True)
    }
