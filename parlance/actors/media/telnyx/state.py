"""What we have Telnyx carry with a call and give back with each of its webhooks: `client_state`. Pure.

Telnyx's webhooks of a call that goes on do not say in which direction it was placed, nor which call a transfer's new
leg belongs to. The state does. It is base64, as Telnyx asks, of `parlance:` and one of `in:`, `out:` and `leg:`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

Kind = Literal["in", "out", "leg"]

_MARK = "parlance"
_KINDS: dict[str, Kind] = {"in": "in", "out": "out", "leg": "leg"}


@dataclass(frozen=True, slots=True)
class State:
    """`id`: our id of a call that came in or was placed; of a transfer's leg, Telnyx's id of the call transferred."""

    kind: Kind
    id: str


def written(kind: Kind, id: str) -> str:
    return base64.b64encode(f"{_MARK}:{kind}:{id}".encode()).decode("ascii")


def read(value: str) -> State | None:
    """None for a state that is not ours, or that is none."""
    try:
        mark, kind, id = base64.b64decode(value, validate=True).decode("utf-8").split(":", 2)
    except ValueError:
        return None
    known = _KINDS.get(kind)
    return State(known, id) if mark == _MARK and known is not None and id else None
