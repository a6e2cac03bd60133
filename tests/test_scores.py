"""Scores from gradients: equal to what anybody would compute on a torch.nn module."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from catalogue import bits, train, trial
from torch import Tensor, nn

from randstudy.inits import Constant
from randstudy.models import Cnn, Linear, Mlp, Model
from randstudy.pruning import (
    GraspPruning,
    MagnitudePruning,
    Pruning,
    RandomPruning,
    ScoredPruning,
    SnipPruning,
    SynflowPruning,
)
from randstudy.tasks import LinearRegression
from randstudy.training import PackRun
from randstudy.trials import Trial

NUMBERS = LinearRegression(train=45)
MODELS: dict[str, Model] = {"mlp": Mlp(widths=(13, 9)), "cnn": Cnn(channels=(3, 8))}


def module_of(name: str) -> nn.Module:
    if name == "mlp":
        return nn.Sequential(
            nn.Flatten(),
            nn.Linear(64, 13),
            nn.ReLU(),
            nn.Linear(13, 9),
            nn.ReLU(),
            nn.Linear(9, 10),
        )
    return nn.Sequential(
        *(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(8 * 2 * 2, 10)),
    )


def first_weights(one: Trial, name: str) -> tuple[nn.Module, PackRun]:
    """Return a float64 module with the trial's first weights, before pruning, and its pack."""
    dense = PackRun([trial(model=one.recipe.model, batch_size=8)])
    module = module_of(name)
    with torch.no_grad():
        flat, start = dense.weights[0], 0
        for parameter in module.parameters():
            part = flat[start : start + parameter.numel()]
            parameter.copy_(part.view_as(parameter))
            start += parameter.numel()
    return module.double(), dense


def examples(dense: PackRun, count: int) -> tuple[Tensor, Tensor]:
    """Return evenly spaced training examples of the trial."""
    rows = dense.data.rows["train"][0]
    rows = rows[[place * len(rows) // count for place in range(count)]]
    return dense.data.inputs[rows].double(), dense.data.targets[rows]


def weights_of(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.dim() > 1]


def snip(module: nn.Module, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    loss = F.cross_entropy(module(inputs), targets)
    gradients = torch.autograd.grad(loss, weights_of(module))
    return [(w * g).abs() for w, g in zip(weights_of(module), gradients, strict=True)]


def grasp(module: nn.Module, inputs: Tensor, targets: Tensor) -> list[Tensor]:
    """The whole Hessian times the gradient; the sign turned."""
    loss = F.cross_entropy(module(inputs) / 200, targets)
    every = list(module.parameters())
    gradients = torch.autograd.grad(loss, every, create_graph=True)
    flat = torch.cat([one.reshape(-1) for one in gradients])
    units = torch.eye(len(flat), dtype=flat.dtype)
    rows = torch.autograd.grad(flat, every, units, is_grads_batched=True)
    hessian = torch.cat([one.flatten(1) for one in rows], dim=1)
    product = hessian @ flat.detach()
    pieces = product.split([one.numel() for one in every])
    return [w * piece.view_as(w) for w, piece in zip(every, pieces, strict=True) if w.dim() > 1]


def kept_by(scores: list[Tensor], rate: float) -> list[Tensor]:
    """Keep the largest scores of all layers together; of equal ones, such as zeros, the later."""
    flat = torch.cat([one.reshape(-1) for one in scores])
    kept = torch.ones_like(flat, dtype=torch.bool)
    kept[flat.argsort(stable=True)[: math.floor(rate * len(flat) + 0.5)]] = False
    pieces = kept.split([one.numel() for one in scores])
    return [piece.view_as(one) for piece, one in zip(pieces, scores, strict=True)]


def synflow(module: nn.Module, inputs: Tensor, rate: float, iterations: int) -> list[Tensor]:
    """As Tanaka et al. describe it: prune a little, score again, density by powers."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.abs_()
    ones = torch.ones_like(inputs[:1])
    first = [one.detach().clone() for one in weights_of(module)]
    kept = [torch.ones_like(one, dtype=torch.bool) for one in first]
    for number in range(1, iterations + 1):
        with torch.no_grad():
            for weight, value, keep in zip(weights_of(module), first, kept, strict=True):
                weight.copy_(value * keep)
        total = module(ones).sum()
        gradients = torch.autograd.grad(total, weights_of(module))
        scores = [w * g for w, g in zip(weights_of(module), gradients, strict=True)]
        scores = [s.masked_fill(~k, -1.0) for s, k in zip(scores, kept, strict=True)]
        kept = kept_by(scores, 1 - (1 - rate) ** (number / iterations))
    return kept


def masks_of(pruning: Pruning, name: str) -> tuple[Trial, list[Tensor]]:
    one = trial(model=MODELS[name], pruning=pruning)
    run = PackRun([one])
    assert run.mask is not None
    views = run.layout.views(run.mask)
    return one, [views[p.path][0] > 0 for p in run.layout.parameters if p.role == "weight"]


def agree(found: list[Tensor], expected: list[Tensor]) -> None:
    """Masks agree but for a weight or two at the bound, where float32 may round otherwise."""
    differ = sum(int((a != b).sum()) for a, b in zip(found, expected, strict=True))
    assert sum(map(torch.count_nonzero, found)) == sum(map(torch.count_nonzero, expected))
    assert differ <= 2


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rate", [0.3, 0.8])
@pytest.mark.parametrize(("method", "score"), [(SnipPruning, snip), (GraspPruning, grasp)])
def test_masks_are_those_of_a_module(
    name: str,
    rate: float,
    method: type[ScoredPruning],
    score: Callable[[nn.Module, Tensor, Tensor], list[Tensor]],
) -> None:
    one, found = masks_of(method(rate=rate, examples=16), name)  # type: ignore[call-arg]
    module, dense = first_weights(one, name)
    expected = kept_by(score(module, *examples(dense, 16)), rate)
    agree(found, expected)
    assert not all(keep.all() for keep in expected)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("rate", "iterations"), [(0.8, 1), (0.8, 20), (0.97, 100)])
def test_synaptic_flow_is_that_of_a_module(name: str, rate: float, iterations: int) -> None:
    one, found = masks_of(SynflowPruning(rate=rate, iterations=iterations), name)
    module, dense = first_weights(one, name)
    agree(found, synflow(module, examples(dense, 1)[0], rate, iterations))


def test_small_steps_keep_layers_that_one_step_empties() -> None:
    """What synaptic flow is for (Tanaka et al. 2020, theorem 3)."""
    model = Mlp(widths=(100, 100, 5, 100))
    at_once, slowly = (
        train([trial(model=model, pruning=SynflowPruning(rate=0.997, iterations=count))])[0]
        for count in (1, 100)
    )
    kept = {name: value for name, value in slowly.metrics.items() if name.startswith("density.")}
    assert min(kept.values()) > 0
    assert min(v for k, v in at_once.metrics.items() if k.startswith("density.")) == 0


def test_scores_of_a_line_are_squared_errors() -> None:
    """Regression: the network of one weight a layer has gradients that can be written down."""
    one = trial(data=NUMBERS, model=Linear(), lr=0.01, pruning=SnipPruning(rate=0.5, biases=True))
    dense = PackRun([trial(data=NUMBERS, model=Linear(), lr=0.01)])
    rows = dense.data.rows["train"][0]
    x, y = dense.data.inputs[rows].reshape(-1), dense.data.targets[rows]
    w, b = dense.weights[0].tolist()
    error = w * x + b - y
    scores = [abs(w * float((2 * error * x).mean())), abs(b * float((2 * error).mean()))]
    run = PackRun([one])
    assert run.mask is not None
    assert run.mask[0].tolist() == [float(scores[0] > scores[1]), float(scores[1] > scores[0])]


@pytest.mark.parametrize("name", MODELS)
def test_examples_count_and_differ_by_split(name: str) -> None:
    fields: dict[str, Any] = {"model": MODELS[name]}
    few, all_of_them, too_many = (
        PackRun([trial(pruning=SnipPruning(rate=0.5, examples=count), **fields)]).mask
        for count in (5, 45, 128)
    )
    assert few is not None
    assert all_of_them is not None
    assert too_many is not None
    assert not torch.equal(few, all_of_them)
    assert torch.equal(all_of_them, too_many)


def test_no_score_draws_anything() -> None:
    for method in (SnipPruning, GraspPruning, SynflowPruning):
        assert method(rate=0.5).streams() == frozenset()


def test_scores_that_are_no_numbers_end_the_trial() -> None:
    """A network of huge weights has no gradient to rank by; its neighbours go on."""
    huge = trial(init=Constant(weight=1e30, bias=1e38), pruning=GraspPruning(rate=0.5), lr=0.01)
    fine = trial(pruning=GraspPruning(rate=0.5), lr=0.01)
    lost, kept = train([huge, fine])
    assert (lost.status, lost.reason, lost.steps) == (
        "diverged",
        "non-finite pruning score",
        0,
    )
    assert np.isnan(lost.metrics["density"])
    assert bits(kept) == bits(train([fine])[0])


def test_a_layer_that_is_emptied_ends_the_trial_where_that_is_an_error() -> None:
    fields: dict[str, Any] = {"model": Mlp(widths=(100, 100, 5, 100))}
    pruning = SynflowPruning(rate=0.997, iterations=1, on_empty="error")
    dense = trial(pruning=RandomPruning(), **fields)
    lost, other = train([trial(pruning=pruning, **fields), dense])
    assert lost.status == "diverged"
    assert lost.reason.startswith("pruning emptied layers.")
    assert lost.steps == 0
    assert len(lost.curve_step) == 0
    assert bits(other) == bits(train([dense])[0])


def test_methods_of_a_pack_do_not_touch_each_other() -> None:
    """Law 1 across methods and rates; each also with biases, layer by layer, and at init twice."""
    every: list[Pruning] = [
        SnipPruning(rate=0.5),
        SnipPruning(rate=0.9, examples=7),
        GraspPruning(rate=0.5, biases=True),
        GraspPruning(rate=0.8, temperature=1.0, scope="layer"),
        SynflowPruning(rate=0.9, iterations=10),
        SynflowPruning(rate=0.5, scope="erk"),
        SnipPruning(rate=0.5, reinit=True),
        MagnitudePruning(rate=0.5),
        RandomPruning(),
    ]
    for model in MODELS.values():
        trials = [trial(n, model=model, pruning=one, lr=0.05) for n in range(3) for one in every]
        together = train(trials)
        for width in (1, 2, 5):
            some = trials[width :: 27 // width][:width]
            expected = [together[trials.index(one)] for one in some]
            assert [bits(o) for o in train(some, threads=2)] == [bits(o) for o in expected]
