"""The first weights of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from randstudy.inits.scheme import Init
from randstudy.streams import Key

if TYPE_CHECKING:
    from randstudy.models import Parameter

# Elements drawn at once (16 MB of float64), so that a large pack needs little scratch memory.
ELEMENTS = 2**21


def initial(
    inits: Sequence[Init], keys: Sequence[Key], parameters: Sequence[Parameter]
) -> dict[str, NDArray[np.float32]]:
    """Return the first weights of a pack, each row the same bits in any pack.

    Parameters
    ----------
    inits, keys : a scheme and a key of the `init` stream for each of the P trials.
    parameters : the model's.

    Returns
    -------
    Path -> (P, *shape) float32.
    """
    rows: dict[Init, list[int]] = {}
    for row, init in enumerate(inits):
        rows.setdefault(init, []).append(row)
    found = {}
    for parameter in parameters:
        values = np.empty((len(inits), *parameter.shape), np.float32)
        at_once = max(1, ELEMENTS // parameter.size)
        for init, members in rows.items():
            for start in range(0, len(members), at_once):
                some = members[start : start + at_once]
                values[some] = init.first(parameter, [keys[row] for row in some])
        found[parameter.path] = values
    return found
