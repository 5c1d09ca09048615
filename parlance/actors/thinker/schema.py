"""What a tool takes, as JSON schema: whether what the agent's file says of it is one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from parlance.engine.faults import Fault, meant

_TYPES = ["string", "number", "integer", "boolean", "array", "object", "null"]
_UNTYPED = {"enum", "const", "anyOf", "oneOf", "allOf"}
"""What may stand in place of a type."""


def faults(properties: Any, *place: str) -> Iterator[Fault]:
    """What is wrong with the properties of a schema at `place`, and with those within them."""
    if not isinstance(properties, dict):
        yield place, "should be a block: {name: {type: string}}"
    elif isinstance(properties.get("type"), str) and isinstance(properties.get("properties"), dict):
        yield place, f"`{place[-1]}` are the properties themselves: leave out type and properties"
    else:
        for name, schema in properties.items():
            yield from _schema(schema, *place, name)


def _schema(schema: Any, *place: str) -> Iterator[Fault]:
    if not isinstance(schema, dict):
        yield place, "should be a block: {type: string}"
        return
    if "type" not in schema and not _UNTYPED & schema.keys():
        yield place, "'type' is missing, such as {type: string}"
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if kind not in _TYPES:
            yield (*place, "type"), f"there is no type {kind!r}{meant(str(kind), _TYPES)}"
    if "items" in schema:
        yield from _schema(schema["items"], *place, "items")
    yield from faults(schema.get("properties", {}), *place, "properties")
