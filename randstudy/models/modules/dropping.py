"""Dropout of somebody's module, taken over: its places are found, its draws come from the stream.

While a `Recording` or `Replacing` is entered, torch hands it every call of ``functional.dropout``
and its kin, whoever makes it: a ``torch.nn.Dropout`` or the module's own ``forward``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from torch import Tensor
from torch.overrides import TorchFunctionMode

KEPT: dict[Any, int | None] = {
    # By name, as nothing here draws: function -> dimensions that are dropped one by one.
    getattr(F, "dropout"): None,  # noqa: B009
    getattr(torch, "dropout"): None,  # noqa: B009
    **{getattr(F, f"dropout{spatial}d"): 2 for spatial in (1, 2, 3)},
}
"""The calls taken over. Those of 1 to 3 spatial dimensions drop channels of an example."""


@dataclass(frozen=True)
class Site:
    """One call of dropout in a pass: where, the shape of its draws for a batch, and its rate."""

    path: str
    shape: tuple[int, ...]
    rate: float
    spatial: int

    @property
    def broadcast(self) -> tuple[int, ...]:
        """Return the shape of its factors beside the values they multiply."""
        return (*self.shape, *(1,) * self.spatial)


class _Calls(TorchFunctionMode):
    """Takes calls of dropout over."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        if func not in KEPT:
            return func(*args, **given)
        values, rate, training = _arguments(*args, **given)
        return self.taken(func, values, rate) if training and rate > 0 else values

    def taken(self, func: Callable[..., Any], values: Tensor, rate: float) -> Tensor:
        """Return what stands for a dropout of `values` in training."""
        raise NotImplementedError


class Recording(_Calls):
    """Notes where a pass drops, and drops nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sites: list[Site] = []

    def taken(self, func: Callable[..., Any], values: Tensor, rate: float) -> Tensor:
        """Note the site; the values stay as they are."""
        shape = tuple(values.shape)
        kept = KEPT[func] or len(shape)
        path = f"dropout.{len(self.sites)}"
        self.sites.append(Site(path, shape[:kept], rate, len(shape) - kept))
        return values


class Replacing(_Calls):
    """Multiplies by factors that were drawn beforehand, in the order of the sites."""

    def __init__(self, factors: Sequence[Tensor]) -> None:
        super().__init__()
        self.factors = iter(factors)

    def taken(self, func: Callable[..., Any], values: Tensor, rate: float) -> Tensor:
        """Multiply by the site's factors; a pass without any drops nothing."""
        factor = next(self.factors, None)
        return values if factor is None else values * factor


def _arguments(
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
    train: bool | None = None,
) -> tuple[Tensor, float, bool]:
    """Return what a call of dropout was told."""
    return input, p, training if train is None else train
