"""Loss, accuracy and predictions of a pack on its validation or test examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from randstudy.models.losses import example_losses
from randstudy.models.program import Pass, Program
from randstudy.training.pack_data import PackData

CHUNK = {"cpu": 64, "cuda": 2048}
"""Examples evaluated at once. Fixed for a kind of device: a matrix product's bits may depend on
its number of rows, so the chunk must not depend on the pack."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results by trial: loss and accuracy float64 (P,), predicted classes uint8 (P, n).

    `logits` (P, n, K) float32 only where they were asked for.
    """

    loss: Tensor
    accuracy: Tensor | None
    predictions: Tensor | None
    logits: Tensor | None = None

    def metrics(self, split: str) -> dict[str, list[float]]:
        """Return metric name -> P numbers."""
        found = {f"{split}_loss": self.loss.tolist()}
        if self.accuracy is not None:
            found[f"{split}_accuracy"] = self.accuracy.tolist()
        return found


@torch.no_grad()
def evaluate(
    program: Program,
    weights: Mapping[str, Tensor],
    data: PackData,
    split: str,
    *,
    logits: bool = False,
) -> Evaluation:
    """Evaluate every trial of the pack on its own rows of `split`; keep `logits` if there are."""
    rows = data.rows[split]
    losses = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    predicted: list[Tensor] = []
    kept: list[Tensor] = []
    right = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    classes = data.shape.target == "class"
    for chunk in rows.split(CHUNK[rows.device.type], dim=1):
        inputs, targets = data.batch(chunk)
        outputs = program.outputs(weights, inputs, Pass())
        losses += example_losses(outputs, targets).double().sum(1)
        if classes:
            predicted.append(outputs.argmax(-1))
            right += (predicted[-1] == targets).sum(1)
            if logits:
                # Adding zero makes -0.0 and 0.0 one.
                kept.append(outputs.float() + 0.0)
    count = rows.shape[1]
    if not classes:
        return Evaluation(losses / count, None, None)
    compact = torch.cat(predicted, 1) if data.shape.outputs <= 256 else None
    return Evaluation(
        losses / count,
        right.double() / count,
        None if compact is None else compact.to(torch.uint8),
        torch.cat(kept, 1) if kept else None,
    )
