"""A telephone's dialect before it has said anything: what a wire does where its carrier has no word for it. Pure.

Wires of telephones extend this and spell out what their protocol does have. What none of them may leave out is not
here: `receive` and `audio`.
"""

from __future__ import annotations

from collections.abc import Sequence

from parlance.actors.media.port import Message
from parlance.engine.trace import TraceEvent


class Dialect:
    """No marks, no `clear`, no words: the other side is a telephone."""

    marks = False
    digits = True
    early = False

    def hello(self, call: str, agent: str) -> Sequence[Message]:
        return ()

    def mark(self, name: str) -> Message | None:
        return None

    def clear(self) -> Message | None:
        return None

    def press(self, digits: str) -> Sequence[Message] | None:
        return None

    def transfer(self, number: str) -> Sequence[Message] | None:
        return None

    def announce(self, event: TraceEvent) -> Sequence[Message]:
        return ()

    def complaint(self, error: str, *, code: str, retry: bool) -> Sequence[Message]:
        return ()

    def goodbye(self, reason: str) -> Sequence[Message]:
        return ()
