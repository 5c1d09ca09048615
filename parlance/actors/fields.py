"""The fields of providers' messages, which are JSON: written, and read strictly. Pure.

What is not of its kind is a `ValueError`, and a field that is not there a `KeyError`; whoever knows the protocol says
whose message it was.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

LARGEST = 1e12
"""Numbers stand for times and counts: a sum of a message's is finite."""


def written(**fields: object) -> str:
    """A message. Half of a UTF-16 pair, which UTF-8 has no bytes for, is escaped."""
    return json.dumps(fields)


def opened(message: str | bytes) -> dict[str, Any]:
    """A message that is a JSON object."""
    try:
        return mapping(json.loads(message))
    except RecursionError:
        raise ValueError("nested too deep") from None


def mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def each(values: object, read: Callable[[object], T]) -> list[T]:
    """A list, whose values are read by `read`."""
    if not isinstance(values, list):
        raise ValueError("not a list")
    return [read(value) for value in values]


def text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("not text")
    return value


def number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        raise ValueError("not a number that can be counted with")
    return float(value)


def audio(value: object) -> bytes:
    """Audio in base64; none is none."""
    return b"" if value is None else b64decode(text(value), validate=True)
