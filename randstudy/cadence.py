"""How often a training is looked at: the one place where epochs become updates."""

from __future__ import annotations


def interval(every_epochs: int | None, every_steps: int | None, steps_per_epoch: int) -> int:
    """Return the updates from one look to the next; an epoch's, where neither is given.

    >>> interval(None, None, 10), interval(2, None, 10), interval(None, 7, 10)
    (10, 20, 7)
    """
    return every_steps or (every_epochs or 1) * steps_per_epoch
