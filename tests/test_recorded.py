"""What a training is said to write down, and what it writes down."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from catalogue import train, trial

from randstudy.estimates import trial_points
from randstudy.header import Evaluation
from randstudy.models import Cnn, Linear
from randstudy.pruning import MagnitudePruning, RandomPruning
from randstudy.recipe import Recipe, Stopping
from randstudy.recorded import curve_names, final_names, parameters, weight_names
from randstudy.study import Study
from randstudy.tasks import LinearRegression
from randstudy.tracking.trials import points_of

LINE = {"data": LinearRegression(train=40, validation=20, test=20), "model": Linear()}

RECIPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "a line": LINE,
    "clipped by norm": {"clip_norm": 0.1},
    "clipped by value": {"clip_value": 0.1},
    "selected": {"stopping": Stopping(every_steps=4)},
    "frozen": {"freeze": "all_but_last"},
    "buffers": {"model": Cnn(channels=(3,), norm="batch")},
    "pruned": {"pruning": RandomPruning(rate=0.5, output_rate=0.2, biases=True)},
    "pruned in rounds": {"pruning": MagnitudePruning(rate=0.5, when="after", rounds=2)},
    "much": {"clip_norm": 1.0, "stopping": Stopping(), "pruning": RandomPruning(rate=0.5)},
}

ASKED: dict[str, Evaluation] = {
    "nothing": Evaluation(),
    "norms": Evaluation(gradient_norms="total"),
    "norms of layers": Evaluation(gradient_norms="layers"),
    "the best on test": Evaluation(test_selected=True, every_steps=5),
    "weights": Evaluation(weights=True),
    "own metrics": Evaluation(metrics=("test_recorded:spread",)),
    "all": Evaluation(
        gradient_norms="layers",
        test_selected=True,
        weights=True,
        metrics=("test_recorded:spread",),
        every_epochs=2,
    ),
}


def spread(outputs: Any, targets: Any) -> float:
    return float(np.std(outputs))


def kept(asked: Evaluation) -> dict[str, Any]:
    """Return the wishes that a pack is told of."""
    return asdict(asked) | {"every_epochs": asked.every_epochs or 1, "extras": asked.extras}


def line(asked: Evaluation) -> Study:
    """Return a study that asks for this."""
    wishes = {name: wish for name, wish in asdict(asked).items() if wish is not None}
    return Study.from_mapping(
        {
            "data": "linear_regression",
            "model": "linear",
            "training": {"lr": 0.1, "batch_size": 8, "epochs": 1},
            "evaluation": wishes | {"metrics": list(asked.metrics)},
        }
    )


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("fields", RECIPES.values(), ids=RECIPES)
def test_a_training_writes_down_what_it_is_said_to(
    fields: dict[str, Any], asked: Evaluation
) -> None:
    fine, doomed = trial(epochs=3, **fields), trial(epochs=3, **fields | {"loss_bound": 1e-9})
    found, lost = train([fine, doomed], **kept(asked))
    assert (found.status, lost.status) == ("finished", "diverged")
    assert list(found.curves) == curve_names(fine.recipe, asked)
    assert list(found.metrics) == final_names(fine.recipe, asked)
    assert list(lost.metrics) == final_names(fine.recipe, asked)
    assert all(np.isnan(value) for value in lost.metrics.values())


def test_trials_that_share_a_training_have_metrics_of_their_own() -> None:
    """What is pruned after the training that diverged has densities, what never is has none."""
    fields: dict[str, Any] = {"lr": 1e32}
    pruned = trial(pruning=MagnitudePruning(rate=0.5, when="after"), **fields)
    plain = trial(**fields)
    for pack in ([pruned, plain], [plain, pruned]):
        for one, outcome in zip(pack, train(pack), strict=True):
            assert list(outcome.metrics) == final_names(one.recipe, Evaluation())
    assert "density" in final_names(pruned.recipe, Evaluation())


def test_each_limit_of_a_pack_gives_its_own_trial_a_share() -> None:
    clipped, free = trial(clip_norm=0.1), trial()
    for one, outcome in zip((clipped, free), train([clipped, free]), strict=True):
        assert list(outcome.metrics) == final_names(one.recipe, Evaluation())


def test_weights_are_named_by_path_and_place() -> None:
    line = parameters(Recipe(training=trial().recipe.training, **LINE))
    assert weight_names(line) == ["layers.0.weight", "layers.0.bias"]
    digits = weight_names(parameters(trial().recipe))
    assert digits[:2] == ["layers.0.weight.0", "layers.0.weight.1"]
    assert len(set(digits)) == sum(one.size for one in parameters(trial().recipe))


@pytest.mark.parametrize("budget", [{"epochs": 3}, {"steps": 13}, {"steps": 4}], ids=str)
@pytest.mark.parametrize(
    "asked",
    [
        *ASKED.values(),
        Evaluation(every_steps=6),
        Evaluation(every_steps=7),
        Evaluation(every_epochs=9),
        Evaluation(every_steps=1),
    ],
    ids=repr,
)
def test_the_points_of_a_trial_are_counted_before_it_is_trained(
    budget: dict[str, int], asked: Evaluation
) -> None:
    fields: dict[str, Any] = LINE | {"stopping": Stopping(), "clip_value": 0.1} | budget
    one = trial(**fields)
    (found,) = train([one], **kept(asked))
    assert trial_points(line(asked), one.recipe) == len(list(points_of(found, 0)))
