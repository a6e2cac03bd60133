"""What a study says about itself, and how it is carried out and recorded."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from randstudy.cadence import interval
from randstudy.parts import Range
from randstudy.uris import misplaced

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When trials are evaluated on validation examples (every epoch unless said otherwise)."""

    every_epochs: Annotated[int | None, Range(least=1), "epochs between evaluations"] = None
    every_steps: Annotated[int | None, Range(least=1), "updates between evaluations"] = None
    predictions: Annotated[bool, "keep the predicted class of each test example"] = True
    logits: Annotated[
        bool, "keep the outputs of each test example, as float32, where there are classes"
    ] = False
    test_selected: Annotated[
        bool,
        "also keep the best on test examples, which flatters, under names that say so",
    ] = False
    gradient_norms: Annotated[
        Literal["none", "total", "layers"],
        "norms of gradients, of trials or of parameters too",
    ] = "none"
    weights: Annotated[
        bool, "keep the final weights as metrics weight.<path>, for networks of at most 100"
    ] = False
    metrics: Annotated[
        tuple[str, ...], "your own, as package.module:function of outputs and targets"
    ] = ()

    @property
    def extras(self) -> tuple[str, ...]:
        """What is kept beyond the metrics of every trial, each as one word without spaces."""
        norms = () if self.gradient_norms == "none" else (f"gradient_norms={self.gradient_norms}",)
        selected = ("test_selected",) if self.test_selected else ()
        weights = ("weights",) if self.weights else ()
        return (*norms, *selected, *weights, *(f"metric={name}" for name in self.metrics))

    def adding(self, extras: Iterable[str]) -> Evaluation:
        """Return it with these extras kept too."""
        words = set(extras)
        own = [word.removeprefix("metric=") for word in words if word.startswith("metric=")]
        layers = "gradient_norms=layers" in words or self.gradient_norms == "layers"
        total = "gradient_norms=total" in words or self.gradient_norms == "total"
        return replace(
            self,
            gradient_norms="layers" if layers else "total" if total else "none",
            test_selected=self.test_selected or "test_selected" in words,
            weights=self.weights or "weights" in words,
            metrics=(*self.metrics, *sorted(set(own) - set(self.metrics))),
        )

    def lacks(self, extras: Iterable[str]) -> bool:
        """Tell whether an outcome that kept `extras` lacks some of what is asked for."""
        kept = set(extras)
        if "gradient_norms=layers" in kept:
            kept.add("gradient_norms=total")
        return not kept.issuperset(self.extras)

    def evaluations(self, steps: int, steps_per_epoch: int) -> int:
        """Return how often a trial of so many steps is evaluated, its end included."""
        return math.ceil(steps / interval(self.every_epochs, self.every_steps, steps_per_epoch))


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one pack of trials occupies while it trains."""

    cpus: Annotated[int, Range(least=1), "CPU cores a pack"] = 1
    gpus: Annotated[float, Range(least=0), "GPUs a pack; a fraction lets packs share one"] = 0.0

    @property
    def workers_here(self) -> int:
        """Packs that this machine's cores train at a time."""
        return max(1, (os.cpu_count() or 1) // self.cpus)

    def problems(self) -> list[tuple[str, str]]:
        """Ray lends a share of one GPU, or whole ones."""
        if self.gpus > 1 and not self.gpus.is_integer():
            return [("gpus", f"{self.gpus:g} must be at most 1, or a whole number")]
        return []


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Where MLflow records the study."""

    uri: Annotated[str | None, "MLflow tracking URI; null is mlflow.db in the store"] = None
    enabled: Annotated[bool, "false keeps the study out of MLflow"] = True

    def problems(self) -> list[tuple[str, str]]:
        """The URI means the same wherever it is read, and gives away no password."""
        message = None if self.uri is None else misplaced(self.uri)
        return [("uri", message)] if message else []


@dataclass(frozen=True, kw_only=True)
class Header:
    """The fields of a study that stand beside its recipe and its design."""

    name: Annotated[str, "name of the study and its MLflow experiment; default: the file's"] = ""
    question: Annotated[str, "the question that the study answers, in a sentence"] = ""
    seed: Annotated[
        int, Range(least=0), "from which, with stream and replicate, all draws come"
    ] = 0
    repeat: Annotated[
        int, Range(least=1, most=2**31 - 1), "trainings of each trial with the same draws"
    ] = 1
    metric: Annotated[
        str | None, "final metric that is compared; default: test_accuracy, or test_loss"
    ] = None
    direction: Annotated[Direction | None, "which way is better; default: by the metric"] = None
    evaluation: Annotated[Evaluation, "when trials are evaluated, and what is kept"] = Evaluation()
    resources: Annotated[Resources, "what one pack of trials occupies"] = Resources()
    tracking: Annotated[Tracking, "where MLflow records the study"] = Tracking()


def default_metric(targets: Iterable[str]) -> str:
    """Return test_accuracy where all tasks have classes, else test_loss."""
    return "test_accuracy" if set(targets) <= {"class"} else "test_loss"


def default_direction(metric: str) -> Direction:
    """Accuracies are maximised, losses minimised."""
    return "maximize" if "accuracy" in metric else "minimize"
