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
from parlance.engine.deadline import Deadline
from parlance.engine.errors import ParlanceError, inner, plain
from parlance.engine.murmur import Murmurs
from parlance.engine.roles import Listener, Media, Speaker, Thinker
from parlance.engine.state import Agent as AgentState
from parlance.engine.state import Caller, Line, Rules, State, greet, step
from parlance.engine.supervisor import Supervisor
from parlance.engine.turn import Turn

log = logging.getLogger(__name__)


class Call:
    """A call of `agent`. `attach` its actors, then `run` it; it ends when its line does."""

    def __init__(self, call_id: str, agent: Agent, *, carrier: str = "", caller: str = "", called: str = "") -> None:
        self.id = call_id
        self.profile = agent
        self.agent = agent.name
        self.carrier, self.caller, self.called = carrier, caller, called
        self.state = State()
        self.rules = Rules(prompts=agent.limits.prompts, interruptible=agent.interruption.enabled)
        self.trace = t.Trace(self.clock)
        self.turn: Turn | None = None
        self._epoch: float | None = None
        self._deadline = Deadline(agent)
        self._expires: float | None = None
        self._pending: deque[m.Event] = deque()
        self._stepping = False
        self._began = 0.0
        """When the present or last sound of the caller began."""
        self._voice = False
        """Whether the gate hears it still."""
        self._heard = (0.0, 0.0, 0.0)
        """Of the caller's last words: when the voice stopped, the end of turn was decided, the words came."""
        self._murmurs = Murmurs(agent.interruption.murmurs)
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
        self._work_off()
        children = (
            Child("media", self.media.run, Restart.TEMPORARY, grace=1.5, significant=True),
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
            self.trace.emit(t.CallEnded(self.state.how.value, self.state.reason))
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
        if self._expires is not None and now >= self._expires:
            self.happen(m.Expired())
        elif now >= self.profile.limits.call and self.state.line is Line.OPEN:
            self.close(m.How.COMPLETED, "time limit", self.profile.lines.closing or None)

    def fail(self, error: Exception) -> None:
        """A fault of our own in the frame path: this call ends, no other one."""
        self._fault = error
        self._scope.cancel()

    def close(self, how: m.How, reason: str, words: str | None = None) -> None:
        """End the call in good order: after `words` (empty: the agent's apology; None: at once)."""
        self.happen(m.Close(how, reason, words))

    def drain(self) -> None:
        """End the call because the house closes: with the agent's closing line, or at once where it has none."""
        self.close(m.How.COMPLETED, "drained", self.profile.lines.closing or None)

    def _cut_off(self) -> None:
        """Nothing, if the call has ended in order."""
        self.happen(m.Gone("cancelled" if self._fault is None else f"fault: {plain(self._fault)}", m.How.FAILED))

    # -------------------------------------------------------------------------- what the actors tell

    def note(self, event: t.TraceEvent) -> None:
        self.trace.emit(event)

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
        if self._interrupts(text):
            self.happen(m.Words(text))
            if self._voice and self.state.caller is Caller.QUIET:
                # A sound that had gone on for too long to hold the agent: it is speech after all.
                self.happen(m.VoiceBegan(self._began))

    def said(self, text: str, utterance: int, *, stopped: float, decided: float) -> None:
        self.trace.emit(t.CallerSaid(text, True, utterance))
        self._heard = (stopped, decided, self.clock())
        if self._interrupts(text):
            self.happen(m.Said(text))
        else:
            self.trace.emit(t.Murmured(text))
            self._murmurs.keep(text, self._began)

    def unheard(self, utterance: int, *, seconds: float) -> None:
        self.trace.emit(t.CallerUnheard(utterance))
        self.happen(m.Unheard(seconds))

    def first_frame(self, turn: int) -> None:
        if self.turn is not None and self.turn.number == turn:
            self.turn.mark("first_frame")
            self.trace.emit(self.turn.times)
        self.happen(m.Playing(turn))

    def act(self, turn: int, name: str, details: dict[str, str]) -> None:
        self.trace.emit(t.Acted(turn, name, details))
        if name in ("hang_up", "transfer"):
            self.happen(m.Parting(turn))

    def _interrupts(self, text: str) -> bool:
        """Whether these words may end a reply that the caller is hearing. Without one, all words count."""
        if self.state.agent not in (AgentState.SPEAKING, AgentState.HELD) or not self.state.audible:
            return True
        return self._murmurs.others(text) >= self.profile.interruption.words

    # ---------------------------------------------------------------------------- events and actions

    def happen(self, event: m.Event) -> None:
        """Work off `event`, and whatever events come of it, in order. Before `run`, events wait for it."""
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
        for action in actions:
            self._perform(action)
        self._expires = self._deadline.of(self.state)
        if before.line is Line.RINGING and state.line is Line.OPEN and self.profile.greeting:
            self._apply(*greet(self.state, m.Cue.GREETING))

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
            case m.Finish():
                self._finish(action)
            case m.Overdue():
                self.listener.conclude()
            case m.LastWords():
                self._speak(self._turn(action.turn, cue=m.Cue.LAST, text=action.words or self.profile.lines.apology))
            case m.End():
                self._scope.cancel()

    def _turn(self, number: int, *, words: str = "", cue: m.Cue | None = None, text: str = "") -> Turn:
        turn = Turn(number, clock=self.clock, words=words, cue=cue, text=text)
        turn.gone = self._turn_gone
        self.turn = turn
        self.media.stage(number)
        self.trace.emit(t.TurnBegan(number, words, cue.value if cue else ""))
        return turn

    def _begin(self, action: m.Begin) -> None:
        if action.cue is not None:
            lines = self.profile.lines
            text = self.profile.greeting if action.cue is m.Cue.GREETING else getattr(lines, action.cue.value)
            self._speak(self._turn(action.turn, cue=action.cue, text=text))
            return
        words = action.words or (self.turn.words if self.turn is not None else "")
        turn = self._turn(action.turn, words=words)
        stopped, decided, now = self._heard
        turn.times = t.TurnTimed(turn.number, caller_stopped=stopped, end_of_turn=decided, transcript=now)
        if action.words:
            self.thinker.said(action.words)
        self.thinker.think(turn)
        self.speaker.speak(turn)

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
                self.happen(m.Gone(f"media failed: {plain(error)}", m.How.FAILED))
        elif report.what == "restarted":
            self.trace.emit(t.ChildRestarted(name))
        elif report.what == "stopped":
            # Media is told to stop last: by then the call has its reason, which media tells the other side.
            self._cut_off()

    def _exhausted(self, child: Child, error: BaseException | None) -> None:
        """Past the budget the call does not just drop: the caller is told, and the record says why."""
        self.close(m.How.FAILED, f"{child.name} failed too often: {plain(error)}", "")
