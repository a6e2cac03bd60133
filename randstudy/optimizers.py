"""Update rules that a study names; their arithmetic is in `randstudy.training.updates`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self, cast

from randstudy.parts import Part, Range


@dataclass(frozen=True, kw_only=True)
class Optimizer(Part, kind="optimizer"):
    """An update rule; the learning rate is `training.lr`."""

    @property
    def branch(self) -> tuple[bool, ...]:
        """What the trials of a pack must agree in, as it decides which operations are done."""
        return ()


@dataclass(frozen=True, kw_only=True)
class Sgd(Optimizer, name="sgd"):
    """Stochastic gradient descent as in torch.optim.SGD."""

    momentum: Annotated[float, Range(least=0, below=1), "share of the last step kept"] = 0.0
    nesterov: Annotated[bool, "look ahead along the momentum"] = False
    weight_decay: Annotated[float, Range(least=0), "L2 penalty added to the gradient"] = 0.0

    def problems(self) -> list[tuple[str, str]]:
        """Nesterov momentum needs momentum."""
        if self.nesterov and self.momentum == 0:
            return [("nesterov", "needs a momentum above 0")]
        return []

    @property
    def branch(self) -> tuple[bool, ...]:
        """Nesterov or not."""
        return (self.nesterov,)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer, name="adam"):
    """Adam (Kingma & Ba 2015) as in torch.optim.Adam."""

    beta1: Annotated[float, Range(least=0, below=1), "decay of the mean gradient"] = 0.9
    beta2: Annotated[float, Range(least=0, below=1), "decay of the mean squared gradient"] = 0.999
    eps: Annotated[float, Range(above=0), "added to the root of the second moment"] = 1e-8
    weight_decay: Annotated[float, Range(least=0), "L2 penalty added to the gradient"] = 0.0


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer, name="adamw"):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019) as in torch.optim.AdamW."""

    beta1: Annotated[float, Range(least=0, below=1), "decay of the mean gradient"] = 0.9
    beta2: Annotated[float, Range(least=0, below=1), "decay of the mean squared gradient"] = 0.999
    eps: Annotated[float, Range(above=0), "added to the root of the second moment"] = 1e-8
    weight_decay: Annotated[float, Range(least=0), "shrinkage a step, times lr"] = 0.01

    def effective(self) -> Self:
        """Without decay it is Adam."""
        if self.weight_decay:
            return self
        plain = Adam(beta1=self.beta1, beta2=self.beta2, eps=self.eps)
        return cast(Self, plain)


@dataclass(frozen=True, kw_only=True)
class RmsProp(Optimizer, name="rmsprop"):
    """RMSprop (Hinton 2012) as in torch.optim.RMSprop."""

    alpha: Annotated[float, Range(least=0, below=1), "decay of the mean squared gradient"] = 0.99
    eps: Annotated[float, Range(above=0), "added to the root of the mean squared gradient"] = 1e-8
    momentum: Annotated[float, Range(least=0, below=1), "share of the last step kept"] = 0.0
    centered: Annotated[bool, "divide by an estimate of the variance instead"] = False
    weight_decay: Annotated[float, Range(least=0), "L2 penalty added to the gradient"] = 0.0

    @property
    def branch(self) -> tuple[bool, ...]:
        """Torch rounds otherwise with momentum than without."""
        return (self.momentum > 0, self.centered)
