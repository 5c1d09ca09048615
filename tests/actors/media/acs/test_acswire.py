"""Azure's media: the wire, by one table, and the way in."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from azurecloud import AUDIENCE, NOW, OWN, STRANGE, jwk, jwks, keys, settings, token
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.acs.access import MEDIA, Access
from parlance.actors.media.acs.keys import Keys
from parlance.actors.media.acs.wire import TONES, Acs
from parlance.actors.media.port import Digit, Started, Visit
from parlance.actors.media.webhook import Denied
from parlance.codecs.format import Format
from parlance.engine.errors import LineError

AUDIO = bytes(range(256)) * 2 + bytes(128)
CODED = base64.b64encode(AUDIO).decode()
KNOWN = Started(agent="sales", call="call-1", ticket="ticket-1")


def metadata(**changes: Any) -> dict[str, Any]:
    """The message of Azure's documentation, with changes; None takes a key away."""
    content = {"subscriptionId": "s", "encoding": "PCM", "sampleRate": 16000, "channels": 1, "length": 640, **changes}
    return {
        "kind": "AudioMetadata",
        "audioMetadata": {key: value for key, value in content.items() if value is not None},
    }


def frame(**changes: Any) -> dict[str, Any]:
    content = {"timestamp": "2024-11-15T19:16:12.925Z", "data": CODED, "silent": False, **changes}
    return {"kind": "AudioData", "audioData": content}


def fresh() -> Acs:
    return Acs(KNOWN)


def started() -> Acs:
    wire = Acs(KNOWN)
    wire.receive(json.dumps(metadata()))
    return wire


def dtmf(data: Any) -> dict[str, Any]:
    return {"kind": "DtmfData", "dtmfData": {"data": data}}


@pytest.mark.parametrize(
    ("wire", "message", "expected"),
    [
        (fresh, metadata(), KNOWN),
        (fresh, metadata(encoding="pcm", sampleRate="24000", channels="1", length=960), KNOWN),
        (started, frame(), AUDIO),
        (started, frame(silent=True), AUDIO),
        (started, frame(participantRawID=None), AUDIO),
        (started, frame(participantRawID="8:acs:one"), AUDIO),
        (started, frame(data=""), None),
        (started, dtmf("3"), Digit("3")),
        (started, dtmf(3), Digit("3")),
        (started, dtmf("pound"), Digit("#")),
        (started, dtmf("Asterisk"), Digit("*")),
        (started, dtmf("#"), Digit("#")),
        (started, dtmf("b"), Digit("B")),
        (started, {"kind": "TranscriptionData", "transcriptionData": {}}, None),
    ],
)
def test_what_azure_may_say(wire, message, expected):
    assert wire().receive(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("changes", "rate"), [({}, 16000), ({"sampleRate": 24000}, 24000), ({"sampleRate": None}, 24000)]
)
def test_the_metadata_decides_the_rate(changes, rate):
    wire = Acs(KNOWN, 24000)
    assert wire.format == Format("pcm16", 24000)
    wire.receive(json.dumps(metadata(**changes)))
    assert wire.format == Format("pcm16", rate)
    assert wire.format.frame == rate * 2 // 50


@pytest.mark.parametrize(
    ("wire", "message", "words", "code"),
    [
        (started, metadata(), "twice", 1002),
        (fresh, metadata(encoding="mulaw"), "'mulaw'", 1003),
        (fresh, metadata(sampleRate=8000), "'8000'", 1003),
        (fresh, metadata(sampleRate=True), "'True'", 1003),
        (fresh, metadata(sampleRate=[]), "16000 or 24000", 1003),
        (fresh, metadata(channels=2), "'2'", 1003),
        (fresh, {"kind": "AudioMetadata"}, "no audioMetadata", 1007),
        (fresh, frame(), "before", None),
        (started, frame(data="x"), "not base64", None),
        (started, frame(data=None), "no base64", None),
        (started, frame(data=base64.b64encode(b"abc").decode()), "within a sample", None),
        (started, frame(participantRawID=7), "not a string", None),
        (started, {"kind": "AudioData"}, "no audioData", None),
        (started, dtmf("flash"), "'flash' is not a digit", None),
        (started, {"kind": "DtmfData", "dtmfData": []}, "not a digit", None),
        (started, {"Kind": "AudioData"}, "no kind", None),
        (started, [], "must be a JSON object", None),
    ],
)
def test_what_azure_may_not_say(wire, message, words, code):
    with pytest.raises(LineError, match=words) as caught:
        wire().receive(json.dumps(message))
    assert (caught.value.code if caught.value.fatal else None) == code


def test_of_an_unmixed_stream_the_first_to_be_heard_is_taken():
    wire = started()
    said = [wire.receive(json.dumps(frame(participantRawID=f"4:+{who}"))) for who in (1, 2, 1, 2)]
    assert said == [AUDIO, None, AUDIO, None]
    assert wire.receive(json.dumps(frame())) == AUDIO


def test_what_goes_out():
    wire = started()
    assert json.loads(wire.audio(AUDIO)) == {"Kind": "AudioData", "AudioData": {"Data": CODED}, "StopAudio": None}
    assert json.loads(wire.clear()) == {"Kind": "StopAudio", "AudioData": None, "StopAudio": {}}
    assert wire.mark("m") is None
    assert (wire.marks, wire.digits, wire.batch) == (False, True, 0.1)


def test_every_digit_of_a_telephone_has_a_word():
    assert "".join(TONES) == "0123456789ABCD#*"
    assert [started().receive(json.dumps(dtmf(word))) for word in TONES.values()] == [Digit(digit) for digit in TONES]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["AudioMetadata", "AudioData", "DtmfData", "Other"])
INNER = JSON | st.fixed_dictionaries(
    {},
    optional={
        name: JSON for name in ("data", "participantRawID", "silent", "encoding", "sampleRate", "channels", "length")
    },
)
MESSAGES = st.fixed_dictionaries(
    {"kind": KINDS | JSON}, optional={name: INNER for name in ("audioData", "audioMetadata", "dtmfData")}
)


@given(st.lists(st.text() | st.binary() | JSON.map(json.dumps) | MESSAGES.map(json.dumps), max_size=5), st.booleans())
def test_whatever_comes_nothing_else_escapes(messages, ready):
    wire = started() if ready else fresh()
    for message in messages:
        try:
            heard = wire.receive(message)
        except LineError:
            continue
        assert heard is None or isinstance(heard, bytes | Started | Digit)


# ------------------------------------------------------------------------------------------ the way in


def visit(query: dict[str, str] | None = None, bearer: str | None = None, peer: str = "52.112.0.9:4000") -> Visit:
    headers = {"x-ms-call-connection-id": "conn-1", "authorization": f"Bearer {token() if bearer is None else bearer}"}
    return Visit({}, {"ticket": "ticket-1", "call": "call-1"} if query is None else query, headers, peer)


def reason(access: Access, visit: Visit, now: float = NOW) -> tuple[int, str]:
    with pytest.raises(Denied) as caught:
        access.guard(visit, now)
    return caught.value.status, caught.value.reason


def test_a_socket_with_azures_token_and_our_ticket_is_let_in():
    access = Access(settings(), keys())
    access.guard(visit(), NOW)
    wire, known = access.open(visit())
    assert (known, access.paths) == (None, (MEDIA,))
    assert wire.receive(json.dumps(metadata())) == Started(call="call-1", ticket="ticket-1")


def test_a_days_old_token_still_opens_a_socket_and_an_older_one_does_not():
    access = Access(settings(), keys())
    day = visit(bearer=token(exp=NOW + 86_400))
    access.guard(day, NOW + 86_000)
    assert reason(access, day, NOW + 86_500) == (401, "expired")
    assert reason(access, visit(bearer=token(exp=NOW + 1e9)), NOW + 86_500) == (401, "expired")


@pytest.mark.parametrize(
    ("visit", "expected"),
    [
        (visit({}), (401, "unsigned")),
        (visit({"call": "call-1"}), (401, "unsigned")),
        (visit(bearer=""), (401, "unsigned")),
        (visit(bearer="x.y.z"), (401, "signature")),
        (visit(bearer=token(STRANGE)), (401, "signature")),
        (visit(bearer=token(aud="another")), (401, "audience")),
        (visit(peer="10.0.0.1:4000"), (403, "source")),
        (visit(peer="nobody"), (403, "source")),
    ],
)
def test_other_sockets_are_refused(visit, expected):
    assert reason(Access(settings(sources=["52.112.0.0/14"]), keys()), visit) == expected


def test_before_the_keys_are_there_no_socket_is_let_in():
    assert reason(Access(settings(), Keys(settings())), visit()) == (401, "no-keys")


def test_the_fixed_token_lets_in_and_chooses_no_call():
    access = Access(settings(media_token="fixed-token"), keys())
    assert access.knows("fixed-token")
    assert not access.knows("fixed-tokem")
    assert not Access(settings(), keys()).knows("")
    fixed = visit({"token": "fixed-token", "call": "call-1", "agent": "sales", "from": "+331", "to": "+332", "x": "y"})
    access.guard(fixed, NOW)
    wire, _ = access.open(fixed)
    assert wire.receive(json.dumps(metadata())) == Started("sales", "conn-1", "+331", "+332", {"x": "y"}, "fixed-token")


def test_a_key_set_with_a_second_key_lets_both_in():
    both = Keys(settings())
    both.learned(200, jwks(jwk(OWN, "one"), jwk(STRANGE, "two")), NOW)
    access = Access(settings(), both)
    access.guard(visit(bearer=token(STRANGE, {"kid": "two"})), NOW)
    access.guard(visit(bearer=token(aud=["other", AUDIENCE])), NOW)
    assert reason(access, visit(bearer=token(STRANGE, {"kid": "one"}))) == (401, "signature")
