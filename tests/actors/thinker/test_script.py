"""The script mind: what was not heard was not said, nothing is booked twice, and every fault of a script is told."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parlance.actors.thinker import script
from parlance.actors.thinker.port import Act, Token
from parlance.engine.agent import Agent
from parlance.engine.errors import Misconfigured
from tests.agents.talk import FRIDAY, Caller

SCRIPT: dict[str, Any] = {
    "facts": {"shop": "The Shop"},
    "intents": {
        "table": {
            "when": ["table", "book"],
            "say": ["Of course.", "Gladly."],
            "ask": {
                "day": {"kind": "day", "prompt": "For which day?"},
                "people": {"kind": "count", "prompt": "For how many?", "label": "the number of people"},
                "name": {"kind": "name", "prompt": "What name?", "retry": "Which name, please?"},
            },
            "confirm": "{day}, {people} people, {name}. Right?",
            "done": {"say": "I have booked it.", "act": "book"},
            "offer": {"question": "Anything else?", "yes": "more", "no": "bye"},
        },
        "hours": {"when": "hours", "say": "{shop} is open from six."},
        "more": {"say": "What else?"},
        "bye": {"when": "goodbye", "say": "Goodbye.", "act": "hang_up"},
    },
}


def agent(block: dict[str, Any] | None = None, **changes: Any) -> Agent:
    return Agent(name="shop", script=SCRIPT if block is None else block, **changes)


def changed(*path: str, to: Any) -> dict[str, Any]:
    block = deepcopy(SCRIPT)
    inner = block
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return block


@pytest.fixture
def caller() -> Caller:
    return Caller(agent())


async def test_a_question_of_which_nothing_was_heard_counts_as_not_asked(caller):
    await caller.say("a table tomorrow for two people", heard="Of course.")
    # "What name?" was not heard, so these words are not the answer to it.
    reply, _ = await caller.say("mary smith")
    assert reply == "What name?"
    reply, _ = await caller.say("mary smith")
    assert "Mary Smith. Right?" in reply


async def test_a_question_of_which_a_part_was_heard_was_asked(caller):
    await caller.say("a table tomorrow for two people", heard="Of course. What na")
    assert "Mary Smith. Right?" in (await caller.say("mary smith"))[0]


async def test_a_yes_to_an_unheard_question_books_nothing(caller):
    await caller.say("a table tomorrow for two people my name is mary smith", heard="Of course.")
    reply, acts = await caller.say("yes")
    assert reply.endswith("Right?")
    assert acts == []


async def test_an_answer_of_which_nothing_was_heard_is_taken_back_and_thought_again_with_what_follows(caller):
    await caller.say("a table for two people", heard="")
    assert [line.text for line in caller.history.lines()] == ["a table for two people"]
    reply, _ = await caller.say("on monday")
    # The merged line is understood as a whole, and the variant that was not heard is said now.
    assert reply == "Of course. What name?"


async def test_thinking_twice_before_anything_is_heard_is_thinking_once(caller):
    caller.history.caller("a table tomorrow")
    first = await caller.think()
    assert await caller.think() == first


async def booked(caller: Caller, heard: str | None) -> None:
    await caller.say("a table tomorrow for two people my name is mary smith")
    _, acts = await caller.say("yes", heard=heard)
    assert [act.name for act in acts] == ["book"]


async def test_a_booking_that_was_not_heard_is_not_made_twice_and_is_told(caller):
    await booked(caller, heard="")
    reply, acts = await caller.say("what are your hours")
    assert acts == []
    assert reply.startswith("I have booked it. The Shop is open")


async def test_the_same_turn_again_after_a_booking_says_the_same_and_books_nothing(caller):
    await booked(caller, heard="")
    assert await caller.think() == ("I have booked it. Anything else?", [])


async def test_a_correction_spoken_over_an_unheard_booking_reopens_it(caller):
    await booked(caller, heard="")
    reply, acts = await caller.say("no wait on monday")
    assert (reply, acts) == ("All right. Monday, November 23, 2 people, Mary Smith. Right?", [])
    _, acts = await caller.say("yes")
    expected = {"day": "2026-11-23", "people": "2", "name": "Mary Smith", "revision": "2"}
    assert acts == [Act("book", expected)]


async def test_a_booking_is_recorded_before_its_first_word(caller):
    await caller.say("a table tomorrow for two people my name is mary smith")
    caller.history.caller("yes")
    async with caller.mind.think(caller.history.lines()) as thoughts:
        assert isinstance(await anext(thoughts), Act)
        assert await anext(thoughts) == Token("I")
    # Left in the middle: it was recorded, so it is not recorded again.
    caller.hear("I")
    _, acts = await caller.say("yes")
    assert acts == []


async def test_a_turn_left_before_its_first_thought_has_recorded_nothing(caller):
    await caller.say("a table tomorrow for two people my name is mary smith")
    caller.history.caller("yes")
    async with caller.mind.think(caller.history.lines()):
        pass
    caller.hear("")
    _, acts = await caller.say("please")
    assert [act.name for act in acts] == ["book"]


async def test_a_mind_made_anew_in_mid_call_goes_on_where_the_last_one_was(caller):
    await caller.say("a table tomorrow")
    await caller.say("two")
    caller.mind = caller.make()
    assert "tomorrow, Saturday, 2 people, Mary Smith" in (await caller.say("mary smith"))[0].replace("T", "t", 1)


async def test_a_mind_made_anew_does_not_book_again(caller):
    await booked(caller, heard=None)
    caller.mind = caller.make()
    _, acts = await caller.say("no")
    assert [act.name for act in acts] == ["hang_up"]


async def test_lines_of_the_agent_s_own_change_nothing(caller):
    await caller.say("a table tomorrow")
    caller.hear("Are you still there?", complete=True)
    assert (await caller.say("two"))[0] == "What name?"


async def test_variants_are_said_in_turn(caller):
    assert (await caller.say("a table"))[0].startswith("Of course.")
    await caller.say("never mind")
    assert (await caller.say("a table"))[0].startswith("Gladly.")


async def test_two_calls_do_not_know_of_each_other():
    one = Caller(agent())
    await one.say("a table tomorrow")
    one.mind = one.make()
    assert one.mind is not one.make()
    two = Caller(agent())
    assert (await two.say("two"))[0] == "I am sorry, I do not know that."


async def test_today_is_where_the_agent_is():
    mind = script.make({"timezone": "Pacific/Auckland"}, agent())()
    assert mind is not None
    with pytest.raises(Misconfigured, match="Mars/Olympus"):
        script.make({"timezone": "Mars/Olympus"}, agent())


LINES = st.sampled_from([
    "a table", "tomorrow", "on monday", "two", "for two people", "mary smith", "my name is anna", "yes", "no",
    "no that is wrong", "the day", "what are your hours", "goodbye", "", "uh", "banana", "say that again",
    "never mind", "actually tuesday",
])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LINES, st.floats(0, 1)), max_size=12))
async def test_any_conversation_however_interrupted_has_answers_and_books_only_what_was_confirmed(talk):
    caller = Caller(agent())
    last = ""
    for line, share in talk:
        caller.history.caller(line)
        if not caller.history.lines():
            continue
        reply, acts = await caller.think()
        assert reply
        assert "{" not in reply
        for act in acts:
            if act.name == "book":
                assert last.endswith(f"{act.details['people']} people, {act.details['name']}. Right?")
        heard = reply[: round(share * len(reply))]
        caller.hear(heard, complete=heard == reply)
        last = reply if heard.strip() else last


SLOT = ("intents", "table", "ask", "day")


@pytest.mark.parametrize(
    ("block", "where", "what"),
    [
        (changed("intents", "table", "sey", to="x"), ("intents", "table", "sey"), "did you mean say"),
        (changed("intents", "table", "offer", "yes", to="m"), ("intents", "table", "offer", "yes"), "no intent 'm'"),
        (changed("intents", "hours", "say", to="{shop} {hop}"), ("intents", "hours", "say", 0), "{hop}"),
        (changed("intents", "hours", "when", to=["(a"]), ("intents", "hours", "when", 0), "bracket"),
        (changed("intents", "hours", "act", to="transfer"), ("intents", "hours", "act"), "no number to transfer"),
        (changed("intents", "hours", "by", to="day"), ("intents", "hours"), "belong together"),
        (changed("intents", "more", to={}), ("intents", "more"), "says nothing"),
        (changed("intents", "table", "done", to=None), ("intents", "table"), "needs `done`"),
        (changed(*SLOT, "kind", to="date"), (*SLOT, "kind"), "date"),
        (changed(*SLOT, "latest", to="9:00"), SLOT, "kind time"),
        (changed(*SLOT, "prompt", to=5), (*SLOT, "prompt"), "should be a list"),
        (changed("give_up", to="person"), ("give_up",), "no intent 'person'"),
        (changed("facts", to={"a": 5}), ("facts", "a"), "put it in quotes"),
        (changed("mishearings", to={"A": "b"}), ("mishearings", "A"), "'a'"),
        (changed("intents", to={}), ("intents",), "at least 1"),
    ],
)
def test_a_fault_is_told_where_it_is(block, where, what):
    found = script.faults(agent(block))
    assert [path for path, _ in found] == [("script", *where)]
    assert what in found[0][1]


def test_all_faults_are_told_at_once():
    block = changed("intents", "hours", "say", to="{hop}")
    block["give_up"] = "person"
    assert len(script.faults(agent(block, mind={"kind": "script", "timezon": "UTC"}))) == 3
    with pytest.raises(Misconfigured, match=r"(?s)give_up.*hop"):
        script.make({}, agent(block))


def test_a_script_agent_without_a_script_is_a_fault_and_other_minds_need_none():
    assert len(script.faults(Agent(name="a"))) == 1
    assert script.faults(Agent(name="a", mind={"kind": "openai", "model": "m"})) == []


def test_the_test_s_own_script_has_no_fault():
    assert script.faults(agent()) == []
    assert FRIDAY.strftime("%A") == "Friday"
