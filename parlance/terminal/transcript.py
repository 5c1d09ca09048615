"""A call as a text that a person reads afterwards: what each side heard, when, and what came of it. Pure.

The agent's words are those the caller heard, not those that were sent to the voice.
"""

from __future__ import annotations

from datetime import datetime
from textwrap import wrap

from parlance.engine.trace import CallEnded, CallStarted, Record
from parlance.terminal.story import Entry, Story
from parlance.terminal.words import clean, clock

WIDTH = 100
_HANGING = " " * 17


class Transcript:
    """A trace sink that remembers the words of one call, and nothing else."""

    def __init__(self) -> None:
        self._story = Story(whole=True)
        self._entries: list[Entry] = []
        self._started: CallStarted | None = None
        self._ended: CallEnded | None = None
        self._last = 0.0

    def __call__(self, record: Record) -> None:
        match record.event:
            case CallStarted() as event:
                self._started = event
                return
            case CallEnded() as event:
                self._ended = event
                self._last = record.at
                self._story.close()
            case _:
                if self._ended is None:
                    self._last = record.at
                self._story.happened(record)
        self._entries += self._story.final()

    def text(self, date: datetime) -> str:
        """The whole transcript. `date`: when the call began."""
        self._story.close()
        self._entries += self._story.final()
        ended = self._ended
        how = "without an ending" if ended is None else ended.how + (f" ({ended.reason})" if ended.reason else "")
        head = {
            "Call": self._started.call if self._started else "",
            "Agent": self._started.agent if self._started else "",
            "Carrier": self._started.carrier if self._started else "",
            "Caller": self._started.caller if self._started else "",
            "Called": self._started.called if self._started else "",
            "Date": f"{date:%Y-%m-%d %H:%M %Z}",
            "Duration": clock(self._last),
            "Ended": how,
        }
        lines = [f"{key + ':':<10}{clean(value)}" for key, value in head.items() if value]
        lines.append("")
        for entry in self._entries:
            lines += _lines(entry)
        return "\n".join(lines) + "\n"


def _lines(entry: Entry) -> list[str]:
    who = "" if entry.who == "note" else entry.who.capitalize()
    words, begin = [], 0
    for place, seconds in entry.holds:
        end = min(place, len(entry.text))
        words += [entry.text[begin:end].strip(), f"(held {seconds:.1f} s)"]
        begin = end
    words.append(entry.text[begin:].strip())
    if entry.tone == "interim":
        words.append("(cut off)")
    if entry.who == "agent" and not entry.text:
        words.append("(nothing was heard)")
    head = f"{clock(entry.at):<9}{who:<8}"
    lines = wrap(" ".join(filter(None, words)), WIDTH - len(head), break_long_words=False) if any(words) else []
    if entry.mark:
        lines.append(entry.mark)
    return [(_HANGING if n else head) + line for n, line in enumerate(lines)]
