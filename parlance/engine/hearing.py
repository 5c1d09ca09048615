"""What a call hears of its caller: his voice, his words, and the keys that he presses.

The gate and the ear tell it here as it happens; what follows from it the state machine decides. Words that do not
interrupt are told apart here, because that takes the agent's settings and the words that came before. People type
while they speak: words and keys are one turn of theirs, and what is complete first waits for the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.agent import Agent
from parlance.engine.deadline import Deadline
from parlance.engine.digits import Digits
from parlance.engine.murmur import Murmurs
from parlance.engine.roles import Listener, Thinker
from parlance.engine.state import Agent as AgentState
from parlance.engine.state import Caller, Line, State


class Hearing(ABC):
    """A call as its caller meets it."""

    profile: Agent
    state: State
    trace: t.Trace
    listener: Listener
    thinker: Thinker

    def __init__(self, agent: Agent) -> None:
        self._deadline = Deadline(agent)
        self._began = 0.0
        """When the present or last sound of the caller began."""
        self._voice = False
        """Whether the gate hears it still."""
        self._digits = Digits(agent.limits.digits)
        self._words = ""
        """What the caller has said while he was still pressing keys."""
        self._keys = ""
        """Keys that are complete, while it is not settled what the caller says."""
        self._patience = 0.0
        """How long they wait for that."""
        self._heard = (0.0, 0.0, 0.0)
        """Of the caller's last words: when the voice stopped, the end of turn was decided, the words came."""
        self._murmurs = Murmurs(agent.interruption.murmurs)

    @abstractmethod
    def happen(self, event: m.Event) -> None:
        """Something happened: the state machine decides what follows."""

    @abstractmethod
    def clock(self) -> float:
        """Seconds since the call was answered."""

    def voice_began(self, at: float) -> None:
        self._began, self._voice = at, True
        self.trace.emit(t.CallerBegan(at))
        self.happen(m.VoiceBegan(at))
        self.listener.began(at)

    def voice_ended(self, at: float) -> None:
        self._voice = False
        self.trace.emit(t.CallerStopped(at))
        self.happen(m.VoiceEnded(at))
        self.listener.ended(at)

    def words(self, text: str, utterance: int) -> None:
        self.trace.emit(t.CallerSaid(text, False, utterance))
        self._patience = self.clock() + self.profile.limits.transcript
        if self._interrupts(text):
            self.happen(m.Words(text))
            if self._voice and self.state.caller is Caller.QUIET:
                # A sound that had gone on for too long to hold the agent: it is speech after all.
                self.happen(m.VoiceBegan(self._began))

    def said(self, text: str, utterance: int, *, stopped: float, decided: float) -> None:
        self.trace.emit(t.CallerSaid(text, True, utterance))
        self._heard = (stopped, decided, self.clock())
        if self._interrupts(text):
            self._words = _joined(self._words, text)
            self._tell()
        else:
            self.trace.emit(t.Murmured(text))
            self._murmurs.keep(text, self._began)
            self._wordless(0.0)

    def foreseen(self, text: str) -> None:
        """Time to think ahead, unless something else is going on or keys may follow."""
        state = self.state
        free = state.line is Line.OPEN and state.agent is AgentState.IDLE and not state.frozen
        if free and not self._keys and self._digits.deadline is None:
            self.thinker.foresee(_joined(self._words, text))

    def resumed(self) -> None:
        self.thinker.forget()

    def unheard(self, utterance: int, *, seconds: float) -> None:
        self.trace.emit(t.CallerUnheard(utterance))
        self.thinker.forget()
        self._wordless(seconds)

    def _wordless(self, seconds: float) -> None:
        """Nothing was said, as it turns out; but who presses keys is not silent."""
        if self._keys or self._digits.deadline is not None:
            self._tell()
        else:
            self.happen(m.Unheard(seconds))

    def pressed(self, digit: str) -> None:
        self.trace.emit(t.DigitPressed(digit))
        if self.profile.digits == "ignore" or self.state.frozen or self.state.line is not Line.OPEN:
            return
        now = self.clock()
        keys = self._digits.press(digit, now)
        self._deadline.touched(now)
        self.happen(m.Words(digit))
        self._keyed(keys, now)

    def _typed(self, now: float) -> None:
        """A beat while keys wait: for those that may follow, or for what the caller says meanwhile.

        A noise is no reason to keep somebody waiting who types because of it: only words that go on coming are.
        """
        self._keyed(self._digits.due(now), now)
        if self._keys and now >= self._patience:
            self._tell()

    def _keyed(self, keys: str, now: float) -> None:
        """Keys that are complete are words like any other, if of no utterance of the ear's."""
        if not keys:
            return
        self.trace.emit(t.CallerSaid(keys, True, 0))
        self._heard = (self._digits.last, now, now)
        self._keys = _joined(self._keys, keys)
        if self.listener.pending:
            self._patience = now + self.profile.limits.transcript
        else:
            self._tell()

    def _tell(self) -> None:
        """What the caller said and typed, unless more keys may follow."""
        if self._digits.deadline is not None:
            return
        text, self._words, self._keys = _joined(self._words, self._keys), "", ""
        self.happen(m.Said(text))

    def _interrupts(self, text: str) -> bool:
        """Whether these words may end a reply that the caller is hearing. Without one, all words count."""
        if self.state.agent not in (AgentState.SPEAKING, AgentState.HELD) or not self.state.audible:
            return True
        return self._murmurs.others(text) >= self.profile.interruption.words


def _joined(before: str, after: str) -> str:
    return f"{before} {after}".strip()
