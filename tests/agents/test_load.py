"""Agents from files: what is right is read as it is meant, and everything wrong is told at once, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parlance import registry
from parlance.actors.thinker import script
from parlance.agents.load import load, shipped
from parlance.engine.errors import Misconfigured


def write(folder: Path, text: str | bytes, name: str = "a.yaml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def faults(*paths: Path) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load(paths, checks=(script.faults,))
    return str(caught.value).split("\n")


def test_an_agent_is_complete_with_a_name(tmp_path):
    agent = load([write(tmp_path, "name: shop\nmind: rehearsal\n")])["shop"]
    assert (agent.name, agent.mind.kind, agent.ear.kind) == ("shop", "rehearsal", "sphinx")


def test_a_folder_gives_all_its_files_and_a_user_s_agent_replaces_the_shipped_one(tmp_path):
    write(tmp_path, "name: sales\ntitle: Mine\nmind: rehearsal")
    write(tmp_path, "name: shop\nmind: rehearsal", "b.yml")
    write(tmp_path, "not an agent", "notes.txt")
    agents = load([tmp_path])
    assert set(agents) == {*shipped(), "shop"}
    assert agents["sales"].title == "Mine"
    assert shipped()["sales"].title != "Mine"


def test_words_of_yaml_1_1_are_only_words(tmp_path):
    text = (
        "name: shop\nmind: openai\ntitle: no\ngreeting: on\nvoice: {kind: v, at: 8:30, day: 2026-11-20, sure: true,"
        " n: 12, x: 1.5, none: ~, y: yes, octal: 0o7, quoted: '5'}\n"
    )
    agent = load([write(tmp_path, text)])["shop"]
    assert (agent.title, agent.greeting) == ("no", "on")
    assert agent.voice.settings == {
        "at": "8:30", "day": "2026-11-20", "sure": True, "n": 12, "x": 1.5, "none": None, "y": "yes", "octal": "0o7",
        "quoted": "5",
    }  # fmt: skip


def test_a_byte_order_mark_is_no_fault(tmp_path):
    assert "shop" in load([write(tmp_path, b"\xef\xbb\xbfname: shop\nmind: rehearsal")])


def test_every_fault_of_every_file_is_told_at_once_with_its_line(tmp_path):
    one = write(tmp_path, "name: shop\ngreting: Hello\nlimits:\n  calls: many\n  sillence: 3\nname: other\n")
    two = write(tmp_path, "title: x\nendpointing:\n  least: 2\n  most: 1\n", "b.yaml")
    three = write(tmp_path, "name: [", "c.yaml")
    assert faults(one, two, three) == [
        f"{one}:6: 'name' is here for the second time (first in line 1)",
        f"{one}:4: limits.calls: should be a whole number, and is 'many'",
        f"{one}:5: limits.sillence: there is no setting 'sillence' here; did you mean silence?",
        f"{one}:2: greting: there is no setting 'greting' here; did you mean greeting?",
        f"{two}:1: name: 'name' is missing",
        f"{two}:2: endpointing: least (2.0) must not exceed most (1.0)",
        f"{three}:1: not YAML: while parsing a flow node expected the node content, but found '<stream end>'",
    ]


def test_faults_of_a_script_have_their_line_too(tmp_path):
    file = write(
        tmp_path,
        "name: shop\nscript:\n  intents:\n    hi:\n      when: hello\n      say:\n        - fine\n        - '{what}'\n"
        "    bye:\n      wen: goodbye\n      say: Bye.\n",
    )
    assert faults(file) == [f"{file}:10: script.intents.bye.wen: there is no setting 'wen' here; did you mean when?"]
    file.write_text(file.read_text().replace("wen", "when"))
    expected = "script.intents.hi.say[1]: {what} is neither one of the facts nor one of this intent's slots"
    assert faults(file) == [f"{file}:8: {expected}"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("- a\n- b\n", 1, "list of settings"),
        ("just words\n", 1, "list of settings"),
        ("name: a\n\tb: c\n", 2, "not YAML"),
        ("name: a\n---\nname: b\n", 2, "not YAML"),
        ("name: a\nx: 'y\n", 3, "not YAML"),
        (b"name: a\ntitle: \xff\n", 2, "not UTF-8"),
        ("name: a\ntitle: a\x00b\n", 2, "not YAML"),
        ("name: a\ntitle: !!python/object/apply:os.system [echo]\n", 2, "not allowed"),
        ("name: a\ntitle: !env HOME\n", 2, "!env is not allowed"),
        ("name: a\ntitle: !!binary aGk=\n", 2, "!!binary is not allowed"),
        ("name: a\ntitle: &t x\ngreeting: *t\n", 3, "aliases are not allowed"),
        ("name: a\n? [b]\n: c\n", 2, "a key must be a word"),
        ("name: a\nprompt: " + "[" * 3000, 2, "deep"),
        ("name: a\ntransfer: +15550100\nmind: rehearsal", 2, "put it in quotes"),
        (
            "name: A B\nmind: rehearsal",
            1,
            "name: should be small letters, digits and single hyphens, a letter first, and is",
        ),
        ("name: a\n", 1, "the mind is a script, and there is none"),
        ("name: a\nlimits: 5\nmind: rehearsal", 2, "limits"),
        ("name: a\nmind: []", 2, "the list is empty"),
        ("name: a\nmind: [rehearsal, [openai]]", 2, "a list has names"),
        ("name: a\nmind: [rehearsal, {kind: rehearsal, fallbacks: [openai]}]", 2, "a list has names"),
        (
            "name: a\nmind: rehearsal\ntools: [{name: x, description: y, url: 'http:///x'}]",
            3,
            "begin with http:// or https://",
        ),
        (
            "name: a\nmind: rehearsal\ntools: [{name: x, description: y, url: 'http://x', key_env: A-B}]",
            3,
            "not the key itself",
        ),
        ("name: a\nmind: rehearsal\ntools: hang_up", 3, "tools: should be a list: [hang_up], and is 'hang_up'"),
        ("name: a\nmind: rehearsal\nearly: false", 3, "early: should be a block: {enabled: false}, and is False"),
        ("name: a\nmind: rehearsal\nlisted: maybe", 3, "listed: should be true or false, and is 'maybe'"),
        ("name: a\nmind: 5", 2, "mind: should be a block: {kind: ...}, and is 5"),
        ("name: a\nmind:\n  openai: {model: m}", 2, "'kind' is missing: write {kind: openai, ...}"),
        ("name: a\nmind: [rehearsal, {openai: }]", 2, "'kind' is missing: write {kind: openai, ...}"),
        ("name: a\ninterruption: {words: .inf}\nmind: rehearsal", 2, "interruption.words"),
    ],
)
def test_each_kind_of_fault_has_its_line(tmp_path, text, line, what):
    file = write(tmp_path, text)
    (fault,) = faults(file)
    assert fault.startswith(f"{file}:{line}: ")
    assert what in fault


def test_two_files_of_one_name_are_told(tmp_path):
    one, two = write(tmp_path, "mind: rehearsal\nname: shop"), write(tmp_path, "name: shop\nmind: rehearsal", "b.yaml")
    assert faults(tmp_path) == [f"{two}:1: there is already an agent shop, in {one}:2"]


def test_the_same_file_twice_is_read_once(tmp_path):
    file = write(tmp_path, "mind: rehearsal\nname: shop")
    assert "shop" in load([file, tmp_path, file])


def test_files_that_are_not_there_or_none_at_all_are_told(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    missing = tmp_path / "none.yaml"
    large = write(tmp_path, b"#" * 1_000_001, "large.yaml")
    assert faults(empty, missing, large) == [
        f"{empty}: there is no agent (*.yaml) in this folder",
        f"{missing}: cannot be read: No such file or directory",
        f"{large}: larger than 1000000 bytes: this is no agent",
    ]


PIECES = [
    "name: a\n", "  ", "- ", ": ", "x", "[", "]", "{", "}", "&a ", "*a", "!!str ", "'", '"', "\n", "|\n", "#", "\t",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map(lambda pieces: "".join(pieces).encode())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(st.one_of(st.binary(max_size=60), TEXTS), st.just(b"\nprompt: !x"))
def test_any_bytes_are_told_with_the_file_and_construct_nothing(tmp_path, data, fault):
    file = write(tmp_path, data + fault)
    assert all(line.startswith(f"{file}:") for line in faults(file))


def test_what_ships_has_no_fault():
    assert shipped(checks=(script.faults,))


def test_a_fault_in_one_place_hides_none_in_another(tmp_path):
    file = write(
        tmp_path, "name: shop\ngreting: hi\near: sphynx\nvoice: {kind: espeak, rate: loud}\nlimits: {calls: many}\n"
    )
    with pytest.raises(Misconfigured) as caught:
        load([file], checks=(registry.faults,))
    assert sorted(line.split(":")[1] for line in str(caught.value).split("\n")) == ["2", "3", "4", "5"]


SECRET = "sk-proj-Zx81.7731/never"
MIND = "name: a\nmind: {kind: openai, model: m, %s}"
TOOL = "name: a\nmind: rehearsal\ntools: [{name: x, description: y, url: 'https://x.example/', %s}]"
NO_SETTING = "there is no setting for the key itself: "
VARIABLE = "key_env: is the name of an environment variable (capitals, digits, underscores), not the key itself"
FILE = "key_file: the file that it names cannot be read: "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            MIND % f"key: {SECRET}",
            f"{NO_SETTING}export OPENAI_API_KEY=..., or name another variable in key_env, or a file",
        ),
        (MIND % f"headers: {{x: {SECRET}}}", NO_SETTING),
        (MIND % f"API-Key: {SECRET}", NO_SETTING),
        (MIND % f"key_env: {SECRET}", VARIABLE),
        (MIND % f"key_env: [{SECRET}]", "key_env: should be text"),
        (MIND % f"key_file: {SECRET}", f"{FILE}No such file or directory"),
        (MIND % "key_file: .", f"{FILE}Is a directory"),
        (MIND % f'url: "https://h/?token={SECRET}"', "url: must end before its ? or #"),
        (MIND % f'url: "https://h/#{SECRET}"', "url: must end before its ? or #"),
        (MIND % f'url: "https://user:{SECRET[:8]}@h/"', "url: must be without a name and password"),
        (MIND % f'url: "https://user:{SECRET}\\uFF0F@h/"', "url: is not an address like https://api.openai.com/v1"),
        (MIND % f"url: {SECRET}", "url: is not an address like https://api.openai.com/v1"),
        (MIND % f'url: "wss://h/{SECRET}"', "url: must begin with https:// (or http://)"),
        (TOOL % f"key_env: {SECRET}", VARIABLE),
        (TOOL % f"token: {SECRET}", f"{NO_SETTING}name its variable in key_env"),
        (TOOL.replace("x.example", f"user:{SECRET[:8]}@x.example") % "timeout: 1", "begin with http:// or https://"),
    ],
)
def test_what_may_be_a_key_is_not_repeated(tmp_path, text, told):
    with pytest.raises(Misconfigured) as caught:
        load([write(tmp_path, text)], checks=(registry.faults,))
    assert told in str(caught.value)
    assert SECRET[:8] not in str(caught.value)
