"""Update rules equal torch.optim's, row by row, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from catalogue import registered
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from randstudy.models import Mlp
from randstudy.optimizers import Adam, AdamW, Optimizer, RmsProp, Sgd
from randstudy.recipe import Recipe, Training
from randstudy.schedules import Constant, Cosine, LinearDecay, Schedule, StepDecay
from randstudy.tasks import Digits
from randstudy.training.gradients import Clipping, Norms
from randstudy.training.layout import Layout
from randstudy.training.rates import Rates
from randstudy.training.updates import update_rule

SIZE = 137
STEPS = 12


def training(optimizer: Optimizer, lr: float = 0.1, **fields: Any) -> Training:
    return Training(optimizer=optimizer, lr=lr, batch_size=8, **({"epochs": 1} | fields))


def gradients(rows: int, steps: int = STEPS) -> Tensor:
    """Return (steps, rows, SIZE) of many magnitudes."""
    generator = torch.Generator().manual_seed(7)
    drawn = torch.randn(steps, rows, SIZE, generator=generator)
    return drawn * 10.0 ** torch.randint(-6, 3, drawn.shape, generator=generator)


def ours(trainings: Sequence[Training], gradients: Tensor) -> Tensor:
    """Return the weights (P, SIZE) after all steps."""
    weights = torch.linspace(-1, 1, SIZE).repeat(len(trainings), 1)
    rule = update_rule([Recipe(training=one) for one in trainings], weights)
    for step, gradient in enumerate(gradients, start=1):
        rule.apply(weights, gradient.clone(), step)
    return weights


def theirs(one: Training, gradients: Tensor) -> Tensor:
    """Return torch.optim's weights (SIZE,) after the same."""
    weights = nn.Parameter(torch.linspace(-1, 1, SIZE))
    rule = one.optimizer
    shared: dict[str, Any] = {"lr": one.lr, "weight_decay": rule.weight_decay, "foreach": True}
    optimizer: torch.optim.Optimizer
    if isinstance(rule, Sgd):
        optimizer = torch.optim.SGD(
            [weights], momentum=rule.momentum, nesterov=rule.nesterov, **shared
        )
    elif isinstance(rule, RmsProp):
        optimizer = torch.optim.RMSprop(
            [weights],
            alpha=rule.alpha,
            eps=rule.eps,
            momentum=rule.momentum,
            centered=rule.centered,
            **shared,
        )
    else:
        assert isinstance(rule, Adam | AdamW)
        kind = torch.optim.AdamW if isinstance(rule, AdamW) else torch.optim.Adam
        optimizer = kind([weights], betas=(rule.beta1, rule.beta2), eps=rule.eps, **shared)
    for gradient in gradients:
        weights.grad = gradient.clone()
        optimizer.step()
    return weights.detach()


LRS = (0.3, 0.1, 1e-3)
DECAYS = (0.0, 1e-4, 0.1)

PACKS: dict[str, list[Training]] = {
    "sgd": [training(Sgd(), lr) for lr in LRS],
    "momentum": [
        training(Sgd(momentum=momentum, weight_decay=decay), lr)
        for momentum, decay, lr in product((0.0, 0.5, 0.9), DECAYS, LRS)
    ],
    "nesterov": [
        training(Sgd(momentum=momentum, weight_decay=decay, nesterov=True), lr)
        for momentum, decay, lr in product((0.5, 0.9), DECAYS, LRS)
    ],
}
PACKS |= {
    kind.name: [
        training(kind(beta1=beta1, beta2=beta2, eps=eps, weight_decay=decay), lr)
        for beta1, beta2, eps, decay, lr in product(
            (0.0, 0.9), (0.95, 0.999), (1e-8, 1e-3), DECAYS, LRS
        )
    ]
    for kind in (Adam, AdamW)
}
PACKS |= {
    f"rmsprop-{centered}-{'heavy' if momenta[0] else 'plain'}": [
        training(RmsProp(alpha=alpha, momentum=momentum, centered=centered, weight_decay=decay), lr)
        for alpha, momentum, decay, lr in product((0.9, 0.99), momenta, DECAYS, LRS)
    ]
    for centered, momenta in product((False, True), ((0.0,), (0.5, 0.9)))
}


def test_every_registered_optimizer_is_compared() -> None:
    kinds = {type(one.optimizer) for pack in PACKS.values() for one in pack}
    assert kinds == set(registered(Optimizer).values())


@pytest.mark.parametrize("name", PACKS)
def test_equal_to_torch_with_a_coefficient_each(name: str) -> None:
    trainings = PACKS[name]
    drawn = gradients(len(trainings))
    found = ours(trainings, drawn)
    for row, one in enumerate(trainings):
        assert torch.equal(found[row], theirs(one, drawn[:, row])), one


@settings(max_examples=25, deadline=None)
@given(
    lr=st.floats(1e-6, 1.0),
    first=st.floats(0.0, 0.999),
    second=st.floats(0.0, 0.9999),
    decay=st.floats(0.0, 0.5),
    kind=st.sampled_from(["sgd", "nesterov", "adam", "adamw"]),
)
def test_equal_to_torch_for_any_coefficients(
    lr: float, first: float, second: float, decay: float, kind: str
) -> None:
    rules: dict[str, Callable[[], Optimizer]] = {
        "sgd": lambda: Sgd(momentum=first, weight_decay=decay),
        "nesterov": lambda: Sgd(momentum=max(first, 0.1), weight_decay=decay, nesterov=True),
        "adam": lambda: Adam(beta1=first, beta2=second, weight_decay=decay),
        "adamw": lambda: AdamW(beta1=first, beta2=second, weight_decay=decay),
    }
    one = training(rules[kind](), lr)
    drawn = gradients(1)
    assert torch.equal(ours([one], drawn)[0], theirs(one, drawn[:, 0]))


@pytest.mark.parametrize("name", PACKS)
def test_dropping_rows_changes_no_bit_of_the_others(name: str) -> None:
    trainings = PACKS[name]
    drawn = gradients(len(trainings))
    whole = ours(trainings, drawn)
    kept = torch.tensor([2, 0, len(trainings) - 1, 0])
    weights = torch.linspace(-1, 1, SIZE).repeat(len(trainings), 1)
    rule = update_rule([Recipe(training=one) for one in trainings], weights)
    for step, gradient in enumerate(drawn, start=1):
        if step == 5:
            rule.keep(kept)
            weights = weights[kept]
        rule.apply(weights, (gradient if step < 5 else gradient[kept]).clone(), step)
    assert torch.equal(weights, whole[kept])


NEUTRAL = {
    "decay": (Sgd(), Sgd(weight_decay=0.1)),
    "momentum": (Sgd(), Sgd(momentum=0.9)),
    "adam-decay": (Adam(), Adam(weight_decay=0.1)),
    "adamw-decay": (AdamW(weight_decay=0.0), AdamW()),
}


@pytest.mark.parametrize("case", NEUTRAL)
def test_a_coefficient_of_zero_leaves_infinities_alone(case: str) -> None:
    """Times 0 an infinity is NaN; a row without the term must not meet it."""
    neutral, neighbour = (training(rule) for rule in NEUTRAL[case])
    drawn = gradients(2, steps=3)
    drawn[0, 0, :3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    drawn[1:, 0, :3] = 0.0
    beside = ours([neutral, neighbour], drawn)
    alone = ours([neutral], drawn[:, :1])
    assert torch.equal(beside[0].nan_to_num(7.0), alone[0].nan_to_num(7.0))
    assert torch.equal(alone[0].isnan(), theirs(neutral, drawn[:, 0]).isnan())


# Clipping.

LAYOUT = Layout(Mlp(widths=(9,)).parameters(Digits().shape()))


def clipped(limits: Sequence[float | None], gradient: Tensor, **fields: Any) -> Tensor:
    trainings = [training(Sgd(), clip_norm=limit, **fields) for limit in limits]
    found = gradient.clone()
    Clipping(trainings, gradient).apply(found, Norms(LAYOUT)(gradient)[1])
    return found


def clipped_by_torch(limit: float, gradient: Tensor) -> Tensor:
    parameters = []
    for piece in gradient.split([parameter.size for parameter in LAYOUT.parameters]):
        parameters.append(nn.Parameter(torch.zeros_like(piece)))
        parameters[-1].grad = piece.clone()
    nn.utils.clip_grad_norm_(parameters, limit)
    return torch.cat([p.grad for p in parameters if p.grad is not None])


def pack_gradient(rows: int) -> Tensor:
    return torch.randn(rows, LAYOUT.size, generator=torch.Generator().manual_seed(3))


def test_clipping_equals_torch_and_spares_rows_without_a_limit() -> None:
    limits = (0.5, None, 3.0, 1e6, 1e-9, *(0.1 * number for number in range(1, 30)))
    gradient = pack_gradient(len(limits))
    found = clipped(limits, gradient)
    for row, limit in enumerate(limits):
        expected = gradient[row] if limit is None else clipped_by_torch(limit, gradient[row])
        assert torch.equal(found[row], expected), limit
    assert torch.equal(found[3], gradient[3])
    norms = torch.linalg.vector_norm(found, dim=1)
    assert norms[[0, 2]].tolist() == pytest.approx([0.5, 3.0], rel=1e-5)


def test_clipping_none_touches_nothing() -> None:
    gradient = pack_gradient(3)
    assert torch.equal(clipped([None] * 3, gradient), gradient)


def test_clipping_leaves_an_infinite_gradient_without_a_limit_alone() -> None:
    gradient = pack_gradient(2)
    gradient[0, 0] = torch.inf
    assert torch.equal(clipped([None, 0.5], gradient)[0], gradient[0])


def test_clipping_keeps_its_rows() -> None:
    limits = (0.5, None, 3.0)
    gradient = pack_gradient(3)
    clipping = Clipping([training(Sgd(), clip_norm=limit) for limit in limits], gradient)
    rows = torch.tensor([2, 0])
    clipping.keep(rows)
    kept = gradient[rows].clone()
    clipping.apply(kept, Norms(LAYOUT)(kept)[1])
    assert torch.equal(kept, clipped(limits, gradient)[rows])


def test_clipping_by_value_equals_torch() -> None:
    limits = (0.5, None, 1e-3, 2.0)
    gradient = pack_gradient(len(limits))
    clipping = Clipping([training(Sgd(), clip_value=limit) for limit in limits], gradient)
    found = gradient.clone()
    touched = clipping.apply(found, None)
    for row, limit in enumerate(limits):
        expected = nn.Parameter(torch.zeros(LAYOUT.size))
        expected.grad = gradient[row].clone()
        if limit is not None:
            nn.utils.clip_grad_value_([expected], limit)
        assert torch.equal(found[row], expected.grad)
    assert touched.tolist() == [True, False, True, True]
    assert clipping.clips == [True, False, True, True]


def test_clipping_tells_whom_it_touched() -> None:
    gradient = pack_gradient(3)
    trainings = [training(Sgd(), clip_norm=limit) for limit in (0.5, None, 1e6)]
    clipping = Clipping(trainings, gradient)
    assert clipping.apply(gradient, Norms(LAYOUT)(gradient)[1]).tolist() == [True, False, False]


# Schedules.

SCHEDULES: dict[str, tuple[Schedule, Callable[[torch.optim.Optimizer], Any]]] = {
    "constant": (Constant(), lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda _: 1.0)),
    "step": (StepDecay(every=3, decay=0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
    "cosine": (Cosine(), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 12)),
    "linear": (
        LinearDecay(floor=0.25),
        lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.25, total_iters=12),
    ),
}


def test_every_registered_schedule_is_compared() -> None:
    assert set(SCHEDULES) == set(registered(Schedule))


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_has_the_rates_of_torch(name: str) -> None:
    schedule, make = SCHEDULES[name]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.7)
    theirs, rates = make(optimizer), []
    for _ in range(12):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    recipe = Recipe(training=training(Sgd(), 0.7, schedule=schedule, epochs=None, steps=12))
    ours = Rates([recipe])
    assert [ours.at(step)[0] for step in range(12)] == pytest.approx(rates, rel=1e-12)


def test_warm_up_rises_in_a_line_in_front_of_any_schedule() -> None:
    schedule = LinearDecay(warmup=4)
    rises = [schedule.factor(step, 10) / schedule.shape(step, 10) for step in range(6)]
    assert rises == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("rule", [Sgd(momentum=0.9), Adam(), AdamW(), RmsProp()], ids=repr)
def test_a_pack_of_schedules_steps_as_each_alone(rule: Optimizer) -> None:
    """Rates that move are those of one optimizer after another with its rate set by hand."""
    schedules = [schedule for schedule, _ in SCHEDULES.values()]
    trainings = [
        training(rule, schedule=one, epochs=None, steps=STEPS, lr_scaling=scaling)
        for one, scaling in product(schedules, ("none", "sqrt"))
    ]
    drawn = gradients(len(trainings))
    together = ours(trainings, drawn)
    for row, one in enumerate(trainings):
        assert torch.equal(ours([one], drawn[:, row : row + 1])[0], together[row])
    assert len({tuple(row.tolist()) for row in together}) == len(trainings)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1.0), ("linear", 0.25), ("sqrt", 0.5)])
def test_the_rate_grows_with_the_batch(scaling: str, factor: float) -> None:
    fields = {"lr_scaling": scaling, "lr_batch": 64, "accumulate": 2}
    assert Rates([Recipe(training=training(Sgd(), 1.0, **fields))]).at(0) == [factor]
