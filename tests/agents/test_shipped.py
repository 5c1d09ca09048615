"""The shipped agents in conversation: what the embedded ear writes, mis-hearings included, and what must come of it.

The caller's lines are what pocketsphinx made of read sentences on a telephone line.
"""

from __future__ import annotations

import pytest

from parlance.actors.thinker import script
from parlance.actors.thinker.phrases import Splitter
from parlance.agents.load import shipped
from tests.agents.talk import Caller

AGENTS = shipped(checks=(script.faults,))
BOOK = ("book", {"day": "2026-11-21", "time": "10:00", "name": "John Miller"})
END = ("hang_up", {})

TALKS = {
    "an appointment, as the demo's caller makes it": ("receptionist", [
        ("i would like to put an appointment or tomorrow and and", "at what time"),
        ("at ten o'clock", "your name"),
        ("john miller", "tomorrow, saturday, at 10 in the morning, for john miller. is that right?"),
        ("yes that is right", "noted your appointment for tomorrow", BOOK),
        ("no thank you that is all", "goodbye", END),
    ]),
    "everything in one sentence": ("receptionist", [
        ("i need an appointment for tomorrow at ten my name is john miller", "is that right?"),
        ("yes please", "anything else", BOOK),
    ]),
    "a changed mind, while asked for something else, at the end, and afterwards": ("receptionist", [
        ("can i achieve a doctor on monday", "at what time"),
        ("have patched three", "your name"),
        ("actually make it a tuesday", "your name"),
        ("this is mary smith", "tuesday, november 24, at 3:30 in the afternoon, for mary smith"),
        ("no at eleven please", "all right. tuesday, november 24, at 11 in the morning"),
        ("yes", "noted", ("book", {"day": "2026-11-24", "time": "11:00", "name": "Mary Smith"})),
        ("actually make it wednesday", "wednesday, november 25, at 11"),
        ("yes", "noted", ("book", {"day": "2026-11-25", "time": "11:00", "name": "Mary Smith", "revision": "2"})),
        ("haven't you goodbye", "goodbye", END),
    ]),
    "a question in the middle": ("receptionist", [
        ("i need an appointment", "which day"),
        ("are you open on saturday", "on saturday we are open from nine to twelve. for which day?"),
        ("next wednesday at nine fifteen", "your name"),
        ("where are you located", "next to the library. and your name, please?"),
        ("the name is robert brown", "wednesday, november 25, at 9:15 in the morning, for robert brown"),
    ]),
    "what cannot be had is refused": ("receptionist", [
        ("i need an appointment on sunday", "we are closed on sunday. which other day"),
        ("saturday", "at what time"),
        ("at two in the afternoon", "from 9 to 11:30"),
        ("eleven", "your name"),
    ]),
    "what was wrong is asked again": ("receptionist", [
        ("i need an appointment on monday at ten", "your name"),
        ("mary smith", "is that right?"),
        ("no that is wrong", "what should i change? the day, the time or the name?"),
        ("the time", "at what time"),
        ("a quarter to four", "at 3:45 in the afternoon, for mary smith. is that right?"),
    ]),
    "a part of the day is not yet a time": ("receptionist", [
        ("i would like to make an appointment on monday morning", "at what time in the morning?"),
        ("ten thirty", "your name"),
    ]),
    "hours, by day and in general": ("receptionist", [
        ("what are your opening hours", "monday to friday from eight to five"),
        ("when do you close on friday", "on friday we are open from eight to five"),
        ("are you open tomorrow", "on saturday we are open from nine to twelve"),
        ("are you open on sunday", "closed on sunday"),
    ]),
    "a message, dictated at once": ("receptionist", [
        ("please tell the doctor that i will be late", "your name"),
        ("john miller", "written that down", ("take_message", {"message": "i will be late", "name": "John Miller"})),
    ]),
    "a message whose words are also an intent's": ("receptionist", [
        ("i want to leave a message", "what is the message"),
        ("i will be late for my appointment on monday", "your name"),
        ("robert brown", "pass it on",
         ("take_message", {"message": "i will be late for my appointment on monday", "name": "Robert Brown"})),
    ]),
    "nobody to speak to": ("receptionist", [
        ("can i speak to a person please", "nobody can come to the phone right now. shall i take a message?"),
        ("yes please", "what is the message"),
        ("never mind", "what else"),
        ("bye bye", "goodbye", END),
    ]),
    "an honest receptionist": ("receptionist", [
        ("to argue", "i do not know that. i can make an appointment"),
        ("are you a robot", "i am the automatic receptionist of harbor street clinic"),
        ("can you repeat that please", "i am the automatic receptionist"),
        ("what can you do", "i can make an appointment"),
        ("do you have parking", "behind the house"),
        ("i am calling about my prescription", "what is the message"),
    ]),
    "three misunderstandings lead to a message": ("receptionist", [
        ("i need an appointment", "for which day?"),
        ("banana split", "sorry, for which day"),
        ("banana split", "sorry, for which day"),
        ("banana split", "i do not understand you well. i can pass that on. what is the message?"),
        ("i want to see the nurse", "your name"),
    ]),
    "a demo": ("sales", [
        ("what does your software do", "small teams. it runs in the browser and on your phone. would you like"),
        ("yes", "which day"),
        ("saturday", "from monday to friday"),
        ("tuesday at two in the afternoon", "your name"),
        ("john miller", "tuesday, november 24, at 2 in the afternoon, for john miller. is that right?"),
        ("yes that is right", "noted", ("book", {"day": "2026-11-24", "time": "14:00", "name": "John Miller"})),
        ("no", "goodbye", END),
    ]),
    "prices": ("sales", [
        ("how much does it cost", "eight dollars, and business is fifteen"),
        ("the team plan", "rooms, reminders"),
        ("no", "what else"),
        ("i would like a demo", "which day"),
    ]),
    "a callback, the number in two pieces": ("sales", [
        ("please call me back", "what is your name"),
        ("my name is john miller", "your number"),
        ("five five five", "go on"),
        ("one two three four", "what is it about"),
        ("i want a discount for my company", "john miller, at 5 5 5, 1 2 3 4. is that right?"),
        ("yes", "colleague will call", ("take_message", {
            "name": "John Miller", "number": "5551234", "message": "i want a discount for my company"})),
    ]),
    "a discount is not promised": ("sales", [
        ("do you have a discount", "i may not speak of discounts"),
        ("no", "what else"),
        ("are you open on monday", "i do not know that"),
    ]),
    "internet down, with the router heard as a river": ("callcenter", [
        ("my internet is down", "green, red, or off?"),
        ("the light on the river is red", "wait ten seconds"),
        ("it still does not work", "your name"),
        ("john miller", "telephone number"),
        ("my number is five five five one two three four", "at 5 5 5, 1 2 3 4. is that right?"),
        ("yes", "technician will call", ("take_message", {"name": "John Miller", "number": "5551234"})),
        ("no", "goodbye", END),
    ]),
    "internet up again": ("callcenter", [
        ("my internet is not working", "green, red, or off?"),
        ("one moment", "take your time. i am waiting. is the light"),
        ("the light is green", "the line is fine"),
        ("it works now tempt you", "glad to hear that"),
        ("no thank you", "goodbye", END),
    ]),
    "slow, a person wanted, a wrong number": ("callcenter", [
        ("the internet is slow", "restart the router"),
        ("i restarted the reader and it still does not work", "open a ticket"),
        ("i want to talk to a human", "shall i open a ticket"),
        ("yes please", "your name"),
        ("mary smith", "telephone number"),
        ("five five five zero one three four", "is that right?"),
        ("no that is wrong", "what should i change? the name or the number?"),
        ("the number", "telephone number"),
        ("five five five zero one three five", "0 1 3 5. is that right?"),
        ("yes", "written down", ("take_message", {"name": "Mary Smith", "number": "5550135"})),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("title", TALKS)
async def test_conversation(title):
    name, talk = TALKS[title]
    caller = Caller(AGENTS[name])
    for line, expected, *acts in talk:
        reply, done = await caller.say(line)
        assert expected in reply.lower(), f"after {line!r}"
        assert [(act.name, act.details) for act in done] == acts, f"after {line!r}"


@pytest.mark.parametrize("name", ["receptionist", "sales", "callcenter"])
async def test_a_person_is_put_through_where_there_is_a_number(name):
    caller = Caller(AGENTS[name], transfer="+15550100")
    reply, acts = await caller.say("can i speak to a person please")
    assert "put you through" in reply
    assert [act.name for act in acts] == ["transfer"]


@pytest.mark.parametrize("name", ["receptionist", "sales", "callcenter"])
async def test_punctuation_and_capitals_of_a_better_ear_make_no_difference(name):
    plain, pretty = Caller(AGENTS[name]), Caller(AGENTS[name])
    for line in ("hello", "i want to talk to a human", "yes please", "thank you goodbye"):
        written = line.capitalize().replace(" please", ", please").replace("thank you ", "Thank you. ") + "."
        assert (await plain.say(line))[0] == (await pretty.say(written))[0]


def test_four_agents_ship_and_three_of_them_talk():
    assert set(AGENTS) == {"receptionist", "sales", "callcenter", "rehearsal"}
    assert AGENTS["rehearsal"].greeting == ""
    assert {agent.mind.kind for agent in AGENTS.values()} == {"script", "rehearsal"}


@pytest.mark.parametrize("name", ["receptionist", "sales", "callcenter"])
def test_greetings_are_short_and_prompts_are_there(name):
    agent = AGENTS[name]
    # At 15 characters a second, a usual pace of speech, this is under four seconds.
    assert 10 < len(agent.greeting) < 60
    assert len(agent.prompt) > 200
    assert agent.title


@pytest.mark.parametrize("name", ["receptionist", "sales", "callcenter"])
def test_everything_an_agent_says_is_made_of_short_phrases(name):
    block = AGENTS[name].script
    assert block is not None
    for intent in block["intents"].values():
        said = intent.get("say", [])
        for text in [said] if isinstance(said, str) else said:
            splitter = Splitter()
            phrases = splitter.feed(text) + splitter.flush()
            assert all(len(phrase) <= 130 for phrase in phrases), phrases
