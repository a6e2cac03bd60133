"""LSUV: unit variance layer by layer, exactly, on examples that the split decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from catalogue import moved, recipe, trial
from numpy.typing import NDArray

from randstudy.design import Trial
from randstudy.inits import Init, Lsuv, Normal, Orthogonal, initial
from randstudy.models import Cnn, DenseNet, Linear, Mlp, Model, ResNet
from randstudy.models.losses import batch_loss
from randstudy.models.program import Pass, Program, program
from randstudy.recipe import Recipe, Training
from randstudy.tasks import LinearRegression
from randstudy.training import PackRun
from randstudy.training.lsuv import EXAMPLES, rescale
from randstudy.training.pack_data import PackData, places

MODELS = {
    "linear": Linear(),
    "narrow": Mlp(widths=(1,)),
    "relu": Mlp(widths=(33, 7)),
    "tanh": Mlp(widths=(13, 20, 9), activation="tanh"),
}

CONVOLUTIONAL = {
    "cnn": Cnn(channels=(3, 8)),
    "resnet": ResNet(depth=8, width=2, dropout=0.2),
    "densenet": DenseNet(growth=2, layers=(1, 2), norm="layer"),
}


def networks(trials: list[Trial]) -> tuple[Program, PackData, dict[str, NDArray[np.float32]]]:
    made = trials[0].recipe
    shape = made.data.shape()
    parameters = made.model.parameters(shape)
    inits = [one.recipe.init for one in trials]
    weights = initial(inits, [one.key("init") for one in trials], parameters)
    built, data = program(made.model, shape, batch_loss(None)), PackData(trials, "cpu")
    rescale(inits, weights, parameters, data, built, Pass())
    return built, data, weights


def spreads(trials: list[Trial]) -> dict[str, NDArray[np.float64]]:
    """Return the standard deviation of each layer's outputs on the first examples, by trial."""
    built, data, weights = networks(trials)
    rows = data.rows["train"]
    inputs, _ = data.batch(rows[:, places(rows.shape[1], EXAMPLES)])
    found = {}

    def probe(path: str, outputs: torch.Tensor) -> None:
        found[path] = outputs.double().flatten(1).std(1, correction=0).numpy()

    ours = {path: torch.from_numpy(values) for path, values in weights.items()}
    built.outputs(ours, inputs, Pass(probe=probe))
    return found


def mixed(model: Model, count: int = 11) -> list[Trial]:
    inits: list[Init] = [Lsuv(), Normal(sd=0.3), Lsuv(gain=0.5), Orthogonal(), Lsuv(scale=3.0)]
    return [trial(row, model=model, init=inits[row % len(inits)]) for row in range(count)]


@pytest.mark.parametrize("name", MODELS)
def test_every_layers_outputs_have_the_spread_that_is_asked_for(name: str) -> None:
    trials = mixed(MODELS[name])
    found = spreads(trials)
    assert len(found) == len(getattr(MODELS[name], "widths", ())) + 1
    for path, values in found.items():
        for one, spread in zip(trials, values, strict=True):
            target = one.recipe.init.output_sd()
            if target is None:
                assert abs(spread - 1) > 1e-3, path
            elif spread > 0:  # a lone dead unit gives nothing to scale
                assert spread == pytest.approx(target, rel=1e-6), path
        assert (values > 0).sum() > 6


@pytest.mark.parametrize("name", MODELS)
def test_a_trial_has_the_same_bits_in_any_pack(name: str) -> None:
    trials = mixed(MODELS[name], 19)
    _, _, together = networks(trials)
    for some in ([3, 0], [10, 5], [4, 2, 9], list(range(18, 1, -1))):
        _, _, apart = networks([trials[row] for row in some])
        for path, values in together.items():
            np.testing.assert_array_equal(apart[path], values[some])


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_layers_of_convolutional_networks_have_it_too(name: str) -> None:
    """Outputs of a layer are those before its norm; trials pack and stand alone as ever."""
    trials = mixed(CONVOLUTIONAL[name])
    run = PackRun(trials)
    rows = run.data.rows["train"]
    inputs, _ = run.data.batch(rows[:, places(rows.shape[1], EXAMPLES)])
    found: dict[str, list[float]] = {}

    def probe(path: str, outputs: torch.Tensor) -> None:
        found.setdefault(path, []).extend(outputs.double().flatten(1).std(1, correction=0).tolist())

    way = Pass(buffers=run.buffers, probe=probe)
    run.program.outputs(run.layout.views(run.weights), inputs, way)
    assert set(found) == {one.path for one in run.layout.parameters if one.role == "weight"}
    for path, spread in found.items():
        for row, one in enumerate(trials):
            target = one.recipe.init.output_sd()
            if target is not None:
                assert spread[row] == pytest.approx(target, rel=1e-5), path
    for row in (0, 2, 9):
        np.testing.assert_array_equal(PackRun([trials[row]]).weights[0], run.weights[row])


def test_directions_are_those_of_the_orthogonal_init_and_other_schemes_are_left_alone() -> None:
    trials = mixed(Mlp(widths=(33, 7)))
    _, _, found = networks(trials)
    keys = [one.key("init") for one in trials]
    parameters = trials[0].recipe.model.parameters(trials[0].recipe.data.shape())
    plain = initial([Orthogonal()] * len(trials), keys, parameters)
    drawn = initial([one.recipe.init for one in trials], keys, parameters)
    for path, values in found.items():
        for row, one in enumerate(trials):
            if one.recipe.init.name != "lsuv":
                np.testing.assert_array_equal(values[row], drawn[path][row])
            elif path.endswith("weight"):
                factors = values[row] / plain[path][row]
                np.testing.assert_allclose(factors, factors.mean(), rtol=1e-6)
            else:
                assert (values[row] == 0).all()


def test_another_split_gives_other_factors_and_the_same_directions() -> None:
    one = trial(init=Lsuv())
    weights = networks([one, moved(one, "split", 1)])[2]["layers.0.weight"]
    ratio = weights[0] / weights[1]
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-6)
    assert abs(ratio.mean() - 1) > 1e-4


def test_examples_are_taken_from_all_of_the_training_set() -> None:
    assert places(5, EXAMPLES).tolist() == [0, 1, 2, 3, 4]
    assert places(EXAMPLES, EXAMPLES).tolist() == list(range(EXAMPLES))
    spaced = places(50_000, EXAMPLES)
    assert len(spaced) == EXAMPLES
    assert len(set(np.diff(spaced).tolist())) <= 2
    assert 50_000 - spaced[-1] < 2 * 50_000 / EXAMPLES


def test_a_dead_layer_stays_as_it_is() -> None:
    """No factor gives a constant output a spread, so the weights remain finite."""
    trials = [trial(row, model=Mlp(widths=(1,)), init=Lsuv()) for row in range(40)]
    _, _, weights = networks(trials)
    assert all(np.isfinite(values).all() for values in weights.values())
    dead = spreads(trials)["layers.1.weight"] == 0
    assert 0 < dead.sum() < 40
    norms = np.linalg.norm(weights["layers.1.weight"][dead], axis=(1, 2))
    np.testing.assert_allclose(norms, 1, rtol=1e-6)


def test_a_model_that_hides_its_layers_is_refused_when_the_study_is_read() -> None:
    class Hidden(Mlp):
        probed = False

    def problems(**fields: Any) -> list[tuple[str, str]]:
        return Recipe(training=Training(lr=0.1, batch_size=8, epochs=1), **fields).problems()

    ((field, message),) = problems(model=Hidden(), init=Lsuv())
    assert field == "init"
    assert "hides" in message
    assert not problems(model=Hidden(), init=Orthogonal())
    assert recipe(model=Mlp(), init=Lsuv(), data=LinearRegression())
    assert not problems(model=Cnn(), init=Lsuv())
