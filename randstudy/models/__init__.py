"""Networks that a study names: settings, and one forward function each, without torch.

Each model names its tensor program (``program``, a ``module:class`` imported only by training).
"""

from __future__ import annotations

from randstudy.models.convolutional import Cnn, Conv1d, LeNet5
from randstudy.models.densenet import DenseNet
from randstudy.models.forward import Network, Normalised
from randstudy.models.layers import Layers, V
from randstudy.models.model import Buffer, Model, Parameter, conv_layer, linear_layer
from randstudy.models.perceptrons import LeNet300100, Linear, Mlp, Perceptron
from randstudy.models.residual import ResNet, ResNet9

__all__ = [
    "Buffer",
    "Cnn",
    "Conv1d",
    "DenseNet",
    "Layers",
    "LeNet5",
    "LeNet300100",
    "Linear",
    "Mlp",
    "Model",
    "Network",
    "Normalised",
    "Parameter",
    "Perceptron",
    "ResNet",
    "ResNet9",
    "V",
    "conv_layer",
    "linear_layer",
]
