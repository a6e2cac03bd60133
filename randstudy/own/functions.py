"""A function's signature as the fields of a part."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from inspect import Parameter
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from randstudy import importing, streams
from randstudy.errors import RandstudyError
from randstudy.expectation import fits, members
from randstudy.parts import Part

SIMPLE = (int, float, str, bool, type(None))
"""Types of settings; closed choices (Literal), lists and unions of these are settings too."""


class OwnPartError(LookupError):
    """A function that cannot be a part as it is written."""


class ReturnError(RandstudyError, ValueError):
    """A function that returned something else than it should; the text says what."""


@dataclass(frozen=True, kw_only=True)
class OwnPart(Part):
    """A part made of somebody's function.

    Its first ``given`` parameters are handed over by position, whatever they are called; those
    whose names are ``offered`` are handed over by name where the function has them. All others are
    settings.
    """

    function: ClassVar[Callable[..., Any]]
    given: ClassVar[int] = 0
    offered: ClassVar[tuple[str, ...]] = ()
    wanted: ClassVar[frozenset[str]] = frozenset()
    """Those of `offered` that the function takes."""
    taken: ClassVar[tuple[str, ...]] = ()
    """The function's settings."""

    def call(self, *given: Any, **offered: Any) -> Any:
        """Call the function with its settings and what it wants of what is offered."""
        chosen = {name: value for name, value in offered.items() if name in self.wanted}
        settings = {name: getattr(self, name) for name in self.taken}
        return type(self).function(*given, **settings, **chosen)

    def call_watched(self, *given: Any, **offered: Any) -> Any:
        """Do so, and refuse draws from global generators, which are no part of any trial.

        Raises
        ------
        GlobalDrawError : where the state of Python's, numpy's or torch's generator has changed.
        """
        with streams.watched(self.name):
            return self.call(*given, **offered)

    def __reduce__(self) -> tuple[Any, ...]:
        # Its class is made, not found, so a copy elsewhere looks the function up again.
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _again, (self.kind, f"{type(self).__module__}:{type(self).__qualname__}", fields)


def _again(kind: str, name: str, fields: Mapping[str, Any]) -> Any:
    """Make an own part of these fields in another process."""
    from randstudy.own import ROOMS
    from randstudy.registry import part_named

    wrapper = importing.found(ROOMS[kind])
    kinds = [base for base in wrapper.__mro__ if "choices" in vars(base)]
    return part_named(kinds[0], name)(**fields)


def from_function(wrapper: type[Any], name: str, function: Callable[..., Any]) -> type[Any]:
    """Return a part of class `wrapper` whose fields are the function's settings.

    Parameters
    ----------
    wrapper : an `OwnPart`.
    name : ``package.module:function``, as the study names it.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise OwnPartError(f"{name[:60]!r} has no signature that can be read") from None
    named = _settings(wrapper, name, parameters)
    wanted = frozenset(one.name for one in parameters if one.name in wrapper.offered)
    module, _, attribute = name.partition(":")
    spaces = _spaces(function, module)
    fields = [_field(name, one, spaces) for one in named if one.name not in _inherited(wrapper)]
    return dataclasses.make_dataclass(
        attribute,
        fields,
        bases=(wrapper,),
        namespace={
            "function": staticmethod(function),
            "wanted": wanted,
            "taken": tuple(one.name for one in named),
            "__doc__": inspect.getdoc(function),
            "__module__": module,
            "__qualname__": attribute,
            "__reduce__": OwnPart.__reduce__,
        },
        frozen=True,
        kw_only=True,
    )


def _inherited(wrapper: type[Any]) -> set[str]:
    """Return the settings that every part of the kind has."""
    return {field.name for field in dataclasses.fields(wrapper)}


def _settings(wrapper: type[Any], name: str, parameters: Sequence[Parameter]) -> list[Parameter]:
    """Return the parameters that are settings."""
    several = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    single = [one for one in parameters if one.kind not in several]
    by_position = [one for one in single if one.kind is not Parameter.KEYWORD_ONLY]
    if len(by_position) < wrapper.given:
        anything = any(one.kind is Parameter.VAR_POSITIONAL for one in parameters)
        if not anything:
            raise OwnPartError(
                f"{name[:60]!r} takes {len(by_position)} arguments by position; "
                f"a function for a {wrapper.kind} is handed {wrapper.given}"
            )
    handed = {one.name for one in by_position[: wrapper.given]} | set(wrapper.offered)
    found = [one for one in single if one.name not in handed]
    for one in found:
        if one.kind is Parameter.POSITIONAL_ONLY:
            raise OwnPartError(f"{name[:60]!r}: {one.name} is by position only, so no setting")
        taken = hasattr(wrapper, one.name) or one.name == "function"
        if taken and one.name not in _inherited(wrapper):
            raise OwnPartError(
                f"{name[:60]!r}: the parameter {one.name} needs another name; "
                f"every {wrapper.kind} has something that is called so"
            )
    return found


def _spaces(function: Callable[..., Any], module: str) -> dict[str, Any]:
    """Return the names that annotations written as text refer to."""
    inner: Any = inspect.unwrap(function)
    inner = getattr(inner, "__init__", inner) if isinstance(inner, type) else inner
    return {**vars(sys.modules[module]), **getattr(inner, "__globals__", {})}


def _field(name: str, one: Parameter, spaces: dict[str, Any]) -> Any:
    """Return the field that a parameter is, as `make_dataclass` takes it."""
    kind, extras = _kind(name, one, spaces)
    hint = Annotated[(kind, *extras)] if extras else kind
    if one.default is Parameter.empty:
        return one.name, hint
    default = tuple(one.default) if isinstance(one.default, list) else one.default
    fitting = next((each for each in members(kind) if fits(each, default)), None)
    if fitting is None:
        raise OwnPartError(
            f"{name[:60]!r}: the default {one.default!r} of {one.name} is not what its annotation "
            "says"
        )
    return one.name, hint, dataclasses.field(default=_normal(default, fitting))


def _normal(default: Any, kind: Any) -> Any:
    """Return a default as reading would return it."""
    return float(default) if kind is float else default


def _kind(name: str, one: Parameter, spaces: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
    """Return the type of a setting and what its annotation says beside."""
    hint = one.annotation
    if isinstance(hint, str):
        try:
            hint = eval(hint, spaces)
        except Exception as error:  # noqa: BLE001 (whatever the annotation may raise)
            raise OwnPartError(
                f"{name[:60]!r}: the annotation {hint} of {one.name} cannot be read: {error}"
            ) from None
    if hint is Parameter.empty:
        hint = _guessed(one.default)
    extras: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        extras = tuple(rest)
    kind = _as_setting(hint)
    if kind is MISSING:
        what = "needs an annotation" if hint is MISSING else f"is a {_shown(hint)}"
        raise OwnPartError(
            f"{name[:60]!r}: the parameter {one.name} {what}; a setting is annotated as int, "
            "float, str, bool, Literal or a list of these"
        )
    return kind, extras


def _guessed(default: Any) -> Any:
    """Return the type of a parameter without an annotation, from its default."""
    if type(default) in (int, float, str, bool):
        return type(default)
    if isinstance(default, tuple | list) and default:
        inner = {type(item) for item in default}
        return tuple[inner.pop(), ...] if len(inner) == 1 else MISSING  # type: ignore[misc]
    return MISSING


def _as_setting(hint: Any) -> Any:
    """Return the type as settings have it, lists as tuples; MISSING where there is no such type."""
    hint = type(None) if hint is None else hint
    origin, inner = get_origin(hint), get_args(hint)
    if hint in SIMPLE or origin is Literal:
        return hint
    if origin in (Union, types.UnionType):
        kinds = [_as_setting(one) for one in inner]
        return MISSING if MISSING in kinds else Union[tuple(kinds)]  # noqa: UP007 (at run time)
    if origin in (list, Sequence) or (origin is tuple and inner[1:] == (...,)):
        item = _as_setting(inner[0])
        return MISSING if item is MISSING else tuple[item, ...]  # type: ignore[valid-type]
    return MISSING


def _shown(hint: Any) -> str:
    """Name a type for a message."""
    return getattr(hint, "__name__", str(hint))
