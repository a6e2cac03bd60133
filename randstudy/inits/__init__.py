"""Schemes that draw a network's first weights.

Schemes share their variates: one uniform u for each (parameter, index) at a replicate, used as
(2u - 1) * bound by uniform schemes and as the normal quantile of u by normal ones. So at a shared
replicate a comparison of schemes is paired. All arithmetic is float64, rounded once to float32.
"""

from randstudy.inits.drawing import initial
from randstudy.inits.fans import (
    KaimingNormal,
    KaimingUniform,
    TorchDefault,
    XavierNormal,
    XavierUniform,
)
from randstudy.inits.matrices import Lsuv, Orthogonal, Sparse
from randstudy.inits.module import ModuleInit
from randstudy.inits.plain import Constant, Normal, TruncatedNormal, Uniform
from randstudy.inits.scheme import Floats, Init, NormalInit, UniformInit

__all__ = [
    "Constant",
    "Floats",
    "Init",
    "KaimingNormal",
    "KaimingUniform",
    "Lsuv",
    "ModuleInit",
    "Normal",
    "NormalInit",
    "Orthogonal",
    "Sparse",
    "TorchDefault",
    "TruncatedNormal",
    "Uniform",
    "UniformInit",
    "XavierNormal",
    "XavierUniform",
    "initial",
]
