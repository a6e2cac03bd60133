"""Names such as ``package.module:name``; whatever a module raises becomes one message."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion
from randstudy.numerics import prepare_environment


class UnimportableError(RandstudyError):
    """A name that finds nothing; its text says why."""


def found(name: str) -> Any:
    """Return what ``package.module:name`` is; the name may have dots, as of a class in a class.

    Raises
    ------
    UnimportableError
        When it is no such name, or nothing is found there.
    """
    module, _, attribute = name.partition(":")
    if not all(step.isidentifier() for part in (module, attribute) for step in part.split(".")):
        raise UnimportableError(
            f"{name[:60]!r} cannot be imported: such a name is written package.module:function"
            f"{_meant(module, attribute)}"
        )
    if module.endswith(".py"):
        raise UnimportableError(
            f"{name[:60]!r} cannot be imported: a module is named without .py"
            f"{_meant(module, attribute)}"
        )
    thing: Any = _imported(module, name)
    for step in attribute.split("."):
        if not hasattr(thing, step):
            held = getattr(thing, "__dict__", {})
            there = [key for key, one in held.items() if callable(one) and key[0] != "_"]
            raise UnimportableError(
                f"{name[:60]!r} cannot be imported: {module} has no {attribute!r}"
                f"{suggestion(step, there)}"
            )
        thing = getattr(thing, step)
    return thing


def _meant(module: str, attribute: str) -> str:
    """Say what to write for a file's name, or nothing where it is none."""
    if not module.endswith(".py") or not attribute:
        return ""
    return f"; write {module.removesuffix('.py').strip('./').replace('/', '.')}:{attribute}"


def _imported(module: str, name: str) -> ModuleType:
    """Import the module that `name` begins with."""
    lead = f"{name[:60]!r} cannot be imported"
    if "torch" not in sys.modules:
        prepare_environment()  # in case the module imports torch
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        where = "" if missing.split(".")[0] != module.split(".")[0] else (
            "; a module of your own must lie in the folder in which the command is given"
        )  # fmt: skip
        raise UnimportableError(f"{lead}: no module {missing!r}{where}") from None
    except SystemExit:
        raise UnimportableError(
            f"{lead}: {module} ends the process; put what it does as a script under "
            '`if __name__ == "__main__":`'
        ) from None
    except Exception as error:  # noqa: BLE001 (a module of somebody's own may raise anything)
        told = f"{type(error).__name__}: {error}{_line(error)}"
        raise UnimportableError(f"{lead}: {told}") from None


def _line(error: Exception) -> str:
    """Return where a module went wrong as it was imported."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or isinstance(error, SyntaxError):
        return ""
    return f" ({last.tb_frame.f_code.co_filename}:{last.tb_lineno})"
