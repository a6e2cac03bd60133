"""Losses, optimizers, schedules, and the sections of a recipe."""

from __future__ import annotations

from typing import Any

from catalogue import SmallImages
from entry import Entry, Refused, To
from shapes import Column, OneClass

from randstudy.augment import Augment
from randstudy.losses import CrossEntropy, SquaredError
from randstudy.models import Linear, Mlp, Model
from randstudy.noise import Noise
from randstudy.optimizers import Adam, AdamW, RmsProp, Sgd
from randstudy.own.augmentation import OwnChange
from randstudy.pruning import MagnitudePruning
from randstudy.recipe import Stopping, Training
from randstudy.registry import part_named
from randstudy.schedules import Constant, Cosine, LinearDecay, StepDecay
from randstudy.tasks import LinearRegression

SLOW: dict[str, Any] = {"lr": 0.01, "model": Mlp(widths=(16,))}
LINE: dict[str, Any] = {"data": LinearRegression(), "model": Linear(), "lr": 0.01}

LOSSES = {
    CrossEntropy: Entry(
        given={"label_smoothing": 0.1},
        levels={"label_smoothing": 0.2},
        refused=[Refused(given={}, field="loss", message="needs classes", recipe=LINE)],
    ),
    SquaredError: Entry(
        recipe=LINE,
        refused=[
            Refused(
                given={},
                field="loss",
                message="needs numbers",
                recipe={"data": SmallImages(), "model": Linear()},
            )
        ],
    ),
}

MOMENTS = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-3}
OPTIMIZERS = {
    Sgd: Entry(
        recipe=SLOW,
        levels={
            "momentum": 0.5,
            "nesterov": To(level=True, given={"momentum": 0.5}),
            "weight_decay": 1e-2,
        },
        refused=[
            Refused(
                given={"nesterov": True}, field="training.optimizer.nesterov", message="momentum"
            )
        ],
    ),
    Adam: Entry(recipe=SLOW, levels={**MOMENTS, "weight_decay": 1e-2}),
    AdamW: Entry(recipe=SLOW, levels={**MOMENTS, "weight_decay": 0.1}),
    RmsProp: Entry(
        recipe=SLOW,
        levels={
            "alpha": 0.9,
            "eps": 1e-3,
            "momentum": 0.5,
            "centered": True,
            "weight_decay": 1e-2,
        },
    ),
}

WARM = {"warmup": 5}
SCHEDULES = {
    Constant: Entry(levels=WARM),
    StepDecay: Entry(
        given={"every": 4},
        levels={**WARM, "every": 6, "decay": 0.5},
        refused=[
            Refused(given={"every": 999}, field="training.schedule.every", message="never over")
        ],
    ),
    Cosine: Entry(levels={**WARM, "floor": 0.1}),
    LinearDecay: Entry(levels={**WARM, "floor": 0.1}),
}
FLAT_INPUTS = Refused(
    given={"flip": True}, field="augment.flip", message="needs images", recipe=LINE
)
SECTIONS = {
    Augment: Entry(
        given={"cutout": 2},
        levels={
            "crop": 1,
            "crop_fill": To(level="reflect", given={"crop": 2}),
            "flip": True,
            "translate": 1,
            "cutout": 4,
            "own": part_named(OwnChange, "shapes:faded")(),
        },
        refused=[
            FLAT_INPUTS,
            Refused(
                given={"flip": True, "cutout": 0},
                field="augment.flip",
                message="mirror image",
                recipe={"data": Column()},
            ),
            Refused(given={"crop": 8}, field="augment.crop", message="up to 7"),
            Refused(given={"translate": 8}, field="augment.translate", message="up to 7"),
            Refused(given={"cutout": 9}, field="augment.cutout", message="up to 8"),
        ],
    ),
    Noise: Entry(
        given={"inputs": 0.1},
        levels={"inputs": 0.2, "weights": 0.1, "gradients": 0.01, "labels": 0.5},
        refused=[
            Refused(given={"labels": 0.1}, field="noise.labels", message="classes", recipe=LINE),
            Refused(
                given={"labels": 0.1},
                field="noise.labels",
                message="one class",
                recipe={"data": OneClass()},
            ),
        ],
    ),
    Training: Entry(
        given={"lr": 0.1, "batch_size": 8, "epochs": 2},
        levels={
            "optimizer": Adam(),
            "lr": 0.05,
            "schedule": Cosine(),
            "lr_scaling": "linear",
            "lr_batch": To(level=16, given={"lr_scaling": "linear"}),
            "batch_size": 9,
            "sampling": "replacement",
            "drop_last": True,
            "accumulate": 2,
            "epochs": 3,
            "steps": To(level=10, given={"epochs": None, "steps": 9}),
            "examples": To(level=40, given={"epochs": None, "examples": 60}),
            "stopping": Stopping(every_steps=5),
            "clip_norm": 0.5,
            "clip_value": 0.01,
            "loss_bound": 1.5,
            "freeze": "all_but_last",
        },
        refused=[
            Refused(given={"epochs": None}, field="training", message="give either"),
            Refused(given={"steps": 3}, field="training", message="give either"),
            Refused(given={"batch_size": 46}, field="training.batch_size", message="use full"),
            Refused(
                given={"freeze": "all_but_last"},
                field="training.freeze",
                message="which layer is last",
                recipe={"model": part_named(Model, "someones:Plain")(), "lr": 0.01},
            ),
        ],
    ),
    Stopping: Entry(
        given={"every_epochs": 1},
        recipe={"epochs": 8, "lr": 0.3, "model": Mlp(widths=(16,))},
        levels={
            "metric": "validation_accuracy",
            "patience": 1,
            "min_delta": To(level=0.5, given={"patience": 1}),
            "every_epochs": To(level=3, given={"patience": 1}),
            "every_steps": To(level=4, given={"every_epochs": None}),
        },
        refused=[
            Refused(given={"every_steps": 3}, field="training.stopping", message="every_epochs or"),
            Refused(
                given={"metric": "validation_accuracy"},
                field="training.stopping.metric",
                message="classes",
                recipe=LINE,
            ),
            Refused(
                given={"patience": 1},
                field="pruning.rewind_to",
                message="may never reach",
                recipe={"pruning": MagnitudePruning(rate=0.5, when="trained", rewind_to=3)},
            ),
        ],
    ),
}
