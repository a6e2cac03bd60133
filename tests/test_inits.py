"""Inits: published bounds and deviations, shared variates, and rows that no pack changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from randstudy.inits import (
    Constant,
    Init,
    KaimingNormal,
    KaimingUniform,
    Lsuv,
    Normal,
    NormalInit,
    Orthogonal,
    Sparse,
    TorchDefault,
    TruncatedNormal,
    Uniform,
    UniformInit,
    XavierNormal,
    XavierUniform,
    drawing,
    initial,
)
from randstudy.models import Cnn, Mlp, Parameter, conv_layer, linear_layer
from randstudy.streams import Key, key, normal, site, uniforms
from randstudy.tasks import Digits

SCHEMES: list[Init] = [
    Constant(weight=0.25, bias=-1.0),
    Uniform(weight_range=0.3, bias_range=0.2),
    Normal(sd=0.05),
    TruncatedNormal(sd=0.05, cut=1.5),
    XavierUniform(),
    XavierNormal(),
    KaimingUniform(),
    KaimingNormal(),
    TorchDefault(),
    Orthogonal(gain=1.5),
    Lsuv(),
    Sparse(sparsity=0.4, sd=0.05),
]
WEIGHT, BIAS = linear_layer("layers.0", 784, 300)


def keys(count: int, first: int = 0) -> list[Key]:
    return [key(0, "init", replicate) for replicate in range(first, first + count)]


def names(init: Init) -> str:
    return init.name


def test_every_scheme_is_tested_here() -> None:
    # The init of a module needs a model of somebody's own: tests/test_modules.py.
    assert {init.name for init in SCHEMES} == set(Init.choices) - {"module"}


# Figures for a layer 784 -> 300, to six digits.


@pytest.mark.parametrize(
    ("init", "bound"),
    [
        (XavierUniform(), 0.0743980),
        (KaimingUniform(), 0.0874818),
        (KaimingUniform(mode="fan_out"), 0.1414214),
        (TorchDefault(), 0.0357143),
        (TorchDefault(scale=2.0), 0.0357143 * 2),
        (Uniform(weight_range=0.3), 0.3),
    ],
)
def test_bounds(init: UniformInit, bound: float) -> None:
    assert init.bound(WEIGHT) * init.scale == pytest.approx(bound, abs=1e-7)
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path]
    assert 0.9999 * bound < np.abs(drawn).max() <= bound * (1 + 1e-6)
    assert stats.kstest(drawn.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        (XavierNormal(), 0.0429537),
        (KaimingNormal(), 0.0505076),
        (KaimingNormal(mode="fan_out"), 0.0816497),
        (Normal(sd=0.01), 0.01),
    ],
)
def test_deviations(init: NormalInit, deviation: float) -> None:
    assert init.deviation(WEIGHT) == pytest.approx(deviation, abs=5e-8)
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path]
    assert stats.kstest(drawn.ravel(), "norm", (0, deviation)).pvalue > 1e-4


TORCHS: list[tuple[Init, Callable[[torch.Tensor], torch.Tensor]]] = [
    (Uniform(weight_range=0.3), lambda w: torch.nn.init.uniform_(w, -0.3, 0.3)),
    (Normal(), lambda w: torch.nn.init.normal_(w, std=0.01)),
    (
        TruncatedNormal(),
        lambda w: torch.nn.init.trunc_normal_(w, std=0.01, a=-0.02, b=0.02),
    ),
    (XavierUniform(), torch.nn.init.xavier_uniform_),
    (XavierNormal(), torch.nn.init.xavier_normal_),
    (KaimingUniform(), lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu")),
    (KaimingNormal(), lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu")),
    (
        KaimingNormal(mode="fan_out"),
        lambda w: torch.nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
    ),
    (Orthogonal(), torch.nn.init.orthogonal_),
    (Sparse(sparsity=0.1), lambda w: torch.nn.init.sparse_(w, sparsity=0.1)),
]


@pytest.mark.parametrize(("init", "torchs"), TORCHS, ids=lambda one: getattr(one, "name", ""))
def test_torch_draws_from_the_same_distribution(
    init: Init, torchs: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path][0]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        expected = torchs(torch.empty(300, 784)).numpy()
    same_distribution(drawn, expected)
    assert ((drawn == 0).sum(0) == (expected == 0).sum(0)).all()


@pytest.mark.parametrize(
    ("layer", "parameters"),
    [
        (lambda: torch.nn.Linear(784, 300), (WEIGHT, BIAS)),
        (lambda: torch.nn.Conv2d(8, 400, 3), conv_layer("convs.0", 8, 400, kernel=3)),
    ],
    ids=["linear", "conv"],
)
def test_torchs_layers_start_as_torch_default(
    layer: Callable[[], torch.nn.Module], parameters: tuple[Parameter, ...]
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = [array.detach().numpy() for array in layer().parameters()]
    drawn = initial([TorchDefault()], keys(1), parameters)
    for parameter, expected in zip(parameters, theirs, strict=True):
        assert drawn[parameter.path].shape[1:] == expected.shape
        same_distribution(drawn[parameter.path], expected)


def same_distribution(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    assert stats.ks_2samp(one.ravel(), other.ravel()).pvalue > 1e-4
    assert np.std(one) == pytest.approx(np.std(other), rel=4 / math.sqrt(one.size))


def test_a_truncated_normal_ends_at_its_cut() -> None:
    """Its standard deviation is that of the normal before the cut, as torch's."""
    init = TruncatedNormal(sd=0.05, cut=1.5)
    drawn = initial([init], keys(1), [WEIGHT])[WEIGHT.path][0] / 0.05
    assert 1.499 < np.abs(drawn).max() <= 1.5
    assert stats.kstest(drawn.ravel(), stats.truncnorm(-1.5, 1.5).cdf).pvalue > 1e-4
    far, whole = (initial([one], keys(1), [WEIGHT])[WEIGHT.path] for one in FAR_AND_WHOLE)
    np.testing.assert_array_equal(far, whole)


FAR_AND_WHOLE = (TruncatedNormal(sd=0.05, cut=40.0), Normal(sd=0.05))


def test_fans_of_a_convolution_count_the_kernel() -> None:
    weight, _ = conv_layer("convs.0", 8, 16, kernel=3)
    assert KaimingNormal().deviation(weight) == pytest.approx(math.sqrt(2 / 72))
    assert XavierUniform().bound(weight) == pytest.approx(math.sqrt(6 / (72 + 144)))


@pytest.mark.parametrize("init", [one for one in SCHEMES if one.name != "lsuv"], ids=names)
def test_the_scale_is_a_factor_on_everything(init: Init) -> None:
    three = replace(init, scale=3.0)
    parameters = [WEIGHT, BIAS, *NORMS]
    drawn = initial([init, three, three.effective()], keys(1) * 3, parameters)
    for path in (WEIGHT.path, BIAS.path):
        np.testing.assert_allclose(drawn[path][1], 3 * drawn[path][0], rtol=3e-7)
        np.testing.assert_allclose(drawn[path][2], drawn[path][1], rtol=3e-7)
    assert init.name in ("constant", "sparse") or (drawn[WEIGHT.path][0] != 0).all()


@pytest.mark.parametrize("init", SCHEMES, ids=names)
def test_a_scale_that_another_field_says_too_is_one_trial(init: Init) -> None:
    found = replace(init, scale=2.0).effective()
    assert (found.scale == 1) == bool(init.scaled)
    for name in init.scaled:
        assert getattr(found, name) == 2 * getattr(init, name)
    assert found.effective() == found


NORMS = [
    Parameter("norm.weight", (300,), 300, 300, "scale"),
    Parameter("norm.bias", (300,), 300, 300, "shift"),
]


@pytest.mark.parametrize("init", SCHEMES, ids=names)
def test_normalisation_starts_at_one_and_zero(init: Init) -> None:
    drawn = initial([init, replace(init, scale=3.0)], keys(2), NORMS)
    assert (drawn["norm.weight"] == 1).all()
    assert (drawn["norm.bias"] == 0).all()


def test_ten_relu_layers_keep_or_lose_the_signal() -> None:
    """E[x²] out over in, n = 12 networks: He 1, Xavier half, PyTorch's default a sixth a layer."""
    width, depth, networks = 512, 10, 12
    layers = [linear_layer(f"layers.{index}", width, width)[0] for index in range(depth)]
    inputs = normal(uniforms([key(0, "data", 0)], site=1, count=width * 64)).reshape(width, 64)
    schemes: list[Init] = [KaimingNormal(), XavierNormal(), TorchDefault()]
    expected = np.array([1.0, 2.0**-10, 6.0**-10])
    ratios = np.empty((len(schemes), networks))
    for network in range(networks):
        weights = initial(schemes, keys(1, network) * 3, layers)
        for row in range(len(schemes)):
            x = inputs.astype(np.float32)
            for layer in layers:
                x = np.maximum(weights[layer.path][row] @ x, 0)
            ratios[row, network] = np.mean(x**2) / np.mean(inputs**2)
    # The expectation over first weights is exact at any width: each layer's E[x²] is halved by ReLU
    # and multiplied by fan_in times the variance of a weight.
    means, errors = ratios.mean(1) / expected, ratios.std(1, ddof=1) / expected / networks**0.5
    assert (errors < 0.15).all()
    assert (np.abs(means - 1) < 4 * errors).all(), (means, errors)
    # He's and Xavier's share their variates: their ratio is exact but for rounding.
    np.testing.assert_allclose(ratios[1] / ratios[0], 2.0**-10, rtol=1e-4)


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


# Sparse


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.1, 1), (0.35, 4), (0.9, 9)])
def test_every_column_has_the_same_number_of_zeros(sparsity: float, zeros: int) -> None:
    """What an input sends to 10 units, and to the 10 channels of a convolution."""
    parameters = [linear_layer("a", 7, 10)[0], conv_layer("b", 7, 10, kernel=3)[0]]
    drawn = initial([Sparse(sparsity=sparsity)], keys(1), parameters)
    for parameter in parameters:
        matrix = drawn[parameter.path].reshape(10, -1)
        assert ((matrix == 0).sum(0) == zeros).all()


def test_zeros_of_a_column_are_counted_as_they_are_written() -> None:
    assert 0.07 * 100 > 7
    assert Sparse(sparsity=0.07).zeros(100) == 7
    assert Sparse(sparsity=0.071).zeros(100) == 8


def test_sparse_weights_are_the_normals_and_zeros_nest() -> None:
    schemes = [Normal(), Sparse(sparsity=0.3), Sparse(sparsity=0.6)]
    dense, some, more = initial(schemes, keys(1) * 3, [WEIGHT])[WEIGHT.path]
    np.testing.assert_array_equal(some[some != 0], dense[some != 0])
    assert ((some == 0) <= (more == 0)).all()
    chances = (some == 0).mean(1)
    assert chances.std() == pytest.approx(math.sqrt(0.3 * 0.7 / 784), rel=0.2)


def test_nothing_but_zeros_is_refused() -> None:
    ((field, message),) = Sparse(sparsity=1.0).problems()
    assert field == "sparsity"
    assert "constant" in message
    assert Sparse(sparsity=0.99).problems() == []


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
    monkeypatch.setattr(drawing, "ELEMENTS", 3 * 64 * 33)
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
    elif isinstance(init, TorchDefault):
        assert 0.035 < np.abs(drawn).max() <= 0.0357143
        assert len(np.unique(drawn)) == 300
    else:
        assert (drawn == 0).all()


def test_every_scheme_is_alive() -> None:
    drawn = initial(SCHEMES, keys(1) * len(SCHEMES), [WEIGHT])[WEIGHT.path]
    same = {
        (SCHEMES[row].name, SCHEMES[other].name)
        for row in range(len(SCHEMES))
        for other in range(row)
        if np.array_equal(drawn[row], drawn[other])
    }
    assert not same


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
    "truncated_normal": [
        0.0554695874,
        0.0266871806,
        0.0613521598,
        -0.00347197475,
        0.0177675895,
        0.0244850423,
    ],
    "torch_default": [
        0.488289446,
        0.270874709,
        0.519912839,
        -0.0368914641,
        0.185038999,
        0.250332147,
    ],
    "lsuv": [0.628618121, 0.276543796, 0.726885676, -0.72919929, 0.534526825, 0.427258104],
    "sparse": [0, 0.0313368812, 0, -0.00400849618, 0, 0.0286671855],
}
