"""What is done to, and noted about, the gradient between the backward pass and the update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from randstudy.recipe import Training
from randstudy.training.layout import Layout
from randstudy.training.updates import Coefficients


class Norms:
    """2-norms of a pack's gradients by parameter, and of the whole as the norm of those norms."""

    def __init__(self, layout: Layout) -> None:
        self.sizes = [parameter.size for parameter in layout.parameters]

    def __call__(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return (P, L) and (P, 1) for a gradient (P, D) of the last D numbers of the layout."""
        sizes, missing = list(self.sizes), sum(self.sizes) - gradient.shape[1]
        while missing:
            missing -= sizes.pop(0)
        pieces = gradient.split(sizes, dim=1)
        each = torch.stack([torch.linalg.vector_norm(piece, dim=1) for piece in pieces], 1)
        return each, torch.linalg.vector_norm(each, dim=1, keepdim=True)


class Clipping:
    """Scale a trial's gradient down to its largest allowed 2-norm, then cut single values.

    As torch.nn.utils.clip_grad_norm_ (the factor min(1, limit / (norm + 1e-6))) and
    clip_grad_value_.
    """

    def __init__(self, trainings: Sequence[Training], weights: Tensor) -> None:
        make = Coefficients(weights).column
        norms = [training.clip_norm for training in trainings]
        values = [training.clip_value for training in trainings]
        self.by_norm = any(limit is not None for limit in norms)
        self.by_value = any(limit is not None for limit in values)
        # A limit is above 0, so 0 can stand for none.
        self.norms = make([limit or 0.0 for limit in norms])
        self.values = make([math.inf if limit is None else limit for limit in values])
        self.clips = [limit is not None for limit in map(_either, norms, values)]

    @property
    def active(self) -> bool:
        """Whether any trial clips."""
        return self.by_norm or self.by_value

    def apply(self, gradient: Tensor, norm: Tensor | None) -> Tensor:
        """Clip `gradient` (P, D) of this norm (P, 1) in place; return (P,) whether it was."""
        clipped = torch.zeros(len(gradient), dtype=torch.bool, device=gradient.device)
        if self.by_norm:
            assert norm is not None
            # Not a division: torch multiplies by the reciprocal, which rounds twice.
            factors = (norm + 1e-6).reciprocal_().mul_(self.norms).clamp_(max=1.0)
            factors.masked_fill_(self.norms == 0, 1.0)
            clipped |= (factors < 1).squeeze(1)
            gradient.mul_(factors)
        if self.by_value:
            clipped |= (gradient.abs() > self.values).any(1)
            # Not clamp_, which is another kernel for tensors than for numbers; these agree.
            torch.minimum(gradient, self.values, out=gradient)
            torch.maximum(gradient, -self.values, out=gradient)
        return clipped

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.norms, self.values = self.norms[rows], self.values[rows]
        self.clips = [self.clips[row] for row in rows.tolist()]


def _either(norm: float | None, value: float | None) -> float | None:
    return value if norm is None else norm


@dataclass(eq=False)
class Spread:
    """Sum, least and largest of a number (P, …) over updates, and their count."""

    total: Tensor
    least: Tensor
    most: Tensor
    count: int = 0

    @classmethod
    def like(cls, values: Tensor) -> Spread:
        """Begin with nothing seen."""
        wide = values.double()
        return cls(
            torch.zeros_like(wide),
            torch.full_like(wide, math.inf),
            torch.full_like(wide, -math.inf),
        )

    def add(self, values: Tensor) -> None:
        """Note the values of one update."""
        wide = values.double()
        self.total += wide
        torch.minimum(self.least, wide, out=self.least)
        torch.maximum(self.most, wide, out=self.most)
        self.count += 1

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.total, self.least, self.most = (
            values[rows] for values in (self.total, self.least, self.most)
        )


class GradientLog:
    """Gradient norms before clipping, and the share of updates that were clipped.

    Parameters
    ----------
    detail : "none", "total" (each trial's norm) or "layers" (also each parameter's).
    """

    def __init__(self, detail: str, layout: Layout, first: int) -> None:
        """Note parameters from number `first` on: those that are trained."""
        self.detail = detail
        self.paths = [parameter.path for parameter in layout.parameters[first:]]
        self.whole: Spread | None = None
        self.each: Spread | None = None
        self.since: Spread | None = None
        self.clipped: Tensor | None = None
        self.updates = 0

    def note(self, each: Tensor | None, whole: Tensor | None, clipped: Tensor | None) -> None:
        """Note an update: norms (P, L) and (P, 1) as far as they are wanted, and who clipped."""
        self.updates += 1
        if clipped is not None:
            self.clipped = clipped.long() if self.clipped is None else self.clipped + clipped
        if self.detail == "none" or each is None or whole is None:
            return
        norm = whole.squeeze(1)
        self.whole = _noted(self.whole, norm)
        self.since = _noted(self.since, norm)
        if self.detail == "layers":
            self.each = _noted(self.each, each)

    def since_report(self) -> dict[str, list[float]]:
        """Return the mean norms (P,) since the last report, for the curves."""
        since = self.since
        return {} if since is None else {"gradient_norm": (since.total / since.count).tolist()}

    def reported(self) -> None:
        """Begin anew after a report."""
        self.since = None

    def metrics(self, clips: Sequence[bool]) -> list[dict[str, float]]:
        """Return each trial's final metrics; `clips` says which trials have a limit."""
        found: list[dict[str, float]] = [{} for _ in clips]
        if self.clipped is not None:
            for one, has_limit, count in zip(found, clips, self.clipped.tolist(), strict=False):
                if has_limit:
                    one["clipped_share"] = count / self.updates
        for name, spread in self._named():
            for row, one in enumerate(found):
                one[f"gradient_norm_mean{name}"] = float(spread.total[row]) / spread.count
                one[f"gradient_norm_min{name}"] = float(spread.least[row])
                one[f"gradient_norm_max{name}"] = float(spread.most[row])
        return found

    def _named(self) -> list[tuple[str, Spread]]:
        """Return the spread of the whole and of each parameter, by ending of the metric's name."""
        found = [] if self.whole is None else [("", self.whole)]
        if self.each is not None:
            each, count = self.each, self.each.count
            found += [
                (
                    f".{path}",
                    Spread(each.total[:, i], each.least[:, i], each.most[:, i], count),
                )
                for i, path in enumerate(self.paths)
            ]
        return found

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        for spread in (self.whole, self.each, self.since):
            if spread is not None:
                spread.keep(rows)
        self.clipped = None if self.clipped is None else self.clipped[rows]


def _noted(spread: Spread | None, values: Tensor) -> Spread:
    """Add values to a spread, which may have to be begun."""
    found = Spread.like(values) if spread is None else spread
    found.add(values)
    return found
