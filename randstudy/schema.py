"""The study file's grammar as a JSON Schema, for editors."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, Literal, get_args, get_origin

from randstudy.canonical import minimal
from randstudy.comparison import Comparison
from randstudy.expectation import is_part, members
from randstudy.fields import Setting, alias_target, aliases, settings
from randstudy.handover import FIELD, HandedOver
from randstudy.header import Header
from randstudy.parts import Part, Range
from randstudy.recipe import Recipe
from randstudy.replicates import Count
from randstudy.schemes import Scheme
from randstudy.spans import KINDS
from randstudy.streams import STREAMS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}
_BOUNDS = {
    "least": "minimum",
    "most": "maximum",
    "above": "exclusiveMinimum",
    "below": "exclusiveMaximum",
}


def schema() -> dict[str, Any]:
    """Return the JSON Schema of study files.

    It knows fields, types, bounds and names; what depends on several fields, or on the data, is
    told by ``randstudy plan``.
    """
    body = _section(Header)
    recipe = _section(Recipe)
    body["properties"] |= recipe["properties"] | _design() | {FIELD: _handed()}
    # Required fields may come from factors or arms, so their absence is no error here.
    return {"$schema": DIALECT, "title": "randstudy study", **body}


def _handed() -> dict[str, Any]:
    """Return the schema of the section that hands the training over."""
    fields = {name: settings(HandedOver)[name] for name in ("function", "streams")}
    values: list[dict[str, Any]] = [
        {"type": name} for name in ("number", "string", "boolean", "null", "array")
    ]
    properties = {name: _setting(setting) for name, setting in fields.items()}
    properties["parameters"] = {
        "type": "object",
        "description": "what the function reads, with defaults; these may be varied",
        "additionalProperties": {"anyOf": values},
    }
    mapping = {
        "type": "object",
        "properties": properties,
        "required": ["function"],
        "additionalProperties": False,
    }
    return {
        "description": "a function of your own that trains, in place of the recipe's sections",
        "anyOf": [{"type": "string"}, mapping],
    }


def _design() -> dict[str, Any]:
    """Return the schema of what is varied."""
    count = {"anyOf": [{"type": "integer", "minimum": 1}, {**_section(Count)}]}
    stream = {"enum": list(STREAMS)}
    group = "|".join(STREAMS)
    groups = {
        "type": "object",
        "patternProperties": {rf"^({group})( *\+ *({group}))*$": count},
        "additionalProperties": False,
    }
    replicates = {"anyOf": [*count["anyOf"], groups]}
    return {
        "factors": {
            "type": "object",
            "description": "field (or its unambiguous end) -> levels: a list, a range, or nested",
            "additionalProperties": _factor(),
        },
        "arms": {
            "type": "object",
            "description": "name -> fields that are set together, and perhaps replicates; "
            "crossed with the factors",
            "additionalProperties": {
                "type": "object",
                "description": "field -> level",
                "properties": {
                    "replicates": {
                        "description": "of this arm's cells, in place of the study's",
                        **replicates,
                    },
                },
            },
        },
        "design": {
            "description": "how cells are chosen from the factors",
            **_part(Scheme),
            "default": "crossed",
        },
        "cells": {
            "type": "array",
            "description": "cells written out one by one, in place of factors",
            "items": {"type": "object", "description": "field -> level"},
        },
        "exclude": {
            "type": "array",
            "description": "cells that are left out",
            "items": {"type": "object", "description": "factor -> level", "minProperties": 1},
        },
        "replicates": {
            "description": "of all streams that are not fixed, or of groups of streams, crossed",
            **replicates,
            "default": 1,
        },
        "compare": {
            **_comparison(),
            "description": "what is compared; without it everything is exploratory",
        },
        "fixed": {
            "type": "array",
            "description": "streams that are held at replicate 0",
            "items": stream,
            "uniqueItems": True,
        },
    }


def _factor() -> dict[str, Any]:
    """Return the schema of one factor: levels, a range, or levels within those of another."""
    levels = {"type": "array", "minItems": 1}
    ends = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    ranges = [
        {
            "type": "object",
            "description": "lowest and highest, for a design that draws",
            "properties": {kind: ends},
            "required": [kind],
            "additionalProperties": False,
        }
        for kind in KINDS
    ]
    inner = {
        "type": "object",
        "description": "levels of its own for each level of another factor",
        "properties": {
            "in": {"type": "string", "description": "factor that it is nested in"},
            "levels": {"type": "object", "additionalProperties": levels, "minProperties": 1},
        },
        "required": ["in", "levels"],
        "additionalProperties": False,
    }
    return {"anyOf": [levels, *ranges, inner]}


def _comparison() -> dict[str, Any]:
    """Return the schema of what is compared; its reference may be a level of any kind."""
    found = _section(Comparison)
    found["properties"]["reference"] = {"description": "level that the others are compared with"}
    return {**found, "required": ["factor"]}


def _section(owner: type) -> dict[str, Any]:
    """Return the schema of a dataclass."""
    properties = {name: _setting(setting) for name, setting in settings(owner).items()}
    for alias in aliases(owner):
        target = alias_target(owner, alias)
        properties[alias] = {
            **_kind(settings(owner)[target].kind, settings(owner)[target].bounds),
            "description": f"another way to give {target}",
        }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _setting(setting: Setting) -> dict[str, Any]:
    """Return the schema of one field."""
    found = _kind(setting.kind, setting.bounds)
    if setting.doc:
        found = {**found, "description": setting.doc}
    if setting.default is not MISSING:
        found = {**found, "default": minimal(setting.default, setting.kind)}
    return found


def _kind(kind: Any, bounds: Range | None) -> dict[str, Any]:
    """Return the schema of a type."""
    alternatives = members(kind)
    if len(alternatives) > 1:
        return {"anyOf": [_kind(one, bounds) for one in alternatives]}
    if is_part(kind):
        return _part(kind)
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return _section(kind)
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _kind(get_args(kind)[0], bounds)}
    if get_origin(kind) is Mapping:
        return {"type": "object"}
    return {"type": _NAMES[kind], **(_limits(bounds) if kind in (int, float) else {})}


def _limits(bounds: Range | None) -> dict[str, float]:
    """Return a range in the schema's words."""
    if bounds is None:
        return {}
    values = {word: getattr(bounds, name) for name, word in _BOUNDS.items()}
    return {word: value for word, value in values.items() if value is not None}


def _part(kind: type[Part]) -> dict[str, Any]:
    """Return the schema of a kind of part: a name, or a mapping for each part."""
    own = {"type": "string", "pattern": "^[^:]+:[^:]+$", "description": "package.module:Class"}
    mappings = []
    for name, part in kind.choices.items():
        body = _section(part)
        body["properties"] = {"name": {"const": name}} | body["properties"]
        body["description"] = (part.__doc__ or name).splitlines()[0]
        mappings.append(body)
    elsewhere = {"type": "object", "properties": {"name": own}, "required": ["name"]}
    return {"anyOf": [{"enum": [*kind.choices]}, own, *mappings, elsewhere]}
