"""Words in any script, emoji, and what looks like markup: through every ear, mind and voice as they are."""

from __future__ import annotations

import re
from functools import partial

import pytest
import trio
from matrix import FAULTS
from partners import BY_TITLE, of
from plays import Plays
from theatre import Theatre, simulator

from parlance.engine.metronome import Metronome
from parlance.engine.trace import CallerSaid, PhraseReady, TurnEnded

TEXTS = {
    "german": "Gr\u00fc\u00df Gott, das macht 12,50 \u20ac f\u00fcr Frau M\u00fcller.",
    "chinese": "\u597d\u7684\uff0c\u6211\u4eec\u4e5d\u70b9\u5f00\u95e8\u3002\u8bf7\u95ee\u60a8\u8d35\u59d3\uff1f",
    "arabic": (
        "\u0646\u0639\u0645\u060c \u0644\u062f\u064a\u0646\u0627 "
        "\u0637\u0627\u0648\u0644\u0629 \u0644\u0634\u062e\u0635\u064a\u0646."
    ),
    "hindi": (
        "\u0928\u092e\u0938\u094d\u0924\u0947, \u0906\u092a\u0915\u0940 "
        "\u092e\u0947\u091c\u093c \u0924\u0948\u092f\u093e\u0930 \u0939\u0948\u0964"
    ),
    "emoji": "Great \U0001f600\U0001f469\u200d\U0001f373 see you \U0001f1eb\U0001f1f7 soon.",
    "markup": "Say <break time='9s'/> & <speak>hello</speak> to \"us\" please.",
    "combining": "Cafe\u0301 Zoe\u0308 and na\u00efve \u202etxet\u202c here.",
}
plays = Plays()


async def script(theatre: Theatre) -> None:
    await trio.sleep(0.2)
    await theatre.say(1.8 if theatre.heard_for_real else 0.6)


def _letters(text: str) -> str:
    """What of a text every ear has: some give neither capitals nor stops."""
    return re.sub(r"[^\w]+", " ", text.lower()).strip()


async def _spoken(title: str, name: str, beat: Metronome) -> None:
    partner, text = BY_TITLE[title], TEXTS[name]
    async with simulator(partner.door, FAULTS["none"].conduct(partner)) as served:
        theatre = Theatre({"voice": partner.at(served.port)}, hears=["hello"], says=[f"{text} Yes."], metronome=beat)
        await theatre.play(script)
    theatre.check()
    (turn,) = theatre.all(TurnEnded)
    assert turn.outcome == "played", theatre.told()
    assert turn.heard == turn.said, "the ledger has lost some of it"
    assert turn.said.endswith("Yes.")
    assert theatre.caller.seconds > 0.08
    assert [what for what in theatre.told() if what[0] in ("failed", "broke")] == []


async def _thought(title: str, name: str, beat: Metronome) -> None:
    partner, text = BY_TITLE[title], TEXTS[name]
    conduct = FAULTS["none"].conduct(partner)
    conduct.text = text
    async with simulator(partner.door, conduct) as served:
        theatre = Theatre({"mind": partner.at(served.port)}, hears=[text], metronome=beat)
        await theatre.play(script)
    theatre.check()
    (turn,) = theatre.all(TurnEnded)
    assert turn.outcome == "played", theatre.told()
    said = " ".join(phrase.text for phrase in theatre.all(PhraseReady))
    assert _letters(said).replace(" ", "") == _letters(text).replace(" ", "")
    assert [what for what in theatre.told() if what[0] in ("failed", "broke")] == []


async def _heard(title: str, name: str, beat: Metronome) -> None:
    partner, text = BY_TITLE[title], TEXTS[name]
    conduct = FAULTS["none"].conduct(partner)
    conduct.text = text
    async with simulator(partner.door, conduct) as served:
        theatre = Theatre({"ear": partner.at(served.port)}, says=["Yes."], metronome=beat)
        await theatre.play(script)
    theatre.check()
    assert theatre.turns == [("reply", "played")], theatre.told()
    (said,) = [said for said in theatre.all(CallerSaid) if said.final]
    assert _letters(said.text) == _letters(text)
    assert theatre.history.lines()[0].text == said.text
    assert [what for what in theatre.told() if what[0] in ("failed", "broke")] == []


for _role, _play in (("ear", _heard), ("mind", _thought), ("voice", _spoken)):
    for _partner in of(_role):
        for _name in TEXTS:
            plays.add(f"{_partner.title}: {_name}", partial(_play, _partner.title, _name))


@pytest.mark.parametrize("name", plays.names)
def test_any_text(name: str) -> None:
    plays.look(name)


def test_nothing_is_left_of_all_these_calls() -> None:
    assert plays.left == {}
