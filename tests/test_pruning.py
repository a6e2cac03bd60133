"""Pruning: exact counts, nested rates, ties, and rates at the ends."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from randstudy.inits import KaimingUniform, initial
from randstudy.models import Mlp, Parameter, linear_layer
from randstudy.pruning import MagnitudePruning, Pruning, RandomPruning, masks
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
    assert pruned.effective() is pruned


@pytest.mark.parametrize(("density", "rate"), [(0.1, 0.9), (1.0, 0.0), (0.0, 1.0), (0.05, 0.95)])
def test_a_density_is_the_rate_it_leaves(density: float, rate: float) -> None:
    assert Pruning.aliases["density"](density) == ("rate", rate)
