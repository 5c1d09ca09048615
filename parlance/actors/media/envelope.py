"""What dialects of JSON text with base64 audio have in common: opening a message and taking the audio out.

Nothing here knows a carrier. Whatever the data, these functions return, or raise a `LineError` that is not
fatal. Pure.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from parlance.actors.media.number import e164
from parlance.actors.media.port import Message, Started
from parlance.engine.errors import LineError

SECRETS = ("ticket", "token")
"""Parameters that let a socket in, and are kept nowhere."""


def opened(data: Message) -> dict[str, Any]:
    """The JSON object in a text message."""
    if not isinstance(data, str):
        raise LineError("a binary message came where this dialect has JSON text only")
    try:
        # A third of the time that the standard library's parser takes.
        message = from_json(data, cache_strings="keys")
    except (ValueError, TypeError) as error:  # A TypeError for half of a surrogate pair.
        raise LineError(f"a message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise LineError("a message must be a JSON object")
    return message


def audio(value: Any) -> bytes:
    """Audio from its base64 text: RFC 4648 section 4, padded, nothing else between."""
    if not isinstance(value, str):
        raise LineError("a message of audio has no base64 text in it")
    try:
        return a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise LineError(f"a message of audio is not base64: {error}") from None


def plain(value: Any) -> str | None:
    """A string, or a number or truth value in the string's place as text; None for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool | int | float) else None


def named(value: Any) -> dict[str, str]:
    """The parameters in an object, as text; none for anything else."""
    return {name: plain(said) or "" for name, said in value.items()} if isinstance(value, dict) else {}


def introduced(parameters: Mapping[str, str], *, ticket: str, call: str) -> Started:
    """The call that a stream's parameters describe: `agent`, `from`, `to`, and `ticket` or `token`, which `ticket` goes
    before. Its id is our own (`call`) only beside a ticket; else the carrier's `call`.
    """
    ticket = ticket or next((parameters[name] for name in SECRETS if parameters.get(name)), "")
    return Started(
        agent=parameters.get("agent", ""),
        call=(parameters.get("call", "") if ticket else "") or call,
        caller=e164(parameters.get("from", "")),
        called=e164(parameters.get("to", "")),
        parameters={name: said for name, said in parameters.items() if name not in SECRETS},
        ticket=ticket,
    )


def inside(message: dict[str, Any], part: str, name: str) -> str:
    """The text `name` in the object `part` of a message. Raises where one of them is missing."""
    found = message.get(part)
    if not isinstance(found, dict):
        raise LineError(f"a {part} message has no {part} in it")
    value = plain(found.get(name))
    if not value:
        raise LineError(f"a message lacks its {name}")
    return value


def counted(value: Any) -> float | None:
    """A position in a stream: a number, or a number as text; None for anything else."""
    if isinstance(value, str):
        # What carriers count fits 64 bits; a longer text would take its time.
        return float(value) if len(value) <= 20 and value.isascii() and value.isdecimal() else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63 else None


def shown(value: Any, most: int = 40) -> str:
    """What the other side sent, short enough to be quoted in an error. Never deep: `repr` can recurse."""
    text = plain(value)
    if text is None:
        return type(value).__name__
    return ascii(text if len(text) <= most else text[:most] + "...")
