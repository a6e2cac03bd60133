"""Somebody's module as a function of weights, buffers and dropout: for one trial, or for several.

`Network.one` computes a trial by itself, in plain torch. `Network.several` maps the same function
over trials (`torch.vmap`), so that a layer is one operation for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from randstudy.models import Model
from randstudy.models.modules.anatomy import build, example
from randstudy.models.modules.dropping import Recording, Replacing, Site
from randstudy.tasks import TaskShape

Tensors = Mapping[str, Tensor]


class Network:
    """A module of which nothing changes: what a pass changes is handed in and comes back."""

    def __init__(self, model: Model, shape: TaskShape) -> None:
        self.shape = shape
        self.module = build(model, shape)
        self.parameters = [parameter.path for parameter in model.parameters(shape)]
        self.buffers = [buffer.path for buffer in model.buffers(shape)]
        self.aliases = _aliases(self.module)
        self.counts = {
            path: one.dtype
            for path, one in self.module.named_buffers()
            if not one.is_floating_point()
        }
        self._sites: dict[int, tuple[Site, ...]] = {}

    def like(self, inputs: Tensor) -> None:
        """Move what the module holds beside weights and changing buffers to where inputs are."""
        self.module.to(inputs.device, inputs.dtype)

    def sites(self, batch: int) -> tuple[Site, ...]:
        """Return where a training pass on a batch of this size drops."""
        if batch not in self._sites:
            recording = Recording()
            held = next(self.module.parameters())
            with torch.no_grad(), recording:
                self.module.train()
                first = {path: one.clone() for path, one in self.module.named_buffers()}
                functional_call(self.module, first, (example(self.shape, batch).to(held),))
            self._sites[batch] = tuple(recording.sites)
        return self._sites[batch]

    def one(
        self,
        weights: Tensors,
        buffers: Tensors,
        inputs: Tensor,
        factors: Sequence[Tensor],
        *,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return outputs (B, K) and the buffers after the pass, for inputs (B, *shape)."""
        # As many names as a shared parameter has, each with the one tensor.
        state = {name: weights[path] for name, path in self.aliases.items() if path in weights}
        # Copies, as a module may write into them.
        state |= {path: one.clone() for path, one in self.module.named_buffers()}
        for path in self.buffers:
            kept = buffers[path].clone()
            state[path] = kept.to(self.counts[path]) if path in self.counts else kept
        self.module.train(training)
        with Replacing(factors):
            outputs = functional_call(self.module, state, (inputs,), tie_weights=False)
        outputs = outputs.unsqueeze(-1) if outputs.dim() == 1 else outputs
        return outputs, {path: state[path] for path in self.buffers}

    def several(
        self,
        weights: Tensors,
        buffers: Tensors,
        inputs: Tensor,
        factors: Sequence[Tensor],
        *,
        training: bool,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what `one` does, for a leading dimension of trials in all arguments."""

        def mapped(
            weights: Tensors, buffers: Tensors, inputs: Tensor, factors: Sequence[Tensor]
        ) -> tuple[Tensor, dict[str, Tensor]]:
            return self.one(weights, buffers, inputs, factors, training=training)

        found: tuple[Tensor, dict[str, Tensor]] = torch.vmap(mapped)(
            dict(weights), dict(buffers), inputs, tuple(factors)
        )
        return found


def _aliases(module: torch.nn.Module) -> dict[str, str]:
    """Return every name of every parameter -> the name that comes first."""
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(parameter), name)
        for name, parameter in module.named_parameters(remove_duplicate=False)
    }
