"""What the bench plans, judges, prints, writes and refuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import dist, record, row
from rich.console import Console

from bench import __main__ as command
from bench import machine, peers, runner, table, trial
from bench.plan import BadUse, Options, expected, numbers
from bench.target import environment, parlance
from bench.trial import Stage

# ------------------------------------------------------------------------------------------------ plans


def test_the_default_plan_takes_less_than_ten_minutes() -> None:
    rows = Options().rows()
    assert [row.calls for row in rows] == [1, 10, 50, 100]
    assert rows[0].seconds == 100
    assert {row.seconds for row in rows[1:]} == {45}
    assert expected(rows) < 600


def test_peers_stand_beside_parlance_for_each_number_of_calls() -> None:
    rows = Options(calls=(1, 50), peers=("plain",)).rows()
    assert [(row.server, row.calls) for row in rows] == [("parlance", 1), ("plain", 1), ("parlance", 50), ("plain", 50)]


def test_carriers_stand_beside_each_other_for_each_number_of_calls() -> None:
    rows = Options(calls=(1, 50), carriers=("twilio", "acs"), webhooks=200, overload=100).rows()
    assert [(row.carrier, row.calls) for row in rows] == [
        *(("twilio", 1), ("acs", 1)),
        *(("twilio", 50), ("acs", 50)),
        ("twilio", 150),
    ]
    # Who comes at once has the limit for himself.
    assert [(row.webhooks, row.visited) for row in rows] == [(200, True)] * 4 + [(0, False)]
    assert [row.visited for row in Options(calls=(1,), peers=("plain",)).rows()] == [False, False]
    assert not Options(find_knee=True).knee(300).visited


@pytest.mark.parametrize("options", [{"carriers": ("acs",)}, {"webhooks": 200}])
def test_what_one_process_only_can_know_is_not_asked_of_several(options: dict[str, Any]) -> None:
    with pytest.raises(BadUse, match="--workers"):
        Options(workers=2, **options)


def test_peers_speak_twilios_dialect_only() -> None:
    with pytest.raises(BadUse, match="--peer"):
        Options(peers=("plain",), carriers=("ringover",))


def test_an_overload_offers_half_as_many_calls_again_at_once() -> None:
    first, flood = Options(overload=100).rows()
    assert (first.calls, first.arrival) == (1, "spread")
    assert (flood.calls, flood.limit, flood.arrival) == (150, 100, "at once")


def test_a_search_for_the_knee_has_a_single_call_to_hold_it_against() -> None:
    assert [row.calls for row in Options(find_knee=True).rows()] == [1]
    assert [row.calls for row in Options(find_knee=True, calls=(100,)).rows()] == [1, 100]
    assert Options(find_knee=True).knee(300).seconds == 30
    assert Options(find_knee=True, seconds=60).knee(300).seconds == 60


def test_more_than_100_calls_have_a_single_call_with_enough_turns_to_be_held_against() -> None:
    rows = Options(calls=(300,), seconds=20, peers=("plain",)).rows()
    assert [(row.server, row.calls, row.seconds) for row in rows] == [
        *(("parlance", 1, 100), ("plain", 1, 100)),
        *(("parlance", 300, 20), ("plain", 300, 20)),
    ]
    assert [row.calls for row in Options(calls=(10,), overload=100).rows()] == [1, 10, 150]
    assert [(row.calls, row.seconds) for row in Options(calls=(1, 100), seconds=20).rows()] == [(1, 20), (100, 20)]
    assert Options(calls=(300,), quick=True).rows()[0].seconds < 100


@pytest.mark.parametrize("text", ["0", "abc", "", "1,,2", "1001", "-3", "1.5"])
def test_what_is_not_a_list_of_calls_is_told(text: str) -> None:
    with pytest.raises(BadUse, match="--calls is a list of numbers"):
        numbers(text)


def test_a_list_of_calls_is_sorted_and_each_is_run_once() -> None:
    assert numbers("50, 1,10,50") == (1, 10, 50)


# ------------------------------------------------------------------------------------------------ machine


def test_the_server_has_its_cores_to_itself_where_there_are_enough() -> None:
    assert machine.cores(1, [0, 1]) == machine.Cores(frozenset({0}), frozenset({1}))
    assert machine.cores(2, [2, 3, 4, 5]) == machine.Cores(frozenset({2, 3}), frozenset({4, 5}))
    assert machine.cores(2, [0, 1]).shared
    assert machine.cores(1, [0]).shared


def test_the_command_in_the_document_says_nothing_of_where_files_went() -> None:
    given = ["--calls", "1,10", "--json", "/home/me/x.json", "--html=/tmp/y.html", "--quick"]
    assert machine.command(given) == "python -m bench --calls 1,10 --quick"


def test_versions_of_a_peer_are_those_of_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = peers.servers(tmp_path)
    monkeypatch.setattr(peers, "servers", lambda: servers)
    assert machine.peers({"plain"}) == {}
    python = tmp_path / "plain" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    assert machine.peers({"parlance"}) == {}
    found = machine.peers({"plain", "parlance"})
    assert found["plain"]["python"] == machine.machine()["python"]
    assert list(found) == ["plain"]


def test_a_folder_without_git_has_no_commit(tmp_path: Path) -> None:
    assert machine.commit(tmp_path) is None


def test_a_server_has_none_of_the_settings_of_its_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLANCE_PORT", "1")
    assert "PARLANCE_PORT" not in environment({})
    target = parlance(row(40, workers=2))
    # 50 together.
    assert target.environment["PARLANCE_LIMITS__CALLS"] == "25"
    assert parlance(replace(row(1), limit=101, workers=2)).environment["PARLANCE_LIMITS__CALLS"] == "51"
    assert target.command(7)[-4:] == ["--port", "7", "--workers", "2"]
    files = parlance(row(), Path("/x.yaml")).environment["PARLANCE_AGENTS"].split(os.pathsep)
    assert (Path(files[0]).is_file(), files[1:]) == (True, ["/x.yaml"])
    assert (parlance(row()).path, parlance(row(carrier="acs")).path) == ("/api/v1/media/twilio", "")


# ------------------------------------------------------------------------------------------------ many runs


async def carry(options: Options, answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> runner.Runner:
    """A runner whose runs have these records."""

    async def run(*_: Any) -> dict[str, Any]:
        return answers.pop(0)

    monkeypatch.setattr(runner, "run", run)
    carrying = runner.Runner(options, parlance, Stage(machine.cores(1)), lambda row: None)
    await carrying.run()
    return carrying


async def test_each_run_is_judged_and_a_peer_does_not_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = record(1, server="plain", turns={"failed": 9})
    done = await carry(Options(calls=(1,), peers=("plain",)), [record(1), plain], monkeypatch)
    assert not done.failed
    assert [run["broke"] for run in done.runs] == [[], ["failed turns 9, limit 0"]]
    assert (await carry(Options(calls=(1,)), [record(1, gaps={"count": 1})], monkeypatch)).failed
    assert (await carry(Options(calls=(1,)), [record(1, void="late")], monkeypatch)).failed


async def test_the_knee_is_searched_with_runs_that_do_not_fail_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"clear_ms": dist(61, 400)}
    answers = [record(1), record(100), record(200, **bad), record(200, **bad), record(150)]
    answers += [record(175, **bad), record(175, **bad), record(150, process={"ready_s": 1.8})]
    done = await carry(Options(find_knee=True), answers, monkeypatch)
    assert done.knee is not None
    assert (done.knee.calls, done.knee.tried) == (150, (100, 200, 200, 150, 175, 175, 150))
    assert done.knee.broke == "with 175 calls: onset to clear p99 400 ms, limit 142 ms (one call: 90 ms)"
    assert (len(done.runs), done.failed) == (8, False)
    # The search does not ask for all that a run must hold.
    last = done.runs[-1]
    assert (last["broke"], last["search"]) == ([], {"broken": ["ready after 1.8 s, limit 1.5 s"]})
    assert "search" not in done.runs[0]


async def test_more_than_100_calls_without_a_single_call_that_counts_fail_the_bench(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done = await carry(Options(calls=(300,)), [record(1, void="late"), record(300)], monkeypatch)
    assert [run["broke"] for run in done.runs] == [[], ["not judged: no single call to compare with"]]
    assert done.failed


# ------------------------------------------------------------------------------------------------ output


@pytest.mark.parametrize("width", [30, 60, 80, 120, 200])
def test_the_table_fits_any_terminal_and_loses_nothing(width: int) -> None:
    runs = [record(1), record(100, gaps={"count": 2}, broke=["gaps 2, worst 84 ms, limit 0"])]
    output = io.StringIO()
    table.show(Console(file=output, width=width), runs)
    lines = output.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(output.getvalue().split())
    assert "530/545" in text
    assert "2 !" in text
    assert "0.300" in text
    assert "! parlance, 100 calls: gaps 2, worst 84 ms, limit 0" in text
    assert ("inside the server" in text) == (width == 200)


def test_the_table_says_what_is_unusual_what_is_few_and_what_was_a_search() -> None:
    usual, odd = record(1), record(10, agent="simulated", mix="rough", workers=2, clear_ms=dist(61, 90, 4))
    odd["search"] = {"broken": []}
    assert table.caption([usual]) == ""
    assert table.caption([usual, odd]) == "agent simulated, mix rough, 2 workers"
    said = table.markdown([usual, odd])
    assert said.startswith("agent simulated, mix rough, 2 workers\n\n| server |")
    assert "| 61/90 |" in said
    assert "| 61/90 n=4 |" in said
    assert "| parlance | 10 (knee) |" in said


def test_a_second_table_tells_what_goes_on_inside_the_server() -> None:
    told = {
        "metronome": {"late_ms": {"p99": 1.24}},
        "loop": {"lag_ms": {"p99": 0.32}},
        "gc": {"pause_ms": {"worst": 5.56}},
    }
    run = record(100, health=told, jitter_ms=dist(0.4, 95))
    inside = table.markdown([run, record(10)]).partition("Inside the server:\n\n")[2].splitlines()
    heads = "threads | audio jitter p99 ms | metronome late p99 ms | loop lag p99 ms | GC pause worst ms"
    assert inside[0] == f"| server | calls | {heads} |"
    assert inside[2:] == ["| parlance | 100 | 2 | 95 | 1.2 | 0.3 | 5.6 |", "| parlance | 10 | 2 | - | - | - | - |"]


def test_markdown_has_a_row_for_each_run_and_the_words_below() -> None:
    runs = [record(1), record(10, void="callers were late", broke=[])]
    rows = table.markdown(runs).partition("\n\nInside")[0].splitlines()
    assert [len(row.split("|")) for row in rows[:4]] == [len(table.EVERY) + 2] * 4
    assert rows[2].startswith("| parlance | 1 | 7/0 | 530/545 | 5.0/20 | 61/90 | 60 | 0 | - | 0.003 |")
    assert rows[3].startswith("| parlance | 10 | void |  |")
    assert rows[-1] == "- void: parlance, 10 calls: callers were late"


def test_a_row_says_the_carrier_and_what_became_of_its_webhooks_if_there_were_any() -> None:
    posted = {"took_ms": dist(1.1, 3.9)}
    told = table.markdown([record(1, carrier="acs", webhooks=posted, broke=["webhooks answered"]), record(10)])
    heads, _, first, second = told.splitlines()[:4]
    assert heads.endswith("| webhooks p50/p99 ms |")
    assert first.startswith("| parlance acs | 1 |")
    assert first.endswith("| 1.1/3.9 ! |")
    assert second.endswith("| - |")
    assert "- ! parlance acs, 1 call: webhooks answered" in told
    assert "webhooks" not in table.markdown([record(10)])


def test_figures_that_are_missing_are_shown_as_missing() -> None:
    assert table.markdown([trial.blank(row(5))]).splitlines()[2].count(" - |") > 5


# ------------------------------------------------------------------------------------------------ the command


def bench(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    own = environment({})
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=folder, env=own, capture_output=True, text=True, timeout=20
    )


def test_a_file_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    done = bench("--json", "no/such/folder.json", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench: no/such/folder.json cannot be written: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--calls", "0"], "bench: --calls is a list of numbers from 1 to 1000 like 1,10,50,100; '0' is not one"),
        (["--json", "-", "--markdown"], "bench: --json - prints the document and nothing else: leave out --markdown"),
        (["--peer", "nobody"], "bench: there is no peer 'nobody'; there are "),
    ],
)
def test_bad_use_is_one_message(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    with pytest.raises(SystemExit) as ended:
        command.main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith(words)
    assert said.err.count("\n") == 1


def test_a_peer_that_is_not_installed_is_left_out_and_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = peers.servers(tmp_path)
    monkeypatch.setattr(peers, "servers", lambda: servers)
    errors = io.StringIO()
    options = command.installed(Options(peers=("plain",)), Console(file=errors, width=200))
    assert options.peers == ()
    assert errors.getvalue() == "plain is not installed and is left out; to install it: make peers\n"


def test_what_was_measured_is_written_as_document_and_as_report(tmp_path: Path) -> None:
    found = runner.document([record(1), record(100)], None, "python -m bench", datetime.now(UTC))
    document, report = tmp_path / "bench.json", tmp_path / "bench.html"
    command.save(found, document, report, Console(file=io.StringIO()))
    assert json.loads(document.read_text()) == found
    assert {"made", "command", "machine", "versions", "commit", "runs", "knee"} == found.keys()
    assert found["versions"]["trio"]
    assert str(machine.ROOT) not in document.read_text() + report.read_text()
    assert "<html" in report.read_text()
