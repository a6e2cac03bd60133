"""Pruning: exact counts, nested rates, ties, rates at the ends, scopes, and rounds as settings."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from randstudy.inits import KaimingUniform, initial
from randstudy.models import Cnn, Linear, Mlp, Parameter, linear_layer
from randstudy.pruning import (
    BernoulliPruning,
    MagnitudePruning,
    Pruning,
    RandomPruning,
    SnipPruning,
    SynflowPruning,
    density,
    density_names,
    emptied,
    erdos_renyi,
    masks,
    removed_whole,
)
from randstudy.pruning.methods import sortable
from randstudy.streams import Key, key, site, uniforms
from randstudy.tasks import Digits

PARAMETERS = Mlp(widths=(33,)).parameters(Digits().shape())
RATES = (0.0, 0.1, 0.25, 0.5, 0.9, 0.95, 0.999, 1.0)
METHODS = (RandomPruning, MagnitudePruning)


def keys(count: int) -> list[Key]:
    return [key(0, "mask", replicate) for replicate in range(count)]


def weights(
    count: int, parameters: tuple[Parameter, ...] = PARAMETERS
) -> dict[str, NDArray[np.float32]]:
    init_keys = [key(0, "init", replicate) for replicate in range(count)]
    return initial([KaimingUniform()] * count, init_keys, parameters)


def mask(pruning: Pruning, values: NDArray[np.float32], replicate: int = 0) -> NDArray[np.bool_]:
    """Prune one flat layer."""
    parameter = Parameter("a.weight", values.shape, values.shape[-1], values.shape[0], "weight")
    found = masks([pruning], [key(0, "mask", replicate)], [parameter], {"a.weight": values[None]})
    if found:
        return found["a.weight"].reshape(values.shape)
    return np.ones(values.shape, np.bool_)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", RATES[1:])
def test_counts_are_exact_in_every_layer(method: type[Pruning], rate: float) -> None:
    found = masks([method(rate=rate)] * 3, keys(3), PARAMETERS, weights(3))
    assert set(found) == {"layers.0.weight", "layers.1.weight"}
    for parameter in PARAMETERS:
        if parameter.role == "weight":
            kept = found[parameter.path]
            assert kept.dtype == np.bool_
            assert kept.shape == (3, *parameter.shape)
            removed = (~kept).reshape(3, -1).sum(axis=1)
            assert removed.tolist() == [math.floor(rate * parameter.size + 0.5)] * 3


@pytest.mark.parametrize("method", METHODS)
def test_rates_nest(method: type[Pruning]) -> None:
    given = {path: np.repeat(values, len(RATES), 0) for path, values in weights(1).items()}
    prunings = [method(rate=rate) for rate in RATES]
    for kept in masks(prunings, keys(1) * len(RATES), PARAMETERS, given).values():
        for lower, higher in pairwise(kept):
            assert (higher <= lower).all()
        assert kept[0].all()
        assert not kept[-1].any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, -3.0, 3e38]), min_size=1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from(METHODS),
)
def test_counts_and_nesting_hold_for_any_weights(
    values: list[float], one: float, other: float, method: type[Pruning]
) -> None:
    layer = np.array([values], np.float32)
    low, high = sorted((one, other))
    less, more = mask(method(rate=low), layer), mask(method(rate=high), layer)
    assert (~less).sum() == math.floor(low * layer.size + 0.5)
    assert (~more).sum() == math.floor(high * layer.size + 0.5)
    assert (more <= less).all()


def test_magnitude_removes_the_smallest_whatever_the_sign() -> None:
    values = np.array([[3.0, -0.1, 0.2], [-5.0, 0.0, 0.15]], np.float32)
    kept = mask(MagnitudePruning(rate=0.5), values)
    assert kept.tolist() == [[True, False, True], [True, False, False]]


def test_ties_are_removed_in_order_of_index() -> None:
    values = np.array([[1.0, -1.0, 1.0, -0.0, 1.0, 0.0]], np.float32)
    kept = mask(MagnitudePruning(rate=4 / 6), values)
    assert kept.tolist() == [[False, False, True, False, True, False]]


def test_magnitude_agrees_with_a_stable_sort() -> None:
    values = weights(1)["layers.0.weight"][0].round(2)
    kept = mask(MagnitudePruning(rate=0.37), values).ravel()
    order = np.argsort(np.abs(values).ravel(), kind="stable")
    removed = order[: math.floor(0.37 * values.size + 0.5)]
    assert set(np.flatnonzero(~kept)) == set(removed.tolist())


def test_random_removes_the_smallest_uniforms() -> None:
    values = np.ones((20, 30), np.float32)
    kept = mask(RandomPruning(rate=0.4), values).ravel()
    u = uniforms(keys(1), site=site("a.weight"), count=600)[0]
    assert u[~kept].max() < u[kept].min()


def test_random_does_not_look_at_the_weights() -> None:
    small, large = (np.full((9, 9), value, np.float32) for value in (0.1, 7.0))
    large[0] = 0
    pruning = RandomPruning(rate=0.5)
    np.testing.assert_array_equal(mask(pruning, small), mask(pruning, large))


def test_every_weight_is_as_likely_to_go() -> None:
    parameter, _ = linear_layer("a", 10, 10)
    given = {"a.weight": np.ones((2000, 10, 10), np.float32)}
    kept = masks([RandomPruning(rate=0.3)] * 2000, keys(2000), [parameter], given)["a.weight"]
    removed = (~kept).sum(axis=0).ravel()
    statistic = ((removed - 600) ** 2).sum() / (600 * 0.7)
    assert stats.chi2.sf(statistic, 99) > 1e-4
    assert stats.chi2.cdf(statistic, 99) > 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_the_same_alone_and_in_any_pack(method: type[Pruning]) -> None:
    given = weights(4)
    prunings = [method(rate=0.5), RandomPruning(), MagnitudePruning(rate=0.2), method(rate=0.9)]
    pack = masks(prunings, keys(4), PARAMETERS, given)
    for row in (0, 3):
        part = {path: values[row : row + 1] for path, values in given.items()}
        alone = masks([prunings[row]], [keys(4)[row]], PARAMETERS, part)
        for path, kept in alone.items():
            np.testing.assert_array_equal(kept[0], pack[path][row])
    assert all(kept[1].all() for kept in pack.values())


def test_nothing_is_returned_where_nothing_is_pruned() -> None:
    prunings = [RandomPruning(), MagnitudePruning(rate=0.0)]
    assert masks(prunings, keys(2), PARAMETERS, weights(2)) == {}


def test_the_mask_stream_is_consumed_only_by_random_masks() -> None:
    assert RandomPruning(rate=0.5).streams() == {"mask"}
    assert RandomPruning().streams() == frozenset()
    assert MagnitudePruning(rate=0.5).streams() == frozenset()
    values = weights(1)["layers.0.weight"][0]
    for method, changes in ((RandomPruning, True), (MagnitudePruning, False)):
        one, other = (mask(method(rate=0.5), values, replicate) for replicate in (0, 1))
        assert (not np.array_equal(one, other)) == changes


def test_at_rate_zero_the_method_has_no_effect() -> None:
    unpruned: Pruning = MagnitudePruning(rate=0.0)
    assert unpruned.effective() == RandomPruning()
    pruned = MagnitudePruning(rate=0.1)
    assert pruned.effective() == pruned


@pytest.mark.parametrize(("density", "rate"), [(0.1, 0.9), (1.0, 0.0), (0.0, 1.0), (0.05, 0.95)])
def test_a_density_is_the_rate_it_leaves(density: float, rate: float) -> None:
    assert Pruning.aliases["density"](density) == ("rate", rate)


# Scopes: what shares a rate.


DEEP = Mlp(widths=(33, 20)).parameters(Digits().shape())
WEIGHTS = [parameter for parameter in DEEP if parameter.role == "weight"]


def pruned(pruning: Pruning, parameters: tuple[Parameter, ...] = DEEP) -> dict[str, Any]:
    """Prune one trial's first weights."""
    found = masks([pruning], keys(1), parameters, weights(1, parameters))
    return {path: kept[0] for path, kept in found.items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.987])
def test_global_counts_are_exact_over_all_layers_and_not_in_each(
    method: type[Pruning], rate: float
) -> None:
    found = pruned(method(rate=rate, scope="global"))
    total = sum(parameter.size for parameter in WEIGHTS)
    assert sum((~kept).sum() for kept in found.values()) == math.floor(rate * total + 0.5)
    shares = [found[one.path].mean() for one in WEIGHTS]
    assert any(abs(share - (1 - rate)) > 0.003 for share in shares)


def test_global_magnitude_keeps_nothing_smaller_than_what_it_removes() -> None:
    found, values = pruned(MagnitudePruning(rate=0.6, scope="global")), weights(1, DEEP)
    removed = [np.abs(values[path][0])[~kept].max() for path, kept in found.items()]
    left = [np.abs(values[path][0])[kept].min() for path, kept in found.items()]
    assert max(removed) <= min(left)


@pytest.mark.parametrize("scope", ["layer", "global", "erk"])
@pytest.mark.parametrize("method", [*METHODS, BernoulliPruning])
def test_rates_nest_in_every_scope(method: type[Pruning], scope: Any) -> None:
    several = [pruned(method(rate=rate, scope=scope)) for rate in (0.1, 0.4, 0.8, 0.95, 0.99)]
    for lower, higher in pairwise(several):
        assert all((higher[path] <= lower[path]).all() for path in lower)


def by_formula(parameters: list[Parameter], density: float) -> list[float]:
    """Densities by Evci et al.: one factor on (sum / product of dimensions), none above 1."""
    raw = np.array([sum(one.shape) / math.prod(one.shape) for one in parameters])
    sizes = np.array([one.size for one in parameters])
    # Solved by bisection on the factor instead of layer by layer.
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        kept = (np.minimum(middle * raw, 1) * sizes).sum()
        low, high = (middle, high) if kept < density * sizes.sum() else (low, middle)
    return list(np.minimum(high * raw, 1))


@pytest.mark.parametrize("model", [Mlp(widths=(300, 100)), Mlp(widths=(7,)), Cnn(channels=(8, 16))])
@pytest.mark.parametrize("density", [0.01, 0.05, 0.2, 0.5, 0.9, 1.0])
def test_ratios_are_those_of_the_formula(model: Any, density: float) -> None:
    every = model.parameters(Digits().shape())
    parameters = [one for one in every if one.role == "weight"]
    found = erdos_renyi(parameters, density)
    assert found == pytest.approx(by_formula(parameters, density), rel=1e-9)
    kept = sum(share * one.size for share, one in zip(found, parameters, strict=True))
    assert kept == pytest.approx(density * sum(one.size for one in parameters))
    assert max(found) <= 1
    masked = pruned(RandomPruning(rate=1 - density, scope="erk"), every)
    for one, share in zip(parameters, found, strict=True):
        if masked:
            assert abs(masked[one.path].sum() - share * one.size) <= 0.5 + 1e-6


def test_the_output_layer_can_have_a_rate_of_its_own() -> None:
    for scope in ("layer", "global", "erk"):
        found = pruned(RandomPruning(rate=0.5, output_rate=0.1, scope=scope))
        assert (~found["layers.2.weight"]).sum() == 20
        hidden = [found[path] for path in ("layers.0.weight", "layers.1.weight")]
        total = sum(kept.size for kept in hidden)
        assert abs(sum((~kept).sum() for kept in hidden) - 0.5 * total) <= 1
    only = pruned(MagnitudePruning(output_rate=0.5))
    assert only["layers.0.weight"].all()
    assert (~only["layers.2.weight"]).sum() == 100


def test_biases_are_pruned_where_asked_for_and_left_alone_beside() -> None:
    both = [RandomPruning(rate=0.5, biases=True), RandomPruning(rate=0.5)]
    found = masks(both, keys(1) * 2, PARAMETERS, weights(2))
    assert found["layers.0.bias"][1].all()
    # A layer's weights and biases share its rate.
    layer = [found[f"layers.0.{name}"][0] for name in ("weight", "bias")]
    assert sum((~kept).sum() for kept in layer) == math.floor((64 * 33 + 33) / 2 + 0.5)
    assert 0 < (~layer[1]).sum() < 33


# Bernoulli: each weight for itself.


def test_bernoulli_counts_scatter_as_binomial_counts() -> None:
    parameter, _ = linear_layer("a", 20, 20)
    given = {"a.weight": np.ones((500, 20, 20), np.float32)}
    kept = masks([BernoulliPruning(rate=0.3)] * 500, keys(500), [parameter], given)["a.weight"]
    counts = (~kept).reshape(500, -1).sum(axis=1)
    assert counts.mean() == pytest.approx(120, abs=4 * math.sqrt(84 / 500))
    spread = counts.var(ddof=1) / 84 * 499
    assert 1e-4 < stats.chi2.cdf(spread, 499) < 1 - 1e-4


def test_bernoulli_shares_its_uniforms_with_exact_counts() -> None:
    exact, drawn = pruned(RandomPruning(rate=0.5)), pruned(BernoulliPruning(rate=0.5))
    for path, kept in exact.items():
        # One removes a superset of the other's: they differ by the scatter of the count only.
        assert (kept <= drawn[path]).all() or (drawn[path] <= kept).all()
        assert (kept != drawn[path]).sum() == abs(int(kept.sum()) - int(drawn[path].sum()))
    assert not any(kept.any() for kept in pruned(BernoulliPruning(rate=1.0)).values())


# Rounds: what earlier ones removed stays removed.


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-2, 2, width=32), min_size=4, max_size=40),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([*METHODS, BernoulliPruning]),
)
def test_a_rounds_mask_is_nested_in_the_one_before(
    values: list[float], one: float, other: float, method: type[Pruning]
) -> None:
    low, high = sorted((one, other))
    layer = np.array([values], np.float32)
    parameter = Parameter("a.weight", layer.shape, len(values), 1, "weight")
    first = {"a.weight": mask(method(rate=low), layer)[None]}
    moved = {"a.weight": layer[None, :, ::-1].copy()}
    found = masks([method(rate=high)], keys(1), [parameter], moved, before=first)
    kept = found["a.weight"] if found else np.ones((1, *layer.shape), np.bool_)
    assert (kept <= first["a.weight"]).all()
    if method is not BernoulliPruning:
        assert (~kept).sum() == math.floor(high * layer.size + 0.5)


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({"rate": 0.5}, [0.5]),
        ({"rate": 0.488, "rounds": 3}, [0.2, 0.36, 0.488]),
        ({"rate": 0.2, "rounds": 3, "each_round": True}, [0.2, 0.36, 0.488]),
        ({"rate": 0.97, "levels": (0.81, 0.909)}, [0.81, 0.909, 0.97]),
        ({"rate": 0.0, "rounds": 3}, []),
        ({"rate": 0.5, "rounds": 0}, []),
    ],
)
def test_rounds_remove_equal_shares_or_what_their_levels_say(
    fields: dict[str, Any], rates: list[float]
) -> None:
    pruning = MagnitudePruning(when="trained", **fields)
    assert not pruning.problems()
    assert [stage.rate for stage in pruning.stages()] == pytest.approx(rates)
    assert pruning.trainings == len(rates) + 1
    if rates:
        assert pruning.stages()[-1].rate == pytest.approx(rates[-1])
    assert MagnitudePruning(rate=0.5).trainings == 1


def test_the_output_layer_has_rounds_of_its_own_rate() -> None:
    fields: dict[str, Any] = {"rate": 0.2, "output_rate": 0.1, "each_round": True, "rounds": 2}
    stages = MagnitudePruning(when="trained", **fields).stages()
    assert [stage.output_rate for stage in stages] == pytest.approx([0.1, 0.19])


def test_a_shorter_ticket_goes_the_same_way_as_a_longer_one() -> None:
    long = MagnitudePruning(rate=0.2, rounds=5, each_round=True, when="trained", rewind_to=0)
    for rounds in (1, 2, 3):
        assert replace(long, rounds=rounds).effective().stages() == long.stages()[:rounds]


def test_weights_are_drawn_anew_in_the_last_round_only() -> None:
    stages = MagnitudePruning(rate=0.5, rounds=3, when="trained", rewind_to=0, reinit=True).stages()
    assert [stage.reinit for stage in stages] == [False, False, True]


EQUAL: tuple[tuple[Pruning, Pruning], ...] = (
    (MagnitudePruning(rounds=0, rate=0.5), RandomPruning()),
    (MagnitudePruning(rate=0.0, scope="global", biases=True), RandomPruning()),
    (RandomPruning(rate=0.5, output_rate=0.5), RandomPruning(rate=0.5)),
    (BernoulliPruning(rate=0.5, scope="global"), BernoulliPruning(rate=0.5)),
    # A mask that knows nothing of the weights is there from the start.
    (RandomPruning(rate=0.5, when="trained", rewind_to=0), RandomPruning(rate=0.5)),
    (
        RandomPruning(rate=0.9, when="trained", rewind_to=0, levels=(0.5,)),
        RandomPruning(rate=0.9),
    ),
    (
        MagnitudePruning(rate=0.5, when="trained", levels=(0.2, 0.5, 0.9)),
        MagnitudePruning(rate=0.5, when="trained", levels=(0.2,)),
    ),
    (
        MagnitudePruning(rate=0.5, when="trained", each_round=True),
        MagnitudePruning(rate=0.5, when="trained"),
    ),
    (
        MagnitudePruning(rate=0.5, when="trained", reinit=True, rewind_to=0),
        MagnitudePruning(rate=0.5, when="trained", reinit=True),
    ),
)


@pytest.mark.parametrize(("written", "effective"), EQUAL, ids=lambda one: str(one)[:40])
def test_settings_that_come_to_the_same_are_one(written: Pruning, effective: Pruning) -> None:
    assert not written.problems()
    assert written.effective() == effective.effective()
    assert written.effective().effective() == written.effective()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"rounds": 2}, "when"),
        ({"levels": (0.2,)}, "when"),
        ({"rewind_to": 0}, "when"),
        ({"each_round": True}, "when"),
        ({"when": "trained", "levels": (0.2,), "rounds": 2}, "levels"),
        ({"when": "trained", "levels": (0.4, 0.2)}, "levels"),
        ({"when": "trained", "levels": (0.2,), "output_rate": 0.1}, "levels"),
        ({"scope": "erk", "biases": True}, "biases"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(fields: dict[str, Any], field: str) -> None:
    assert [name for name, _ in MagnitudePruning(rate=0.5, **fields).problems()] == [field]


def test_going_back_further_than_training_goes_is_refused() -> None:
    pruning = MagnitudePruning(rate=0.5, when="trained", rewind_to=11)
    assert not pruning.misfits(PARAMETERS, 11)
    [(field, message)] = pruning.misfits(PARAMETERS, 10)
    assert field == "rewind_to"
    assert message == "is 11, but training has 10 updates"


# Empty layers, and what is reported.


def test_a_layer_that_would_be_emptied_is_known_beforehand_where_counts_are() -> None:
    small = Linear().parameters(Digits().shape())
    assert removed_whole(RandomPruning(rate=0.9999), small) == ["layers.0.weight"]
    assert removed_whole(RandomPruning(rate=0.999), small) == []
    assert removed_whole(RandomPruning(rate=0.9, output_rate=1.0), PARAMETERS) == [
        "layers.1.weight"
    ]
    assert removed_whole(BernoulliPruning(rate=0.9999), small) == []
    assert removed_whole(BernoulliPruning(rate=1.0), small) == ["layers.0.weight"]
    strict = RandomPruning(rate=0.9999, on_empty="error")
    [(field, message)] = strict.misfits(small, 10)
    assert field == "rate"
    assert "nothing of layers.0.weight" in message
    assert not replace(strict, on_empty="warn").misfits(small, 10)


def test_emptied_layers_are_found_in_masks() -> None:
    found = pruned(RandomPruning(rate=0.5, output_rate=1.0))
    assert emptied(found, DEEP) == ["layers.2.weight"]
    assert emptied(pruned(RandomPruning(rate=0.5)), DEEP) == []


def test_densities_are_measured_over_what_may_be_pruned() -> None:
    pruning = RandomPruning(rate=0.5, output_rate=0.1, biases=True)
    found = density(pruned(pruning, PARAMETERS), pruning, PARAMETERS)
    assert list(found) == density_names(pruning, PARAMETERS)
    last = found["density.layers.1.weight"] * 330 + found["density.layers.1.bias"] * 10
    assert last == pytest.approx(340 - 34)
    total = sum(one.size for one in PARAMETERS)
    each = sum(found[f"density.{one.path}"] * one.size for one in PARAMETERS)
    assert found["density"] == pytest.approx(each / total)
    assert density_names(RandomPruning(), PARAMETERS) == []


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2))
def test_scores_sort_as_numbers_do(scores: list[float]) -> None:
    values = np.array(scores, np.float32)
    ranks = sortable(values)
    for (x, r), (y, q) in pairwise(zip(values, ranks, strict=True)):
        assert (x < y) == (r < q)


def test_scored_methods_prune_all_layers_together_unless_told() -> None:
    assert SnipPruning(rate=0.5).scope == "global"
    assert len(SynflowPruning(rate=0.5).passes) == 100
    assert SynflowPruning(rate=0.5).passes[-1] == 1
