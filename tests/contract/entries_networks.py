"""Models, inits and pruning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from catalogue import SmallImages, SmallSignals
from entry import Entry, Refused, To

from randstudy.fields import settings
from randstudy.inits import (
    Constant,
    KaimingNormal,
    KaimingUniform,
    Lsuv,
    ModuleInit,
    Normal,
    Orthogonal,
    Sparse,
    TorchDefault,
    TruncatedNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
)
from randstudy.models import (
    Cnn,
    Conv1d,
    DenseNet,
    LeNet5,
    LeNet300100,
    Linear,
    Mlp,
    Model,
    ResNet,
    ResNet9,
)
from randstudy.pruning import (
    BernoulliPruning,
    GraspPruning,
    MagnitudePruning,
    RandomPruning,
    SnipPruning,
    SynflowPruning,
)
from randstudy.registry import part_named
from randstudy.tasks import LinearRegression


class Hidden(Mlp):
    """A perceptron whose layers cannot be looked into."""

    probed = False


NORMS: dict[str, Any] = {
    "norm": "layer",
    "groups": To(level=2, given={"norm": "group"}),
    "dropout": 0.5,
}
NO_SIGNALS = Refused(
    given={}, field="model", message="needs images", recipe={"data": LinearRegression()}
)

MODELS = {
    Linear: Entry(),
    Mlp: Entry(
        given={"widths": (16,)},
        levels={
            "widths": (20,),
            "activation": "tanh",
            "residual": To(level=True, given={"widths": (16, 16)}),
            **NORMS,
        },
        refused=[
            Refused(given={"widths": ()}, field="model.widths", message="use the model linear"),
            Refused(
                given={"norm": "batch"},
                field="training.batch_size",
                message="no variance",
                recipe={"batch_size": 1},
            ),
            Refused(given={"norm": "group", "groups": 5}, field="model.groups", message="5 groups"),
        ],
    ),
    LeNet300100: Entry(levels={"activation": "gelu", **NORMS}),
    Cnn: Entry(
        given={"channels": (4,)},
        levels={"channels": (8,), **NORMS},
        refused=[
            NO_SIGNALS,
            Refused(given={"channels": ()}, field="model.channels", message="model linear"),
            Refused(given={"channels": (4,) * 4}, field="model.channels", message="nothing"),
        ],
    ),
    LeNet5: Entry(
        recipe={"data": SmallImages()},
        levels={
            "activation": "tanh",
            "pooling": "mean",
            "padding": 1,
            **NORMS,
            "groups": To(level=1, given={"norm": "group", "groups": 2}),
        },
        refused=[NO_SIGNALS],
    ),
    Conv1d: Entry(
        given={"channels": (8, 8), "kernels": (5, 3)},
        recipe={"data": SmallSignals()},
        levels={
            "channels": (8, 6),
            "kernels": (3, 3),
            "stride": 3,
            "padding": 0,
            "activation": "tanh",
            **NORMS,
        },
        refused=[
            Refused(given={"channels": ()}, field="model.channels", message="model linear"),
            Refused(given={"kernels": (3,)}, field="model.kernels", message="as many as channels"),
            Refused(given={"kernels": (70, 3)}, field="model.kernels", message="nothing is left"),
            Refused(
                given={}, field="model", message="needs signals", recipe={"data": SmallImages()}
            ),
        ],
    ),
    DenseNet: Entry(
        given={"growth": 4, "layers": (1, 1)},
        levels={
            "growth": 8,
            "layers": (1, 2),
            "compression": 0.8,
            "bottleneck": True,
            **NORMS,
            "groups": To(level=1, given={"norm": "group", "groups": 2}),
        },
        refused=[
            Refused(given={"layers": ()}, field="model.layers", message="is empty"),
            Refused(given={"layers": (1,) * 5}, field="model.layers", message="nothing"),
        ],
    ),
    ResNet: Entry(
        given={"depth": 8, "width": 4},
        levels={"depth": 14, "width": 8, "shortcut": "conv", **NORMS},
        refused=[
            Refused(given={"depth": 9}, field="model.depth", message="near it are 8 and 14"),
            NO_SIGNALS,
        ],
    ),
    ResNet9: Entry(
        given={"width": 4}, levels={"width": 8, "scale": 0.5, **NORMS}, refused=[NO_SIGNALS]
    ),
}

INITS = {
    Constant: Entry(
        given={"weight": 0.01, "bias": 0.01},
        levels={"weight": 0.02, "bias": 0.02, "scale": 3.0},
    ),
    Uniform: Entry(
        levels={"weight_range": 0.2, "bias_range": 0.0, "scale": 3.0},
        refused=[
            Refused(
                given={"weight_range": 0.0, "bias_range": 0.0},
                field="init.weight_range",
                message="constant",
            )
        ],
    ),
    Normal: Entry(given={"sd": 0.1}, levels={"sd": 0.2, "scale": 3.0}),
    TruncatedNormal: Entry(given={"sd": 0.1}, levels={"sd": 0.2, "cut": 1.0, "scale": 3.0}),
    XavierUniform: Entry(levels={"gain": 0.5, "scale": 3.0}),
    XavierNormal: Entry(levels={"gain": 0.5, "scale": 3.0}),
    KaimingUniform: Entry(levels={"gain": 0.5, "mode": "fan_out", "scale": 3.0}),
    KaimingNormal: Entry(levels={"gain": 0.5, "mode": "fan_out", "scale": 3.0}),
    TorchDefault: Entry(levels={"scale": 3.0}),
    Orthogonal: Entry(levels={"gain": 0.5, "scale": 3.0}),
    Lsuv: Entry(
        levels={"gain": 0.5, "scale": 3.0},
        refused=[
            Refused(given={}, field="init", message="hides", recipe={"model": Hidden(widths=(8,))})
        ],
    ),
    Sparse: Entry(
        given={"sd": 0.1},
        levels={"sparsity": 0.5, "sd": 0.2, "scale": 3.0},
        refused=[Refused(given={"sparsity": 1.0}, field="init.sparsity", message="constant")],
    ),
    ModuleInit: Entry(
        recipe={"model": part_named(Model, "shapes:TwoLayers")()},
        levels={"scale": 3.0},
        refused=[
            Refused(given={}, field="init", message="of one's own", recipe={"model": Linear()})
        ],
    ),
}
INITS = {
    part: replace(entry, recipe={"model": Mlp(widths=(16, 12)), "lr": 0.01, **entry.recipe})
    for part, entry in INITS.items()
}

AFTER = {"when": "trained"}
PRUNING_LEVELS: dict[str, Any] = {
    "rate": 0.7,
    "output_rate": 0.2,
    "scope": "erk",
    "biases": To(level=True, recipe={"init": Uniform()}),
    "when": "trained",
    "rounds": To(level=2, given=AFTER),
    "each_round": To(level=True, given={**AFTER, "rounds": 2}),
    "levels": To(level=(0.3,), given=AFTER),
    "rewind_to": To(level=3, given=AFTER),
    "reinit": To(level=True, given=AFTER),
    # Two of 1,336 weights are left, for three layers; which ones is not known beforehand.
    "on_empty": To(level="error", given={"rate": 0.9985, "scope": "global"}),
}
PRUNING_REFUSED = [
    Refused(
        given={"rate": 1.0, "on_empty": "error"},
        field="pruning.rate",
        message="on_empty: warn allows",
    ),
    Refused(given={"rounds": 2}, field="pruning.when", message="when: trained"),
    Refused(
        given={**AFTER, "levels": (0.2,), "rounds": 2},
        field="pruning.levels",
        message="leave out rounds",
    ),
    Refused(
        given={**AFTER, "levels": (0.2,), "output_rate": 0.1},
        field="pruning.levels",
        message="leave out output_rate",
    ),
    Refused(given={**AFTER, "rewind_to": 999}, field="pruning.rewind_to", message="training has"),
    Refused(given={**AFTER, "levels": (0.3, 0.2)}, field="pruning.levels", message="must rise"),
    Refused(given={"scope": "erk", "biases": True}, field="pruning.biases", message="scope: layer"),
]
OWN_LEVELS: dict[type, dict[str, Any]] = {
    SnipPruning: {"examples": 10, "scope": "layer"},
    GraspPruning: {"examples": 10, "temperature": 1.0, "scope": "layer"},
    SynflowPruning: {"iterations": 1, "scope": "layer"},
    BernoulliPruning: {"on_empty": To(level="error", given={"rate": 0.99999})},
}
SCORED_REFUSED = [
    Refused(
        given={"examples": 1, "rate": 0.5},
        field="pruning.examples",
        message="no variance",
        recipe={"model": Mlp(widths=(16,), norm="batch"), "batch_size": 9},
    )
]
PRUNINGS = {
    part: Entry(
        given={"rate": 0.5} | ({"iterations": 5} if "iterations" in settings(part) else {}),
        recipe={"model": Mlp(widths=(16, 12))},
        levels=PRUNING_LEVELS | OWN_LEVELS.get(part, {}),
        refused=PRUNING_REFUSED + (SCORED_REFUSED if "examples" in settings(part) else []),
    )
    for part in (
        RandomPruning,
        BernoulliPruning,
        MagnitudePruning,
        SnipPruning,
        GraspPruning,
        SynflowPruning,
    )
}
