"""Data that a study names: arrays, sizes and splits, without torch."""

from __future__ import annotations

from randstudy.tasks.cifar import Cifar10
from randstudy.tasks.digits import Digits
from randstudy.tasks.idx import FashionMnist, Mnist
from randstudy.tasks.images import ImageFolder
from randstudy.tasks.line import LinearRegression
from randstudy.tasks.mnist1d import Mnist1d
from randstudy.tasks.npz import Npz
from randstudy.tasks.table import Table
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape

__all__ = [
    "Cifar10",
    "Data",
    "Digits",
    "Examples",
    "FashionMnist",
    "ImageFolder",
    "LinearRegression",
    "Mnist",
    "Mnist1d",
    "Npz",
    "Sizes",
    "Split",
    "Table",
    "TaskShape",
]
