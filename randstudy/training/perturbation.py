"""What a pack's training disturbs on purpose: augmentation, noise and dropout.

Each method returns its argument where no trial asks for anything, at no cost. A trial's draws are
those of its own streams whatever its neighbours ask for; but a neighbour's noise makes a trial pay
for noise of sd 0, so packs are made of trials that agree in kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from randstudy.devicestreams import DeviceStream
from randstudy.training.augmentation import Augmentation
from randstudy.training.dropping import DropoutAt, DropoutDraws
from randstudy.training.layout import Layout
from randstudy.training.noise import GRADIENTS, WEIGHTS, InputNoise, LabelNoise, ParameterNoise
from randstudy.training.own_augmentation import OwnInputs
from randstudy.training.pack_data import PackData
from randstudy.trials import Trial


class OnInputs(Protocol):
    """Something that is done to inputs each time they are used."""

    def __call__(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return other inputs (P, B, …) for examples (P, B) of the data set."""

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials."""


class Perturbation:
    """Augmentation, noise and dropout of P trials that agree in their `augment` section.

    Parameters
    ----------
    members : the trials.
    data : theirs, for the rows that are trained on.
    layout : of the network's parameters.
    device : that trains, where all but labels is drawn.
    """

    def __init__(
        self,
        members: Sequence[Trial],
        data: PackData,
        layout: Layout,
        device: torch.device | str,
    ) -> None:
        self.device = torch.device(device)
        noises = [trial.recipe.noise for trial in members]
        self.on_inputs = self._on_inputs(members)
        self.on_weights = self.on_gradients = None
        if any(noise.weights for noise in noises):
            sds = [noise.weights for noise in noises]
            self.on_weights = ParameterNoise(
                self._stream(members, "noise"), WEIGHTS, sds, _weights_only(layout)
            )
        if any(noise.gradients for noise in noises):
            sds = [noise.gradients for noise in noises]
            self.on_gradients = ParameterNoise(
                self._stream(members, "noise"), GRADIENTS, sds, torch.ones(layout.size)
            )
        self.on_labels: LabelNoise | None = None
        if any(noise.labels for noise in noises):
            self.on_labels = LabelNoise(
                [trial.key("label") for trial in members],
                [noise.labels for noise in noises],
                examples=int(data.samples(data.rows["train"]).max()) + 1,
                classes=data.shape.outputs,
                device=self.device,
            )
        recipe = members[0].recipe
        self.draws: DropoutDraws | None = None
        if "dropout" in recipe.streams():
            self.draws = DropoutDraws(self._stream(members, "dropout"), recipe.batch)

    @property
    def by_sample(self) -> bool:
        """Whether something is drawn for each use of an example."""
        return bool(self.on_inputs)

    def inputs(
        self, inputs: Tensor, samples: Tensor, occurrence: Tensor | None, epoch: int
    ) -> Tensor:
        """Return what the networks see of inputs (P, B, …).

        Parameters
        ----------
        samples : (P, B) rows of the data set.
        occurrence : (P, B), how often each was used before in this epoch; None is never.
        epoch : from 0.
        """
        for apply in self.on_inputs:
            inputs = apply(inputs, samples, occurrence, epoch)
        return inputs

    def targets(self, targets: Tensor, samples: Tensor) -> Tensor:
        """Return what the networks are told of targets (P, B) of rows (P, B) of the data set."""
        return targets if self.on_labels is None else self.on_labels(targets, samples)

    def weights(self, weights: Tensor, batch_number: int, mask: Tensor | None = None) -> Tensor:
        """Return the weights (P, D) that a batch is passed through.

        Parameters
        ----------
        batch_number : counts the batches of the whole training from 0.
        mask : (P, D), 0 where a weight is pruned: it stays at 0.
        """
        if self.on_weights is None:
            return weights
        noise = self.on_weights.at(batch_number, weights.shape[1])
        return (noise if mask is None else noise.mul_(mask)).add_(weights)

    def gradient(self, gradient: Tensor, step: int) -> Tensor:
        """Add noise to the gradient of an update, in place: (P, D), or its last columns."""
        if self.on_gradients is None:
            return gradient
        return gradient.add_(self.on_gradients.at(step, gradient.shape[1]))

    def dropout(self, batch_number: int) -> DropoutAt | None:
        """Return the dropout stream at a batch, None where the networks have no dropout."""
        return None if self.draws is None else self.draws.of(batch_number)

    def keep(self, rows: Tensor) -> None:
        """Keep only these trials, in this order."""
        parts = (self.on_weights, self.on_gradients, self.on_labels, self.draws)
        for part in (*self.on_inputs, *parts):
            if part is not None:
                part.keep(rows)

    def _on_inputs(self, members: Sequence[Trial]) -> list[OnInputs]:
        """Return what is done to inputs, in order: augmentation, then noise."""
        found: list[OnInputs] = []
        augment = members[0].recipe.augment
        if augment.own is not None:
            found.append(OwnInputs(augment.own, [trial.key("augment") for trial in members]))
        if augment.active:
            found.append(Augmentation(augment, self._stream(members, "augment")))
        sds = [trial.recipe.noise.inputs for trial in members]
        if any(sds):
            found.append(InputNoise(self._stream(members, "noise"), sds))
        return found

    def _stream(self, members: Sequence[Trial], name: str) -> DeviceStream:
        return DeviceStream([trial.key(name) for trial in members], self.device)


def _weights_only(layout: Layout) -> Tensor:
    """Return (D,) of 1 where a number is a weight, and 0 for biases, scales and shifts."""
    return torch.cat(
        [torch.full((one.size,), float(one.role == "weight")) for one in layout.parameters]
    )
