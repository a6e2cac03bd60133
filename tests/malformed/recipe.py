"""Recipes that cannot be trained: each section, among its own fields and against the data."""

from __future__ import annotations

from tests.malformed.case import Case, case

LINE = "data: {name: linear_regression, train: 300}\n"


def _training(name: str, fields: str, field: str, *said: str, lead: str = "") -> Case:
    """Return the case of these fields of `training`, beside what is required."""
    where = f"training.{field}" if field else "training"
    text = f"{lead}training: {{lr: 0.1, batch_size: 32, {fields}}}  # !"
    return case(name, text, where, *said)


SPLIT = [
    case("no such split", "split: kfold  # !", "split", "did you mean k_fold?"),
    case("a split of words", "split: {train_size: half}  # !", "split.train_size", "got the text"),
    case("nothing to train on", "split: {train_size: 0}  # !", "split.train_size", "above 0"),
    case(
        "half an example", "split: {train_size: 10.5}  # !", "split.train_size", "neither a share"
    ),
    case(
        "more than there is to train on",
        "split: {train_size: 5000}  # !",
        "split.train_size",
        "5000 of 1077 training examples is no part",
    ),
    case("out of balance", "split: {imbalance: 2}  # !", "split.imbalance", "at most 1"),
    case(
        "out of all balance",
        "split: {imbalance: 0.0001}  # !",
        "split.imbalance",
        "without a training example",
    ),
    case(
        "shares beyond all",
        "split: {name: random, validation: 0.5, test: 0.5}  # !",
        "split.validation",
        "nothing is left to train on",
    ),
    case(
        "more to test than there are",
        "split: {name: random, test: 1797}  # !",
        "split",
        "leave nothing of 1797 examples to train on",
    ),
    case("one fold", "split: {name: k_fold, k: 1}  # !", "split.k", "1 must be at least 2"),
    case("too many folds", "split: {name: k_fold, k: 9999}  # !", "split.k", "1797"),
    case("strata of numbers", f"{LINE}split: stratified  # !", "split", "has no classes"),
    case(
        "a field of another split",
        "split: {name: random, k: 5}  # !",
        "split.k",
        "random has no such field",
    ),
]

AUGMENT = [
    case("text", "augment: flip  # !", "augment", "expected a mapping of fields"),
    case("no such change", "augment: {rotate: 5}  # !", "augment.rotate", "no such field"),
    case("a crop below 0", "augment: {crop: -1}  # !", "augment.crop", "-1 must be at least 0"),
    case("a crop too large", "augment: {crop: 8}  # !", "augment.crop", "it can be up to 7"),
    case("yes for true", "augment: {flip: yes}  # !", "augment.flip", "got the text 'yes'"),
    case(
        "another filling", "augment: {crop_fill: wrap}  # !", "augment.crop_fill", "zero or reflect"
    ),
    case("no image to flip", f"{LINE}augment: {{flip: true}}  # !", "augment.flip", "needs images"),
    case("a hole too large", "augment: {cutout: 9}  # !", "augment.cutout", "up to 8"),
]

NOISE = [
    case("a number", "noise: 0.1  # !", "noise", "expected a mapping of fields, got 0.1"),
    case("below 0", "noise: {inputs: -0.1}  # !", "noise.inputs", "must be at least 0"),
    case("nan", "noise: {weights: .nan}  # !", "noise.weights", "must be a finite number"),
    case("every label and more", "noise: {labels: 1.5}  # !", "noise.labels", "at most 1"),
    case("labels of numbers", f"{LINE}noise: {{labels: 0.1}}  # !", "noise.labels", "classes"),
    case("no such noise", "noise: {input: 0.1}  # !", "noise.input", "did you mean inputs?"),
]

MODEL = [
    case("no such model", "model: transformer  # !", "model", "no model is called 'transformer'"),
    case("null", "model: null  # !", "model", "expected the name of one"),
    case("a nameless model", "model: {name: 3}  # !", "model.name", "needs a name"),
    case("no layers", "model: {name: mlp, widths: []}  # !", "model.widths", "use the model"),
    case("an empty layer", "model: {name: mlp, widths: [8, 0]}  # !", "model.widths[1]", "least 1"),
    case("a width", "model: {name: mlp, widths: 16}  # !", "model.widths", "write [16]"),
    case("no activation", "model: {name: mlp, activation: rlu}  # !", "model.activation", "relu?"),
    case("a field of others", "model: {name: linear, widths: [8]}  # !", "model.widths", "no "),
    case("too deep for the image", "model: {name: cnn, channels: [8, 8, 8, 8]}  # !",
         "model.channels", "nothing is left"),
    case("an image model of numbers", f"{LINE}model: cnn  # !", "model", ""),
    case("no such depth", "model: {name: resnet, depth: 10}  # !", "model.depth", ""),
    case("everything dropped", "model: {name: mlp, dropout: 1}  # !", "model.dropout", "below 1"),
    case("no such norm", "model: {name: mlp, norm: btach}  # !", "model.norm", "mean batch?"),
    case(
        "a batch of one to normalise by",
        "model: {name: mlp, norm: batch}\ntraining: {lr: 1, batch_size: 1, epochs: 1}  # !",
        "training.batch_size",
        "no variance to normalise by",
    ),
]  # fmt: skip

INIT = [
    case("no such init", "init: xavier_unifrom  # !", "init", "did you mean xavier_uniform?"),
    case("a spread of 0", "init: {name: normal, sd: 0}  # !", "init.sd", "must be above 0"),
    case(
        "a negative range", "init: {name: uniform, weight_range: -1}  # !", "init.weight_range", "0"
    ),
    case(
        "nothing to draw",
        "init: {name: uniform, weight_range: 0, bias_range: 0}  # !",
        "init.weight_range",
        "use the init constant instead",
    ),
    case(
        "all sparse", "init: {name: sparse, sparsity: 1}  # !", "init.sparsity", "constant instead"
    ),
    case("nobody's own init", "init: module  # !", "init", "has no init of itself"),
]

PRUNING = [
    case("no such method", "pruning: random_unstructured  # !", "pruning", "no pruning is called"),
    case("more than all", "pruning: {rate: 1.5}  # !", "pruning.rate", "at most 1"),
    case(
        "two ways to say it",
        "pruning: {rate: 0.5, density: 0.5}  # !",
        "pruning.density",
        "same as",
    ),
    case("rounds at init", "pruning: {rate: 0.5, rounds: 3}  # !", "pruning.when", "when: trained"),
    case(
        "levels that fall",
        "pruning: {name: magnitude, when: trained, levels: [0.5, 0.2]}  # !",
        "pruning.levels",
        "must rise",
    ),
    case(
        "rewinding beyond the end",
        "pruning: {name: magnitude, when: trained, rate: 0.5, rewind_to: 100000}  # !",
        "pruning.rewind_to",
        "but training has 34 updates",
    ),
    case(
        "an emptied layer",
        "pruning: {rate: 1, on_empty: error}  # !",
        "pruning.rate",
        "leave nothing of",
    ),
]

LOSS = [
    case("no such loss", "loss: crossentropy  # !", "loss", "did you mean cross_entropy?"),
    case("squares of classes", "loss: squared_error  # !", "loss", "needs numbers"),
    case("classes of numbers", f"{LINE}loss: cross_entropy  # !", "loss", "needs classes"),
    case(
        "all smoothed away",
        "loss: {name: cross_entropy, label_smoothing: 1}  # !",
        "loss.label_smoothing",
        "below 1",
    ),
]

TRAINING = [
    case("no training", "training:  # !", "training", "expected a mapping of fields, got null"),
    case("a list", "training: [0.1, 32]  # !", "training", "expected a mapping of fields"),
    case("no rate", "training: {batch_size: 32, epochs: 1}  # !", "training.lr", "is missing"),
    _training("no budget", "drop_last: true", "", "give either epochs, steps or examples"),
    _training("two budgets", "epochs: 1, steps: 9", "", "give either epochs, steps or examples"),
    _training("no epochs", "epochs: 0", "epochs", "0 must be at least 1"),
    _training("epochs of text", "epochs: '3'", "epochs", "got the text '3'"),
    _training("a half epoch", "epochs: 0.5", "epochs", "expected a whole number or null, got 0.5"),
    _training("no examples", "examples: 0", "examples", "0 must be at least 1"),
    _training("no such field", "epochs: 1, momentun: 1", "momentun", "no such field"),
    _training("full of examples", "epochs: 1, sampling: bootstrap", "sampling", "replacement"),
    _training("yes", "epochs: 1, drop_last: yes", "drop_last", "expected true or false"),
    _training("no accumulation", "epochs: 1, accumulate: 0", "accumulate", "0 must be at least 1"),
    _training("no such freezing", "epochs: 1, freeze: first", "freeze", "none or all_but_last"),
    _training("clipped to nothing", "epochs: 1, clip_value: 0", "clip_value", "must be above 0"),
    _training("a negative norm", "epochs: 1, clip_norm: -1", "clip_norm", "must be above 0"),
    _training("an endless bound", "epochs: 1, loss_bound: .inf", "loss_bound", "finite number"),
    _training(
        "a cubic rule", "epochs: 1, lr_scaling: cubic", "lr_scaling", "none or linear or sqrt"
    ),
    _training("no such schedule", "epochs: 1, schedule: cosin", "schedule", "did you mean cosine?"),
    _training(
        "a warm-up below 0",
        "epochs: 1, schedule: {name: cosine, warmup: -1}",
        "schedule.warmup",
        "-1 must be at least 0",
    ),
    _training(
        "a drop every 0 updates",
        "epochs: 1, schedule: {name: step, every: 0}",
        "schedule.every",
        "0 must be at least 1",
    ),
    _training(
        "a floor above the ceiling",
        "epochs: 1, schedule: {name: linear, floor: 1}",
        "schedule.floor",
        "below 1",
    ),
    _training(
        "a field of another schedule",
        "epochs: 1, schedule: {name: cosine, decay: 0.1}",
        "schedule.decay",
        "cosine has no such field",
    ),
    _training(
        "no patience", "epochs: 1, stopping: {patience: 0}", "stopping.patience", "at least 1"
    ),
    _training("a stop", "epochs: 1, stopping: early", "stopping", "expected a mapping of fields"),
    _training(
        "selection by test",
        "epochs: 1, stopping: {metric: test_loss}",
        "stopping.metric",
        "validation_loss or validation_accuracy",
    ),
    _training(
        "two checks",
        "epochs: 1, stopping: {every_epochs: 1, every_steps: 1}",
        "stopping",
        "give every_epochs or every_steps, not both",
    ),
    _training(
        "an accuracy of numbers",
        "epochs: 1, stopping: {metric: validation_accuracy}",
        "stopping.metric",
        "only tasks with classes have an accuracy",
        lead=LINE,
    ),
    _training("no such optimizer", "epochs: 1, optimizer: sdg", "optimizer", "did you mean sgd?"),
    _training(
        "all momentum", "epochs: 1, optimizer: {momentum: 1}", "optimizer.momentum", "below 1"
    ),
    _training(
        "Nesterov without momentum",
        "epochs: 1, optimizer: {nesterov: true}",
        "optimizer.nesterov",
        "needs a momentum above 0",
    ),
    _training(
        "no decay of moments",
        "epochs: 1, optimizer: {name: adam, beta2: 1}",
        "optimizer.beta2",
        "below 1",
    ),
    case(
        "more than all examples",
        "training: {lr: 1, batch_size: 5000, epochs: 1}  # !",
        "training.batch_size",
        "5000 is larger than the training set of 1077; use full",
    ),
    case(
        "a batch of words",
        "training: {lr: 1, batch_size: all, epochs: 1}  # !",
        "training.batch_size",
        "expected a whole number or full",
    ),
]
