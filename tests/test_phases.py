"""Trained, pruned, rewound and trained again: as by hand, and with the same bits in any company."""

from __future__ import annotations

import hashlib
import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
from catalogue import bits, in_order, moved, train, trial
from torch import Tensor, nn

from randstudy import streams
from randstudy.models import Cnn, Mlp, Model
from randstudy.optimizers import Adam, AdamW, Optimizer, RmsProp, Sgd
from randstudy.outcomes import Outcome
from randstudy.pruning import MagnitudePruning, Pruning, RandomPruning, SnipPruning
from randstudy.recipe import Stopping
from randstudy.training import PackRun
from randstudy.trials import Trial

MODEL = Mlp(widths=(13,))
TICKET: dict[str, Any] = {"when": "trained", "rewind_to": 0}
ROUND: dict[str, Any] = {**TICKET, "rate": 0.2, "output_rate": 0.1, "each_round": True}


def one_of(pruning: Pruning, number: int = 0, **fields: Any) -> Trial:
    return trial(number, pruning=pruning, **({"model": MODEL} | fields))


# By hand, on a torch.nn module.


def module(flat: Tensor) -> nn.Sequential:
    found = nn.Sequential(nn.Flatten(), nn.Linear(64, 13), nn.ReLU(), nn.Linear(13, 10))
    load(found, flat)
    return found


def load(net: nn.Module, flat: Tensor) -> None:
    with torch.no_grad():
        torch.nn.utils.vector_to_parameters(flat.clone(), net.parameters())


def flat(net: nn.Module) -> Tensor:
    return torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone()


def by_hand(one: Trial, start: Tensor, mask: Tensor, steps: int) -> Tensor:
    """Train masked weights in the trial's order, as anybody would; return them flat."""
    run = PackRun([one])
    table, targets = run.data.inputs, run.data.targets
    rows = run.data.rows["train"][0]
    net = module(start * mask)
    rule = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, foreach=True)
    for step in range(steps):
        epoch, place = divmod(step, 6)
        order = streams.permutations([one.key("order")], 45, epoch=epoch)[0]
        some = rows[torch.from_numpy(order)][place * 8 : place * 8 + 8]
        rule.zero_grad()
        F.cross_entropy(net(table[some]), targets[some]).backward()
        for parameter, keep in zip(net.parameters(), pieces(mask), strict=True):
            assert parameter.grad is not None
            parameter.grad *= keep.view_as(parameter)
        rule.step()
    return flat(net)


SIZES = (832, 13, 130, 10)


def pieces(row: Tensor) -> list[Tensor]:
    return list(row.split(SIZES))


def pruned(weights: Tensor, mask: Tensor, rates: tuple[float, float]) -> Tensor:
    """Remove the smallest of each layer, as many as the rates say of the whole layer."""
    found, each = [], (rates[0], 0, rates[1], 0)
    for weight, keep, rate in zip(pieces(weights), pieces(mask), each, strict=True):
        kept = keep.clone()
        size = weight.abs().masked_fill(keep == 0, -1.0)
        kept[size.argsort(stable=True)[: math.floor(rate * len(weight) + 0.5)]] = 0
        found.append(kept)
    return torch.cat(found)


def first(one: Trial) -> Tensor:
    """The first weights of a trial, before anything is pruned."""
    dense = trial(model=MODEL)
    assert dense.key("init") == one.key("init")
    return PackRun([dense]).weights[0].clone()


def digest(weights: Tensor) -> str:
    return hashlib.blake2b((weights.numpy() + 0.0).tobytes(), digest_size=16).hexdigest()


def test_a_lottery_ticket_is_that_of_a_plain_loop_bit_for_bit() -> None:
    """Two rounds of 20 % and 10 % of what is left, rewound to the first weights."""
    one = one_of(MagnitudePruning(**ROUND, rounds=2))
    start, mask = first(one), torch.ones(sum(SIZES))
    for number in (1, 2):
        trained = by_hand(one, start, mask, 12)
        mask = pruned(trained, mask, (1 - 0.8**number, 1 - 0.9**number))
    final = by_hand(one, start, mask, 12)
    found = train([one])[0]
    assert found.weights_digest == digest(final)
    assert found.metrics["density.layers.0.weight"] == pytest.approx(0.64, abs=1e-3)
    assert found.metrics["density.layers.1.weight"] == pytest.approx(0.81, abs=1e-2)


def test_going_back_to_a_later_update_is_that_of_a_plain_loop() -> None:
    one = one_of(MagnitudePruning(rate=0.5, when="trained", rewind_to=5))
    start, whole = first(one), torch.ones(sum(SIZES))
    mask = pruned(by_hand(one, start, whole, 12), whole, (0.5, 0.5))
    final = by_hand(one, by_hand(one, start, whole, 5), mask, 12)
    assert train([one])[0].weights_digest == digest(final)


def test_fine_tuning_goes_on_from_what_was_trained() -> None:
    one = one_of(MagnitudePruning(rate=0.5, when="trained"))
    start, whole = first(one), torch.ones(sum(SIZES))
    trained = by_hand(one, start, whole, 12)
    mask = pruned(trained, whole, (0.5, 0.5))
    assert train([one])[0].weights_digest == digest(by_hand(one, trained, mask, 12))


# What goes from one training to the next.


def begun(run: PackRun, number: int) -> PackRun:
    """Train until a training begins, but for its first update."""
    while run.phases.number < number:
        if run.records:
            run.advance(0.0)
        else:
            run._begin()
    assert run.step == 0
    return run


def test_rewinding_restores_the_first_weights_under_the_mask() -> None:
    one = one_of(MagnitudePruning(**ROUND, rounds=3))
    start = first(one)
    masks = []
    for number in (1, 2, 3):
        run = begun(PackRun([one]), number)
        assert run.mask is not None
        assert torch.equal(run.weights[0], start * run.mask[0])
        masks.append(run.mask[0].clone())
    for earlier, later in pairwise(masks):
        assert (later <= earlier).all()
        assert later.sum() < earlier.sum()


def test_weights_drawn_anew_share_the_mask_and_nothing_else() -> None:
    ticket, control = (
        begun(PackRun([one_of(MagnitudePruning(**ROUND, rounds=2, reinit=reinit))]), 2)
        for reinit in (False, True)
    )
    assert ticket.mask is not None
    assert control.mask is not None
    assert torch.equal(ticket.mask, control.mask)
    kept = (ticket.mask[0] > 0) & (ticket.weights[0] != 0)
    assert kept.sum() > 500
    assert not (ticket.weights[0] == control.weights[0])[kept].any()
    assert not control.weights[0][ticket.mask[0] == 0].any()
    # From the same scheme: as large, and as if independent.
    one, other = ticket.weights[0][kept], control.weights[0][kept]
    assert other.std() == pytest.approx(float(one.std()), rel=0.15)
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.15


def test_new_weights_differ_by_replicate_and_from_every_first_draw() -> None:
    pruning = MagnitudePruning(rate=0.0, output_rate=0.1, reinit=True)
    drawn = [PackRun([one_of(pruning, number)]).weights[0] for number in range(3)]
    plain = [PackRun([one_of(RandomPruning(), number)]).weights[0] for number in range(3)]
    every = torch.stack([*drawn, *plain])[:, :832]
    assert len({row.numpy().tobytes() for row in every}) == 6


RULES: tuple[Optimizer, ...] = (
    Sgd(momentum=0.9, weight_decay=0.1),
    Sgd(momentum=0.9, nesterov=True),
    Adam(weight_decay=0.1),
    AdamW(),
    RmsProp(momentum=0.5),
)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("model", [MODEL, Cnn(channels=(3,))], ids=["mlp", "cnn"])
def test_what_is_removed_stays_zero_through_any_rule(rule: Optimizer, model: Model) -> None:
    fields: dict[str, Any] = {"optimizer": rule, "lr": 0.01, "model": model, "clip_norm": 0.5}
    trials = [
        one_of(MagnitudePruning(rate=0.7, rounds=2, when="trained"), **fields),
        one_of(SnipPruning(rate=0.7, biases=True), **fields),
        one_of(RandomPruning(), **fields),
    ]
    run = PackRun(trials)
    while not run.done:
        if not run.records:
            run._begin()
        run.advance(0.0)
        if run.records and run.mask is not None:
            assert not run.weights[run.mask == 0].any()
            assert all(not state[run.mask == 0].any() for state in run.update.state.values())


def test_the_state_of_the_optimizer_begins_anew() -> None:
    run = begun(PackRun([one_of(MagnitudePruning(**ROUND), optimizer=Adam())]), 1)
    assert not any(state.any() for state in run.update.state.values())


def test_curves_and_metrics_are_those_of_the_last_training() -> None:
    found = train([one_of(MagnitudePruning(rate=0.5, rounds=3, when="trained"), epochs=4)])[0]
    assert found.curve_step.tolist() == [6, 12, 18, 24]
    assert found.steps == 24
    assert found.metrics["validation_loss"] == found.curves["validation_loss"][-1]


def test_densities_are_reported_where_there_is_pruning() -> None:
    dense, sparse = train([one_of(RandomPruning()), one_of(RandomPruning(rate=0.75))])
    assert not [name for name in dense.metrics if name.startswith("density")]
    assert sparse.metrics["density"] == pytest.approx(0.25, abs=1e-3)
    assert sparse.metrics["density.layers.1.weight"] == pytest.approx(0.25, abs=4e-3)


# Shared beginnings: the same bits alone and in any company.


def lottery(**fields: Any) -> list[Trial]:
    """Trials of which most begin as others do."""
    some: list[Pruning] = [
        RandomPruning(),
        RandomPruning(rate=0.5),
        SnipPruning(rate=0.5),
        *(MagnitudePruning(**ROUND, rounds=rounds) for rounds in (1, 2, 4)),
        *(MagnitudePruning(**ROUND, rounds=rounds, reinit=True) for rounds in (1, 2)),
        # A training that ends early may never reach the update to go back to.
        MagnitudePruning(
            rate=0.6, when="trained", rounds=2, rewind_to=0 if "stopping" in fields else 3
        ),
        MagnitudePruning(rate=0.6, when="trained", scope="global", biases=True),
        MagnitudePruning(**TICKET, rate=0.9, levels=(0.5, 0.8)),
        MagnitudePruning(**TICKET, rate=0.8, levels=(0.5,)),
        RandomPruning(rate=0.6, when="trained", rounds=2),
        SnipPruning(**TICKET, rate=0.6, examples=20),
    ]
    found = [one_of(each, number, **fields) for number in (0, 1) for each in some]
    # The dense training is the same, the masks are drawn from elsewhere.
    return [*found, moved(found[12], "mask", 5)]


SETTINGS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "adam": {"optimizer": Adam(), "lr": 0.01, "batch_size": 31},
    "cnn": {"model": Cnn(channels=(3, 8))},
    "stopping": {"stopping": Stopping(patience=1), "epochs": 5},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_forked_packs_train_what_each_trial_trains_alone(name: str) -> None:
    trials = lottery(**SETTINGS[name])
    together = train(trials)
    assert {outcome.status for outcome in together} == {"finished"}
    expected = dict(zip((one.id for one in trials), map(bits, together), strict=True))
    for one in trials[:14]:
        assert bits(train([one])[0]) == expected[one.id], one.recipe.pruning
    order = list(trials)
    random.Random(3).shuffle(order)
    for start in range(0, len(order), 7):
        some = order[start : start + 7]
        found = train(some, threads=2 if start == 7 else 1)
        assert [bits(one) for one in found] == [expected[one.id] for one in some]


def test_beginnings_are_trained_once() -> None:
    trials = lottery()
    run = PackRun(trials)
    # Of each replicate: one dense network for all that are pruned after training, and two others.
    assert run.alive == 2 * 3
    run.advance()
    assert len(run.take()) == len(trials)


def test_slices_of_time_and_looks_change_nothing() -> None:
    trials = lottery()
    whole = train(trials)
    run = PackRun(trials)
    sliced: list[Outcome] = []
    progress = [run.progress]
    while not run.done:
        run.advance(0.0)
        sliced += run.take()
        progress.append(run.progress)
    assert [bits(o) for o in in_order(sliced, trials)] == [bits(o) for o in whole]
    assert progress == sorted(progress)
    assert progress[0] == 0
    assert progress[-1] == 1
    often = train(trials, every_epochs=None, every_steps=1)
    assert [o.weights_digest for o in often] == [o.weights_digest for o in whole]


def test_repeats_share_nothing_and_agree() -> None:
    pruning = MagnitudePruning(**ROUND)
    trials = [one_of(pruning, repeat=repeat) for repeat in range(2)]
    assert PackRun(trials).alive == 2
    first, second = train(trials)
    assert bits(first) == bits(second)


def test_a_training_that_diverges_ends_all_that_it_was_for() -> None:
    fields: dict[str, Any] = {"lr": 1e32}
    doomed = [
        one_of(RandomPruning(), **fields),
        *(one_of(MagnitudePruning(**ROUND, rounds=rounds), **fields) for rounds in (1, 2)),
    ]
    fine = one_of(MagnitudePruning(**ROUND, rounds=2))
    *lost, kept = train([*doomed, fine])
    assert [outcome.status for outcome in lost] == ["diverged"] * 3
    assert [outcome.reason for outcome in lost] == [
        "non-finite loss",
        "non-finite loss in training 1 of 2",
        "non-finite loss in training 1 of 3",
    ]
    assert all(np.isnan(value) for one in lost for value in one.metrics.values())
    assert set(lost[1].metrics) == set(kept.metrics)
    assert kept.status == "finished"
    assert [bits(train([one])[0]) for one in doomed] == [bits(one) for one in lost]


def test_the_time_of_a_shared_training_is_shared() -> None:
    trials = [one_of(MagnitudePruning(**ROUND, rounds=rounds)) for rounds in (1, 2, 3)]
    run = PackRun(trials)
    run.advance()
    outcomes = in_order(run.take(), trials)
    spent = [outcome.seconds["train_seconds"] for outcome in outcomes]
    assert all(seconds > 0 for seconds in spent)
    alone = train([trials[2]])[0].seconds["train_seconds"]
    assert sum(spent) < 3 * alone
