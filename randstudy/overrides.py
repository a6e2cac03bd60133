"""``--set field=value``: changing a study as if the file said so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from randstudy.errors import LONGEST, at
from randstudy.fieldnames import UnknownFieldError, place, resolve, resolve_field
from randstudy.fields import Findings, settings
from randstudy.handover import sections
from randstudy.header import Header
from randstudy.places import FieldPath, Place
from randstudy.variation import Variation, stranger
from randstudy.yamlfile import Document, parse_value

FREE = ("factors", "arms", "replicates", "compare", "design")
"""Mappings of a study whose keys are names rather than fields."""

LISTS = ("exclude", "fixed", "cells")


def override(document: Document, overrides: Sequence[str]) -> Document:
    """Return the document with each ``field=value`` set in turn.

    Raises
    ------
    StudyError
        When a field does not exist, or is varied by a factor, so that setting it would do nothing.
    """
    for written in overrides:
        document = _set(document, written)
    return document


def _set(document: Document, written: str) -> Document:
    source = f"--set {written if len(written) <= LONGEST else f'{written[:LONGEST]}…'}"
    name, equals, text = written.partition("=")
    name = name.strip()
    if not equals or not name:
        raise at(source, None, "", "write field=value, as in --set training.lr=0.05")
    value = parse_value(text.strip(), source)
    tree = dict(document.value)
    if name.partition(".")[0] == "replicates":
        _not_replaced(tree, source)
    path = _free(tree, name, value)
    if path is None:
        path = _field(tree, name, value, source)
    places = {key: spot for key, spot in document.places.items() if key[: len(path)] != path}
    places[path] = Place(source)
    return dataclasses.replace(document, value=tree, places=places)


def _free(tree: dict[str, Any], name: str, value: Any) -> FieldPath | None:
    """Set a key of ``factors``, ``arms`` or ``replicates``, or the whole of one."""
    if name in (*FREE, *LISTS):
        tree[name] = value
        return (name,)
    head, _, key = name.partition(".")
    if head not in FREE or not key:
        return None
    if head == "design" and isinstance(tree.get(head), str):
        tree[head] = {"name": tree[head]}
    path: FieldPath = (head, key)
    if head == "factors":
        path = (head, _as_written(tree, key))
    elif head == "arms" and "." in key:
        arm, _, field = key.partition(".")
        inner, _, group = field.partition(".")
        path = (head, arm, inner, group) if inner == "replicates" and group else (head, arm, field)
    _put(tree, path, value)
    return path


def _put(tree: dict[str, Any], path: FieldPath, value: Any) -> None:
    """Set a key of nested mappings, changing none of them; what is no mapping gives way to one."""
    key, *rest = path
    if rest:
        below = tree.get(str(key))
        branch = dict(below) if isinstance(below, dict) else {}
        _put(branch, tuple(rest), value)
        value = branch
    tree[str(key)] = value


def _as_written(tree: dict[str, Any], name: str) -> str:
    """Return the name under which the study already has the factor, or else `name`."""
    variation = _variation(tree)
    try:
        full = resolve_field(name, variation.known)
        same = [one for one in variation.factors if resolve_field(one, variation.known) == full]
    except UnknownFieldError:
        return name
    return same[0] if same else name


def _field(tree: dict[str, Any], name: str, value: Any, source: str) -> FieldPath:
    """Set a field of the header or of the recipe."""
    variation = _variation(tree)
    header = [*settings(Header), *_nested(Header)]
    try:
        if name in variation.known and not isinstance(value, dict):
            full = resolve_field(name, variation.known)
        else:
            full = _resolved(name, [*header, *FREE, *LISTS], variation)
    except UnknownFieldError as error:
        message = stranger(name, variation.known) or str(error)
        raise at(source, None, "", message) from None
    path = tuple(full.split("."))
    owner = Header if full in header else variation.owner
    if owner is not Header:
        _not_varied(variation, path, source)
    if not place(tree, owner, path, value):
        raise at(source, None, full, f"cannot be set: {'.'.join(path[:-1])} has no such field here")
    return path


def _resolved(name: str, others: Sequence[str], variation: Variation) -> str:
    """Return the field that a name ends; those of sections that are not there give way."""
    present = [full for full in variation.known if not variation.is_absent(full)]
    try:
        return resolve(name, [*others, *present])
    except UnknownFieldError:
        return resolve(name, [*others, *variation.known])


def _nested(owner: type) -> list[str]:
    """Return the dotted fields one level below a dataclass."""
    return [
        f"{name}.{inner}"
        for name, setting in settings(owner).items()
        if isinstance(setting.kind, type) and dataclasses.is_dataclass(setting.kind)
        for inner in settings(setting.kind)
    ]


def _not_varied(variation: Variation, path: tuple[str, ...], source: str) -> None:
    """Refuse to set what every cell sets again."""
    target = variation.known[".".join(path)][0].target
    for name in variation.always_set():
        try:
            fields = variation.known[resolve_field(name, variation.known)]
        except UnknownFieldError:
            continue
        for field in fields:
            if target[: len(field.target)] == field.target:
                message = f"is varied by the factor {name}; use --set 'factors.{name}=[…]'"
                if name not in variation.factors:
                    message = "is set by every one of the cells; use --set 'cells=[…]'"
                raise at(source, None, ".".join(path), message)


def _not_replaced(tree: dict[str, Any], source: str) -> None:
    """Refuse to set the study's replicates where every arm has its own."""
    arms = tree.get("arms")
    if not isinstance(arms, dict) or not arms:
        return
    if all(isinstance(arm, dict) and "replicates" in arm for arm in arms.values()):
        message = f"is set by every arm; use --set arms.{next(iter(arms))}.replicates=…"
        raise at(source, None, "replicates", message)


def _variation(tree: dict[str, Any]) -> Variation:
    return Variation(tree, sections(tree), Findings())
