"""One call: it owns the state, the supervisor and the turn in hand, and performs what the state machine asks for.

Events come in by function call and are worked off one after another, without a task switch: between the frame that
proved speech and the queued `clear` nothing else can run. Everything that has to do with time happens in `tick`,
which the metronome calls: no call has a timer of its own.
"""

from __future__ import annotations

import logging
from collections import deque

import trio

from parlance.engine import message as m
from parlance.engine import trace as t
from parlance.engine.agent import Agent
from parlance.engine.child import Budget, Child, Report, Restart
from parlance.engine.effort import Usage
from parlance.engine.errors import ParlanceError, hopeless, inner, plain
from parlance.engine.hearing import Hearing
from parlance.engine.operator import Operated
from parlance.engine.roles import Listener, Media, Speaker, Thinker
from parlance.engine.state import Line, Rules, State
from parlance.engine.step import floor, greet, step
from parlance.engine.supervisor import Supervisor
from parlance.engine.turn import Turn

GRACE = 5.0
"""Seconds that media may take to connect the caller with somebody else and to say goodbye."""

log = logging.getLogger(__name__)


class Call(Hearing, Operated):
    """A call of `agent`. `attach` its actors, then `run` it; it ends when its line does."""

    def __init__(self, call_id: str, agent: Agent, *, carrier: str = "", caller: str = "", called: str = "") -> None:
        super().__init__(agent)
        self.id = call_id
        self.profile = agent
        self.agent = agent.name
        self.carrier, self.caller, self.called = carrier, caller, called
        self.state = State()
        self.rules = Rules(prompts=agent.limits.prompts, interruptible=agent.interruption.enabled)
        self.trace = t.Trace(self.clock)
        self.turn: Turn | None = None
        self.usage = Usage()
        self._epoch: float | None = None
        self._expires: float | None = None
        self._pending: deque[m.Event] = deque()
        self._stepping = False
        self._question = ""
        """What the caller said last that is to be answered."""
        self._frozen = 0.0
        """Since when time stands still, if it does."""
        self._scope = trio.CancelScope()
        self._fault: Exception | None = None

    def attach(self, media: Media, listener: Listener, thinker: Thinker, speaker: Speaker) -> None:
        """Give the call its actors, once, before `run`."""
        self.media, self.listener, self.thinker, self.speaker = media, listener, thinker, speaker

    # ------------------------------------------------------------------------------------------- life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live through the call. Whatever happens, it ends once and leaves no task behind."""
        self._epoch = trio.current_time()
        self.trace.emit(t.CallStarted(self.id, self.agent, self.carrier, self.caller, self.called))
        self._expires = self._deadline.of(self.state)
        hands = self.thinker.hands
        # The first, and so stopped last: what was begun is ended, when the caller has gone.
        first = (Child("hands", hands.run, Restart.TRANSIENT, grace=GRACE),) if hands.needed else ()
        children = (
            *first,
            Child("media", self.media.run, Restart.TEMPORARY, grace=GRACE, significant=True),
            Child("listener", self.listener.run, Restart.TRANSIENT),
            Child("thinker", self.thinker.run, Restart.TRANSIENT),
            Child("speaker", self.speaker.run, Restart.TRANSIENT),
        )
        supervisor = Supervisor(children, Budget(), report=self._reported, exhausted=self._exhausted)
        try:
            with self._scope:
                await supervisor.run(task_status=task_status)
        finally:
            self._cut_off()
            self.trace.emit(self.usage.event())
            self.trace.emit(t.CallEnded(self.state.how.value, self.state.reason, self.state.by.value))
        if self._fault is not None:
            raise self._fault

    def clock(self) -> float:
        """Seconds since the call was answered."""
        return 0.0 if self._epoch is None else trio.current_time() - self._epoch

    @property
    def reason(self) -> str:
        """Why the call has ended; empty while it goes on."""
        return self.state.reason if self.state.line is Line.CLOSED else ""

    def tick(self, now: float) -> None:
        """One beat of the metronome: audio out, and what time decides."""
        if self._epoch is None:
            return
        now -= self._epoch
        self.media.tick(now)
        self.listener.tick(now)
        if (self._digits.deadline is not None or self._keys) and not self.state.frozen:
            self._typed(now)
        if self._expires is not None and now >= self._expires:
            self.happen(m.Expired())
        elif now >= self.profile.limits.call and self.state.line is Line.OPEN:
            self.close(m.How.COMPLETED, "time limit", self.profile.lines.closing or None)

    def fail(self, error: Exception) -> None:
        """A fault of our own in the frame path: this call ends, no other one."""
        self._fault = error
        self._scope.cancel()

    def close(self, how: m.How, reason: str, words: str | None = None, by: m.By = m.By.HOUSE) -> None:
        """End the call in good order: after `words` (empty: the agent's apology; None: at once)."""
        self.happen(m.Close(how, reason, words, by))

    def drain(self) -> None:
        """End the call because the house closes: with the agent's closing line, or at once where it has none."""
        self.close(m.How.COMPLETED, "drained", self.profile.lines.closing or None)

    def _cut_off(self) -> None:
        """Nothing, if the call has ended in order."""
        reason = "cancelled" if self._fault is None else f"fault: {plain(self._fault)}"
        self.happen(m.Gone(reason, m.How.FAILED, m.By.HOUSE))

    # -------------------------------------------------------------------------- what the actors tell

    def note(self, event: t.TraceEvent) -> None:
        self.trace.emit(event)

    def first_frame(self, turn: int) -> None:
        if self.turn is not None and self.turn.number == turn:
            self.turn.mark("first_frame")
            self.trace.emit(self.turn.times)
        self.happen(m.Playing(turn))

    def act(self, turn: int, name: str, details: dict[str, str]) -> None:
        self.trace.emit(t.Acted(turn, name, details))
        number = details.get("number") or self.profile.transfer
        if name == "transfer" and number:
            self.happen(m.Parting(turn, "agent transferred the call", number))
        elif name in ("hang_up", "transfer"):
            self.happen(m.Parting(turn))

    # ---------------------------------------------------------------------------- events and actions

    def happen(self, event: m.Event) -> None:
        """Work off `event`, and whatever events come of it, in order. Before `run` they wait for the line's first."""
        self._pending.append(event)
        if not self._stepping and self._epoch is not None:
            self._work_off()

    def _work_off(self) -> None:
        self._stepping = True
        try:
            while self._pending:
                self._apply(*step(self.state, self._pending.popleft(), self.rules))
        finally:
            self._stepping = False

    def _apply(self, state: State, actions: tuple[m.Action, ...]) -> None:
        before, self.state = self.state, state
        self._deadline.changed(before, state, self.clock())
        if (before.line, before.caller, before.agent) != (state.line, state.caller, state.agent):
            self.trace.emit(t.StateChanged(state.line.value, state.caller.value, state.agent.value))
        if before.paused is not state.paused:
            self.trace.emit(t.Paused(state.paused))
        for action in actions:
            self._perform(action)
        self._expires = self._deadline.of(self.state)
        if before.line is Line.RINGING and state.line is Line.OPEN:
            greeting = bool(self.profile.greeting)
            self._apply(*greet(self.state, m.Cue.GREETING) if greeting else floor(self.state, self.rules))

    def _perform(self, action: m.Action) -> None:
        match action:
            case m.Begin():
                self._begin(action)
            case m.Hold():
                self.media.hold()
                self.trace.emit(t.Held(self.state.turn, self.clock() - self._began))
            case m.Release():
                self._deadline.released()
                self.media.release()
                self.trace.emit(t.Resumed(self.state.turn))
            case m.Freeze():
                self._freeze()
            case m.Thaw():
                self._thaw()
            case m.Finish():
                self._finish(action)
            case m.Overdue():
                self.listener.conclude()
            case m.LastWords():
                self._speak(self._turn(action.turn, cue=m.Cue.LAST, text=action.words or self.profile.lines.apology))
            case m.End():
                self._scope.cancel()

    def _freeze(self) -> None:
        """What the caller has said so far is his turn: the answer is ready when time goes on."""
        self._frozen = self.clock()
        self.media.freeze()
        self.listener.conclude()

    def _thaw(self) -> None:
        now = self.clock()
        self._deadline.stood(self._frozen, now)
        self._digits.stood(now - self._frozen)
        self.media.thaw()

    def _turn(self, number: int, *, words: str = "", cue: m.Cue | None = None, text: str = "") -> Turn:
        turn = Turn(number, clock=self.clock, words=words, cue=cue, text=text)
        turn.gone = self._turn_gone
        self.turn = turn
        self.media.stage(number)
        self.trace.emit(t.TurnBegan(number, words, cue.value if cue else ""))
        return turn

    def _begin(self, action: m.Begin) -> None:
        if action.cue is m.Cue.KEYS:
            self.media.keys(self._turn(action.turn, cue=action.cue, text=action.text).number, action.text)
            return
        if action.cue is not None:
            self._speak(self._turn(action.turn, cue=action.cue, text=action.text or self._line(action.cue)))
            return
        self._question = action.words or self._question
        turn = self._turn(action.turn, words=self._question)
        stopped, decided, now = self._heard
        turn.times = t.TurnTimed(turn.number, caller_stopped=stopped, end_of_turn=decided, transcript=now)
        if action.words:
            self.thinker.said(action.words)
        self.thinker.think(turn)
        self.speaker.speak(turn)

    def _line(self, cue: m.Cue) -> str:
        if cue is m.Cue.GREETING:
            return self.profile.greeting
        line: str = getattr(self.profile.lines, cue.value)
        return line

    def _speak(self, turn: Turn) -> None:
        """Fixed words: from prepared audio where there is some, so that no provider stands in the way."""
        turn.said.append(turn.text)
        audio = self.media.prepared(turn.text)
        if audio is not None:
            turn.mark("first_audio")
            self.media.play(turn.number, turn.text, audio)
            return
        turn.phrases.put_nowait(turn.text)
        turn.phrases.close()
        self.speaker.speak(turn)

    def _finish(self, action: m.Finish) -> None:
        """Read what was heard and commit it, without an await between; then stop whatever works for the turn."""
        turn = self.turn
        if turn is None or turn.number != action.turn or turn.outcome is not None:
            return
        heard = self.media.finish(turn.number)
        self.thinker.commit(heard.text, heard.complete and action.outcome is m.Outcome.PLAYED)
        if turn.times.first_frame is None:
            self.trace.emit(turn.times)
        said, seconds = " ".join(turn.said), round(heard.seconds, 3)
        self.trace.emit(t.TurnEnded(turn.number, action.outcome.value, action.reason, said, heard.text, seconds))
        turn.end(action.outcome)
        murmured = self._murmurs.answer(self.clock())
        if murmured and action.outcome is m.Outcome.PLAYED:
            self.happen(m.Said(murmured))

    def _turn_gone(self, turn: Turn) -> None:
        self.trace.emit(t.TurnGone(turn.number, self.clock() - (turn.ended_at or 0.0)))

    # ------------------------------------------------------------------------------------ supervision

    def _reported(self, report: Report) -> None:
        name = report.child.name
        if report.what == "failed":
            error = inner(report.error)
            if not isinstance(error, ParlanceError):
                # The trace has no room for where in our code it was.
                log.error("call %r: the %s failed by a fault of ours", self.id, name, exc_info=report.error)
            self.trace.emit(t.ChildFailed(name, plain(error)))
            if name == "media":
                self.happen(m.Gone(f"media failed: {plain(error)}", m.How.FAILED, m.By.HOUSE))
        elif report.what == "restarted":
            self.trace.emit(t.ChildRestarted(name))
        elif report.what == "stopped":
            # Media is told to stop last: by then the call has its reason, which media tells the other side.
            self._cut_off()

    def _exhausted(self, child: Child, error: BaseException | None) -> None:
        """The call does not just drop: the caller is told, and the record says why."""
        failed = "failed" if hopeless(error) else "failed too often"
        self.close(m.How.FAILED, f"{child.name} {failed}: {plain(error)}", "")
