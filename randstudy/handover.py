"""Handing the training over: ``train:`` of a study, and the recipe that stands for it.

Such a recipe has one section, whose parameters the study declares with their defaults; a type of
its own is made for each set of names, so that factors, ``--set`` and identity treat parameters as
they treat any other field. Free of torch.
"""

from __future__ import annotations

import inspect
import keyword
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

from randstudy import importing
from randstudy.digests import NAMED
from randstudy.errors import RandstudyError
from randstudy.nearest import suggestion
from randstudy.recipe import Recipe
from randstudy.streams import STREAMS

FIELD = "train"
"""Name of the section in a study that hands the training over."""

USUAL_STREAMS = ("init", "order")

TAKEN = (
    *("id", "seed", "replicates", "repeat", "parameters", "device", "threads"),
    *("checkpoint_folder", "items", "keys", "values", "get"),
)
"""Names that mean something else where a function reads its parameters."""

Kinds = tuple[tuple[str, Any], ...]


class HandoverError(RandstudyError):
    """A function that cannot be handed the training; its text says why."""


@dataclass(frozen=True, kw_only=True)
class HandedOver:
    """The function that trains, the streams that it asks for, and its parameters."""

    function: Annotated[str, "the function, as package.module:function"]
    streams: Annotated[tuple[str, ...], "streams of randomness that the function asks for"] = (
        USUAL_STREAMS
    )
    parameters: Any


@dataclass(frozen=True, kw_only=True)
class HandedRecipe:
    """What a training that is handed over may depend on."""

    train: HandedOver

    def streams(self) -> frozenset[str]:
        """Return the streams that the study says the function asks for."""
        return frozenset(self.train.streams)

    def problems(self) -> list[tuple[str, str]]:
        """Return (dotted field, message) for a function or streams that are not there."""
        found = []
        for index, stream in enumerate(self.train.streams):
            if stream not in STREAMS:
                text = f"no stream is called {stream!r}{suggestion(stream, STREAMS)}"
                found.append((f"{FIELD}.streams", text))
            elif stream in self.train.streams[:index]:
                found.append((f"{FIELD}.streams", f"{stream} is listed twice"))
        try:
            function_named(self.train.function)
        except HandoverError as error:
            found.append((f"{FIELD}.function", str(error)))
        return found

    def effective(self) -> HandedRecipe:
        """Return the recipe with its streams in one order."""
        streams = tuple(stream for stream in STREAMS if stream in self.train.streams)
        return replace(self, train=replace(self.train, streams=streams))

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of this training's parameters, by name."""
        held = self.train.parameters
        return {one.name: getattr(held, one.name) for one in fields(held)}


Setup = Recipe | HandedRecipe
"""All that a training's numbers may depend on, beside its draws."""


def sections(study: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of the recipe in a study, with ``train: name`` written out."""
    if FIELD not in study:
        known = {one.name for one in fields(Recipe)}
        return {key: value for key, value in study.items() if key in known}
    written = study[FIELD]
    return {FIELD: {"function": written} if isinstance(written, str) else written}


def grammar(tree: Mapping[str, Any]) -> type[Recipe] | type[HandedRecipe]:
    """Return the dataclass that describes a recipe's plain tree."""
    if FIELD not in tree:
        return Recipe
    return _grammar(tuple((name, kind(value)) for name, value in _declared(tree[FIELD]).items()))


def misdeclared(study: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    """Return (path, message) for what cannot stand in a study that hands its training over."""
    found: list[tuple[tuple[str, ...], str]] = [
        ((one.name,), f"has no effect beside {FIELD}; make it a parameter of the function")
        for one in fields(Recipe)
        if one.name in study
    ]
    written = study[FIELD]
    parameters = written.get("parameters", {}) if isinstance(written, dict) else {}
    path = (FIELD, "parameters")
    if not isinstance(parameters, dict):
        return [*found, (path, "expected names with defaults, such as {lr: 0.1, width: 32}")]
    for name, value in parameters.items():
        refusal = _refused(name) or ("" if _plain(value) else NOT_PLAIN)
        if refusal:
            found.append(((*path, name), refusal))
    return found


NOT_PLAIN = "a parameter is a number, text, true, false, null, or a list of these"


def _refused(name: str) -> str:
    """Say why a parameter cannot have a name."""
    if keyword.iskeyword(name):
        return f"{name} is a word of Python's own; take another name"
    if not name.isidentifier() or name.startswith("_"):
        return f"{name[:60]!r} cannot name a parameter; use letters, digits and _"
    if name in TAKEN:
        return f"a trial has a {name} of its own; take another name"
    return ""


def _plain(value: Any) -> bool:
    """Tell whether a default is a plain value, or a list of them."""
    items = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, str | bool | int | float) for item in items)


def _declared(written: Any) -> dict[str, Any]:
    """Return the parameters that are declared as they should be."""
    parameters = written.get("parameters") if isinstance(written, dict) else None
    if not isinstance(parameters, dict):
        return {}
    return {k: v for k, v in parameters.items() if not _refused(k) and _plain(v)}


def kind(value: Any) -> Any:
    """Return the type of a parameter, by its default; any plain value where that is null.

    >>> kind(0.1), kind([64, 64]), kind(None)
    (<class 'float'>, tuple[int, ...], <class 'object'>)
    """
    if value is None:
        return object
    if not isinstance(value, list | tuple):
        return type(value)
    kinds = {kind(item) for item in value}
    if kinds == {int, float}:
        return tuple[float, ...]
    return tuple[kinds.pop() if len(kinds) == 1 else object, ...]  # type: ignore[misc]


@lru_cache(maxsize=4096)
def _grammar(kinds: Kinds) -> type[HandedRecipe]:
    """Make the type of recipes whose function has these parameters."""
    parameters = _frozen("Parameters", [(name, one, field()) for name, one in kinds])
    default: Any = field() if kinds else field(default_factory=parameters)
    read = Annotated[parameters, "what the function reads, with defaults; these may be varied"]  # type: ignore[valid-type]
    train = _frozen("HandedOver", [("parameters", read, default)], HandedOver)
    handed = Annotated[train, "the function that the training is handed to"]  # type: ignore[valid-type]
    return _frozen("HandedRecipe", [(FIELD, handed, field())], HandedRecipe)


def _frozen(name: str, entries: Sequence[tuple[str, Any, Any]], *bases: type) -> type[Any]:
    """Make a dataclass such as those that are written out in this package."""
    return make_dataclass(name, entries, bases=bases, frozen=True, kw_only=True)


def function_named(name: str) -> Callable[..., Any]:
    """Import the function ``package.module:function``.

    Raises
    ------
    HandoverError
        There is none that takes a trial, its streams and a report; the text says what is wrong.
    """
    if not NAMED.fullmatch(name):
        raise HandoverError(f"{name[:60]!r} names no function; write package.module:function")
    try:
        found = importing.found(name)
    except importing.UnimportableError as error:
        raise HandoverError(str(error)) from None
    if not callable(found):
        raise HandoverError(f"{name!r} is no function")
    try:
        inspect.signature(found).bind("trial", "streams", "report")
    except TypeError:
        wanted = f"def {name.partition(':')[2]}(trial, streams, report)"
        raise HandoverError(f"{name!r} must take three arguments, as in {wanted}") from None
    except ValueError:  # a built-in that tells nobody what it takes
        pass
    function: Callable[..., Any] = found
    return function


def name_of(thing: Any) -> str:
    """Return the name by which workers find a function or class again.

    Raises
    ------
    HandoverError
        It has none: it was defined in a script, a notebook or another function.
    """
    module = getattr(thing, "__module__", None)
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", "")
    if module is None or not name or "<" in name:
        raise HandoverError(
            f"{name or thing!r} cannot be imported by workers: give a function that is defined at "
            "the top of a module"
        )
    if module == "__main__" or getattr(sys.modules.get(module), "__file__", None) is None:
        raise HandoverError(
            f"{name} is defined in this script or notebook, where workers cannot import it: put it "
            f"into a file beside it, such as mine.py, write `from mine import {name}`, and give it "
            "again"
        )
    return f"{module}:{name}"
