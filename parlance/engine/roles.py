"""What a call needs of its four actors, and what they may tell it. Pure.

The call knows its actors only by these protocols; `house` puts real ones in. `Desk` is the other direction: the part
of a call that an actor sees. All of it is called, never awaited: audio and control move without a task switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from parlance.engine.effort import Usage
from parlance.engine.message import Event
from parlance.engine.trace import TraceEvent

if TYPE_CHECKING:
    import trio

    from parlance.engine.turn import Turn


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller heard of a turn: the words, the seconds of audio, and whether that was everything."""

    text: str
    seconds: float
    complete: bool


class Actor(Protocol):
    """Something the call's supervisor runs. It survives its own restart: `run` may be entered again."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None: ...


class Media(Actor, Protocol):
    """The line: what the caller says comes in, what the agent says goes out."""

    def tick(self, now: float) -> None:
        """Send what is due at `now`, and tell the call what has been heard."""

    def stage(self, turn: int) -> None:
        """The audio to come is turn `turn`'s; what is left of another is dropped."""

    def play(self, turn: int, text: str, audio: bytes) -> None:
        """The whole reply at once, in the line's format: prepared audio."""

    def prepared(self, text: str) -> bytes | None:
        """`text` as audio in the line's format, if it was prepared."""

    def hold(self) -> None:
        """Stop playing now; what was not heard is kept."""

    def release(self) -> None:
        """Play on from the last sample that was heard."""

    def finish(self, turn: int) -> Heard:
        """Stop playing turn `turn` for good and say what was heard of it."""

    def freeze(self) -> None:
        """Stop playing, and listen to nothing, until `thaw`."""

    def thaw(self) -> None:
        """Listen again, and play on from the last sample that was heard."""

    def mute(self, on: bool) -> None:
        """Send silence in place of the agent's audio from now on; what is said meanwhile counts as not heard."""

    def press(self, digits: str) -> bool:
        """Press these keys in the line's own way. False: it has none, and they have to be sounded."""

    def keys(self, turn: int, digits: str) -> None:
        """Sound these keys as the whole audio of turn `turn`."""


class Listener(Actor, Protocol):
    """The ear."""

    @property
    def pending(self) -> bool:
        """Whether the caller has been heard to speak, and it is not settled yet what he said."""

    def began(self, at: float) -> None:
        """The gate heard speech begin at `at`."""

    def ended(self, at: float) -> None:
        """The gate heard speech end at `at`."""

    def tick(self, now: float) -> None:
        """Decide what time decides: the end of the caller's turn, a transcript that does not come."""

    def conclude(self) -> None:
        """End the caller's turn now."""


class Hands(Actor, Protocol):
    """What uses the mind's tools. What it has begun it ends, whatever becomes of the turn, within its grace."""

    @property
    def needed(self) -> bool:
        """Whether it has to run: there are tools that take time."""


class Thinker(Actor, Protocol):
    """The mind, and the history of the call."""

    def think(self, turn: Turn) -> None:
        """Answer `turn.words`."""

    def said(self, words: str) -> None:
        """The caller said this; it belongs to the history."""

    def commit(self, heard: str, complete: bool) -> None:
        """The caller heard this of the agent; it belongs to the history."""

    def foresee(self, words: str) -> None:
        """The caller is likely to have said this: begin to think about it, if that can be undone."""

    def forget(self) -> None:
        """He has not: nothing of what was thought about it is wanted."""

    @property
    def hands(self) -> Hands:
        """Uses the mind's tools."""


class Speaker(Actor, Protocol):
    """The voice."""

    def speak(self, turn: Turn) -> None:
        """Speak the turn's phrases as they come."""


class Desk(Protocol):
    """What an actor may tell its call. Nothing here waits."""

    def clock(self) -> float:
        """Seconds since the call was answered."""

    @property
    def reason(self) -> str:
        """Why the call has ended; empty while it goes on."""

    @property
    def onward(self) -> str:
        """The number to connect the caller with, now that the call has ended; mostly empty."""

    def happen(self, event: Event) -> None:
        """Something happened: the state machine decides what follows, at once."""

    def note(self, event: TraceEvent) -> None:
        """Something for the record."""

    def voice_began(self, at: float) -> None:
        """The gate's verdict: speech, since `at`."""

    def voice_ended(self, at: float) -> None:
        """The gate's verdict: silence, since `at`."""

    def words(self, text: str, utterance: int) -> None:
        """Interim words of the caller."""

    def said(self, text: str, utterance: int, *, stopped: float, decided: float) -> None:
        """The caller's turn is over. `stopped`: end of the last voiced frame; `decided`: end of turn decided."""

    def unheard(self, utterance: int, *, seconds: float) -> None:
        """The caller's turn is over, and the ear found no words in `seconds` of speech."""

    def foreseen(self, text: str) -> None:
        """The caller's turn is likely to be over, with these words."""

    def resumed(self) -> None:
        """It is not: the caller goes on."""

    def pressed(self, digit: str) -> None:
        """The caller pressed a key."""

    def first_frame(self, turn: int) -> None:
        """The first frame of turn `turn` has gone out."""

    @property
    def usage(self) -> Usage:
        """What the call has used so far: whoever uses something adds it."""

    def act(self, turn: int, name: str, details: dict[str, str]) -> None:
        """The mind wants something done other than speaking."""
