"""The settings: file, environment, and every fault of them in one message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parlance.config import load
from parlance.engine.errors import Misconfigured
from parlance.settings import Settings


def write(folder: Path, text: str) -> Path:
    file = folder / "house.toml"
    file.write_text(text)
    return file


def faults(file: Path | None, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(Misconfigured) as caught:
        load(file, environment or {})
    first, *rest = str(caught.value).splitlines()
    assert first == "The settings are wrong:"
    return [line.strip() for line in rest]


def test_without_a_file_and_an_environment_everything_has_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    got = load(None, {"PATH": "/bin"})
    assert got == Settings()
    assert (got.host, got.port, got.agents, got.default_agent) == ("127.0.0.1", 8080, (), "receptionist")
    assert (got.limits.calls, got.drain.limit, got.drain.grace) == (100, 30, 10)
    assert (got.media.hello, got.media.bad_messages, got.media.silence, got.media.lead) == (10, 10, 30, 0.2)
    assert (got.log.level, got.log.as_json) == ("info", False)


def test_the_file_here_is_read_when_no_other_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "parlance.toml").write_text("port = 1234")
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).port == 1234


def test_file_and_environment_are_laid_over_one_another(tmp_path: Path):
    file = write(tmp_path, 'port = 1\nhost = "0.0.0.0"\n[media]\nhello = 3\nlead = 0.1\n[log]\njson = true\n')
    got = load(file, {"PARLANCE_PORT": "2", "PARLANCE_MEDIA__HELLO": "4", "PARLANCE_LOG__LEVEL": "DEBUG"})
    assert (got.port, got.host) == (2, "0.0.0.0")
    assert (got.media.hello, got.media.lead) == (4, 0.1)
    assert (got.log.level, got.log.as_json) == ("debug", True)


def test_the_process_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PARLANCE_PORT", "4321")
    assert load(write(tmp_path, ""), None).port == 4321


def test_paths_of_the_file_start_at_the_file_and_those_of_the_environment_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "etc"
    (folder / "agents").mkdir(parents=True)
    file = write(folder, f'agents = ["agents", "{tmp_path}"]\n')
    got = load(file, {})
    assert got.agents == (folder / "agents", tmp_path)
    monkeypatch.chdir(tmp_path)
    got = load(file, {"PARLANCE_AGENTS": f"etc:{tmp_path}"})
    assert got.agents == (Path("etc"), tmp_path)


def test_every_fault_is_in_one_message_with_its_file_and_line_or_its_variable(tmp_path: Path):
    file = write(
        tmp_path,
        'prt = 3\nport = 99999\nagents = ["nowhere"]\n\n[media]  # the line\nhello = -1\nsilnce = 3\n\n'
        '[log]\nlevel = "loud"\n[limits]\n"calls" = "many"\n',
    )
    got = faults(file, {"PARLANCE_DRAIN__LIMIT": "soon", "PARLANCE_HOTS": "x", "PARLANCE_MEDIA": "{}"})
    expected = {
        f"{file}:1: prt: there is no such setting; did you mean port?",
        f"{file}:2: port: Input should be less than or equal to 65535 (got 99999)",
        f"{file}:3: agents: no such file or folder: {tmp_path / 'nowhere'}",
        f"{file}:6: media.hello: Input should be greater than 0 (got -1)",
        f"{file}:7: media.silnce: there is no such setting; did you mean silence?",
        f"{file}:10: log.level: Input should be 'debug', 'info', 'warning' or 'error' (got 'loud')",
        f"{file}:12: limits.calls: Input should be a valid integer, unable to parse string as an integer (got 'many')",
        "PARLANCE_HOTS: hots: there is no such setting; did you mean host?",
        "PARLANCE_MEDIA: media is a table: set PARLANCE_MEDIA__<KEY>",
    }
    assert expected < set(got)
    (rest,) = set(got) - expected
    assert rest.startswith("PARLANCE_DRAIN__LIMIT: drain.limit: ")
    assert len(got) == len(expected) + 1


@pytest.mark.parametrize(
    ("text", "line"), [("port = \n", 1), ("port = 1\n[media\n", 2), ("a = 1\na = 2\n", 2), ('x = """\n', 1)]
)
def test_what_is_not_toml_has_its_line(tmp_path: Path, text: str, line: int):
    file = write(tmp_path, text)
    (fault,) = faults(file)
    assert fault.startswith(f"{file}:{line}: not TOML: ")


def test_a_broken_file_does_not_hide_a_broken_environment(tmp_path: Path):
    got = faults(write(tmp_path, "port"), {"PARLANCE_PORT": "x"})
    assert len(got) == 2
    assert got[1].startswith("PARLANCE_PORT: port: ")


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path):
    assert faults(tmp_path / "none.toml") == [f"{tmp_path / 'none.toml'}: no such file"]
    file = tmp_path / "bytes.toml"
    file.write_bytes(b"port = 1\n# \xff\n")
    assert faults(file) == [f"{file}:2: not UTF-8 text"]
    assert faults(tmp_path)[0].startswith(f"{tmp_path}: cannot be read: ")


@pytest.mark.parametrize(
    "text",
    [
        "[media]\nhello = inf\n",
        "[media]\nhello = nan\n",
        "media = 3\n",
        "agents = 'x'\n",
        'host = " "\n',
    ],
)
def test_values_nobody_can_mean_are_refused(tmp_path: Path, text: str):
    (fault,) = faults(write(tmp_path, text))
    assert fault.startswith(str(tmp_path / "house.toml") + ":")


def test_dotted_and_inline_keys_have_their_lines(tmp_path: Path):
    file = write(tmp_path, "\nmedia.hello = -1\nlog = {level = 3}\n")
    got = faults(file)
    assert got[0].startswith(f"{file}:2: media.hello: ")
    assert got[1].startswith(f"{file}:3: log.level: ")


VARIABLES = ["", "__", "PORT", "PORT__X", "MEDIA", "MEDIA__HELLO__X", "AGENTS", "LOG__JSON", "HOST"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(
    st.text(st.sampled_from("abport[]media.hello = \"'#\n1-{},"), max_size=60),
    st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=5)),
)
def test_whatever_is_written_there_are_settings_or_one_error_that_names_a_place(
    tmp_path: Path, text: str, variables: dict[str, str]
):
    file = write(tmp_path, text)
    try:
        got = load(file, {f"PARLANCE_{name}": value for name, value in variables.items()})
    except Misconfigured as error:
        places = [line.strip().partition(":")[0] for line in str(error).splitlines()[1:]]
    else:
        places = []
        assert isinstance(got, Settings)
    assert all(place == str(file) or place.startswith("PARLANCE_") for place in places), places


def test_faults_of_the_agents_are_told_with_those_of_the_settings(tmp_path: Path):
    def read(paths: Sequence[Path]) -> set[str]:
        assert paths == [tmp_path / "shop.yaml"]
        raise Misconfigured("shop.yaml:3: wrong\nshop.yaml:4: wrong too")

    (tmp_path / "shop.yaml").touch()
    file = write(tmp_path, 'port = "x"\nagents = ["shop.yaml"]\n')
    with pytest.raises(Misconfigured) as caught:
        load(file, {}, agents=read)
    told = str(caught.value)
    assert f"{file}:1: port" in told
    assert "shop.yaml:3: wrong" in told
    assert "shop.yaml:4: wrong too" in told


def test_who_answers_by_default_must_exist_and_the_fault_names_its_line(tmp_path: Path):
    file = write(tmp_path, 'port = 1\ndefault_agent = "nobody"\n')
    with pytest.raises(Misconfigured, match=r":2: default_agent: there is no agent 'nobody'; there are anna, ben"):
        load(file, {}, agents=lambda paths: {"ben", "anna"})


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (
            "PARLANCE_MEDIA__ORIGINS",
            "https://one.example, https://two.example",
            ("https://one.example", "https://two.example"),
        ),
        ("PARLANCE_CARRIERS__FREESWITCH__NETWORKS", "10.0.0.0/8", ("10.0.0.0/8",)),
        ("PARLANCE_CARRIERS__FREESWITCH__RATE", "16000", 16000),
    ],
)
def test_a_variable_may_be_a_list_or_one_of_a_few_numbers(variable: str, text: str, value: object) -> None:
    found: Any = load(None, {variable: text})
    for step in variable.removeprefix("PARLANCE_").lower().split("__"):
        found = getattr(found, step)
    assert found == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PARLANCE_CARRIERS__ACS__INCOMING_SECRET", "a-short-secret"),
        ("PARLANCE_CARRIERS__ACS__CONNECTION_STRING", "endpoint=x;accesskey=hidden-key"),
        ("PARLANCE_CARRIERS__RINGOVER__IVR_SECRET", "a short secret"),
    ],
)
def test_a_secret_that_is_wrong_is_not_shown(variable: str, text: str) -> None:
    with pytest.raises(Misconfigured) as error:
        load(None, {variable: text})
    assert variable in str(error.value)
    assert text not in str(error.value)


def test_the_line_of_an_item_in_a_list_of_tables(tmp_path: Path) -> None:
    file = tmp_path / "parlance.toml"
    file.write_text(
        '[[numbers]]\nnumber = "+33142685300"\ncarrier = "ringover"\n\n[[numbers]]\nnumber = "0142"\ncarrier = "acs"\n'
    )
    with pytest.raises(Misconfigured, match=r"parlance.toml:6: numbers.1.number"):
        load(file, {})
