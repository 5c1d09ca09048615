"""What the pages on carriers say, checked against the carriers: settings, paths, verbs, snippets, Twilio's messages."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pages import DOCS, PAGES, blocks, expected, page, tables
from pydantic import BaseModel

from parlance import carriers
from parlance.actors.media.port import Digit, Marked, Started, Stopped, Visit
from parlance.actors.media.twilio.wire import Twilio
from parlance.front import SECOND
from parlance.settings import Carriers, Settings

NAMES = tuple(Carriers.model_fields)
OVERVIEW = page("carriers")
PLAIN = {
    "ringover": {},
    "acs": {
        "connection_string": "endpoint=https://house.communication.azure.com/;accesskey=a2V5",
        "audience": "6aeaee8c-8285-46d0-b018-493a75a1faca",
        "incoming_secret": "0123456789abcdef",
    },
    "ringcentral": {"validation_token": "a token"},
    "twilio": {},
    "telnyx": {"api_key": "KEY", "public_key": base64.b64encode(bytes(32)).decode()},
    "plivo": {},
    "vonage": {"application_id": "an id", "signature_secret": "s" * 32},
    "asterisk": {},
    "freeswitch": {},
}
"""What each must be told at least; Vonage also its private key."""
KEYED = {
    "ringover": {"api_key": "key"},
    "ringcentral": {"client_id": "id", "client_secret": "secret", "jwt": "jwt", "device": "1"},
    "twilio": {"account_sid": "AC1", "auth_token": "token"},
    "telnyx": {"connection_id": "1"},
    "plivo": {"auth_id": "MA1", "auth_token": "token"},
    "asterisk": {"ari_url": "http://127.0.0.1:8088/ari", "ari_password": "password", "app": "app"},
}
"""What opens REST besides."""


@cache
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def model(name: str) -> type[BaseModel]:
    return type(getattr(Settings.model_validate({"carriers": {name: told(name)}}).carriers, name))


def told(name: str) -> dict[str, Any]:
    return {**PLAIN[name], **({"private_key": private_key()} if name == "vonage" else {})}


def parts(name: str, more: dict[str, Any]) -> carriers.Parts:
    chosen = Settings.model_validate({"public_url": "https://your.host", "carriers": {name: told(name) | more}})
    return carriers.make(chosen)[name]


def overview(header: str) -> list[list[str]]:
    """The rows of the overview's table whose header begins with `header`."""
    (table,) = re.findall(rf"^\| {re.escape(header)}.*\n\|[-|]+\|\n((?:\|.*\n)+)", OVERVIEW, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


# ------------------------------------------------------------------------------------------ settings


def test_every_carrier_has_a_page_and_every_page_a_carrier() -> None:
    assert sorted(path.stem for path in (DOCS / "carriers").glob("*.md")) == sorted(NAMES)


# Ringover's table has its sub-tables in it, and a test of its own.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "ringover"])
def test_every_setting_of_a_carrier_is_on_its_page_with_its_default(name: str) -> None:
    ((heading, rows),) = tables(page(f"carriers/{name}"))
    written = {row[0].strip("`"): row[-2] for row in rows}
    assert heading == "Settings"
    assert len(written) == len(rows), "a setting stands there twice"
    assert written == expected(model(name))


@pytest.mark.parametrize("name", NAMES)
def test_the_variables_on_a_page_are_settings(name: str) -> None:
    prefix = f"PARLANCE_CARRIERS__{name.upper()}__"
    variables = re.findall(rf"{prefix}(\w+)", page(f"carriers/{name}"))
    assert {variable.lower().split("__")[0] for variable in variables} <= set(model(name).model_fields)


# --------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("name", NAMES)
def test_the_paths_are_on_the_carrier_s_page(name: str) -> None:
    text = page(f"carriers/{name}")
    made = parts(name, {})
    for path in made.access.paths:
        assert path in text
    for path in made.hooks.paths if made.hooks is not None else ():
        shortened = path.removeprefix("/api/v1/webhooks").replace("{secret}", "<ivr_secret>")
        assert shortened in text or path == "/api/v1/webhooks/twilio/transfer" or path.endswith("plivo/transfer")


def test_the_media_paths_in_the_overview_are_those_that_are_routed() -> None:
    shown = {path for row in overview("carrier | audio") for path in re.findall(r"`(/\S+)`", row[-1])}
    routed = {path for name in NAMES for path in parts(name, {}).access.paths}
    browser = set(re.findall(r"^\| `(/\S+)` \|", page("browser"), re.MULTILINE))
    assert shown == routed | browser | set(SECOND)


# --------------------------------------------------------------------------------------------- verbs


ROWS = {
    "Ringover": ("ringover", KEYED["ringover"]),
    "Azure": ("acs", {}),
    "RingCentral, with its keys": ("ringcentral", KEYED["ringcentral"]),
    "RingCentral, without": ("ringcentral", {}),
    "Twilio": ("twilio", KEYED["twilio"]),
    "Telnyx": ("telnyx", KEYED["telnyx"]),
    "Plivo": ("plivo", KEYED["plivo"]),
    "Vonage": ("vonage", {}),
    "Asterisk, with `app`": ("asterisk", KEYED["asterisk"]),
    "Asterisk, without": ("asterisk", {"ari_url": "http://127.0.0.1:8088/ari", "ari_password": "password"}),
    "FreeSWITCH": ("freeswitch", {}),
}


@pytest.mark.parametrize("row", overview("carrier | transfer"), ids=lambda row: row[0])
def test_what_a_call_can_do_is_what_its_carrier_can_be_asked(row: list[str]) -> None:
    if row[0] == "browser":
        return
    name, more = ROWS[row[0]]
    made = parts(name, more)
    verbs = made.control.verbs if made.control is not None else frozenset()
    wire = wires()[name]

    def way(verb: Any, message: bool, otherwise: str) -> str:
        return "message" if message else "REST" if verb in verbs else otherwise

    assert row[1] == way("transfer", wire.transfer("+33199000001") is not None, "no")
    assert row[2] == ("REST and here" if "mute" in verbs else "here")
    assert row[3] == ("REST and here" if "hold" in verbs else "here")
    assert row[4] == way("dtmf", wire.press("5") is not None, "tones in the audio")
    assert row[5].startswith("message" if wire.digits else "tones in the audio")


def test_the_table_of_what_a_call_can_do_is_complete() -> None:
    assert [row[0] for row in overview("carrier | transfer")] == [*ROWS, "browser"]


@cache
def wires() -> dict[str, Any]:
    """One of each, that has been started where its words depend on it."""
    made = {}
    for name in NAMES:
        wire, _ = parts(name, {}).access.open(Visit({}, {"ticket": "t"}, {}, "192.0.2.1:5060"))
        made[name] = wire
    start = {"event": "start", "start": {"streamId": "s", "callId": "c"}, "streamId": "s"}
    assert isinstance(made["plivo"].receive(json.dumps(start)), Started)
    return made


# ------------------------------------------------------------------------------------------ snippets


def snippets(language: str) -> list[Any]:
    pages = [DOCS / "carriers.md", *sorted((DOCS / "carriers").glob("*.md"))]
    found = [(path.stem, text) for path in pages for text in blocks(path.read_text("utf-8"), language)]
    return [pytest.param(text, id=f"{name}{n}") for n, (name, text) in enumerate(found)]


def without_gaps(table: dict[str, Any]) -> dict[str, Any]:
    """What is not left out as `...`."""
    return {key: value for key, value in table.items() if not (isinstance(value, str) and "..." in value)}


# A key that there is not is refused by the settings themselves; what is left out as `...` is filled in.
@pytest.mark.parametrize("text", snippets("toml"))
def test_the_settings_shown_are_settings(text: str) -> None:
    tree = tomllib.loads(text)
    shown = tree.get("carriers", {})
    filled = {name: told(name) | without_gaps(table) for name, table in shown.items()}
    Settings.model_validate({"public_url": "https://your.host"} | tree | {"carriers": filled})


@pytest.mark.parametrize("text", snippets("xml"))
def test_the_documents_shown_are_xml(text: str) -> None:
    ElementTree.fromstring(text)


def objects(text: str) -> Iterator[str]:
    """A block is one JSON text, or one on each line."""
    try:
        json.loads(text)
        yield text
    except ValueError:
        yield from text.splitlines()


JSONS = [
    pytest.param(text, id=f"{path.stem}{n}")
    for path in PAGES
    for n, (_, text) in enumerate(re.findall(r"^ *```(json[^\n]*)\n(.*?)^ *```$", path.read_text("utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("text", JSONS)
def test_what_is_shown_as_json_is_json(text: str) -> None:
    for one in objects(text):
        assert isinstance(json.loads(one), dict | list)


def test_twilio_s_messages_are_understood_and_ours_are_what_the_page_says() -> None:
    wire = Twilio()
    (theirs,), (ours,) = (blocks(page("carriers/twilio"), f"json {who}") for who in ("twilio", "totwilio"))
    connected, started, media, digit, mark, stopped = map(wire.receive, theirs.splitlines())
    assert connected is None
    assert isinstance(started, Started)
    assert (started.agent, started.call, started.caller) == ("receptionist", "CA1", "+15550100")
    assert (media, digit, mark, stopped) == (b"\xff" * 4, Digit("5"), Marked("p1"), Stopped("hung up"))
    sent = [wire.audio(b"\xff" * 4), wire.mark("p1"), wire.clear()]
    assert [json.loads(line) for line in ours.splitlines()] == [json.loads(str(message)) for message in sent]
