"""Server-sent events: bytes of a response body in, the data of each event out. Pure.

As in the HTML standard ("Interpreting an event stream"), less what no provider here uses: ids, names, retry times.
"""

from __future__ import annotations

import re

MOST = 1_000_000
"""Bytes of one event: a service that sends more sends something else."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Events:
    """One stream. The data of an event is text, its lines joined by newlines."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[str]:
        """The events that are complete now. Raises `ValueError` for what is not UTF-8, or an endless event."""
        ended = self._rest.endswith(b"\r") or b"\n" in chunk or b"\r" in chunk
        self._rest += chunk
        events = self._lines() if ended else []
        if len(self._rest) + self._size > MOST:
            raise ValueError(f"an event of more than {MOST} bytes")
        return events

    def _lines(self) -> list[str]:
        # A carriage return at the very end may be half of a line end.
        held = b"\r" if self._rest.endswith(b"\r") else b""
        *lines, rest = _LINE_END.split(bytes(self._rest[: len(self._rest) - len(held)]))
        self._rest = bytearray(rest + held)
        events = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(b"\n".join(self._data).decode())
                self._data, self._size = [], 0
        return events

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
