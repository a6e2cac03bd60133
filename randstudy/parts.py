"""Parts: what a study names (data, model, init, pruning, optimizer), each kind a registry.

A part is a frozen, keyword-only dataclass whose fields are its settings; to declare it is to
register it::

    @dataclass(frozen=True, kw_only=True)
    class Orthogonal(Init, name="orthogonal"):
        gain: Annotated[float, Range(above=0), "factor on the orthonormal matrix"] = 1.0

Nothing here imports torch: a study is planned without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True)
class Range:
    """Bounds of a number, used in ``Annotated[float, Range(0, 1)]``; None is unbounded.

    ``least`` and ``most`` are allowed values; ``above`` and ``below`` are not.
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None

    def refuses(self, value: float) -> str | None:
        """Say what would be right when `value` is out of bounds, else None."""
        inside = (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )
        return None if inside else str(self)

    def __str__(self) -> str:
        bounds = (
            ("at least", self.least),
            ("above", self.above),
            ("at most", self.most),
            ("below", self.below),
        )
        return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A registered choice for one kind of thing that a study names."""

    name: ClassVar[str]
    kind: ClassVar[str] = "part"
    choices: ClassVar[dict[str, type[Any]]]

    def __init_subclass__(cls, *, name: str | None = None, kind: str | None = None) -> None:
        """Open a new registry (``kind=``) or enter the part into its kind's (``name=``)."""
        if kind is not None:
            cls.kind = kind
            cls.choices = {}
        cls.name = name or cls.__name__  # a part of somebody's own needs none but in messages
        if name is not None:
            if name in cls.choices:
                raise ValueError(f"two parts of kind {cls.kind} are called {name!r}")
            cls.choices[name] = cls

    def streams(self) -> frozenset[str]:
        """Return the streams of randomness that this part consumes with its present settings."""
        return frozenset()

    def problems(self) -> list[tuple[str, str]]:
        """Return (field, message) for settings that do not go together."""
        return []

    def effective(self) -> Self:
        """Return the part with fields that have no effect set back to their defaults."""
        return self
