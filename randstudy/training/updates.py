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

from randstudy.optimizers import Adam, AdamW, Optimizer, RmsProp, Sgd
from randstudy.recipe import Recipe
from randstudy.training.layout import column
from randstudy.training.rates import Rates


class Update(Protocol):
    """An update rule with its state."""

    state: dict[str, Tensor]

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Update `weights` (P, D) in place; `gradient` may be overwritten; steps count from 1."""

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of the pack."""


def update_rule(recipes: Sequence[Recipe], weights: Tensor) -> Update:
    """Make the rule for a pack whose trials agree in the kind of optimizer."""
    return RULES[type(recipes[0].training.optimizer)](recipes, weights)


class Coefficients:
    """Columns (P, 1) of per-trial numbers on the pack's device."""

    def __init__(self, weights: Tensor) -> None:
        self.like = weights

    def column(self, values: Sequence[float]) -> Tensor:
        """Return a column of one number a trial."""
        return column(values, self.like.device)

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


class StepSizes:
    """Minus the learning rate of each trial, as a column (P, 1)."""

    def __init__(self, recipes: Sequence[Recipe], weights: Tensor) -> None:
        self.rates = Rates(recipes)
        self.make = Coefficients(weights).column
        self.column = self._made(0)

    def at(self, step: int) -> Tensor:
        """Return the column of update `step`, counted from 1."""
        if not self.rates.constant:
            self.column = self._made(step - 1)
        return self.column

    def _made(self, step: int) -> Tensor:
        return self.make([-rate for rate in self.rates.at(step)])

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows."""
        self.rates.keep(rows.tolist())
        self.column = self.column[rows]


class SgdUpdate:
    """torch.optim.SGD: L2 penalty, heavy-ball or Nesterov momentum."""

    def __init__(self, recipes: Sequence[Recipe], weights: Tensor) -> None:
        rules = [recipe.training.optimizer for recipe in recipes]
        sgd = [rule for rule in rules if isinstance(rule, Sgd)]
        assert len(sgd) == len(rules)
        coefficients = Coefficients(weights)
        make = coefficients.column
        self.nesterov = sgd[0].nesterov
        self.steps = StepSizes(recipes, weights)
        self.columns: dict[str, Tensor] = {}
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
        weights.addcmul_(gradient, self.steps.at(step))

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of coefficients and state."""
        self.steps.keep(rows)
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.exempt = {
            name: None if column is None else column[rows] for name, column in self.exempt.items()
        }
        self.state = {name: tensor[rows] for name, tensor in self.state.items()}


class AdamUpdate:
    """torch.optim.Adam and AdamW, told apart by the kind of decay."""

    def __init__(self, recipes: Sequence[Recipe], weights: Tensor) -> None:
        self.optimizers: list[Optimizer] = [recipe.training.optimizer for recipe in recipes]
        self.rates = Rates(recipes)
        self.state = {"mean": torch.zeros_like(weights), "square": torch.zeros_like(weights)}
        self.coefficients = Coefficients(weights)
        self.make = self.coefficients.column
        self._fix_columns()

    def _fix_columns(self) -> None:
        """Make the columns that do not change with the step."""
        self.rules = [rule for rule in self.optimizers if isinstance(rule, Adam | AdamW)]
        assert len(self.rules) == len(self.optimizers)
        self.decoupled = isinstance(self.rules[0], AdamW)
        self.toward = self.make([1 - rule.beta1 for rule in self.rules])
        self.retain = self.make([rule.beta2 for rule in self.rules])
        self.admit = self.make([1 - rule.beta2 for rule in self.rules])
        self.eps = self.make([rule.eps for rule in self.rules])
        self.decay: Tensor | None = None
        self.exempt = self.coefficients.exempt([rule.weight_decay for rule in self.rules])
        if any(rule.weight_decay for rule in self.rules):
            self.decay = self._decay(0)

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Take one step."""
        if self.decay is not None:
            if self.decoupled:
                if not self.rates.constant:
                    self.decay = self._decay(step - 1)
                weights.mul_(self.decay)
            else:
                gradient.addcmul_(without(weights, self.exempt), self.decay)
        mean, square = self.state["mean"], self.state["square"]
        mean.lerp_(gradient, self.toward)
        square.mul_(self.retain).addcmul_(gradient * self.admit, gradient)
        size, root = self._corrections(step)
        weights.addcdiv_(mean * size, square.sqrt().div_(root).add_(self.eps))

    def _decay(self, step: int) -> Tensor:
        """Return what weights are multiplied by, or else the penalty on the gradient."""
        penalties = [rule.weight_decay for rule in self.rules]
        if not self.decoupled:
            return self.make(penalties)
        pairs = zip(self.rates.at(step), penalties, strict=True)
        return self.make([1 - lr * penalty for lr, penalty in pairs])

    def _corrections(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the bias-corrected step sizes and roots of the second correction, (P, 1) each."""
        pairs = list(zip(self.rates.at(step - 1), self.rules, strict=True))
        sizes = [-(lr / (1 - rule.beta1**step)) for lr, rule in pairs]
        roots = [(1 - rule.beta2**step) ** 0.5 for rule in self.rules]
        return self.make(sizes), self.make(roots)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of coefficients and state."""
        self.optimizers = [self.optimizers[row] for row in rows.tolist()]
        self.rates.keep(rows.tolist())
        self.state = {name: tensor[rows] for name, tensor in self.state.items()}
        self._fix_columns()


class RmsPropUpdate:
    """torch.optim.RMSprop, centred or not, with or without momentum."""

    def __init__(self, recipes: Sequence[Recipe], weights: Tensor) -> None:
        rules = [recipe.training.optimizer for recipe in recipes]
        found = [rule for rule in rules if isinstance(rule, RmsProp)]
        assert len(found) == len(rules)
        self.heavy, self.centered = found[0].branch
        self.steps = StepSizes(recipes, weights)
        coefficients = Coefficients(weights)
        make = coefficients.column
        self.columns = {
            "retain": make([rule.alpha for rule in found]),
            "admit": make([1 - rule.alpha for rule in found]),
            "eps": make([rule.eps for rule in found]),
            "decay": make([rule.weight_decay for rule in found]),
            "momentum": make([rule.momentum for rule in found]),
        }
        self.decays = any(rule.weight_decay for rule in found)
        self.exempt = coefficients.exempt([rule.weight_decay for rule in found])
        names = ["square"] + ["mean"] * self.centered + ["velocity"] * self.heavy
        self.state = {name: torch.zeros_like(weights) for name in names}

    def apply(self, weights: Tensor, gradient: Tensor, step: int) -> None:
        """Take one step."""
        columns, state = self.columns, self.state
        if self.decays:
            gradient.addcmul_(without(weights, self.exempt), columns["decay"])
        square = state["square"]
        square.mul_(columns["retain"]).addcmul_(gradient * columns["admit"], gradient)
        root = square
        if self.centered:
            mean = state["mean"].lerp_(gradient, columns["admit"])
            root = torch.addcmul(square, mean, mean, value=-1)
        root = root.sqrt().add_(columns["eps"])
        if self.heavy:
            velocity = state["velocity"].mul_(columns["momentum"]).addcdiv_(gradient, root)
            weights.addcmul_(velocity, self.steps.at(step))
        else:
            weights.addcdiv_(gradient * self.steps.at(step), root)

    def keep(self, rows: Tensor) -> None:
        """Keep only these rows of coefficients and state."""
        self.steps.keep(rows)
        self.columns = {name: column[rows] for name, column in self.columns.items()}
        self.state = {name: tensor[rows] for name, tensor in self.state.items()}
        self.exempt = None if self.exempt is None else self.exempt[rows]


RULES: dict[type[Optimizer], Callable[[Sequence[Recipe], Tensor], Update]] = {
    Sgd: SgdUpdate,
    Adam: AdamUpdate,
    AdamW: AdamUpdate,
    RmsProp: RmsPropUpdate,
}
