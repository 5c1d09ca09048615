"""The conversation exactly as it was heard. Pure: what was never played is not in here.

Nobody but the thinker writes it. What was said and what was heard of it is the playout's knowledge; this file is told.
"""

from __future__ import annotations

from collections import deque

from parlance.actors.thinker.port import Line

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
        self._entries: deque[Line] = deque()
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

    @property
    def dropped(self) -> int:
        """How many entries were dropped to stay within the bounds."""
        return self._dropped

    def lines(self) -> tuple[Line, ...]:
        """The conversation. Adjacent entries of the caller are one line: the caller went on talking."""
        merged: list[Line] = []
        for entry in self._entries:
            if merged and entry.who == "caller" and merged[-1].who == "caller":
                merged[-1] = Line("caller", f"{merged[-1].text} {entry.text}")
            else:
                merged.append(entry)
        return tuple(merged)

    def _append(self, line: Line) -> None:
        self._entries.append(line)
        self._characters += len(line.text)
        while len(self._entries) > 1 and (
            len(self._entries) > self._most_lines or self._characters > self._most_characters
        ):
            self._characters -= len(self._entries.popleft().text)
            self._dropped += 1
