"""Is this difference real, or is it luck, and which luck?

``import randstudy`` is cheap: it loads neither torch, ray nor mlflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from randstudy.design import Design, Trial
    from randstudy.frame import Frame, load
    from randstudy.ledger import Ledger
    from randstudy.looking import answer
    from randstudy.scripting import run
    from randstudy.study import Study

_HOMES = {
    "Design": "design",
    "Frame": "frame",
    "Ledger": "ledger",
    "Study": "study",
    "Trial": "design",
    "answer": "looking",
    "load": "frame",
    "run": "scripting",
}

__all__ = ["Design", "Frame", "Ledger", "Study", "Trial", "__version__", "answer", "load", "run"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'randstudy' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"randstudy.{_HOMES[name]}"), name)
