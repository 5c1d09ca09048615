"""What the documentation says, checked against the program: settings, their defaults, messages, examples, commands."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from pages import DOCS, PAGES, ROOT, blocks, expected, page, tables
from pydantic import BaseModel
from servicepages import SERVICES

from parlance import config, main
from parlance.__main__ import app
from parlance.__main__ import main as command
from parlance.actors.listener import sphinx
from parlance.actors.media.browser import Browser
from parlance.actors.media.port import Marked, Stopped
from parlance.actors.speaker import espeak
from parlance.actors.thinker import rules, script
from parlance.agents import load
from parlance.engine import trace as t
from parlance.engine.agent import Agent, Tool
from parlance.engine.errors import Misconfigured
from parlance.front import Front
from parlance.house import House
from parlance.registry import PROVIDERS, faults
from parlance.settings import Carriers, Key, Settings
from parlance.switchboard.routing import OurNumber, Rule

CODES = {str(code) for code in range(1000, 1016)} - {"1005", "1006", "1015"}
"""Codes that a close frame can carry (RFC 6455, section 7.4.1, and the registry it founded)."""


class WrittenAgent(Agent):
    """An agent with its tools as its file names them."""

    tools: tuple[str, ...] = tuple(tool.name for tool in Agent.model_fields["tools"].default)


def written(name: str, heading: str) -> dict[str, str]:
    """The settings of a page's table, and their defaults."""
    (rows,) = [rows for where, rows in tables(page(name)) if where == heading]
    found = {row[0].strip("`"): row[-2] for row in rows}
    assert len(found) == len(rows), "a setting stands there twice"
    return found


# ------------------------------------------------------------------------------------------- installing


BY_NAME = re.compile(r"""install\s+(-\S+\s+([^-\s]\S*\s+)?)*["']?parlance(?!'s)""")
"""The package indexes have a `parlance` that is somebody else's. Between the two there may be options, with values."""


@pytest.mark.parametrize(
    "line",
    [
        *("parlance", "'parlance'", "'parlance[local]'", '"parlance[local]"'),
        *("-U parlance", "--upgrade  'parlance[local]'"),
        *("-c constraints.txt parlance", "-U\n    parlance==1.0", "--user -c constraints.txt parlance"),
    ],
)
def test_installing_by_name_is_seen(line: str) -> None:
    assert BY_NAME.search(f"pip install {line}")


@pytest.mark.parametrize(
    "line",
    [
        *("'.[local]' (in parlance's checkout)", "'.[local]'`, in parlance's checkout", ".  # in parlance's checkout"),
        *("-U '.[local]'  # in parlance's checkout", "-e . # in parlance's checkout", "-U parlance's requirements"),
    ],
)
def test_installing_a_checkout_is_not_installing_by_name(line: str) -> None:
    assert not BY_NAME.search(f"pip install {line}")


def test_nobody_is_told_to_install_by_name() -> None:
    folders = (DOCS, *(ROOT / name for name in ("parlance", "examples", "bench")))
    kinds = (".md", ".py", ".yaml", ".toml", ".txt", ".html", ".sh")
    texts = [path for folder in folders for path in folder.rglob("*") if path.suffix in kinds]
    for path in (*texts, ROOT / "README.md", ROOT / "CHANGELOG.md"):
        assert not BY_NAME.search(path.read_text("utf-8")), path


# ------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("name", "heading", "model"),
    [
        ("settings", "Settings", Settings),
        ("settings", "A number", OurNumber),
        ("settings", "A rule", Rule),
        ("settings", "An API key", Key),
        ("agents", "Fields", WrittenAgent),
        ("agents", "A tool", Tool),
        ("agents", "A script", rules.Script),
        ("agents", "An intent", rules.Intent),
        ("agents", "A slot", rules.Slot),
        ("embedded", "The ear: `sphinx`", sphinx.Settings),
        ("embedded", "The voice: `espeak`", espeak.Settings),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_setting_is_in_its_page_with_its_default(name: str, heading: str, model: type[BaseModel]) -> None:
    assert written(name, heading) == expected(model)


def test_no_table_of_settings_is_left_unchecked() -> None:
    """Those of carriers and of services have tests of their own."""
    found = [(path.stem, where) for path in sorted(DOCS.glob("*.md")) for where, _ in tables(path.read_text("utf-8"))]
    assert len(found) == 11, found


SETTINGS = {row[0].strip("`"): row for where, rows in tables(page("settings")) if where == "Settings" for row in rows}
SAMPLES = {"public_url": "https://your.host", "media.open": "false", "media.origins": "https://example.com"}
"""Values for settings whose default is none or nothing."""


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_has_the_name_of_its_variable_if_it_has_one(key: str) -> None:
    name = f"PARLANCE_{key.upper().replace('.', '__')}"
    if key.startswith("carriers."):
        assert key.removeprefix("carriers.") in Carriers.model_fields
        assert SETTINGS[key][1] == f"`{name}__<KEY>`"
    elif SETTINGS[key][1]:
        assert SETTINGS[key][1] == f"`{name}`"
    else:
        assert SETTINGS[key][2] in ("`[]`", "`{}`"), "only tables have none"
        with pytest.raises(Misconfigured):
            config.load(None, {name: "something"})


@pytest.mark.parametrize("key", [key for key, row in SETTINGS.items() if row[1] and not key.startswith("carriers.")])
def test_the_variables_are_the_ones_that_are_read(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, variable, default, *_ = SETTINGS[key]
    value = SAMPLES.get(key) or {"`[]`": str(tmp_path)}.get(default, default.strip("`"))
    chosen = config.load(None, {variable.strip("`"): value}).model_dump(mode="json", by_alias=True)
    for step in key.split("."):
        chosen = chosen[step]
    plain = chosen[0] if isinstance(chosen, list) else chosen
    assert (f"{plain:g}" if isinstance(plain, float) else str(plain).lower()) == value.lower()


# ------------------------------------------------------------------------------------------- examples


def agent(text: str, folder: Path) -> Agent:
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "bikes.yaml").write_text(text, "utf-8")
    return next(reversed(load.load([folder / "agents"], checks=(faults, script.faults)).values()))


NAMED = re.compile(r"\bkey_env: (\w+)")
EXAMPLES = [(path.stem, text) for path in PAGES for text in blocks(path.read_text("utf-8"), "yaml")]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[f"{name}{n}" for n, (name, _) in enumerate(EXAMPLES)])
def test_every_agent_shown_loads_and_so_does_every_part_of_one(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in {model.model_fields["key_env"].default for _, _, model in SERVICES} | {*NAMED.findall(text)}:
        monkeypatch.setenv(variable, "a key")
    if not text.startswith("name:"):
        text = "name: example\nscript: {intents: {any: {when: help, say: Yes.}}}\n" + text
    shows = agent(text, tmp_path)
    for role, kinds in PROVIDERS.items():
        for one in getattr(shows, role).chain:
            importlib.import_module(kinds[one.kind]).Settings(**one.settings)


@pytest.mark.parametrize(("name", "text"), [(n, b) for n in ("agents", "settings") for b in blocks(page(n), "toml")])
def test_every_settings_file_shown_loads(name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "parlance.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    chosen = config.load(None, {})
    assert chosen.agents == (Path("agents"),)
    assert chosen != Settings()


async def test_the_example_agent_says_what_the_page_says_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "agents"))
    talk = importlib.import_module("talk")
    (text,) = [block for block in blocks(page("agents"), "yaml") if block.startswith("name: bikes")]
    (conversation,) = blocks(page("agents"), "conversation")
    assert talk.FRIDAY.strftime("%A, %B %d, %Y") in page("agents")
    caller = talk.Caller(agent(text, tmp_path))
    said: list[str] = []
    for line in conversation.splitlines():
        if line.startswith("caller: "):
            words, acts = await caller.say(line.removeprefix("caller: "))
            said += [line, f"agent: {words}"]
            said += [" ".join(["acted:", a.name, *(f"{k}={v}" for k, v in a.details.items())]) for a in acts]
    assert said == conversation.splitlines()


@pytest.mark.parametrize("name", ["agents", "settings"])
def test_what_is_wrong_on_purpose_is_told_as_the_page_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    language = {"agents": "yaml", "settings": "toml"}[name]
    wrong, told = blocks(page(name), f"{language} wrong"), blocks(page(name), "text faults")
    assert len(wrong) == len(told) > 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents").mkdir()
    for text, message in zip(wrong, told, strict=True):
        file = {"yaml": "agents/bikes.yaml", "toml": "parlance.toml"}[language]
        (tmp_path / file).write_text(text, "utf-8")
        monkeypatch.setattr(sys, "argv", ["parlance", "agents"])
        if language == "yaml":
            monkeypatch.setenv("PARLANCE_AGENTS", file)
        with pytest.raises(SystemExit) as ended:
            command()
        assert ended.value.code == 2
        assert capsys.readouterr().err == message


# ------------------------------------------------------------------------------------------- messages


def sent_by_browser() -> list[dict[str, Any]]:
    """A message of every type that the wire can send, made by the wire itself: each event, each verb."""
    wire = Browser("receptionist")
    details: dict[str, Any] = {"details": {"day": "2026-11-23"}, "final": True}
    messages = [*wire.hello("id", "receptionist"), wire.audio(b"\0\0"), wire.mark("p1"), wire.clear()]
    messages += [*wire.complaint("no", code="bad_message", retry=True), *wire.goodbye("hung up")]
    for kind in t.TraceEvent.__args__:
        values = {
            f.name: details.get(f.name, {"str": "x", "int": 7, "float": 1.0, "bool": True}.get(str(f.type), None))
            for f in fields(kind)
        }
        messages += wire.announce(kind(**values))
    return [json.loads(message) for message in messages if isinstance(message, str)]


def keys(message: Any) -> Any:
    """The shape of a message: its keys, and those of the objects in it, whose values do not matter."""
    return {k: keys(v) for k, v in message.items() if k != "details"} if isinstance(message, dict) else None


def test_every_message_to_a_browser_is_in_the_page_with_all_its_keys() -> None:
    documented = {m["type"]: keys(m) for m in map(json.loads, blocks(page("browser"), "json server"))}
    assert documented == {message["type"]: keys(message) for message in sent_by_browser()}


def test_the_wire_has_no_message_that_the_test_above_does_not_know() -> None:
    source = inspect.getsource(sys.modules[Browser.__module__])
    literal = set(re.findall(r'_text\(\s*"(\w+)"', source)) | set(re.findall(r'"type":"(\w+)"', source))
    assert literal == {message["type"] for message in sent_by_browser()}


def test_every_message_of_a_browser_is_in_the_page_and_is_understood() -> None:
    documented = [json.loads(block) for block in blocks(page("browser"), "json client")]
    source = inspect.getsource(Browser.receive)
    assert {message["type"] for message in documented} == set(re.findall(r'kind == "(\w+)"', source))
    signals = [Browser("x").receive(json.dumps(message)) for message in documented]
    assert signals == [b"\0\0\0\0", Marked("p1"), Stopped("hung up")]


def test_every_message_is_introduced_by_its_name() -> None:
    for name in re.findall(r"^`(\w+)`: .*?```json \w+\n(?:.*?)```", page("browser"), re.MULTILINE | re.DOTALL):
        assert f'"type": "{name}"' in page("browser")
    for direction in ("client", "server"):
        for block in blocks(page("browser"), f"json {direction}"):
            assert f"\n`{json.loads(block)['type']}`: " in page("browser")


def test_the_paths_in_the_page_are_the_ones_that_are_routed(house: House) -> None:
    paths = re.findall(r"^\| `(/\S+)` \|", page("browser"), re.MULTILINE)
    routes = Front(house, None, dict).gateway.routes
    assert sorted(paths) == sorted(route.pattern for route in routes if route.carrier == "browser")


def test_every_reason_for_refusing_a_call_is_in_both_pages() -> None:
    files = ("house.py", "engine/exchange.py", "switchboard/arrivals.py")
    sources = "".join((ROOT / "parlance" / name).read_text("utf-8") for name in files)
    reasons = set(re.findall(r'refuse\(\s*"([\w-]+)"', sources))
    assert {"full", "draining", "unknown-agent"} <= reasons
    for reason in reasons:
        assert f"`{reason}`" in page("settings"), reason
        assert f"`{reason.replace('-', '_')}`" in page("browser"), reason


@pytest.fixture
def house() -> House:
    return House(Settings(default_agent="rehearsal"), {"rehearsal": load.shipped()["rehearsal"]})


async def test_health_has_the_figures_that_the_page_shows(house: House) -> None:
    (shown,) = map(json.loads, blocks(page("settings"), "json health"))
    open_to_anything = {"agents", "refused", "worst", "counts", "media", "api"}
    app = Front(house, None, lambda: main.statistics(house)).app
    got = json.loads(await (await app.test_client().get("/health")).get_data())

    def alike(one: Any, other: Any, name: str = "") -> None:
        assert isinstance(one, dict) == isinstance(other, dict) or name in open_to_anything, name
        if isinstance(one, dict) and isinstance(other, dict) and name not in open_to_anything:
            assert sorted(one) == sorted(other), name
            for key in one:
                alike(one[key], other[key], key)

    alike(shown, got)


def test_every_close_code_is_in_the_page_s_table() -> None:
    table = set(re.findall(r"^\| (1\d\d\d) \|", page("browser"), re.MULTILINE))
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "parlance").rglob("*.py"))
    sent = set(re.findall(r"""(?:code=|"code": |How\.FAILED, |= |else )(1\d\d\d)\b(?![.\d])""", sources)) & CODES
    assert {"1001", "1003", "1009"} <= sent <= table


# ------------------------------------------------------------------------------------------- commands


def commands() -> list[str]:
    """Every command line shown, in a block of its own or within a sentence."""
    found: list[str] = []
    for path in (ROOT / "README.md", *PAGES):
        text = path.read_text("utf-8")
        lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
        lines += re.findall(r"`((?:parlance|make|python -m) [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        found += [" ".join(line.split("#")[0].split()) for line in lines]
    return sorted({line for line in found if re.match(r"parlance |make |python -m ", line)})


def test_commands_are_found_at_all() -> None:
    assert {"parlance agents", "python -m bench.providers"} < set(commands())


@pytest.mark.parametrize("line", commands())
def test_every_command_shown_exists(line: str) -> None:
    program, *words = line.split()
    if program == "make":
        makefile = (ROOT / "Makefile").read_text("utf-8")
        assert re.search(rf"^{re.escape(words[0])}:", makefile, re.MULTILINE), f"no target {words[0]}"
    elif program == "python":
        assert importlib.util.find_spec(words[1]) is not None
    else:
        group: Any = typer.main.get_command(app)
        command = group.commands.get(words[0])
        assert command is not None, f"there is no command {words[0]}"
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options


def test_links_between_the_pages_lead_somewhere() -> None:
    for path in (ROOT / "README.md", *PAGES):
        # A link may go over two lines.
        text = re.sub(r"\n\s*", " ", path.read_text("utf-8"))
        for target in re.findall(r"\]\(((?:\.\./)*(?:\w+/)*\w*(?:\.md)?(?:#[\w-]+)?)\)", text):
            file, _, anchor = target.partition("#")
            other = (path.parent / file) if file else path
            assert other.exists(), f"{path.name}: {target}"
            headings = re.findall(r"^#+ (.*)$", other.read_text("utf-8"), re.MULTILINE) if anchor else []
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in slugs, f"{path.name}: {target}"
