"""Update rules over a pack: every trial has its own coefficients.

`torch.optim` takes one learning rate for a whole tensor; here each is a column (P, 1), computed in
Python's float64 and rounded once. Operations and their order are those of torch.optim's foreach
implementations, and the tests hold the results equal to theirs bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from randstudy.optimizers import Adam, AdamW, Sgd
from randstudy.recipe import Training
from randstudy.training.layout import Layout


class Update(Protocol):
    """An update rule with its state."""

    state: dict[str, Tensor]

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Update `weights` (P, D) in place; `gradient` may be overwritten; steps count from 1."""

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of the pack."""


def update_rule(trainings: Sequence[Training], weights: Tensor) -> Update:
    """Make the rule for a pack whose trials agree in the kind of optimizer."""
    kind = type(trainings[0].optimizer)
    rule = SgdUpdate if kind is Sgd else AdamUpdate
    return rule(trainings, weights)


class Coefficients:
    """Columns (P, 1) of per-trial numbers on the pack's device."""

    def __init__(self, weights: Tensor) -> None:
        self.like = weights

    def column(self, values: Sequence[float]) -> Tensor:
        """Round Python floats once into a float32 column."""
        host = torch.tensor(values, dtype=torch.float64).to(torch.float32)
        return host.unsqueeze(1).to(self.like.device, non_blocking=True)

    def exempt(self, values: Sequence[float]) -> Tensor | None:
        """Return a column that is True where a value is 0, or None if there is no such row.

        A row that others' coefficients do not concern is left out, not multiplied by 0: where it
        holds an infinity, that would make NaN of numbers that are finite when it trains alone.
        """
        rows = torch.tensor([value == 0 for value in values]).unsqueeze(1)
        return rows.to(self.like.device) if bool(rows.any()) else None


def without(values: Tensor, exempt: Tensor | None) -> Tensor:
    """Return `values` (P, D) with 0 in the exempt rows."""
    return values if exempt is None else values.masked_fill(exempt, 0.0)


class SgdUpdate:
    """torch.optim.SGD: L2 penalty, heavy-ball or Nesterov momentum."""

    def __init__(self, trainings: Sequence[Training], weights: Tensor) -> None:
        rules = [training.optimizer for training in trainings]
        assert all(isinstance(rule, Sgd) for rule in rules)
        sgd = [rule for rule in rules if isinstance(rule, Sgd)]
        coefficients = Coefficients(weights)
        make = coefficients.column
        self.nesterov = sgd[0].nesterov
        self.columns = {"step": make([-training.lr for training in trainings])}
        decay, momentum = [rule.weight_decay for rule in sgd], [rule.momentum for rule in sgd]
        self.exempt: dict[str, Tensor | None] = {}
        self.state: dict[str, Tensor] = {}
        if any(decay):
            self.columns["decay"] = make(decay)
            self.exempt["decay"] = coefficients.exempt(decay)
        if any(momentum):
            self.columns["momentum"] = make(momentum)
            self.exempt["momentum"] = coefficients.exempt(momentum)
            self.state["velocity"] = torch.zeros_like(weights)

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Take one step."""
        if "decay" in self.columns:
            gradient.addcmul_(without(weights, self.exempt["decay"]), self.columns["decay"])
        if "momentum" in self.columns:
            velocity, momentum = self.state["velocity"], self.columns["momentum"]
            velocity = self.state["velocity"] = without(velocity, self.exempt["momentum"])
            velocity.mul_(momentum).add_(gradient)
            gradient = gradient.addcmul_(velocity, momentum) if self.nesterov else velocity
        weights.addcmul_(gradient, self.columns["step"])

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of coefficients and state."""
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.exempt = {
            name: None if column is None else column[rows] for name, column in self.exempt.items()
        }
        self.state = {name: tensor[rows] for name, tensor in self.state.items()}


class AdamUpdate:
    """torch.optim.Adam and AdamW, told apart by the kind of decay."""

    def __init__(self, trainings: Sequence[Training], weights: Tensor) -> None:
        self.trainings = list(trainings)
        self.state = {"mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}
        self.coefficients = Coefficients(weights)
        self.make = self.coefficients.column
        self._fix_columns()

    def _fix_columns(self) -> None:
        """Make the columns that do not change with the step."""
        rules = [training.optimizer for training in self.trainings]
        self.rules = [rule for rule in rules if isinstance(rule, Adam | AdamW)]
        assert len(self.rules) == len(rules)
        self.decoupled = isinstance(self.rules[0], AdamW)
        self.toward = self.make([1 - rule.beta1 for rule in self.rules])
        self.retain = self.make([rule.beta2 for rule in self.rules])
        self.admit = self.make([1 - rule.beta2 for rule in self.rules])
        self.eps = self.make([rule.eps for rule in self.rules])
        self.decay: Tensor | None = None
        self.exempt = self.coefficients.exempt([rule.weight_decay for rule in self.rules])
        if any(rule.weight_decay for rule in self.rules):
            pairs = zip(self.trainings, self.rules, strict=True)
            shrink: Callable[[float, float], float] = (
                (lambda lr, decay: 1 - lr * decay) if self.decoupled else (lambda lr, decay: decay)
            )
            self.decay = self.make([shrink(run.lr, rule.weight_decay) for run, rule in pairs])

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Take one step."""
        if self.decay is not None:
            if self.decoupled:
                weights.mul_(self.decay)
            else:
                gradient.addcmul_(without(weights, self.exempt), self.decay)
        mean, square = self.state["mean"], self.state["square"]
        mean.lerp_(gradient, self.toward)
        square.mul_(self.retain).addcmul_(gradient * self.admit, gradient)
        size, root = self._corrections(step)
        weights.addcdiv_(mean * size, square.sqrt().div_(root).add_(self.eps))

    def _corrections(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the bias-corrected step sizes and roots of the second correction, (P, 1) each."""
        pairs = list(zip(self.trainings, self.rules, strict=True))
        sizes = [-(run.lr / (1 - rule.beta1**step)) for run, rule in pairs]
        roots = [(1 - rule.beta2**step) ** 0.5 for rule in self.rules]
        return self.make(sizes), self.make(roots)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of coefficients and state."""
        self.trainings = [self.trainings[row] for row in rows.tolist()]
        self.state = {name: tensor[rows] for name, tensor in self.state.items()}
        self._fix_columns()


class Clipping:
    """Scale a trial's gradient down to its largest allowed 2-norm.

    As torch.nn.utils.clip_grad_norm_: the norm of the parameters' norms, and the factor
    min(1, limit / (norm + 1e-6)).
    """

    def __init__(self, trainings: Sequence[Training], weights: Tensor, layout: Layout) -> None:
        self.sizes = [parameter.size for parameter in layout.parameters]
        limits = [training.clip_norm for training in trainings]
        self.active = any(limit is not None for limit in limits)
        # A limit is above 0, so 0 can stand for none.
        numbers = [limit or 0.0 for limit in limits]
        self.limits = Coefficients(weights).column(numbers)

    def apply(self, gradient: Tensor) -> None:
        """Clip `gradient` (P, D) in place."""
        if self.active:
            pieces = gradient.split(self.sizes, dim=1)
            norms = torch.stack([torch.linalg.vector_norm(piece, dim=1) for piece in pieces], 1)
            norms = torch.linalg.vector_norm(norms, dim=1, keepdim=True)
            # Not a division: torch multiplies by the reciprocal, which rounds twice.
            factors = (norms + 1e-6).reciprocal_().mul_(self.limits).clamp_(max=1.0)
            gradient.mul_(factors.masked_fill_(self.limits == 0, 1.0))

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.limits = self.limits[rows]
