"""Inits: published bounds and deviations, shared variates, and rows that no pack changes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from randstudy import inits
from randstudy.inits import (
    Constant,
    Init,
    KaimingNormal,
    KaimingUniform,
    Normal,
    NormalInit,
    Orthogonal,
    Uniform,
    UniformInit,
    XavierNormal,
    XavierUniform,
    initial,
)
from randstudy.models import Cnn, Mlp, Parameter, conv_layer, linear_layer
from randstudy.streams import Key, key, normal, site, uniforms
from randstudy.tasks import Digits

SCHEMES: list[Init] = [
    Constant(weight=0.25, bias=-1.0),
    Uniform(weight_range=0.3, bias_range=0.2),
    Normal(sd=0.05),
    XavierUniform(),
    XavierNormal(),
    KaimingUniform(),
    KaimingNormal(),
    Orthogonal(gain=1.5),
]
WEIGHT, BIAS = linear_layer("layers.0", 784, 300)


def keys(count: int, first: int = 0) -> list[Key]:
    return [key(0, "init", replicate) for replicate in range(first, first + count)]


def names(init: Init) -> str:
    return init.name


def test_every_scheme_is_tested_here() -> None:
    assert {init.name for init in SCHEMES} == set(Init.choices)


# Figures for a layer 784 -> 300, to six digits.


@pytest.mark.parametrize(
    ("init", "bound"),
    [
        (XavierUniform(), 0.0743980),
        (KaimingUniform(), 0.0874818),
        # PyTorch's default for Linear is U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
        (KaimingUniform(gain=1 / math.sqrt(3)), 0.0357143),
        (Uniform(weight_range=0.3), 0.3),
    ],
)
def test_bounds(init: UniformInit, bound: float) -> None:
    assert init.bound(WEIGHT) == pytest.approx(bound, abs=5e-8)
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path]
    assert 0.9999 * bound < np.abs(drawn).max() <= bound * (1 + 1e-6)
    assert stats.kstest(drawn.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("init", "deviation"),
    [(XavierNormal(), 0.0429537), (KaimingNormal(), 0.0505076), (Normal(sd=0.01), 0.01)],
)
def test_deviations(init: NormalInit, deviation: float) -> None:
    assert init.deviation(WEIGHT) == pytest.approx(deviation, abs=5e-8)
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path]
    assert stats.kstest(drawn.ravel(), "norm", (0, deviation)).pvalue > 1e-4


def test_fans_of_a_convolution_count_the_kernel() -> None:
    weight, _ = conv_layer("convs.0", 8, 16, kernel=3)
    assert KaimingNormal().deviation(weight) == pytest.approx(math.sqrt(2 / 72))
    assert XavierUniform().bound(weight) == pytest.approx(math.sqrt(6 / (72 + 144)))


@pytest.mark.parametrize("init", [XavierUniform, XavierNormal, KaimingUniform, KaimingNormal])
def test_the_gain_scales(init: type[XavierUniform]) -> None:
    one, three = initial([init(gain=1.0), init(gain=3.0)], keys(1) * 2, [WEIGHT])[WEIGHT.path]
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)


def test_ten_relu_layers_keep_or_lose_the_signal() -> None:
    """E[x²] out over in: He about 1; Xavier half and PyTorch's default a sixth of it a layer."""
    width, depth, networks = 512, 10, 4
    layers = [linear_layer(f"layers.{index}", width, width)[0] for index in range(depth)]
    inputs = normal(uniforms([key(0, "data", 0)], site=1, count=width * 64)).reshape(width, 64)
    schemes = [KaimingNormal(), XavierNormal(), KaimingNormal(gain=1 / math.sqrt(3))]
    ratios = np.empty((len(schemes), networks))
    for network in range(networks):
        weights = initial(schemes, keys(1, network) * 3, layers)
        for row in range(len(schemes)):
            x = inputs
            for layer in layers:
                x = np.maximum(weights[layer.path][row] @ x, 0)
            ratios[row, network] = np.mean(x**2) / np.mean(inputs**2)
    # ReLU halves E[x²], so that He's doubled variance keeps it; sd of one network's log2 is 0.45.
    assert abs(np.log2(ratios[0].mean())) < 4 * 0.45 / math.sqrt(networks)
    # The schemes share their variates: relative to He the loss is exact but for rounding.
    np.testing.assert_allclose(ratios[1] / ratios[0], 2.0**-10, rtol=1e-4)
    np.testing.assert_allclose(ratios[2] / ratios[0], 6.0**-10, rtol=1e-4)


# Orthogonal


@pytest.mark.parametrize("shape", [(128, 64), (64, 128), (10, 10), (1, 7), (7, 1), (13, 7)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_rows_or_columns_are_orthonormal(shape: tuple[int, int], gain: float) -> None:
    parameter, _ = linear_layer("a", shape[1], shape[0])
    w = initial([Orthogonal(gain=gain)], keys(1), [parameter])["a.weight"][0].astype(np.float64)
    product = w @ w.T if shape[0] <= shape[1] else w.T @ w
    np.testing.assert_allclose(product, gain**2 * np.eye(min(shape)), atol=1e-6)


def test_a_convolution_is_orthogonal_over_its_flattened_inputs() -> None:
    weight, _ = conv_layer("convs.0", 8, 16, kernel=3)
    w = initial([Orthogonal()], keys(1), [weight])[weight.path][0].reshape(16, 72)
    np.testing.assert_allclose(w.astype(np.float64) @ w.T, np.eye(16), atol=1e-6)


def test_orthogonal_is_haar() -> None:
    """Entries of a Haar 2 x 2 matrix are cosines of a uniform angle; without signs fixed, not."""
    parameter, _ = linear_layer("a", 2, 2)
    w = initial([Orthogonal()] * 4000, keys(4000), [parameter])["a.weight"]
    angle = np.arctan2(w[:, 1, 0], w[:, 0, 0])
    assert stats.kstest(angle, "uniform", (-math.pi, 2 * math.pi)).pvalue > 1e-4
    reflected = int((np.linalg.det(w) < 0).sum())
    assert stats.binomtest(reflected, 4000).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(128, 64), (128, 128), (33, 7), (300, 784)])
def test_orthogonal_does_not_depend_on_the_threads(shape: tuple[int, int]) -> None:
    parameter, _ = linear_layer("a", shape[1], shape[0])
    variates = uniforms(keys(2), site=1, count=parameter.size)
    drawn = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            drawn.append(Orthogonal().draw(parameter, variates))
    np.testing.assert_array_equal(drawn[0], drawn[1])


# The pack does not matter


NETWORKS = {
    "mlp": Mlp(widths=(33,)).parameters(Digits().shape()),
    "odd": Mlp(widths=(13, 7)).parameters(Digits().shape()),
    "cnn": Cnn(channels=(4, 8)).parameters(Digits().shape()),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_row_has_the_same_bits_in_any_pack(network: str) -> None:
    parameters = NETWORKS[network]
    schemes = SCHEMES * 3
    all_keys = keys(len(schemes))
    pack = initial(schemes, all_keys, parameters)
    turn = np.roll(np.arange(len(schemes))[::-1], 5)
    turned = initial(
        [schemes[row] for row in turn], [all_keys[row] for row in turn], parameters[::-1]
    )
    for parameter in parameters:
        values = pack[parameter.path]
        assert values.dtype == np.float32
        assert values.shape == (len(schemes), *parameter.shape)
        np.testing.assert_array_equal(turned[parameter.path], values[turn])
        for row, init in enumerate(schemes):
            alone = initial([init], [all_keys[row]], [parameter])[parameter.path]
            np.testing.assert_array_equal(alone[0], values[row])


@pytest.mark.parametrize("init", SCHEMES, ids=names)
def test_drawing_in_pieces_changes_nothing(init: Init, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = initial([init] * 7, keys(7), NETWORKS["mlp"])
    monkeypatch.setattr(inits, "ELEMENTS", 3 * 64 * 33)
    for path, values in initial([init] * 7, keys(7), NETWORKS["mlp"]).items():
        np.testing.assert_array_equal(values, whole[path])


# Streams and coupling


@pytest.mark.parametrize("init", SCHEMES, ids=names)
def test_a_scheme_draws_if_and_only_if_it_consumes_init(init: Init) -> None:
    parameters = NETWORKS["mlp"]
    one, other = (initial([init], keys(1, first), parameters) for first in (0, 1))
    changed = any(not np.array_equal(one[path], other[path]) for path in one)
    assert changed == ("init" in init.streams())


@pytest.mark.parametrize("init", SCHEMES, ids=names)
def test_biases_are_zero_unless_the_scheme_says_otherwise(init: Init) -> None:
    drawn = initial([init], keys(1), [BIAS])[BIAS.path]
    if isinstance(init, Constant):
        assert (drawn == -1.0).all()
    elif isinstance(init, Uniform):
        assert 0.19 < np.abs(drawn).max() <= 0.2
        assert len(np.unique(drawn)) == 300
    else:
        assert (drawn == 0).all()


def test_every_scheme_is_alive() -> None:
    drawn = initial(SCHEMES, keys(1) * len(SCHEMES), [WEIGHT])[WEIGHT.path]
    for row in range(len(SCHEMES)):
        for other in range(row):
            assert not np.array_equal(drawn[row], drawn[other])


def test_schemes_share_one_uniform_a_weight() -> None:
    schemes = [Uniform(weight_range=0.3), XavierUniform(), KaimingNormal(), Normal(sd=0.05)]
    drawn = initial(schemes, keys(1) * 4, [WEIGHT])[WEIGHT.path].reshape(4, -1)
    u = uniforms(keys(1), site=site(WEIGHT.path), count=WEIGHT.size)[0]
    np.testing.assert_array_equal(drawn[0], ((2 * u - 1) * 0.3).astype(np.float32))
    np.testing.assert_allclose(drawn[1] / drawn[0], 0.0743980 / 0.3, rtol=1e-5)
    np.testing.assert_array_equal(
        drawn[2], (normal(u) * KaimingNormal().deviation(WEIGHT)).astype(np.float32)
    )
    order = np.argsort(u)
    assert all((np.diff(row[order]) >= 0).all() for row in drawn)


def test_layers_do_not_share_draws() -> None:
    layers = [linear_layer(f"layers.{index}", 64, 64)[0] for index in range(4)]
    drawn = list(initial([Normal()], keys(1), layers).values())
    for one, other in pairwise(drawn):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4.5 / 64


def test_nothing_to_draw_is_refused() -> None:
    ((field, message),) = Uniform(weight_range=0, bias_range=0).problems()
    assert field == "weight_range"
    assert "constant" in message
    assert Uniform(weight_range=0).problems() == []
    drawn = initial([Uniform(weight_range=0)], keys(1), [WEIGHT, BIAS])
    assert (drawn[WEIGHT.path] == 0).all()
    assert (drawn[BIAS.path] != 0).any()


def test_golden_weights() -> None:
    parameter = Parameter("layers.0.weight", (2, 3), 3, 2, "weight")
    drawn = initial(SCHEMES, keys(1) * len(SCHEMES), [parameter])["layers.0.weight"]
    for init, values in zip(SCHEMES, drawn, strict=True):
        # Quantiles and QR are scipy's and LAPACK's: their last bit is not ours to freeze.
        np.testing.assert_allclose(values.ravel(), GOLDEN[init.name], rtol=3e-7)


GOLDEN = {
    "constant": [0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
    "uniform": [0.253722638, 0.140750632, 0.270154655, -0.019169366, 0.096149087, 0.130076408],
    "normal": [
        0.0712325871,
        0.0313368812,
        0.0823678896,
        -0.00400849618,
        0.0206570681,
        0.0286671855,
    ],
    "xavier_uniform": [
        0.926464081,
        0.513948619,
        0.986465275,
        -0.0699966252,
        0.351086825,
        0.474971861,
    ],
    "xavier_normal": [0.901028931, 0.396383673, 1.04188061, -0.0507039092, 0.26129353, 0.362614393],
    "kaiming_uniform": [
        1.19605994,
        0.663504839,
        1.27352118,
        -0.0903652608,
        0.453251123,
        0.613186061,
    ],
    "kaiming_normal": [
        1.16322327,
        0.511729121,
        1.34506202,
        -0.0654584691,
        0.337328494,
        0.468133181,
    ],
    "orthogonal": [0.942927182, 0.414815724, 1.09032845, -1.09379888, 0.801790237, 0.640887141],
}
