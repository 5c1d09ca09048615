"""What the caller hears, and what the trace says, when an ear does something wrong. All ears, all faults."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import trio
from matrix import FAULTS, Show, perform
from partners import BY_TITLE, of
from theatre import REPLY, WORDS, Theatre
from verdicts import EACH, LINES, Verdict, fine, hold, words

SOUND = (1.3, 1.6)
"""Two replies of twelve words each, at the rehearsal voice's pace."""
LONG = 1.8
"""Seconds that the caller speaks."""
LATE = "quota, come back late"
TITLES = [partner.title for partner in of("ear")]
STREAMING = [partner.title for partner in of("ear") if partner.line]


def _deaf(says: str) -> Verdict:
    """Nothing can be heard of the caller, and he is told at once."""
    ends = ("failed", f"listener failed: .*{says}")
    return Verdict(
        [("last words", "played")], (LINES.apology,), (EACH - 0.05, EACH + 0.05), broke=1, again=0, says=says, ends=ends
    )


_RETRIED, _BROKE = fine(SOUND, failed=1, served=1), fine(SOUND, broke=1, served=2)
_EMPTY = Verdict([("pardon", "played"), ("reply", "played")], (LINES.pardon, REPLY), (1.0, 1.25), served=1)

STREAMED: dict[str, Verdict] = {
    "none": fine(SOUND, served=1),
    "wrong key": _deaf("401"),
    "quota": replace(_RETRIED, says="429"),
    "quota, come back": replace(_RETRIED, says="429"),
    LATE: _deaf("429"),
    "5xx": replace(_RETRIED, says="500"),
    "never starts": replace(_BROKE, says="has said nothing to 1 s of audio|no words within"),
    "stops in the middle": replace(_BROKE, says="has said nothing to 1 s of audio|no words within"),
    "cut in the middle": replace(_BROKE, says="connection closed: 1006"),
    "half a JSON": replace(_BROKE, says="not a message of"),
    "wrong types": replace(_BROKE, says="not a message of"),
    "10 MB": replace(_BROKE, says="a message of more than 1 MB|no words within|has said nothing to"),
    "nothing in it": _EMPTY,
}
"""Ears that hear as the caller speaks."""
REQUESTED: dict[str, Verdict] = {
    **STREAMED,
    "never starts": replace(_RETRIED, says="no answer within 1.2 s"),
    "stops in the middle": replace(_RETRIED, says="no more words within 1 s"),
    "cut in the middle": replace(_RETRIED, says="connection lost"),
    "half a JSON": replace(_RETRIED, says="not a (transcription|recognition)"),
    "wrong types": replace(_RETRIED, says="not a (transcription|recognition)"),
    "10 MB": replace(_RETRIED, says="more than 1 MB of words"),
}
"""Ears that are asked once the caller has spoken: one try more costs them nothing that was heard."""


async def script(theatre: Theatre) -> None:
    await trio.sleep(0.2)
    await theatre.say(LONG)
    await theatre.say(LONG)


@cache
def show() -> Show:
    return perform("ear", FAULTS, script)


@pytest.mark.parametrize("fault", STREAMED)
@pytest.mark.parametrize("title", TITLES)
def test_an_ear_that_does_something_wrong(title: str, fault: str) -> None:
    verdict = (STREAMED if title in STREAMING else REQUESTED)[fault]
    hold(show().of(title, fault), "ear", BY_TITLE[title].kind, verdict)


@pytest.mark.parametrize("fault", [fault for fault in STREAMED if STREAMED[fault].turns[0] == ("reply", "played")])
@pytest.mark.parametrize("title", TITLES)
def test_nothing_of_what_the_caller_said_is_lost(title: str, fault: str) -> None:
    assert words(show().of(title, fault)) == [WORDS, WORDS]


@pytest.mark.parametrize("title", TITLES)
def test_an_ear_that_wants_to_be_left_alone_is(title: str) -> None:
    requests = show().of(title, LATE).served.conduct.requests
    assert sum(count for name, count in requests.items() if name.endswith(" error")) == 1
    assert sum(count for name, count in requests.items() if name.startswith("/") and " " not in name) == 1


def test_nothing_is_left_of_all_these_calls() -> None:
    assert show().left == {}
