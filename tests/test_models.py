"""Models: against plain torch modules, and the bits of every layer in any pack."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from catalogue import SmallDigits, recipe, registered
from torch import Tensor

from benchmarks.plain_networks import plain
from randstudy.models import (
    Cnn,
    Conv1d,
    DenseNet,
    Layers,
    LeNet5,
    LeNet300100,
    Linear,
    Mlp,
    Model,
    Network,
    ResNet,
    ResNet9,
    V,
)
from randstudy.models.losses import TaskLoss
from randstudy.models.pack_layers import gelu
from randstudy.models.packed import PackedProgram
from randstudy.models.program import Pass, Program, program
from randstudy.tasks import Data, Digits, TaskShape

DIGITS = TaskShape((1, 8, 8), 10, "class")
MNIST = TaskShape((1, 28, 28), 10, "class")
CIFAR = TaskShape((3, 32, 32), 10, "class")
SIGNALS = TaskShape((1, 40), 10, "class")

NETWORKS: dict[str, tuple[Model, TaskShape]] = {
    "linear": (Linear(), DIGITS),
    "mlp": (Mlp(widths=(13, 7)), DIGITS),
    "mlp-gelu": (Mlp(widths=(13,), activation="gelu"), DIGITS),
    "mlp-residual": (Mlp(widths=(13, 13, 7, 7), activation="tanh", residual=True), DIGITS),
    "mlp-batch": (Mlp(widths=(13, 8), norm="batch", residual=True), DIGITS),
    "mlp-layer": (Mlp(widths=(33,), norm="layer"), DIGITS),
    "mlp-group": (Mlp(widths=(12,), norm="group", groups=3), DIGITS),
    "lenet_300_100": (LeNet300100(norm="layer"), DIGITS),
    "lenet5": (LeNet5(), MNIST),
    "lenet5-1998": (LeNet5(activation="tanh", pooling="mean", norm="batch"), MNIST),
    "cnn": (Cnn(channels=(3, 4)), DIGITS),
    "cnn-batch": (Cnn(channels=(3, 4, 5), norm="batch"), DIGITS),
    "cnn-group": (Cnn(channels=(4, 6), norm="group", groups=2), DIGITS),
    "conv1d": (Conv1d(), SIGNALS),
    "conv1d-gelu": (
        Conv1d(channels=(5, 3), kernels=(1, 4), activation="gelu", norm="batch"),
        SIGNALS,
    ),
    "conv1d-group": (Conv1d(channels=(7, 1), kernels=(3, 5), norm="layer", stride=1), SIGNALS),
    "resnet-8": (ResNet(depth=8, width=4), TaskShape((3, 13, 13), 10, "class")),
    "resnet-14": (ResNet(depth=14, width=3, shortcut="conv"), DIGITS),
    "resnet-plain": (ResNet(depth=8, width=2, norm="none"), DIGITS),
    "resnet-group": (ResNet(depth=8, width=4, norm="group", groups=2, shortcut="conv"), DIGITS),
    "resnet9": (ResNet9(width=4), TaskShape((3, 16, 16), 10, "class")),
    "resnet9-layer": (ResNet9(width=2, norm="layer", scale=0.5), DIGITS),
    "densenet": (DenseNet(growth=3, layers=(2, 1)), TaskShape((3, 12, 12), 10, "class")),
    "densenet-bc": (DenseNet(growth=3, layers=(2, 2), bottleneck=True), DIGITS),
    "densenet-none": (DenseNet(growth=2, layers=(1, 2), norm="none", compression=1.0), DIGITS),
}


def test_every_model_is_here() -> None:
    assert {type(model) for model, _ in NETWORKS.values()} == set(registered(Model).values())


def made(model: Model, shape: TaskShape) -> Program:
    return program(model, shape, TaskLoss())


@dataclass(frozen=True, eq=False)
class Material:
    """Weights, batches and buffers of some networks."""

    weights: dict[str, Tensor]
    inputs: Tensor
    targets: Tensor
    buffers: dict[str, Tensor]

    def rows(self, rows: Sequence[int]) -> Material:
        """Return copies of some trials' own."""
        index = torch.tensor(rows)
        return Material(
            {path: weight[index] for path, weight in self.weights.items()},
            self.inputs[index],
            self.targets[index],
            {path: buffer[index] for path, buffer in self.buffers.items()},
        )


def material(
    model: Model, shape: TaskShape, pack: int, batch: int, dtype: torch.dtype = torch.float32
) -> Material:
    generator = torch.Generator().manual_seed(7)

    def normal(*sizes: int) -> Tensor:
        return torch.randn(sizes, generator=generator, dtype=dtype)

    weights = {}
    for found in model.parameters(shape):
        weights[found.path] = normal(pack, *found.shape) / found.fan_in**0.5
        if found.role in ("scale", "shift"):
            weights[found.path] = (found.role == "scale") + normal(pack, *found.shape) / 5
    return Material(
        weights,
        normal(pack, batch, *shape.inputs),
        torch.randint(0, shape.outputs, (pack, batch), generator=generator),
        {
            found.path: torch.full((pack, *found.shape), found.value, dtype=dtype)
            for found in model.buffers(shape)
        },
    )


# Against torch.


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_that_of_a_plain_module(name: str) -> None:
    """Outputs, gradients and running statistics, in float64, through two training passes."""
    model, shape = NETWORKS[name]
    some = material(model, shape, 8, 5, torch.float64)
    packed = made(model, shape)
    for _ in range(2):
        way = Pass(training=True, buffers=some.buffers)
        losses, gradients = packed.gradients(some.weights, some.inputs, some.targets, way)
    outputs = packed.outputs(some.weights, some.inputs, Pass(buffers=some.buffers))
    for row in (0, 5):
        module = plain(model, shape).double()
        module(some.inputs[row])  # lets lazy layers find their shapes
        module.load_state_dict(
            {
                key: torch.zeros_like(value) if "mean" in key else torch.ones_like(value)
                for key, value in module.state_dict().items()
            }
        )
        named = list(module.parameters())
        assert [tuple(one.shape) for one in named] == [p.shape for p in model.parameters(shape)]
        for one, path in zip(named, some.weights, strict=True):
            one.data = some.weights[path][row].clone()
        for _ in range(2):
            module.zero_grad()
            loss = F.cross_entropy(module(some.inputs[row]), some.targets[row])
            loss.backward()
        torch.testing.assert_close(losses[row], loss.detach())
        for one, path in zip(named, some.weights, strict=True):
            torch.testing.assert_close(gradients[path][row], one.grad, rtol=1e-7, atol=1e-10)
        kept = [one for one in module.buffers() if one.is_floating_point()]
        for one, path in zip(kept, some.buffers, strict=True):
            torch.testing.assert_close(some.buffers[path][row], one)
            assert not torch.equal(one, torch.ones_like(one))
        module.eval()
        with torch.no_grad():
            torch.testing.assert_close(outputs[row], module(some.inputs[row]))


BITWISE: dict[str, Model] = {
    "mlp-13-13-7": Mlp(widths=(13, 13, 7)),
    "mlp-residual": Mlp(widths=(13, 13, 7), residual=True),
    "mlp-tanh": Mlp(widths=(128, 128), activation="tanh", residual=True),
}


@pytest.mark.parametrize("name", BITWISE)
def test_fully_connected_networks_have_the_bits_of_a_plain_module(name: str) -> None:
    """Grouped convolutions and norms of a pack sum in another order than one alone: not to the bit.

    Their closeness is the test above; these have nothing but products and sums of torch's own.
    """
    model = BITWISE[name]
    some = material(model, DIGITS, 3, 32)
    _, gradients = made(model, DIGITS).gradients(
        some.weights, some.inputs, some.targets, Pass(training=True)
    )
    module = plain(model, DIGITS)
    module(some.inputs[1])
    for one, path in zip(module.parameters(), some.weights, strict=True):
        one.data = some.weights[path][1].clone()
    F.cross_entropy(module(some.inputs[1]), some.targets[1]).backward()
    for one, path in zip(module.parameters(), some.weights, strict=True):
        assert torch.equal(gradients[path][1], one.grad), path


def test_mlp_of_the_mnist_1d_pruning_study() -> None:
    """One residual add around the middle layer: h1, h1 + relu(W2 h1), W3."""
    model = Mlp(widths=(500, 500), residual=True)
    shape = TaskShape((40,), 10, "class")
    some = material(model, shape, 2, 4)
    w = {path: weight[0] for path, weight in some.weights.items()}
    first = F.relu(F.linear(some.inputs[0], w["layers.0.weight"], w["layers.0.bias"]))
    second = first + F.relu(F.linear(first, w["layers.1.weight"], w["layers.1.bias"]))
    expected = F.linear(second, w["layers.2.weight"], w["layers.2.bias"])
    found = made(model, shape).outputs(some.weights, some.inputs, Pass())[0]
    torch.testing.assert_close(found, expected)


PUBLISHED = [
    (LeNet300100(), MNIST, 266_610),
    (LeNet5(), MNIST, 61_706),
    (Conv1d(), SIGNALS, 5_210),
    (ResNet(depth=20), CIFAR, 269_722),
    (ResNet(depth=32), CIFAR, 464_154),
    (ResNet(depth=56), CIFAR, 853_018),
    (ResNet9(), CIFAR, 6_573_130),
    (DenseNet(layers=(12, 12, 12), compression=1.0), CIFAR, 1_019_722),
    (DenseNet(layers=(16, 16, 16), bottleneck=True), CIFAR, 769_162),
]


@pytest.mark.parametrize(("model", "shape", "count"), PUBLISHED, ids=lambda one: str(one)[:30])
def test_numbers_of_parameters_are_the_published_ones(
    model: Model, shape: TaskShape, count: int
) -> None:
    """ResNet-9 with the ten biases of the head, which Page leaves out."""
    assert sum(parameter.size for parameter in model.parameters(shape)) == count


def test_gelu_is_torchs_and_alike_at_every_place() -> None:
    values = torch.linspace(-6, 6, 4099)
    torch.testing.assert_close(gelu(values), F.gelu(values))
    for start, stop in ((0, 1), (3, 8), (7, 40), (1000, 1013), (4001, 4099)):
        assert torch.equal(gelu(values[start:stop].clone()), gelu(values)[start:stop])


# Law 1, a pass at a time.


@dataclass(frozen=True)
class Seeds:
    """Stands for the dropout stream: each trial's factors depend on its seed and the path alone."""

    seeds: tuple[int, ...]

    def factors(self, path: str, shape: tuple[int, ...], rate: float) -> Tensor:
        drawn = []
        for seed in self.seeds:
            generator = torch.Generator().manual_seed(seed + sum(map(ord, path)))
            kept = torch.rand(shape, generator=generator) >= rate
            drawn.append(kept.float() / (1 - rate))
        return torch.stack(drawn)

    def rows(self, some: slice) -> Seeds:
        return Seeds(self.seeds[some])


def passes(model: Model, shape: TaskShape, all_of: Material, rows: Sequence[int]) -> list[Tensor]:
    """Return all that a training pass and an evaluation give these rows, padded as a pack is."""
    packed = made(model, shape)
    width = max(2, -(-len(rows) // packed.block) * packed.block)
    padded = [*rows, *[rows[0]] * (width - len(rows))]
    some = all_of.rows(padded)
    way = Pass(training=True, buffers=some.buffers, dropout=Seeds(tuple(padded)))
    losses, gradients = packed.gradients(some.weights, some.inputs, some.targets, way)
    outputs = packed.outputs(some.weights, some.inputs, Pass(buffers=some.buffers))
    found = [losses, outputs, *gradients.values(), *some.buffers.values()]
    return [one[: len(rows)] for one in found]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def dropping(model: Model) -> Model:
    """Return the model with dropout where it has it."""
    return model if isinstance(model, Linear) else replace(model, dropout=0.3)  # type: ignore[call-arg]


@pytest.mark.parametrize("batch", [1, 5, 31, 32])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_pass_has_the_same_bits_in_any_pack(name: str, batch: int) -> None:
    model, shape = NETWORKS[name]
    if batch < model.least_batch(shape):
        batch = model.least_batch(shape)
    model = dropping(model)
    every = material(model, shape, 33, batch)
    order = list(range(33))
    random.Random(batch).shuffle(order)
    with threads(1):
        expected = passes(model, shape, every, range(33))
    for width, count in ((1, 1), (1, 2), (2, 2), (7, 1), (8, 2), (9, 1), (16, 1), (33, 2)):
        rows = order[-width:]
        with threads(count):
            found = passes(model, shape, every, rows)
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other[rows]), (width, count)


def test_convolutions_leave_the_threads_as_they_were() -> None:
    model = Cnn(channels=(2,))
    some = material(model, DIGITS, 8, 3)
    with threads(2):
        made(model, DIGITS).outputs(some.weights, some.inputs, Pass())
        assert torch.get_num_threads() == 2


# Dropout and norms.


@pytest.mark.parametrize("name", NETWORKS)
def test_dropout_acts_in_training_alone(name: str) -> None:
    model, shape = NETWORKS[name]
    assert model.streams() == frozenset()
    if isinstance(model, Linear):
        return
    dropped = dropping(model)
    assert dropped.streams() == {"dropout"}
    some = material(model, shape, 8, 4)

    def gradients(one: Model, seed: int) -> list[Tensor]:
        way = Pass(training=True, buffers=some.buffers, dropout=Seeds(tuple(range(seed, seed + 8))))
        return list(
            made(one, shape).gradients(some.weights, some.inputs, some.targets, way)[1].values()
        )

    one, same, other, without = (
        gradients(dropped, 1),
        gradients(dropped, 1),
        gradients(dropped, 2),
        gradients(model, 1),
    )
    assert all(map(torch.equal, one, same))
    assert not all(map(torch.equal, one, other))
    assert not all(map(torch.equal, one, without))
    way = Pass(buffers=some.buffers)
    assert torch.equal(
        made(model, shape).outputs(some.weights, some.inputs, way),
        made(dropped, shape).outputs(some.weights, some.inputs, way),
    )


def test_dropout_keeps_the_mean_and_sets_units_to_zero() -> None:
    """Of one linear layer on dropped units, the mean over many draws is that without dropout."""
    model = Mlp(widths=(6,), dropout=0.25)
    some = material(model, DIGITS, 2, 1)
    many = Material(
        {path: weight[:1].expand(4000, *weight.shape[1:]) for path, weight in some.weights.items()},
        some.inputs[:1].expand(4000, *some.inputs.shape[1:]),
        some.targets[:1].expand(4000, 1),
        {},
    )
    packed = made(model, DIGITS)
    way = Pass(training=True, dropout=Seeds(tuple(range(4000))))
    dropped = packed.outputs(many.weights, many.inputs, way)[:, 0]
    whole = packed.outputs(some.weights, some.inputs, Pass())[0, 0]
    error = dropped.std(0) / 4000**0.5
    assert bool(((dropped.mean(0) - whole).abs() < 4 * error).all())
    assert len(dropped.unique(dim=0)) <= 2**6


def test_an_evaluation_leaves_the_running_statistics_alone() -> None:
    model = ResNet(depth=8, width=2)
    some = material(model, DIGITS, 8, 3)
    before = {path: buffer.clone() for path, buffer in some.buffers.items()}
    made(model, DIGITS).outputs(some.weights, some.inputs, Pass(buffers=some.buffers))
    assert all(torch.equal(some.buffers[path], before[path]) for path in before)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layers_outputs_are_shown_to_a_probe(name: str) -> None:
    model, shape = NETWORKS[name]
    some = material(model, shape, 16, 3)
    shown: dict[str, int] = {}

    def probe(path: str, outputs: Tensor) -> None:
        assert outputs.shape[1] == 3
        assert outputs.shape[2] == some.weights[path].shape[1]
        shown[path] = shown.get(path, 0) + len(outputs)

    way = Pass(buffers=some.buffers, probe=probe)
    made(model, shape).outputs(some.weights, some.inputs, way)
    weights = [p.path for p in model.parameters(shape) if p.role == "weight"]
    assert shown == dict.fromkeys(weights, 16)
    assert list(shown) == weights


@pytest.mark.parametrize("name", NETWORKS)
def test_activations_are_counted_from_above(name: str) -> None:
    """All that a forward pass makes and autograd keeps, apart from weights."""
    model, shape = NETWORKS[name]
    some = material(model, shape, 8, 16)
    weights = {path: weight.requires_grad_() for path, weight in some.weights.items()}
    packed = made(model, shape)
    if not isinstance(packed, PackedProgram):
        return
    kept: dict[int, int] = {}

    def keep(saved: Tensor) -> Tensor:
        kept[saved.untyped_storage().data_ptr()] = saved.untyped_storage().nbytes() // 4
        return saved

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        way = Pass(training=True, buffers=some.buffers)
        packed._forward(weights, some.inputs, way)
    size = sum(weight.numel() for weight in weights.values())
    allowed = 8 * 16 * (2 * model.activations(shape) + some.inputs[0, 0].numel())
    assert sum(kept.values()) <= allowed + 2 * size


# Settings.


@dataclass(frozen=True, kw_only=True)
class Shaped(SmallDigits):
    """Data of any shape."""

    inputs: tuple[int, ...]

    def shape(self) -> TaskShape:
        return TaskShape(self.inputs, 10, "class")


MISFITS: list[tuple[Model, tuple[int, ...], tuple[str, str]]] = [
    (Cnn(), (64,), ("", "cnn needs images; Shaped has inputs of shape (64,)")),
    (Conv1d(), (1, 8, 8), ("", "conv1d needs signals; Shaped has inputs of shape (1, 8, 8)")),
    (Cnn(channels=(2,) * 4), (1, 8, 8), ("channels", "nothing is left for a pooling of 2: 1x1")),
    (LeNet5(), (1, 8, 8), ("", "nothing is left of the input at convs.1: 4x4 pixels")),
    (
        Conv1d(channels=(2, 2), kernels=(9, 9)),
        (1, 16),
        ("kernels", "nothing is left of the input at convs.1: 5 points"),
    ),
    (
        DenseNet(layers=(1,) * 5),
        (1, 8, 8),
        ("layers", "nothing is left for a pooling of 2: 1x1 pixels"),
    ),
    (ResNet9(), (1, 4, 4), ("", "nothing is left for a pooling of 2: 1x1 pixels")),
    (
        Cnn(channels=(8, 6), norm="group"),
        (1, 8, 8),
        ("groups", "4 groups do not divide the 6 channels at norms.1"),
    ),
    (
        Mlp(widths=(9,), norm="group"),
        (3,),
        ("groups", "4 groups do not divide the 9 channels at norms.0"),
    ),
]


@pytest.mark.parametrize(("model", "inputs", "expected"), MISFITS, ids=range(len(MISFITS)))
def test_a_model_that_cannot_take_the_data_says_why(
    model: Model, inputs: tuple[int, ...], expected: tuple[str, str]
) -> None:
    ((field, message),) = model.misfits(Shaped(inputs=inputs))
    assert field == expected[0]
    assert message.startswith(expected[1])


def test_what_fits_has_no_misfits() -> None:
    for model, shape in NETWORKS.values():
        assert model.misfits(Shaped(inputs=shape.inputs)) == []
        assert model.problems() == []


PROBLEMS: list[tuple[Model, str, str]] = [
    (Mlp(widths=()), "widths", "use the model linear"),
    (Cnn(channels=()), "channels", "use the model linear"),
    (Conv1d(channels=(), kernels=()), "channels", "use the model linear"),
    (Conv1d(kernels=(3,)), "kernels", "there are 1 for 3 convolutions"),
    (ResNet(depth=18), "depth", "18 is not 6n + 2; near it are 14 and 20"),
    (DenseNet(layers=()), "layers", "give the layers of each block"),
]


@pytest.mark.parametrize(("model", "field", "text"), PROBLEMS, ids=lambda one: str(one)[:20])
def test_settings_that_do_not_go_together(model: Model, field: str, text: str) -> None:
    ((found, message),) = model.problems()
    assert found == field
    assert text in message


def test_settings_without_effect_are_left_out() -> None:
    assert Mlp(groups=7).effective() == Mlp()
    assert Mlp(norm="group", groups=1).effective() == Mlp(norm="layer")
    assert Mlp(norm="group", groups=2).effective().groups == 2
    assert Mlp(widths=(3, 4), residual=True).effective() == Mlp(widths=(3, 4))
    assert Mlp(widths=(64, 4), residual=True).effective().residual is False  # as wide as the data
    assert Mlp(widths=(3, 3), residual=True).effective().residual is True
    assert ResNet(groups=8).effective() == ResNet()


@pytest.mark.parametrize(
    ("model", "data", "fields", "refused"),
    [
        (Mlp(norm="batch"), SmallDigits(), {"batch_size": 1}, True),
        (Mlp(norm="batch"), SmallDigits(), {"batch_size": 11}, True),  # 45 = 4 * 11 + 1
        (Mlp(norm="batch"), SmallDigits(), {"batch_size": 11, "drop_last": True}, False),
        (Mlp(norm="batch"), SmallDigits(), {"batch_size": 8}, False),
        (Mlp(norm="layer"), SmallDigits(), {"batch_size": 1}, False),
        (Cnn(norm="batch"), SmallDigits(), {"batch_size": 1}, False),
        (Cnn(channels=(2,) * 3, norm="batch"), SmallDigits(), {"batch_size": 1}, False),
    ],
)
def test_a_batch_of_one_has_no_variance(
    model: Model, data: Data, fields: dict[str, Any], refused: bool
) -> None:
    some = recipe(data=data)
    found = replace(some, model=model, training=replace(some.training, **fields)).problems()
    assert [path for path, _ in found] == (["training.batch_size"] if refused else [])


# A network of one's own.


@dataclass(frozen=True, kw_only=True)
class Own(Network):
    """The example of `Network`'s own description."""

    places: ClassVar[int | None] = 2

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        planes = layers.conv("conv", inputs, 8, kernel=3, padding=1)
        return layers.linear("head", layers.activation(planes, "relu"), outputs)


def test_a_network_of_ones_own_is_one_function() -> None:
    model = Own()
    shapes: Mapping[str, tuple[int, ...]] = {p.path: p.shape for p in model.parameters(DIGITS)}
    assert shapes["head.weight"] == (10, 8 * 8 * 8)
    assert model.misfits(Digits()) == []
    some = material(model, DIGITS, 8, 3)
    outputs = made(model, DIGITS).outputs(some.weights, some.inputs, Pass())
    planes = F.conv2d(
        some.inputs[3], *(some.weights[f"conv.{n}"][3] for n in ("weight", "bias")), padding=1
    )
    expected = F.linear(
        planes.relu().flatten(1), some.weights["head.weight"][3], some.weights["head.bias"][3]
    )
    torch.testing.assert_close(outputs[3], expected)


@dataclass(frozen=True, kw_only=True)
class Wrong(Network):
    """Forward functions that do not go together with themselves."""

    how: str

    def forward(self, layers: Layers[V], inputs: V, outputs: int) -> V:
        one, two = layers.linear("one", inputs, 3), layers.linear("two", inputs, 4)
        planes = layers.conv("conv", inputs, 2, kernel=3)
        return {
            "sum": lambda: layers.add(one, two),
            "channels": lambda: layers.concatenate(inputs, planes),
            "outputs": lambda: one,
        }[self.how]()


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("sum", "shapes (3,) and (4,) cannot be added"),
        ("channels", "shapes (1, 8, 8) and (2, 6, 6) cannot be put behind each other"),
        ("outputs", "its forward function returns shape (3,), not (10,)"),
    ],
)
def test_a_forward_function_that_does_not_fit_itself_is_told(how: str, text: str) -> None:
    assert Wrong(how=how).misfits(Digits()) == [("", text)]
