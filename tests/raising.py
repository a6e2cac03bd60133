"""Parts that misbehave, named by studies as ``raising:Name``."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from randstudy.inits import Init


@dataclass(frozen=True, kw_only=True)
class Raises(Init):
    """Uniform draws, but an error where `bad`."""

    bad: Annotated[bool, "raise"] = False

    def values(self, parameter: Any, variates: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.bad:
            raise ArithmeticError("not to my taste")
        return variates - 0.5


@dataclass(frozen=True, kw_only=True)
class Kills(Init):
    """Uniform draws, but the end of its own process where `bad`."""

    bad: Annotated[bool, "kill"] = False

    def values(self, parameter: Any, variates: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return variates - 0.5
