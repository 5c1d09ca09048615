"""What a run's server is set up with for a carrier: settings that it takes, and what lets the callers in."""

from __future__ import annotations

import json
import tomllib
from base64 import urlsafe_b64decode

import pytest
import trio
from fakes import row

from bench.accounts import Account, account
from bench.callers.carrier import Carrier
from bench.dialects.port import Ring
from parlance.actors.media.port import Visit
from parlance.actors.media.webhook import Denied
from parlance.carriers import Parts, make
from parlance.settings import Settings


def parts(known: Account) -> dict[str, Parts]:
    return make(Settings.model_validate(tomllib.loads(known.toml)))


def test_twilio_alone_and_peers_need_no_settings() -> None:
    for each in (row(), row(server="plain", webhooks=200)):
        with account(each) as known:
            assert (known.toml, known.token, known.bearer, dict(known.keys)) == ("", "", "", {})


@pytest.mark.parametrize("carrier", ["ringover", "twilio"])
def test_the_settings_are_taken_and_the_token_lets_in(carrier: str) -> None:
    with account(row(carrier=carrier, webhooks=200)) as known:
        made = parts(known)
        assert set(made) == {"ringover", "twilio"}
        assert made[carrier].access.knows(known.token)
        assert not made[carrier].access.knows(known.token[1:])


async def test_azures_keys_are_served_and_prove_the_bearer() -> None:
    with account(row(carrier="acs")) as known:
        access, (keys,) = (acs := parts(known)["acs"]).access, acs.learners
        wanted = keys.wants(0.0)
        assert wanted is not None
        port = int(wanted.url.rpartition(":")[2].partition("/")[0])
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /keys HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b"".join([part async for part in stream])
        keys.learned(200, answer.partition(b"\r\n\r\n")[2], 0.0)
        now = _issued(known.bearer)
        access.guard(_visit(known, known.bearer), now)
        with pytest.raises(Denied) as denied:
            access.guard(_visit(known, known.bearer[:-8] + "AAAAAAAA"), now)
        assert denied.value.reason == "signature"


def _visit(known: Account, bearer: str) -> Visit:
    head = Carrier("acs").request("x", "", Ring("c1", token=known.token, bearer=bearer)).decode().split("\r\n")
    query = dict(pair.split("=") for pair in head[0].split(" ")[1].partition("?")[2].split("&"))
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])}
    return Visit({}, query, headers, "127.0.0.1:1")


def _issued(bearer: str) -> float:
    payload = bearer.split(".")[1]
    return float(json.loads(urlsafe_b64decode(payload + "=="))["iat"])
