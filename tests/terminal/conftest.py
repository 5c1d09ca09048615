"""One conversation as records: a greeting, three turns, an interruption, a cough, an act, a fault, a goodbye."""

from __future__ import annotations

import pytest

from parlance.engine import trace
from parlance.engine.trace import Record, TraceEvent

GREETING = ("Harbor Street Clinic, good morning.", "How can I help you?")
CUT = (
    "Of course.",
    "Which day would suit you best?",
    "We are open from Monday to Friday, and on Saturday morning.",
)
HEARD = "Of course. Which day would suit you best? We are open from Mon"
LONG = ("Tuesday is fine.", "I have ten o'clock or half past two.", "Which one shall I take?")
BYE = ("You are booked for Tuesday at ten.", "Goodbye!")

STORY: tuple[tuple[float, TraceEvent], ...] = (
    (0.0, trace.CallStarted("c-1", "receptionist", "fake", caller="+15550100")),
    (0.0, trace.StateChanged("open", "quiet", "thinking")),
    (0.01, trace.TurnBegan(1, cue="greeting")),
    (0.05, trace.PhraseReady(1, GREETING[0])),
    (0.12, trace.StateChanged("open", "quiet", "speaking")),
    (0.12, trace.TurnTimed(1, first_phrase=0.05, first_audio=0.09, first_frame=0.12)),
    (0.12, trace.Spoken(1, GREETING[0])),
    (2.1, trace.Spoken(1, GREETING[1])),
    (3.2, trace.TurnEnded(1, "played", "", " ".join(GREETING), " ".join(GREETING), 3.08)),
    (3.2, trace.StateChanged("open", "quiet", "idle")),
    (4.18, trace.CallerBegan(4.1)),
    (4.18, trace.StateChanged("open", "talking", "idle")),
    (4.9, trace.CallerSaid("i would like", False, 1)),
    (5.6, trace.CallerSaid("i would like to make an", False, 1)),
    (6.3, trace.CallerStopped(6.2)),
    (6.3, trace.StateChanged("open", "quiet", "thinking")),
    (6.62, trace.CallerSaid("i would like to make an appointment", True, 1)),
    (6.62, trace.TurnBegan(2, words="i would like to make an appointment")),
    (6.84, trace.TurnTimed(2, 6.2, 6.61, 6.62, 6.64, 6.66, 6.7, 6.84)),
    (6.84, trace.StateChanged("open", "quiet", "speaking")),
    (6.84, trace.Spoken(2, CUT[0])),
    (7.6, trace.Spoken(2, CUT[1])),
    (9.2, trace.Spoken(2, CUT[2])),
    (10.08, trace.CallerBegan(10.0)),
    (10.08, trace.Held(2, 0.08)),
    (10.08, trace.StateChanged("open", "talking", "held")),
    (10.4, trace.CallerSaid("on tuesday", False, 2)),
    (10.41, trace.TurnEnded(2, "interrupted", "words", " ".join(CUT), HEARD, 3.24)),
    (10.412, trace.TurnGone(2, 0.002)),
    (10.41, trace.StateChanged("open", "talking", "idle")),
    (11.5, trace.CallerStopped(11.4)),
    (11.7, trace.CallerSaid("on tuesday please", True, 2)),
    (11.8, trace.TurnBegan(3, words="on tuesday please")),
    (12.1, trace.TurnTimed(3, 11.4, 11.8, 11.7, 11.85, 11.9, 11.98, 12.1)),
    (12.1, trace.StateChanged("open", "quiet", "speaking")),
    (12.1, trace.Spoken(3, LONG[0])),
    (13.3, trace.Spoken(3, LONG[1])),
    (14.08, trace.CallerBegan(14.0)),
    (14.08, trace.Held(3, 0.08)),
    (14.08, trace.StateChanged("open", "talking", "held")),
    (14.3, trace.CallerStopped(14.2)),
    (14.58, trace.Resumed(3)),
    (14.58, trace.StateChanged("open", "quiet", "speaking")),
    (14.7, trace.CallerUnheard(3)),
    (16.4, trace.Spoken(3, LONG[2])),
    (17.6, trace.TurnEnded(3, "played", "", " ".join(LONG), " ".join(LONG), 5.0)),
    (18.0, trace.DigitPressed("1")),
    (18.3, trace.ChildFailed("speaker", "espeak: stopped")),
    (18.31, trace.ChildRestarted("speaker")),
    (18.88, trace.CallerBegan(18.8)),
    (20.1, trace.CallerStopped(20.0)),
    (20.5, trace.CallerSaid("at ten my name is john miller", True, 4)),
    (20.5, trace.TurnBegan(4, words="at ten my name is john miller")),
    (20.52, trace.Acted(4, "book", {"day": "tuesday", "time": "ten o'clock", "name": "john miller"})),
    (20.53, trace.Acted(4, "hang_up", {})),
    (20.9, trace.TurnTimed(4, 20.0, 20.45, 20.5, None, 20.55, 20.7, 20.9)),
    (20.9, trace.StateChanged("open", "quiet", "speaking")),
    (20.9, trace.Spoken(4, BYE[0])),
    (22.9, trace.Spoken(4, BYE[1])),
    (23.6, trace.TurnEnded(4, "played", "", " ".join(BYE), " ".join(BYE), 2.7)),
    (23.6, trace.StateChanged("closing", "quiet", "idle")),
    (23.7, trace.CallEnded("completed", "the agent hung up")),
)


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary terminal, wherever the tests run: rich reads the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def conversation() -> list[Record]:
    return [Record(n, at, event) for n, (at, event) in enumerate(STORY, 1)]
