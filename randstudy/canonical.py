"""Dataclasses back to plain values: minimal for identity, complete for people.

The minimal form is what trial ids hash, so its rules are frozen:

- a field that equals its default is left out, at every level of nesting;
- a part is its name, or ``{"name": …, field: …}`` with the fields that differ from its own class's
  defaults; a part that equals the default of the field it stands in is left out;
- a field declared with ``metadata={"identity": False}`` is left out always;
- a number in a field that takes floats is a float, and -0.0 is 0.0.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, get_args, get_origin

from randstudy.expectation import members
from randstudy.fields import Setting, settings
from randstudy.parts import Part
from randstudy.registry import written_name


def minimal(value: Any, kind: Any = None) -> Any:
    """Return the plain form that identity is made of; `kind` is the type the value stands for."""
    if isinstance(value, Part):
        fields = _differing(value)
        name = written_name(type(value))
        return {"name": name, **fields} if fields else name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _differing(value)
    return _plain(value, kind)


def complete(value: Any, kind: Any = None) -> Any:
    """Return the plain form with every field of every part written out."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return _plain(value, kind)
    name = {"name": written_name(type(value))} if isinstance(value, Part) else {}
    fields = settings(type(value)).values()
    return name | {f.name: complete(getattr(value, f.name), f.kind) for f in fields}


def canonical_json(plain: Mapping[str, Any]) -> str:
    """Write plain values in the one way that is hashed: sorted keys, no spaces, floats by repr.

    >>> canonical_json({"b": 1e-3, "a": [True, None]})
    '{"a":[true,null],"b":0.001}'
    """
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def entry(setting: Setting, value: Any) -> dict[str, Any]:
    """Return ``{field: minimal form}``, or nothing for a field that identity leaves out."""
    if not setting.identity or (setting.default is not MISSING and value == setting.default):
        return {}
    plain = minimal(value, setting.kind)
    same = setting.default is not MISSING and plain == minimal(setting.default, setting.kind)
    return {} if same else {setting.name: plain}


def _differing(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass whose minimal form is not that of their default."""
    found: dict[str, Any] = {}
    for setting in settings(type(value)).values():
        found |= entry(setting, getattr(value, setting.name))
    return found


def _plain(value: Any, kind: Any) -> Any:
    """Normalise a number or a tuple of them by the type of the field."""
    if isinstance(value, tuple):
        inner = next((get_args(one)[0] for one in members(kind) if get_origin(one) is tuple), None)
        return [_plain(item, inner) for item in value]
    takes = members(kind)
    if isinstance(value, int | float) and not isinstance(value, bool) and float in takes:
        return float(value) + 0.0
    return value
