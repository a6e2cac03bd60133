"""Data that a study names: arrays, sizes and splits, without torch."""

from __future__ import annotations

from randstudy.tasks.digits import Digits
from randstudy.tasks.idx import FashionMnist, Mnist
from randstudy.tasks.line import LinearRegression
from randstudy.tasks.task import Data, Examples, Sizes, Split, TaskShape

__all__ = [
    "Data",
    "Digits",
    "Examples",
    "FashionMnist",
    "LinearRegression",
    "Mnist",
    "Sizes",
    "Split",
    "TaskShape",
]
