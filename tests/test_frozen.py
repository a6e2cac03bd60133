"""Random weights that are never trained: `training.freeze: all_but_last`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from catalogue import bits, in_order, train, trial
from numpy.typing import NDArray

from randstudy.design import Trial
from randstudy.inits import Lsuv, Orthogonal, TorchDefault
from randstudy.models import Cnn, Linear, Mlp, Model
from randstudy.optimizers import AdamW, Optimizer, Sgd
from randstudy.pruning import RandomPruning
from randstudy.training import PackRun

RULES: dict[str, tuple[Optimizer, float]] = {
    "sgd": (Sgd(momentum=0.9, weight_decay=0.1), 0.1),
    "adamw": (AdamW(weight_decay=0.5), 0.01),
}
MODELS: dict[str, Model] = {"mlp": Mlp(widths=(13, 7)), "cnn": Cnn(channels=(3, 8))}


def weights(run: PackRun) -> dict[str, NDArray[np.float32]]:
    return {path: view.clone().numpy() for path, view in run.layout.views(run.weights).items()}


def walked(trials: list[Trial]) -> tuple[Any, Any]:
    """Return the weights before the first update and after twelve."""
    run = PackRun(trials)
    before = weights(run)
    run.walk(12)
    return before, weights(run)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", MODELS)
def test_all_layers_but_the_last_keep_their_first_bits(name: str, rule: str) -> None:
    """Neither gradients nor momentum nor weight decay move them; the last layer learns."""
    optimizer, lr = RULES[rule]
    fields: dict[str, Any] = {"model": MODELS[name], "optimizer": optimizer, "lr": lr}
    inits = (Orthogonal(), TorchDefault(), Orthogonal(scale=2.0))
    trials = [
        trial(row, init=init, freeze="all_but_last", **fields) for row, init in enumerate(inits)
    ]
    before, after = walked(trials)
    *frozen, weight, bias = before
    assert len(frozen) == 4
    for path in frozen:
        assert before[path].tobytes() == after[path].tobytes(), path
    for path in (weight, bias):
        assert (before[path] != after[path]).mean() > 0.9, path
    _, free = walked([trial(0, init=inits[0], **fields)])
    assert any(not np.array_equal(free[path][0], after[path][0]) for path in frozen)


def test_the_last_layer_learns_what_it_would_learn_as_a_linear_model_of_its_inputs() -> None:
    """torch's own loop over the last layer alone, on features that the frozen ones make."""
    one = trial(0, model=Mlp(widths=(13,)), freeze="all_but_last", batch_size="full", epochs=12)
    run = PackRun([one])
    first = {path: torch.from_numpy(values[0]) for path, values in weights(run).items()}
    inputs, targets = run.data.batch(run.data.rows["train"])
    hidden = torch.relu(inputs[0].flatten(1) @ first["layers.0.weight"].T)
    head = torch.nn.Linear(13, 10)
    with torch.no_grad():
        head.weight.copy_(first["layers.1.weight"])
        head.bias.zero_()
    rule = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
    for _ in range(12):
        rule.zero_grad()
        torch.nn.functional.cross_entropy(head(hidden), targets[0]).backward()
        rule.step()
    run.walk(12)
    found = weights(run)["layers.1.weight"][0]
    np.testing.assert_allclose(found, head.weight.detach().numpy(), rtol=1e-4, atol=1e-6)


def test_a_model_of_one_layer_has_nothing_to_freeze() -> None:
    free, frozen = (trial(model=Linear(), freeze=level) for level in ("none", "all_but_last"))
    assert train([free])[0].weights_digest == train([frozen])[0].weights_digest


def test_frozen_trials_are_the_same_in_any_pack() -> None:
    inits = (Orthogonal(), Lsuv(), TorchDefault())
    trials = [
        trial(
            row,
            model=Mlp(widths=(13, 7)),
            init=inits[row % 3],
            freeze="all_but_last",
            pruning=RandomPruning(rate=(0.0, 0.5)[row % 2]),
            lr=(0.1, 3e38)[row == 4],
            clip_norm=(None, 0.5)[row % 2],
        )
        for row in range(9)
    ]
    together = in_order(train(trials), trials)
    assert together[4].status == "diverged"
    for some in (slice(0, 1), slice(3, 6), slice(8, 2, -1)):
        apart = [bits(outcome) for outcome in train(trials[some])]
        assert apart == [bits(outcome) for outcome in together[some]]
