"""What most dialects have in common: queries, JSON and base64 as carriers read them. Pure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error
from typing import Any
from urllib.parse import urlencode

from bench.dialects.port import Audio, Message, Told, Unspoken
from parlance.codecs.format import Format


def query(path: str, **said: str) -> str:
    """`path` with those of these parameters that say something."""
    given = {name: value for name, value in said.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def base64(payload: bytes) -> str:
    return b64encode(payload).decode("ascii")


def opened(message: Message) -> dict[str, Any]:
    """A JSON object. Raises `Unspoken`."""
    if not isinstance(message, str):
        raise Unspoken(f"a binary message of {len(message)} bytes: this dialect has text only")
    try:
        said = json.loads(message)
    except ValueError as error:
        raise Unspoken(f"no JSON: {error}") from None
    if not isinstance(said, dict):
        raise Unspoken(f"no JSON object: {message[:60]}")
    return said


def sound(value: Any, line: Format) -> Audio:
    """Audio from its base64 text. Raises `Unspoken`."""
    try:
        payload = b64decode(value, validate=True)
    except (Error, TypeError, ValueError):
        raise Unspoken("audio is not base64") from None
    return samples(payload, line)


def samples(payload: bytes, line: Format) -> Audio:
    """Audio: whole samples, and some. Raises `Unspoken`."""
    if not payload or len(payload) % line.width:
        raise Unspoken(f"{len(payload)} bytes are no whole number of samples")
    return Audio(payload)


def exactly(said: dict[str, Any], expected: dict[str, Any]) -> list[Told]:
    """Nothing. Raises `Unspoken` unless `said` is `expected`."""
    if said != expected:
        raise Unspoken(f"{text(said)[:80]} came where {text(expected)} is known")
    return []
