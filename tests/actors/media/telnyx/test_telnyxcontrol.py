"""Our requests to Telnyx, and what is made of its answers."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp
from parlance.actors.media.telnyx.control import Control
from parlance.actors.media.telnyx.settings import Settings
from parlance.actors.media.webhook import Addresses
from parlance.engine.errors import Ended, Overloaded, ParlanceError, Rejected, Unreachable

STAMP = Stamp(1_780_000_000.0, "act-1")
CALL = Handle("v3:2EC-70_x", "leg1")
OUT = Outgoing("ours", "+33199000010", "+33987654321", "sales", "t&1", ring=45, machines=True)


def control(**changes: Any) -> Control:
    named = {"api_key": "KEY1", "public_key": base64.b64encode(bytes(32)).decode(), "connection_id": "281", **changes}
    return Control(Settings.model_validate(named), Addresses("https://voice.example"))


def body(errand: Errand) -> Any:
    """What is sent, which is always an authenticated POST of JSON that may be sent again."""
    assert errand.method == "POST"
    assert errand.again
    assert errand.headers["authorization"] == "Bearer KEY1"
    assert errand.headers["content-type"] == "application/json"
    content = json.loads(errand.body)
    assert content.pop("command_id") == "act-1"
    return content


def stream(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content.pop(name) for name in list(content) if name.startswith(("stream_", "send_silence"))}


def test_a_call_is_placed_with_its_stream():
    errand = control().place(OUT, STAMP)
    content = body(errand)
    streamed = stream(content)
    assert errand.url == "https://api.telnyx.com/v2/calls"
    assert content == {
        "connection_id": "281",
        "to": "+33199000010",
        "from": "+33987654321",
        "timeout_secs": 45,
        "webhook_url": "https://voice.example/api/v1/webhooks/telnyx",
        "webhook_url_method": "POST",
        "client_state": base64.b64encode(b"parlance:out:ours").decode(),
        "answering_machine_detection": "detect",
    }
    url = urlsplit(streamed.pop("stream_url"))
    assert (url.scheme, url.netloc, url.path) == ("wss", "voice.example", "/api/v1/media/telnyx")
    assert parse_qs(url.query) == {"ticket": ["t&1"], "call": ["ours"]}
    assert streamed == {
        "stream_track": "inbound_track",
        "stream_codec": "PCMU",
        "stream_bidirectional_mode": "rtp",
        "stream_bidirectional_codec": "PCMU",
        "stream_bidirectional_sampling_rate": 8000,
        "stream_bidirectional_target_legs": "self",
        "send_silence_when_idle": True,
    }


@pytest.mark.parametrize(("ring", "sent"), [(1, 5), (30, 30), (3600, 600)])
def test_ringing_is_kept_within_what_telnyx_takes(ring, sent):
    outgoing = Outgoing("ours", "+331", "+332", "sales", "t", ring=ring)
    content = body(control().place(outgoing, STAMP))
    assert content["timeout_secs"] == sent
    assert "answering_machine_detection" not in content


def test_the_stream_is_as_the_settings_say():
    made = control(codec="L16", rate=16000, target_legs="both", api="http://127.0.0.1:9/v2")
    errand = made.answer("c", "", "", "ours", "t1", STAMP)
    content = body(errand)
    assert errand.url == "http://127.0.0.1:9/v2/calls/c/actions/answer"
    assert content["stream_bidirectional_codec"] == content["stream_codec"] == "L16"
    assert content["stream_bidirectional_sampling_rate"] == 16000
    assert content["stream_bidirectional_target_legs"] == "both"


def test_a_call_is_answered_with_its_stream_and_our_state():
    content = body(control().answer("v3:c1", "leg1", "", "ours", "t1", STAMP))
    assert parse_qs(urlsplit(stream(content)["stream_url"]).query) == {"ticket": ["t1"], "call": ["ours"]}
    assert content == {"client_state": base64.b64encode(b"parlance:in:ours").decode()}


@pytest.mark.parametrize(
    ("make", "command", "sent"),
    [
        (lambda c: c.reject("v3:2EC-70_x", "", "", True, STAMP), "reject", {"cause": "USER_BUSY"}),
        (lambda c: c.reject("v3:2EC-70_x", "", "", False, STAMP), "reject", {"cause": "CALL_REJECTED"}),
        (lambda c: c.hang_up(CALL, STAMP), "hangup", {}),
        (
            lambda c: c.transfer(CALL, "+331", STAMP),
            "transfer",
            {"to": "+331", "target_leg_client_state": base64.b64encode(b"parlance:leg:v3:2EC-70_x").decode()},
        ),
        (lambda c: c.dtmf(CALL, "12#", STAMP), "send_dtmf", {"digits": "12#"}),
    ],
)
def test_a_command_goes_to_its_call(make, command, sent):
    errand = make(control())
    assert errand.url == f"https://api.telnyx.com/v2/calls/v3:2EC-70_x/actions/{command}"
    assert body(errand) == sent


def test_an_id_cannot_lead_elsewhere():
    errand = control().hang_up(Handle("../../messages?x=1#"), STAMP)
    assert errand.url == "https://api.telnyx.com/v2/calls/..%2F..%2Fmessages%3Fx%3D1%23/actions/hangup"


def test_calls_are_placed_only_with_an_application():
    assert "place" in control().verbs
    assert control(connection_id="").verbs == {"answer", "reject", "hang_up", "transfer", "dtmf"}


def test_an_errand_does_not_show_the_key():
    assert "KEY1" not in repr(control().hang_up(CALL, STAMP))


def test_the_answer_to_a_dial_names_the_call():
    answer = b'{"data":{"call_control_id":"v3:c1","call_leg_id":"leg1","is_alive":false,"record_type":"call"}}'
    assert control().read("place", 200, {}, answer) == Handle("v3:c1", "leg1")
    assert control().read("hang_up", 200, {}, b'{"data":{"result":"ok"}}') == Handle()


def fault(code: str, title: str = "t", detail: str = "d") -> bytes:
    return json.dumps({"errors": [{"code": code, "title": title, "detail": detail}]}).encode()


@pytest.mark.parametrize(
    ("verb", "status", "answer", "error"),
    [
        ("hang_up", 422, fault("90018", "Call has already ended"), Ended),
        ("transfer", 404, fault("10005", "Resource not found"), Ended),
        ("place", 404, fault("10005", "Resource not found"), Rejected),
        ("place", 422, fault("10015", "Invalid value"), Rejected),
        ("place", 401, fault("10009", "Authentication failed"), Rejected),
        ("place", 429, fault("10011", "Too many requests"), Overloaded),
        ("dtmf", 503, b"", Overloaded),
        ("dtmf", 500, b"<html>", Unreachable),
        ("answer", 302, b"", Rejected),
    ],
)
def test_a_refusal_is_told_by_its_kind(verb, status, answer, error):
    with pytest.raises(error) as caught:
        control().read(verb, status, {}, answer)
    assert type(caught.value) is error
    assert caught.value.provider == "telnyx"


def test_a_refusal_has_the_carriers_words_but_no_key_and_no_novel():
    with pytest.raises(Rejected) as caught:
        control().read("place", 401, {}, fault("10009", "No such key KEY1", "x" * 900))
    assert "10009 No such key ***" in str(caught.value)
    assert len(str(caught.value)) <= 200 + len("telnyx: ")


@given(
    st.integers(100, 599), st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_comes_back_is_a_handle_or_an_error_of_ours(status, answer):
    try:
        assert isinstance(control().read("hang_up", status, {}, answer), Handle)
    except ParlanceError:
        assert not 200 <= status < 300
