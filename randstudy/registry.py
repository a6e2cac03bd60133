"""Parts by name: those of the catalogue, and people's own as ``package.module:name``.

What such a name finds is a class of a part, or a function that becomes one (`randstudy.own`).
"""

from __future__ import annotations

from randstudy import importing
from randstudy.nearest import suggestion
from randstudy.own import OwnPartError, part_from
from randstudy.parts import Part


class UnknownPartError(LookupError):
    """No part of the wanted kind goes by this name."""


def part_named(kind: type[Part], name: str) -> type[Part]:
    """Return the part of `kind` called `name`.

    Raises
    ------
    UnknownPartError
        When there is none; its text says what there is.
    """
    if ":" in name:
        return _imported(kind, name)
    if name in kind.choices:
        return kind.choices[name]
    raise UnknownPartError(
        f"no {kind.kind} is called {name[:60]!r}{suggestion(name, [*kind.choices])}"
    )


def written_name(part: type[Part]) -> str:
    """Return the name that finds `part` again in a fresh process."""
    if part.__module__.split(".")[0] == "randstudy":
        return part.name
    return f"{part.__module__}:{part.__qualname__}"


def _imported(kind: type[Part], name: str) -> type[Part]:
    """Import a part of one's own."""
    try:
        found = importing.found(name)
    except importing.UnimportableError as error:
        raise UnknownPartError(str(error)) from None
    if isinstance(found, type) and issubclass(found, kind) and found is not kind:
        return found
    try:
        made = part_from(kind, name, found)
    except OwnPartError as error:
        raise UnknownPartError(str(error)) from None
    if made is None:
        raise UnknownPartError(f"{name[:60]!r} is not a part of kind {kind.kind}")
    return made
