"""The state machine: its invariants under any events, its tables' completeness, and the rules people rely on."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from parlance.engine import message as m
from parlance.engine.state import AGENT, CALLER, JOINT, Agent, Caller, Line, Rules, State, deadline
from parlance.engine.step import greet, step

RULES = st.sampled_from([Rules(), Rules(prompts=0), Rules(interruptible=False), Rules(failures=1)])


class Machine(RuleBasedStateMachine):
    """Any events in any order. The model is the list of turns that have begun and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.rules = Rules()
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.ends = 0
        self.holding = False
        self.frozen = False

    @rule(rules=RULES)
    @precondition(lambda self: self.state.line is Line.RINGING)
    def choose_rules(self, rules: Rules) -> None:
        self.rules = rules

    def happen(self, event: m.Event) -> None:
        before = self.state
        self.state, actions = step(self.state, event, self.rules)
        if before.line is Line.CLOSED:
            assert (self.state, actions) == (before, ())
        self.perform(actions)

    def perform(self, actions: tuple[m.Action, ...]) -> None:
        for action in actions:
            assert not self.ends, "something happens after the end"
            match action:
                case m.Begin(turn) | m.LastWords(turn):
                    assert turn == (self.begun[-1] if self.begun else 0) + 1
                    assert set(self.begun) == set(self.ended), "a turn begins while another is going on"
                    self.begun.append(turn)
                    self.holding = False
                case m.Finish(turn):
                    assert turn in self.begun
                    assert turn not in self.ended, "a turn ends twice"
                    self.ended.append(turn)
                    self.holding = False
                case m.Hold():
                    assert not self.holding
                    self.holding = True
                case m.Release():
                    assert self.holding
                    self.holding = False
                case m.Freeze():
                    assert not self.frozen
                    self.frozen = True
                case m.Thaw():
                    assert self.frozen
                    self.frozen = False
                case m.End():
                    self.ends += 1

    @rule()
    def answered(self) -> None:
        ringing = self.state.line is Line.RINGING
        self.happen(m.Answered())
        if ringing:
            self.state, actions = greet(self.state, m.Cue.GREETING)
            self.perform(actions)

    @rule(saying=st.builds(m.Say, st.just("wait"), st.booleans(), st.sampled_from([m.Cue.SAY, m.Cue.KEYS])))
    @precondition(lambda self: len(self.state.sayings) < 8)
    def say(self, saying: m.Say) -> None:
        self.happen(saying)

    @rule(event=st.sampled_from([m.Lost("dropped"), m.Back(), m.Pause(True), m.Pause(False)]))
    def stop_time(self, event: m.Event) -> None:
        self.happen(event)

    @rule(event=st.sampled_from([m.VoiceBegan(1.0), m.VoiceEnded(2.0), m.Words("stop"), m.Said("stop"), m.Expired()]))
    def caller(self, event: m.Event) -> None:
        self.happen(event)

    @rule(seconds=st.sampled_from([0.1, 2.0]))
    def unheard(self, seconds: float) -> None:
        self.happen(m.Unheard(seconds))

    @rule(stale=st.integers(0, 2), kind=st.sampled_from(["playing", "played", "broken", "parting"]))
    def reply(self, stale: int, kind: str) -> None:
        turn = self.state.turn - stale
        event = {
            "playing": m.Playing(turn),
            "played": m.Played(turn),
            "parting": m.Parting(turn),
            "broken": m.Broken(turn, "broke"),
        }[kind]
        before = self.state
        self.happen(event)
        if stale:
            assert self.state == before

    @rule(
        words=st.sampled_from([None, "", "we close"]),
        how=st.sampled_from(list(m.How)),
        by=st.sampled_from(list(m.By)),
        onward=st.sampled_from(["", "+33140000000"]),
    )
    def close(self, words: str | None, how: m.How, by: m.By, onward: str) -> None:
        self.happen(m.Close(how, "closing", words, by, onward))

    @rule()
    def gone(self) -> None:
        self.happen(m.Gone("caller hung up"))
        assert self.state.line is Line.CLOSED

    @invariant()
    def one_end(self) -> None:
        assert self.ends == (self.state.line is Line.CLOSED)

    @invariant()
    def every_state_has_a_deadline(self) -> None:
        assert (deadline(self.state) is None) == (self.state.line is Line.CLOSED or self.state.frozen)

    @invariant()
    def time_stands_still_for_a_reason_and_not_during_the_last_words(self) -> None:
        assert self.ends or self.frozen == self.state.frozen
        assert not (self.frozen and self.state.line is Line.CLOSING)

    @invariant()
    def what_operators_want_said_is_said_when_the_floor_is_free(self) -> None:
        state = self.state
        busy = state.caller is Caller.TALKING or state.due or state.owed or state.waiting
        if state.sayings and state.line is Line.OPEN:
            assert busy or state.agent is not Agent.IDLE

    @invariant()
    def held_means_holding(self) -> None:
        assert self.holding == (self.state.agent is Agent.HELD)

    @invariant()
    def a_reply_is_in_hand_unless_idle(self) -> None:
        living = set(self.begun) - set(self.ended)
        assert living == (set() if self.state.agent is Agent.IDLE else {self.state.turn})

    @invariant()
    def the_agent_does_not_start_over_a_caller_who_talks(self) -> None:
        keys = self.state.cue is m.Cue.KEYS
        open = self.state.line is Line.OPEN and not keys
        if self.rules.interruptible and open and self.state.caller is Caller.TALKING:
            assert self.state.agent in (Agent.IDLE, Agent.HELD)


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)


def talk(state: State, *events: m.Event, rules: Rules = Rules()) -> tuple[State, list[m.Action]]:
    actions: list[m.Action] = []
    for event in events:
        state, more = step(state, event, rules)
        actions.extend(more)
    return state, actions


OPEN = State(line=Line.OPEN)


def test_tables_name_only_events_and_states_that_exist() -> None:
    events = set(m.Event.__args__)  # type: ignore[attr-defined]
    assert {event for _, event in (*CALLER, *AGENT)} <= events
    assert all(state is not after for (_, state), after in JOINT.items())


@pytest.mark.parametrize(("line", "caller", "agent"), list(itertools.product(Line, Caller, Agent)))
def test_every_joint_state_that_can_last_is_bounded(line: Line, caller: Caller, agent: Agent) -> None:
    assert (deadline(State(line=line, caller=caller, agent=agent)) is None) == (line is Line.CLOSED)


def test_speech_holds_and_words_end_the_turn() -> None:
    state, actions = talk(OPEN, m.Said("hello"), m.Playing(1), m.VoiceBegan(3.0))
    assert actions[-1] == m.Hold()
    state, actions = talk(state, m.Words("stop"))
    assert actions == [m.Finish(1, m.Outcome.INTERRUPTED, "barge-in")]
    assert state.agent is Agent.IDLE


def test_without_words_playing_goes_on() -> None:
    state, _ = talk(OPEN, m.Said("hello"), m.Playing(1), m.VoiceBegan(3.0), m.VoiceEnded(3.2))
    state, actions = talk(state, m.Expired())
    assert (state.agent, actions) == (Agent.SPEAKING, [m.Release()])


def test_a_caller_who_goes_on_while_the_agent_thinks_supersedes_the_reply() -> None:
    _state, actions = talk(OPEN, m.Said("i would like"), m.VoiceBegan(1.0), m.Words("on monday"))
    assert actions[-1] == m.Finish(1, m.Outcome.SUPERSEDED, "barge-in")


def test_a_goodbye_that_was_heard_ends_the_call_and_one_that_was_interrupted_does_not() -> None:
    state, actions = talk(OPEN, m.Said("bye"), m.Parting(1), m.Playing(1), m.Played(1))
    assert actions[-1] == m.End(m.How.COMPLETED, "agent hung up")
    state, actions = talk(OPEN, m.Said("bye"), m.Parting(1), m.Playing(1), m.VoiceBegan(1.0), m.Words("wait"))
    assert state.line is Line.OPEN
    state, actions = talk(state, m.VoiceEnded(2.0), m.Said("wait"), m.Playing(2), m.Played(2))
    assert state.line is Line.OPEN


def test_silence_is_asked_about_and_then_ends_the_call() -> None:
    state = OPEN
    cues = []
    for _ in range(3):
        state, actions = talk(state, m.Expired())
        begin = actions[-1]
        assert isinstance(begin, m.Begin)
        cues.append(begin.cue)
        state, actions = talk(state, m.Playing(begin.turn), m.Played(begin.turn))
    assert cues == [m.Cue.REPROMPT, m.Cue.REPROMPT, m.Cue.GOODBYE]
    assert actions[-1] == m.End(m.How.COMPLETED, "caller silent")


def test_an_answer_resets_the_patience() -> None:
    state, _ = talk(OPEN, m.Expired(), m.Playing(1), m.Played(1))
    assert state.prompts == 1
    state, _ = talk(state, m.Said("yes"))
    assert state.prompts == 0


def test_words_during_the_last_words_change_nothing() -> None:
    state, actions = talk(OPEN, m.Close(m.How.FAILED, "broken", "sorry"))
    assert actions == [m.LastWords(1, "sorry")]
    after, actions = talk(state, m.VoiceBegan(1.0), m.Words("what"), m.Said("what"))
    assert (after, actions) == (state, [])
    state, actions = talk(state, m.Played(1))
    assert actions[-1] == m.End(m.How.FAILED, "broken")


def test_a_ringing_call_that_is_never_answered_ends() -> None:
    _state, actions = talk(State(), m.Expired())
    assert actions == [m.End(m.How.FAILED, "never answered")]


def test_an_uninterruptible_reply_is_finished_and_the_words_are_answered_next() -> None:
    rules = Rules(interruptible=False)
    state, actions = talk(OPEN, m.Said("a"), m.Playing(1), m.VoiceBegan(1.0), m.Words("b"), m.Said("b c"), rules=rules)
    assert not any(isinstance(action, m.Hold | m.Finish) for action in actions)
    state, actions = talk(state, m.VoiceEnded(2.0), m.Played(1), rules=rules)
    assert actions == [m.Finish(1, m.Outcome.PLAYED), m.Begin(2, "b c", None)]


# ------------------------------------------------------------------------------------- who ended it, and how


def test_who_ended_a_call_is_known() -> None:
    def by(*events: m.Event, state: State = OPEN) -> m.By:
        state, _ = talk(state, *events)
        assert state.line is Line.CLOSED
        return state.by

    last = (m.Playing(1), m.Played(1))
    assert by(m.Gone("hung up")) is m.By.CALLER
    assert by(m.Gone("dropped", by=m.By.CARRIER)) is m.By.CARRIER
    assert by(m.Said("bye"), m.Parting(1), *last) is m.By.AGENT
    assert by(m.Close(m.How.COMPLETED, "enough", by=m.By.OPERATOR)) is m.By.OPERATOR
    assert by(m.Close(m.How.COMPLETED, "time limit", "bye"), *last) is m.By.HOUSE
    assert by(m.Close(m.How.COMPLETED, "time limit", "bye"), m.Gone("hung up")) is m.By.HOUSE
    assert by(m.Expired(), state=State()) is m.By.HOUSE


def test_a_call_that_its_operator_ends_during_its_last_words_ends_at_once() -> None:
    close = m.Close(m.How.COMPLETED, "time limit", "bye")
    state, actions = talk(OPEN, close, m.Close(m.How.COMPLETED, "drained"))
    assert (state.line, actions) == (Line.CLOSING, [m.LastWords(1, "bye")]), "the house may not cut its own words off"
    state, _ = talk(state, m.Close(m.How.COMPLETED, "enough", by=m.By.OPERATOR))
    assert (state.line, state.reason) == (Line.CLOSED, "enough")


def test_a_number_to_go_on_to_is_kept_only_for_a_call_that_ends_that_way() -> None:
    parting = (m.Said("a person"), m.Parting(1, "transferred", "+331"), m.Playing(1))
    state, _ = talk(OPEN, *parting, m.Played(1))
    assert (state.onward, state.reason) == ("+331", "transferred")
    for otherwise in ([m.Gone("hung up")], [m.Close(m.How.COMPLETED, "drained")], [m.VoiceBegan(1.0), m.Words("wait")]):
        state, _ = talk(OPEN, *parting, *otherwise)
        assert state.onward == ""
    state, _ = talk(OPEN, m.Close(m.How.COMPLETED, "transferred", by=m.By.OPERATOR, onward="+332"))
    assert state.onward == "+332"


def test_a_goodbye_that_was_interrupted_does_not_give_a_later_one_its_reason() -> None:
    state, _ = talk(replace(OPEN, prompts=2), m.Expired(), m.Playing(1), m.VoiceBegan(1.0), m.Words("wait"))
    state, actions = talk(state, m.VoiceEnded(2.0), m.Said("bye"), m.Parting(2), m.Playing(2), m.Played(2))
    assert actions[-1] == m.End(m.How.COMPLETED, "agent hung up")


# ----------------------------------------------------------------------------------------------- operators


def test_operators_words_wait_for_the_reply_and_keep_their_order() -> None:
    state, actions = talk(OPEN, m.Said("hello"), m.Playing(1), m.Say("one"), m.Say("two"))
    assert actions == [m.Begin(1, "hello")]
    state, actions = talk(state, m.Played(1), m.Playing(2), m.Played(2))
    assert [action for action in actions if isinstance(action, m.Begin)] == [
        m.Begin(2, None, m.Cue.SAY, "one"),
        m.Begin(3, None, m.Cue.SAY, "two"),
    ]


def test_operators_words_that_were_cut_off_before_a_sound_are_said_later_and_others_are_not() -> None:
    cut = (m.Say("one"), m.VoiceBegan(1.0), m.Words("but"), m.VoiceEnded(2.0), m.Said("but why"))
    state, _ = talk(OPEN, *cut, m.Playing(2), m.Played(2))
    assert (state.agent, state.cue) == (Agent.THINKING, m.Cue.SAY)
    state, actions = talk(OPEN, cut[0], m.Playing(1), *cut[1:])
    assert m.Finish(1, m.Outcome.INTERRUPTED, "barge-in") in actions
    assert state.sayings == ()


def test_an_operator_who_interrupts_a_goodbye_keeps_the_call() -> None:
    state, actions = talk(OPEN, m.Said("bye"), m.Parting(1), m.Playing(1), m.Say("wait", True))
    assert actions[-2:] == [m.Finish(1, m.Outcome.INTERRUPTED, "operator"), m.Begin(2, None, m.Cue.SAY, "wait")]
    state, _ = talk(state, m.Playing(2), m.Played(2))
    assert state.line is Line.OPEN


def test_an_operator_who_interrupts_while_the_caller_talks_waits_for_a_breath() -> None:
    state, actions = talk(OPEN, m.VoiceBegan(1.0), m.Say("wait", True))
    assert actions == [m.Begin(1, None, m.Cue.SAY, "wait"), m.Hold()]
    assert state.agent is Agent.HELD


def test_words_said_over_keys_are_answered_after_them() -> None:
    keys = m.Say("12", cue=m.Cue.KEYS)
    state, actions = talk(OPEN, m.VoiceBegan(1.0), keys, m.Playing(1), m.Words("press"), m.Said("press one"))
    assert actions == [m.Begin(1, None, m.Cue.KEYS, "12")]
    state, actions = talk(state, m.VoiceEnded(2.0), m.Played(1))
    assert actions[-1] == m.Begin(2, "press one")


# -------------------------------------------------------------------------------------- time that stands still


def test_time_stands_still_until_no_reason_is_left() -> None:
    state, actions = talk(OPEN, m.Pause(True), m.Pause(True), m.Lost("dropped"), m.Pause(False))
    assert actions == [m.Freeze()]
    assert talk(state, m.Expired()) == (state, [])
    state, actions = talk(state, m.Back())
    assert actions == [m.Thaw()]


def test_a_lost_line_hears_no_last_words_and_a_caller_on_hold_does() -> None:
    close = m.Close(m.How.COMPLETED, "drained", "we close")
    _, actions = talk(OPEN, m.Lost("dropped"), close)
    assert actions == [m.Freeze(), m.End(m.How.COMPLETED, "drained")]
    state, actions = talk(OPEN, m.Pause(True), close)
    assert actions == [m.Freeze(), m.Thaw(), m.LastWords(1, "we close")]
    assert talk(state, m.Pause(True)) == (state, []), "and is not put on hold again"
    _, actions = talk(state, m.Lost("dropped"))
    assert actions[-1] == m.End(m.How.COMPLETED, "drained")


def test_only_a_call_that_was_answered_can_be_put_on_hold() -> None:
    assert talk(State(), m.Pause(True)) == (State(), [])
