"""The conversation on the screen, as it happens.

`Show` is a trace sink and nothing else: it reads records and draws. It owns no thread and no task: a record
draws what it changed, and whoever runs the call ticks the clock on. On a terminal, what is still being said stays
in a region at the bottom and is drawn again until it is final; then it scrolls up and never changes. Elsewhere
only final lines are written, one by one, without control codes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TextIO, cast

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from parlance.engine.trace import Record
from parlance.terminal.story import Entry, Story, Tone, Who
from parlance.terminal.words import clock, shorten

UNHEARD = 120
"""Characters of what was not heard that are worth showing."""

NARROW = 50
"""Columns below which the words begin right behind the name."""

_NAMES: dict[Who, str] = {"caller": "bold cyan", "agent": "bold green", "note": "dim"}
_TONES: dict[Tone, str] = {
    "": "",
    "interim": "dim italic",
    "head": "dim",
    "input": "cyan",
    "hold": "dim yellow",
    "cut": "yellow",
    "act": "bold magenta",
    "fault": "red",
    "end": "bold",
}


class Outlet:
    """A text stream that never raises: neither a reader that has gone nor a narrow encoding ends a call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.gone = False

    def write(self, text: str) -> int:
        fitting = text.encode(self.encoding, "replace").decode(self.encoding)
        self._try(lambda: self._stream.write(fitting))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def _try(self, act: Callable[[], object]) -> None:
        if self.gone:
            return
        try:
            act()
        except (OSError, ValueError):
            self.gone = True


class Show:
    """A trace sink that shows one call. Use as a context manager around the call.

    `stream`: where to (standard output). On a terminal the display is live; `live` overrides that judgment.
    `json`: every record as one JSON line, and nothing else. NO_COLOR is respected. `console` is where whatever
    comes after the call (a waterfall) belongs.
    The stream is written at once and in small pieces: one that nobody reads stops whoever writes to it.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        json: bool = False,
        live: bool | None = None,
        console: Console | None = None,
    ) -> None:
        self._out = Outlet(stream or sys.stdout)
        self.console = console or Console(file=cast("TextIO", self._out), highlight=False)
        on_terminal = self.console.file.isatty() and not self.console.is_dumb_terminal
        self.live = not json and (on_terminal if live is None else live)
        self._json = json
        self._now = 0.0
        self._story = Story(whole=self.live)
        self._region = Live(Tail(self._bottom), console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        if self.live:
            self._region.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if not self._json:
            self._story.close()
            self._draw()
        self._region.stop()

    def __call__(self, record: Record) -> None:
        """Show what has happened."""
        if self._json:
            self._out.write(record.as_line())
            self._out.flush()
            return
        self._now = max(self._now, record.at)
        if self._story.happened(record):
            self._draw()

    def tick(self, now: float) -> None:
        """Let the clock of the status line go on. `now` is seconds of the call's clock."""
        self._now = max(self._now, now)
        if self._region.is_started:
            self._region.refresh()

    def _draw(self) -> None:
        """Print what is final (which draws the region again below it), or draw the region alone."""
        final = self._story.final()
        for entry in final:
            if self.live:
                self.console.print(self._paragraph(entry))
            else:
                self.console.print(self._line(entry), soft_wrap=True)
        if not final and self._region.is_started:
            self._region.refresh()

    def _line(self, entry: Entry) -> Text:
        who = "" if entry.who == "note" or entry.again else entry.who
        body = Text(entry.text, style=_TONES[entry.tone])
        if entry.mark:
            body.append(entry.mark)
        if entry.unheard:
            body.append(f'; not heard: "{shorten(entry.unheard.strip(), UNHEARD)}"')
        return Text.assemble((clock(entry.at), "dim"), "  ", (f"{who:<6}", _NAMES[entry.who]), "  ", body)

    def _paragraph(self, entry: Entry) -> RenderableType:
        """The entry in columns: clock, name, words."""
        who = "" if entry.who == "note" else entry.who
        if self.console.width < NARROW:
            name = f" {who} " if who else " "
            return Text.assemble((clock(entry.at), "dim"), (name, _NAMES[entry.who]), _body(entry))
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=7, style="dim", no_wrap=True)
        grid.add_column(width=6, style=_NAMES[entry.who], no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(clock(entry.at), who, _body(entry))
        return grid

    def _bottom(self) -> RenderableType:
        if self._story.over:
            return Text()
        return Group(*(self._paragraph(e) for e in self._story.entries), self._status())

    def _status(self) -> Text:
        floor, style = _floor(*self._story.state)
        status = Text.assemble((clock(self._now), "bold"), "  ", (f" {floor} ", f"{style} reverse"))
        if self._story.answer is not None:
            status.append(f"  last answer {self._story.answer * 1000:.0f} ms", style="dim")
        status.truncate(self.console.width, overflow="ellipsis")
        return status


def _floor(line: str, caller: str, agent: str) -> tuple[str, str]:
    """Who has the floor, and in which style."""
    if line in ("closing", "closed"):
        return "the call is ending", "dim"
    if agent == "held":
        return "agent held: is it words?", "yellow"
    if caller == "talking":
        return "caller speaks", "cyan"
    if agent == "speaking":
        return "agent speaks", "green"
    if agent == "thinking":
        return "agent thinks", "magenta"
    return ("listening" if line == "open" else "connecting"), "dim"


def _body(entry: Entry) -> Text:
    """The words, with what was not heard struck out, and where and why the agent stopped."""
    body = Text(style=_TONES[entry.tone])
    begin = 0
    for place, seconds in entry.holds:
        end = min(place, len(entry.text))
        body.append(entry.text[begin:end].strip())
        body.append(f" (held {seconds:.1f} s) ", style="dim yellow")
        begin = end
    body.append(entry.text[begin:].strip())
    if entry.unheard:
        body.append(" " if entry.unheard.startswith(" ") and not body.plain.endswith(" ") else "")
        body.append(shorten(entry.unheard.strip(), UNHEARD), style="dim strike")
    if entry.mark:
        body.append("\n" if len(body) else "")
        body.append(entry.mark, style="yellow")
    return body


@dataclass(slots=True)
class Tail:
    """The last lines of what there is to show: a region taller than the screen could not be drawn again.

    It asks when it is drawn, because rich draws the region again below whatever is printed above it.
    """

    ask: Callable[[], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(console.height - 1, 1)
        for line in console.render_lines(self.ask(), options.update(height=None), pad=False)[-room:]:
            yield from line
            yield Segment.line()
