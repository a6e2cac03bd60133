"""A first study of one's own: a study file and the function that it hands the training to."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from randstudy.errors import RandstudyError
from randstudy.sealed import replace

STUDY = """\
# Try it as it is, then write your own code into {module}.py:
#   randstudy plan {name}.yaml
#   randstudy run {name}.yaml
question: Does the batch size matter more than the seed?
train:                            # the training is yours; randstudy varies, repeats and compares it
  function: {module}:train
  streams: [split, init, order]   # the sources of luck that your function asks for
  parameters:                     # what it reads, each with a default; any of them may be varied
    lr: 0.5
    batch_size: 32
    epochs: 10
metric: test_accuracy             # a number that the function returns; accuracies are maximised
factors:                          # every combination of levels is a cell
  batch_size: [8, 128]
replicates: 8                     # each cell 8 times, all streams moving together ...
fixed: [split]                    # ... but this one
compare:                          # what is to be decided, said before any number is seen
  {{factor: batch_size, reference: 8, smallest_difference: 0.005}}
"""

TRAINING = '''\
"""The training of {name}.yaml. Any framework will do; this one is numpy alone."""

import numpy as np
from sklearn.datasets import load_digits


def train(trial, streams, report):
    """Train once, and return final metrics by name.

    trial    its parameters, as {name}.yaml declares and varies them: trial["lr"] or trial.lr
    streams  its randomness: streams["init"].numpy() or .torch() is a generator, .integer a seed.
             Equal replicates draw equal numbers in every cell, so cells are compared pair by pair.
             For a script that knows one seed only: streams.seed_everything()
    report   report(step=..., epoch=..., validation_loss=...) adds a point to the curves
    """
    images, digits = load_digits(return_X_y=True)
    images, answers = images / 16, np.eye(10)[digits]

    rows = streams["split"].numpy().permutation(len(images))
    training, validation, test = np.split(rows, [1077, 1437])

    weights = 0.01 * streams["init"].numpy().normal(size=(64, 10))
    orders = streams["order"].numpy()  # asked for once: a second time it would start afresh

    step = 0
    for epoch in range(1, trial.epochs + 1):
        shuffled = orders.permutation(training)
        for batch in np.split(shuffled, range(trial.batch_size, len(shuffled), trial.batch_size)):
            errors = softmax(images[batch] @ weights) - answers[batch]
            weights -= trial.lr * images[batch].T @ errors / len(batch)
            step += 1
        report(step=step, epoch=epoch, validation_loss=loss(images, answers, validation, weights))

    predicted = (images[test] @ weights).argmax(axis=1)
    return {{
        "test_accuracy": (predicted == digits[test]).mean(),
        "test_loss": loss(images, answers, test, weights),
    }}


def softmax(outputs):
    """Return class probabilities, a row an example."""
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def loss(images, answers, rows, weights):
    """Return the mean cross-entropy over some rows."""
    return -np.log((softmax(images[rows] @ weights) * answers[rows]).sum(axis=1)).mean()
'''


def start(name: str, folder: Path) -> tuple[Path, Path]:
    """Write a study and its training into `folder`; return both files.

    Raises
    ------
    RandstudyError
        The name cannot name a study and a module, or one of the files is there already.
    """
    module = re.sub(r"[ .-]", "_", name).lower()
    if not re.fullmatch(r"[A-Za-z][\w .-]{0,60}", name) or not module.isidentifier():
        raise RandstudyError(f"{name!r} cannot name a study; use letters, digits and _ . -")
    study, training = folder / f"{name}.yaml", folder / f"{module}.py"
    there = [path.name for path in (study, training) if path.exists()]
    if there:
        raise RandstudyError(f"{', '.join(there)}: here already; nothing was written")
    if importlib.util.find_spec(module) is not None:
        raise RandstudyError(
            f"Python has a module {module!r} already, which would be found first; take another name"
        )
    for path, text in ((study, STUDY), (training, TRAINING)):
        replace(path, text.format(name=name, module=module).encode())
    return study, training
