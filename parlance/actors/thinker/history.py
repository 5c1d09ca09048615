"""The conversation exactly as it was heard. Pure: what was never played is not in here.

Nobody but the thinker writes it. What was said and what was heard of it is the playout's knowledge; this file is told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import replace

from parlance.actors.thinker.port import Entry, Line, Use

LINES = 200
CHARACTERS = 24_000
"""About 6,000 tokens: an hour of conversation, and room for a prompt in the smallest context windows."""


class History:
    """Lines of both sides, oldest first, bounded.

    `lines`, `characters`: how much is kept. When it grows beyond either, the oldest entries are dropped whole; the
    newest is always kept, however long it is. An entry is one call of `caller` or `agent`.
    """

    def __init__(self, *, lines: int = LINES, characters: int = CHARACTERS) -> None:
        if lines < 1 or characters < 1:
            raise ValueError("a history keeps at least one line and one character")
        self._most_lines = lines
        self._most_characters = characters
        self._entries: deque[Entry] = deque()
        self._characters = 0
        self._dropped = 0

    def caller(self, text: str) -> None:
        """The caller said `text`. Whitespace at its ends is dropped; empty text changes nothing."""
        if text := text.strip():
            self._append(Line("caller", text))

    def agent(self, heard: str) -> None:
        """The caller heard `heard` of the agent's reply.

        Nothing heard changes no line: as far as the caller knows, the agent has not spoken, and the next words of the
        caller belong to the same line as the last ones.
        """
        if heard := heard.strip():
            self._append(Line("agent", heard))

    def used(self, use: Use) -> None:
        """The mind has used a tool. One that has not finished yet is told again, with the same id, when it has."""
        for at, entry in enumerate(self._entries):
            if isinstance(entry, Use) and entry.id == use.id:
                self._characters += _size(use) - _size(entry)
                self._entries[at] = replace(entry, result=use.result)
                return
        self._append(use)

    @property
    def dropped(self) -> int:
        """How many entries were dropped to stay within the bounds."""
        return self._dropped

    def lines(self, more: str = "") -> tuple[Entry, ...]:
        """The conversation. Adjacent entries of the caller are one line: the caller went on talking.

        `more`: what the caller would have said besides, if that turns out to be so.
        """
        merged: list[Entry] = []
        entries = (*self._entries, Line("caller", more)) if (more := more.strip()) else tuple(self._entries)
        for entry in entries[self._excess(entries, self._characters + len(more)) :]:
            last = merged[-1] if merged else None
            if isinstance(entry, Line) and isinstance(last, Line) and entry.who == last.who == "caller":
                merged[-1] = Line("caller", f"{last.text} {entry.text}")
            else:
                merged.append(entry)
        return tuple(merged)

    def _append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._characters += _size(entry)
        for _ in range(self._excess(self._entries, self._characters)):
            self._characters -= _size(self._entries.popleft())
            self._dropped += 1

    def _excess(self, entries: Collection[Entry], characters: int) -> int:
        """How many of the oldest of these entries, with so many characters, are too many."""
        for at, entry in enumerate(entries):
            left = len(entries) - at
            if left == 1 or (left <= self._most_lines and characters <= self._most_characters):
                return at
            characters -= _size(entry)
        return 0


def _size(entry: Entry) -> int:
    """Characters, more or less."""
    if isinstance(entry, Line):
        return len(entry.text)
    return len(entry.name) + len(str(entry.arguments)) + len(entry.result)
