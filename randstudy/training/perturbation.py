"""What changes a pack's inputs, targets, weights and gradients while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from randstudy.models.program import Dropout
from randstudy.training.layout import Layout
from randstudy.training.pack_data import PackData
from randstudy.trials import Trial


class Perturbation:
    """Augmentation, noise and dropout; each call returns its argument where there is none.

    `by_sample` says whether anything is drawn by data-set sample, so that batches count how often
    an epoch has used it.
    """

    def __init__(
        self, members: Sequence[Trial], data: PackData, layout: Layout, device: torch.device
    ) -> None:
        self.by_sample = False

    def targets(self, targets: Tensor, samples: Tensor) -> Tensor:
        """Return targets (P, B) with the labels that noise has changed."""
        return targets

    def inputs(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return augmented, noisy inputs (P, B, *shape)."""
        return inputs

    def weights(self, weights: Tensor, number: int) -> Tensor:
        """Return the weights (P, D) that a pass uses."""
        return weights

    def gradient(self, gradient: Tensor, step: int) -> Tensor:
        """Return the gradient (P, D) with noise."""
        return gradient

    def dropout(self, number: int) -> Dropout | None:
        """Return the dropout stream of a batch."""
        return None

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""
