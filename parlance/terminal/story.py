"""A call's records as the paragraphs of a conversation. Pure: nothing is drawn or kept here.

A paragraph is open while its words may change: interim words of the caller, a reply that is being spoken. The
screen shows open ones too, the transcript only those that are final.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from parlance.engine import effort, trace
from parlance.engine.trace import Record
from parlance.terminal.words import act, arguments, clean, clock, ending, parted, rest, used

Who = Literal["caller", "agent", "note"]
Tone = Literal["", "interim", "head", "input", "hold", "cut", "act", "fault", "end"]


@dataclass(slots=True, eq=False)
class Entry:
    """One paragraph. `at` is when it began, in seconds of the call's clock."""

    at: float
    who: Who
    text: str = ""
    tone: Tone = ""
    """What kind of note it is, or that the words are not final."""
    unheard: str = ""
    """What was to follow `text`, and the caller did not hear."""
    mark: str = ""
    """Why the agent stopped before the end of the reply."""
    holds: list[tuple[int, float]] = field(default_factory=list)
    """Where (characters into `text`) playing was held, and for how many seconds."""
    open: bool = False
    again: bool = False
    """It goes on with what the paragraph before it began."""
    key: int = 0
    """The number of its utterance or turn."""


class Story:
    """Feed it every record of one call, in order; take out what is final with `final`.

    `whole`: a reply is one paragraph, final when its turn has ended. Otherwise every phrase of it is one, final
    when the caller begins to hear it: nothing waits, and what was cut off can only be told afterwards.
    """

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.entries: list[Entry] = []
        """What has not been taken out yet, in order of beginning."""
        self.state = ("", "", "")
        """Line, caller and agent."""
        self.answer: float | None = None
        """Seconds from the caller's last voiced frame to the first frame of the last reply."""
        self.over = False
        self._began: float | None = None
        self._held: tuple[int, float] | None = None
        self._last: Entry | None = None
        self._replies: dict[int, Entry] = {}
        self._failed: dict[str, str] = {}
        """Who of each role failed last, until somebody has served."""
        self._react: dict[type[Any], Callable[[float, Any], None]] = {
            trace.CallStarted: self._started,
            trace.StateChanged: self._changed,
            trace.CallerBegan: self._caller_began,
            trace.CallerSaid: self._caller_said,
            trace.CallerUnheard: self._caller_unheard,
            trace.Murmured: self._murmured,
            trace.DigitPressed: lambda at, e: self._note(at, f"caller presses {clean(e.digit)}", "input"),
            trace.Spoken: self._spoken,
            trace.Held: self._hold,
            trace.Resumed: self._resumed,
            trace.TurnEnded: self._turn_ended,
            trace.TurnTimed: self._timed,
            trace.Acted: lambda at, e: self._note(at, f"* {act(e)}", "act"),
            effort.ToolAsked: lambda at, e: self._note(at, f"* uses {clean(e.tool)}: {arguments(e)}", "act"),
            effort.ToolAnswered: lambda at, e: self._note(
                at, f"* {clean(e.tool)} {e.outcome}: {clean(e.result)}", "act"
            ),
            effort.ProviderFailed: self._provider_failed,
            effort.ProviderServed: self._provider_served,
            effort.CallUsed: lambda at, e: self._note(at, used(e), "head") if used(e) else None,
            trace.ChildFailed: lambda at, e: self._note(at, f"! {e.child} failed: {clean(e.error)}", "fault"),
            trace.ChildRestarted: lambda at, e: self._note(at, f"! {e.child} restarted", "fault"),
            trace.LineFault: lambda at, e: self._note(at, f"! line fault {e.count}: {clean(e.error)}", "fault"),
            trace.AudioShed: lambda at, e: self._note(at, f"! audio shed at {clean(e.path)}", "fault"),
            trace.CallEnded: self._ended,
        }

    def happened(self, record: Record) -> bool:
        """Take in a record; whether it changed anything that is told."""
        react = self._react.get(type(record.event))
        if react is not None:
            react(record.at, record.event)
        return react is not None

    def final(self) -> list[Entry]:
        """Paragraphs that will not change, and (where replies are whole) come after none that may."""
        taken = []
        for entry in self.entries:
            if not entry.open:
                taken.append(entry)
            elif self.whole:
                break
        gone = {id(e) for e in taken}
        self.entries = [e for e in self.entries if id(e) not in gone]
        return taken

    def close(self) -> None:
        """Nothing more will happen: what is open stays as it is."""
        for entry in self.entries:
            entry.open = False
        self._replies.clear()

    def _add(self, entry: Entry) -> Entry:
        self.entries.append(entry)
        self._last = entry
        return entry

    def _note(self, at: float, text: str, tone: Tone) -> None:
        self._add(Entry(at, "note", text, tone))

    def _provider_failed(self, at: float, event: effort.ProviderFailed) -> None:
        self._failed[event.role] = event.provider
        self._note(at, f"! {event.role} failed: {clean(event.error)}", "fault")

    def _provider_served(self, at: float, event: effort.ProviderServed) -> None:
        if self._failed.pop(event.role, event.provider) != event.provider:
            self._note(at, f"{event.role}: {clean(event.provider)} takes over", "input")

    def _started(self, at: float, event: trace.CallStarted) -> None:
        parts = [f"call {event.call}", f"agent {event.agent}", f"carrier {event.carrier}"]
        if event.caller:
            parts.append(f"from {event.caller}")
        self._note(at, clean(", ".join(parts)), "head")

    def _changed(self, at: float, event: trace.StateChanged) -> None:
        self.state = (event.line, event.caller, event.agent)

    def _caller_began(self, at: float, event: trace.CallerBegan) -> None:
        if self._began is None:
            self._began = event.voiced

    def _caller_said(self, at: float, event: trace.CallerSaid) -> None:
        known = (e for e in self.entries if e.who == "caller" and e.open and e.key == event.utterance)
        entry = next(known, None)
        if entry is None:
            began = at if self._began is None else self._began
            entry = self._add(Entry(began, "caller", open=True, key=event.utterance))
        entry.text, entry.tone = clean(event.text), "" if event.final else "interim"
        if event.final:
            entry.open, self._began, self._last = False, None, entry
            if not entry.text:
                self.entries.remove(entry)

    def _caller_unheard(self, at: float, event: trace.CallerUnheard) -> None:
        self._began = None
        self._forget(lambda e: e.key == event.utterance)

    def _murmured(self, at: float, event: trace.Murmured) -> None:
        self._began = None
        self._forget(lambda e: True)
        self._note(at, f'caller murmurs "{clean(event.text)}"', "input")

    def _forget(self, which: Callable[[Entry], bool]) -> None:
        """Interim words of which no final ones come."""
        self.entries = [e for e in self.entries if not (e.who == "caller" and e.open and which(e))]

    def _spoken(self, at: float, event: trace.Spoken) -> None:
        entry = self._replies.get(event.turn)
        if entry is None or not self.whole:
            again = entry is not None and entry is self._last
            entry = self._add(Entry(at, "agent", open=self.whole, again=again, key=event.turn))
            self._replies[event.turn] = entry
        entry.text = f"{entry.text} {clean(event.text)}".strip()

    def _hold(self, at: float, event: trace.Held) -> None:
        self._held = (event.turn, at)

    def _resumed(self, at: float, event: trace.Resumed) -> None:
        if self._held is None:
            return
        seconds, self._held = at - self._held[1], None
        entry = self._replies.get(event.turn)
        if self.whole and entry is not None:
            entry.holds.append((len(entry.text), seconds))
        else:
            self._note(at, f"(held {seconds:.1f} s: no words came, the agent goes on)", "hold")

    def _turn_ended(self, at: float, event: trace.TurnEnded) -> None:
        since = at
        if self._held is not None and self._held[0] == event.turn:
            since, self._held = (at if self._began is None else self._began), None
        entry = self._replies.pop(event.turn, None)
        why, unheard = ending(event), rest(event.said, event.heard)
        if entry is not None and self.whole:
            entry.open, entry.text = False, clean(event.heard)
            if why:
                entry.unheard, entry.mark = unheard, f"<< {why}"
        elif why and (entry is not None or event.outcome != "hung-up"):
            missed = unheard if entry is not None else ""
            self._add(Entry(since, "note", tone="cut", mark=f"<< {why}", unheard=missed))

    def _timed(self, at: float, event: trace.TurnTimed) -> None:
        if event.caller_stopped is not None and event.first_frame is not None:
            self.answer = event.first_frame - event.caller_stopped

    def _ended(self, at: float, event: trace.CallEnded) -> None:
        self.close()
        self.over = True
        tone: Tone = "end" if event.how == "completed" else "fault"
        self._note(at, f"{parted(event.how, event.reason)}, after {clock(at)}", tone)
