"""Loss, accuracy and predictions of a pack on its validation or test examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from randstudy.errors import RandstudyError
from randstudy.metrics import Metric, metric_named
from randstudy.models.losses import BatchLoss
from randstudy.models.program import Pass, Program
from randstudy.packs import CHUNK
from randstudy.training.observation import Observation
from randstudy.training.pack_data import PackData


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results by trial: loss and accuracy float64 (P,), predicted classes uint8 (P, n).

    `logits` (P, n, K) float32 only where they were asked for; `own` are people's own metrics.
    """

    loss: Tensor
    accuracy: Tensor | None
    predictions: Tensor | None = None
    logits: Tensor | None = None
    own: Mapping[str, list[float]] = field(default_factory=dict)

    def metrics(self, split: str) -> dict[str, list[float]]:
        """Return metric name -> P numbers."""
        found = {f"{split}_loss": self.loss.tolist()}
        if self.accuracy is not None:
            found[f"{split}_accuracy"] = self.accuracy.tolist()
        return found | {f"{split}_{name}": values for name, values in self.own.items()}

    def kept_predictions(self, row: int) -> NDArray[Any] | None:
        """Return one trial's predicted classes, if they are kept."""
        return None if self.predictions is None else self.predictions[row].cpu().numpy()

    def kept_logits(self, row: int) -> NDArray[Any] | None:
        """Return one trial's outputs, if they are kept."""
        return None if self.logits is None else self.logits[row].cpu().numpy()


class Evaluator:
    """Evaluates weights of a pack, each trial on its own rows of a split."""

    def __init__(
        self, program: Program, data: PackData, observe: Observation, loss: BatchLoss
    ) -> None:
        self.program, self.data, self.observe, self.loss = program, data, observe, loss
        self.own: dict[str, Metric] = {
            name.rpartition(":")[2]: metric_named(name) for name in observe.metrics
        }

    @torch.no_grad()
    def __call__(
        self,
        weights: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        split: str,
        *,
        keep: bool = False,
    ) -> Evaluation:
        """Evaluate on `split`; with `keep`, keep of each example what is to be kept."""
        rows = self.data.rows[split]
        losses = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        right = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        classes = self.data.shape.target == "class"
        predicted: list[Tensor] = []
        kept: list[Tensor] = []
        way = Pass(buffers=buffers)
        for chunk in rows.split(CHUNK[rows.device.type], dim=1):
            inputs, targets = self.data.batch(chunk)
            outputs = self.program.outputs(weights, inputs, way)
            losses += self.loss.examples(outputs, targets).double().sum(1)
            if classes:
                predicted.append(outputs.argmax(-1))
                right += (predicted[-1] == targets).sum(1)
            if self.own or (keep and self.observe.logits):
                # Adding zero makes -0.0 and 0.0 one.
                kept.append(outputs.float() + 0.0)
        count = rows.shape[1]
        outputs_kept = torch.cat(kept, 1) if kept else None
        return Evaluation(
            losses / count,
            right.double() / count if classes else None,
            self._compact(predicted) if keep and self.observe.predictions else None,
            outputs_kept if keep and classes and self.observe.logits else None,
            self._own(outputs_kept, rows) if outputs_kept is not None else {},
        )

    def _compact(self, predicted: list[Tensor]) -> Tensor | None:
        """Return predicted classes as bytes, where they fit."""
        if not predicted or self.data.shape.outputs > 256:
            return None
        return torch.cat(predicted, 1).to(torch.uint8)

    def _own(self, outputs: Tensor, rows: Tensor) -> dict[str, list[float]]:
        """Return people's own metrics, each trial by itself."""
        if not self.own:
            return {}
        pairs = [
            (one.cpu().numpy(), self.data.targets[own].cpu().numpy())
            for one, own in zip(outputs, rows, strict=True)
        ]
        own = self.own.items()
        return {name: [_or_nan(metric, *pair) for pair in pairs] for name, metric in own}


def _or_nan(metric: Metric, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
    """Return a metric of one's own, NaN where it fails: no training is thrown away for it."""
    try:
        return metric(outputs, targets)
    except RandstudyError:
        return math.nan
