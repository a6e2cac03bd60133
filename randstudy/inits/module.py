"""The init that somebody's module does itself when it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from randstudy.inits.scheme import NORMALISATION, Floats, Init
from randstudy.streams import Key, handed_at

if TYPE_CHECKING:
    from randstudy.models import Model, Parameter
    from randstudy.tasks import TaskShape


@dataclass(frozen=True, kw_only=True)
class ModuleInit(Init, name="module"):
    """What a module of your own is built with: it is built anew for each trial.

    The global generators of Python, numpy and torch are seeded from the trial's `init` stream
    meanwhile, so that ``reset_parameters`` and ``torch.nn.init`` draw from it.
    """

    def first(self, parameter: Parameter, keys: Sequence[Key]) -> Floats:
        """Return the values of this parameter in each trial's module."""
        built: Any = parameter
        values = np.stack([_built(built.model, built.task, key)[parameter.path] for key in keys])
        return values if parameter.role in NORMALISATION else values * self.scale

    def misfits(self, model: Model) -> list[tuple[str, str]]:
        """Only modules of one's own are built."""
        if hasattr(model, "build"):
            return []
        return [("", f"is for models of one's own; {model.name} has no init of itself")]


@lru_cache(maxsize=4)
def _built(model: Model, shape: TaskShape, key: Key) -> dict[str, Floats]:
    """Return the parameters of a trial's module, as it was built."""
    from randstudy.models.modules.anatomy import build

    module = build(model, shape, handed_at(key, "module"))
    return {
        path: one.detach().double().cpu().numpy().copy() for path, one in module.named_parameters()
    }
