"""What the caller hears, and what the trace says, when a language model does something wrong. All minds, all faults."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import trio
from matrix import FAULTS, Show, perform
from partners import BY_TITLE, of
from theatre import REPLY, Theatre
from verdicts import EACH, LINES, Verdict, fine, hold, sorry

from parlance.engine.effort import ProviderServed
from parlance.engine.trace import TurnBegan, TurnEnded

SOUND = (1.3, 1.6)
"""Two replies of twelve words each, at the rehearsal voice's pace."""
LATE = "quota, come back late"
WIDE = "\u597d\u7684\u3002\u6211\u4eec\u4e5d\u70b9\u5f00\u95e8\u3002 \u8bf7\u95ee\u60a8\u8d35\u59d3\uff1f"
"""Two sentences in one word, so that the first of them is on its way to the voice before the second word is spoiled."""
BROKEN = {
    f"{name}, after a phrase": replace(FAULTS[name], text=WIDE)
    for name in ("stops in the middle", "cut in the middle", "half a JSON", "wrong types", "10 MB")
}

VERDICTS: dict[str, Verdict] = {
    "none": fine(SOUND, served=2),
    "wrong key": sorry("401"),
    "quota": fine(SOUND, failed=1, served=2, says="429"),
    "quota, come back": fine(SOUND, failed=1, served=2, says="429"),
    LATE: sorry("429", broke=1),
    "5xx": fine(SOUND, failed=1, served=2, says="500"),
    "never starts": fine(SOUND, failed=1, served=2, says="no (words|answer) within 1.2 s"),
    "stops in the middle": fine(SOUND, broke=1, served=3, says="no more words within 1 s"),
    "cut in the middle": fine(SOUND, broke=1, served=3, says="connection lost"),
    "half a JSON": fine(SOUND, broke=1, served=3, says="not the stream of an answer"),
    "wrong types": fine(SOUND, broke=1, served=3, says="'7' where there should be text"),
    "10 MB": fine(SOUND, broke=1, served=3, says="an event of more than"),
    # Asking again would cost the caller as long again, and he may ask himself.
    "nothing in it": Verdict(
        [("reply", "failed"), ("regret", "played"), ("reply", "played")],
        ("", LINES.regret, REPLY),
        (0.6 + EACH, 0.85 + EACH),
        served=1,
        says="has nothing to say",
    ),
}
TITLES = [partner.title for partner in of("mind")]


async def script(theatre: Theatre) -> None:
    await trio.sleep(0.2)
    await theatre.say()
    await theatre.say()


@cache
def show() -> Show:
    return perform("mind", FAULTS | BROKEN, script)


@pytest.mark.parametrize("fault", VERDICTS)
@pytest.mark.parametrize("title", TITLES)
def test_a_mind_that_does_something_wrong(title: str, fault: str) -> None:
    hold(show().of(title, fault), "mind", BY_TITLE[title].kind, VERDICTS[fault])


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("title", TITLES)
def test_a_reply_that_breaks_off_after_a_phrase_ends_with_the_agents_regret(title: str, fault: str) -> None:
    row = show().of(title, fault)
    row.theatre.check()
    assert row.left == 0
    first, second = row.theatre.turns, [turn.heard for turn in row.theatre.all(TurnEnded)]
    assert first == [("reply", "played"), ("reply", "played")]
    said = WIDE.partition(" ")[0]
    assert second[0].endswith(LINES.regret)
    assert said.startswith(second[0].removesuffix(LINES.regret).replace(" ", ""))
    assert second[0] != LINES.regret, "the phrase that was whole is spoken"
    assert second[1].replace(" ", "") == WIDE.replace(" ", "")
    kind = BY_TITLE[title].kind
    assert row.told.count(("failed", "mind", kind)) == 1
    assert not [what for what in row.told if what[0] == "broke"], "what was said is not said again"


@pytest.mark.parametrize("title", TITLES)
def test_a_mind_that_wants_to_be_left_alone_is(title: str) -> None:
    requests = show().of(title, LATE).served.conduct.requests
    assert sum(count for name, count in requests.items() if name.endswith(" error")) == 1
    assert sum(count for name, count in requests.items() if name.startswith("/") and " " not in name) == 1


@pytest.mark.parametrize("title", TITLES)
def test_a_pause_that_is_asked_for_is_kept_and_no_longer(title: str) -> None:
    quick, slow = (_wait(show(), title, fault) for fault in ("quota", "quota, come back"))
    assert 0.4 <= slow < 1.4
    assert quick < slow


def _wait(show: Show, title: str, fault: str) -> float:
    """Seconds from the caller's words to who answers."""
    theatre = show.of(title, fault).theatre
    begun = theatre.at(TurnBegan)[0]
    return next(record.at for record in theatre.records if isinstance(record.event, ProviderServed)) - begun


def test_nothing_is_left_of_all_these_calls() -> None:
    assert show().left == {}
