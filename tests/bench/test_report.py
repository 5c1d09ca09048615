"""The report: what it says of a document, and that no document can break it or be taken for markup."""

from __future__ import annotations

import copy
import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sample import dist, document, run

from bench.report import page
from bench.report.__main__ import main

LATE = "callers were late: p99 7.9 ms, limit 5 ms"
FAILED = "failed turns 9, limit 0"
ALONE = {"meta", "link", "br", "path", "line", "rect"}
"""Tags that are whole without an end."""


class Reader(HTMLParser):
    """Text by the open tags around it; fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.said += [value for name, value in attrs if name == "aria-label" and value]
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style" and data.strip():
            self.said.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        return "\n".join(self.said)


def read(text: str) -> Reader:
    return Reader(text)


def headline(text: str) -> str:
    found = re.search(r"<h1>(.*?)</h1>", text)
    assert found is not None
    return found[1]


def whole() -> dict[str, Any]:
    return document(
        *(run(calls=calls) for calls in (1, 10, 100)),
        run(calls=300, broke=[FAILED, "onset to clear p99 243 ms, limit 180 ms"]),
        *(run("plain", calls) for calls in (1, 100)),
        run("plain", 300, void=LATE),
        knee={"calls": 275, "broke": FAILED, "tried": [100, 200, 300, 250, 275]},
    )


def test_the_headline_says_what_held_and_what_broke() -> None:
    assert headline(page(whole())) == (
        "parlance held up to 100 calls at once; "
        "with 300 calls it broke 2 limits, first of all: failed turns 9, limit 0."
    )
    assert headline(page(document(run(calls=1), run(calls=50)))) == (
        "parlance held every limit with up to 50 calls at once."
    )
    assert headline(page(document(run(broke=[FAILED])))) == (
        "parlance held no run: with 100 calls it broke a limit: failed turns 9, limit 0."
    )
    # A smaller run that broke is not hidden behind "up to".
    runs = run(calls=1), run(calls=10, broke=[FAILED]), run(calls=50)
    assert headline(page(document(*runs))).startswith("parlance held 1 and 50 calls at once; with 10 calls it broke")


def test_nothing_is_concluded_from_void_runs() -> None:
    assert headline(page(document(run(calls=50), run(calls=400, void=LATE)))).endswith("with 50 calls at once.")
    assert headline(page(document(run(void=LATE)))) == "No verdict: the only run is void."
    assert headline(page(document(run(callers={"void": LATE}), run(void="a fan fell off")))) == (
        "No verdict: all 2 runs are void."
    )
    said = read(page(document(run(void=LATE)))).text
    assert LATE in said
    assert "calls at once in the run shown here" not in said


def test_an_overload_is_not_counted_as_calls_that_were_held() -> None:
    calls = {"offered": 150, "admitted": 100, "refused": 50}
    text = page(document(run(calls=100), {**run(calls=150), "arrival": "at once", "calls": calls}))
    assert headline(text).endswith("with 100 calls at once.")
    assert "parlance, 150 calls at once: 100 taken, 50 refused" in read(text).text


def test_tries_of_the_search_are_called_that_and_are_no_verdict() -> None:
    held = run(calls=200, search={"broken": []})
    costly = run(calls=300, search={"broken": ["ready after 1.8 s, limit 1.5 s"]})
    bad = run(calls=400, broke=[FAILED], search={"broken": [FAILED]})
    knee = {"calls": 300, "broke": FAILED, "tried": [200, 300, 400]}
    text = page(document(run(calls=1), held, costly, bad, knee=knee))
    assert headline(text) == "parlance held every limit with 1 call at once."
    said = read(text).text
    assert "parlance, 200 calls, search for the knee: held every limit" in said
    beside = "held what the search asks, not: ready after 1.8 s, limit 1.5 s"
    assert f"parlance, 300 calls, search for the knee: {beside}" in said
    assert f"parlance, 400 calls, search for the knee: broke {FAILED}" in said
    assert "parlance: 1 call" in said.split("\n")
    assert headline(page(document(costly))) == "parlance was only searched for the knee."


def test_a_p99_of_few_values_says_how_many_they_are() -> None:
    clear = {"n": 4, "mean": 60, "p50": 61, "p90": 62, "p99": 63, "worst": 64}
    assert "63 (n 4)" in read(page(document(run(clear_ms=clear)))).text
    assert "63 (n" not in read(page(document(run(clear_ms={**clear, "n": 100})))).text


def test_what_is_unusual_about_all_runs_is_in_the_caption() -> None:
    odd = {"agent": "simulated", "mix": "rough", "workers": 2}
    text = page(document(run(calls=1, **odd), run(calls=10, **odd)))
    assert "<caption>All runs: agent simulated, mix rough, 2 workers</caption>" in text
    assert "<caption>All runs</caption>" in page(document(run()))


def test_every_part_is_there() -> None:
    text = page(whole())
    said = read(text).text
    for words in ("All runs", "Latency", "What calls cost", "The knee", "One call, as the caller heard it"):
        assert f"<h2>{words}</h2>" in text
    for words in (
        "python -m bench --find-knee",
        "AMD EPYC, 2 cores, 24 GB",
        "Linux 6.1",
        "abc1234",
        "trio 0.31.0",
        LATE,
    ):
        assert words in said
    for words in ("p50 limit 8", "p99 limit 30", "p50 limit 80", "p99 limit 120", "one core", "knee 275"):
        assert words in said
    assert "275 calls were held; beyond that: failed turns 9, limit 0. Tried: 100, 200, 300, 250, 275." in said
    assert "plain, 100 calls: p50" in said
    assert "Lateness of the metronome, p99" in said


def test_what_broke_is_marked_in_words_in_its_row_and_at_its_figure() -> None:
    text = page(document(run(broke=[FAILED], turns={"asked": 700, "failed": 9})))
    assert '<strong class="word broke">broke</strong>' in text
    assert '<strong class="beyond">9 !</strong>' in text
    assert f"<div>{FAILED}</div>" in text
    assert " !</strong>" not in page(document(run()))


def test_it_needs_nothing_else_and_is_small() -> None:
    runs = [run(server, calls, samples=2000) for server in ("parlance", "plain") for calls in (1, 10, 50, 100, 300)]
    text = page(document(*runs))
    reader = read(text)
    assert reader.references == ["data:,"]
    assert not {"script", "img", "iframe", "object", "embed"} & set(reader.tags)
    assert not re.search(r"https?:|url\(|@import", text)
    assert len(text.encode()) < 1_000_000


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in nested dicts and of the first two elements of lists."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, below in inside:
        yield from places(below, (*path, key))


def changed(value: dict[str, Any], path: tuple[Any, ...], instead: Any) -> dict[str, Any]:
    made = copy.deepcopy(value)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = instead
    return made


NONSENSE: tuple[Any, ...] = (None, "<script>alert(1)</script>", [], {}, -1, 0, 1e300, float("nan"), True)


def test_any_one_thing_may_be_missing_or_nonsense() -> None:
    sound = document(run(samples=3), knee={"calls": 3, "broke": "", "tried": [3]})
    sound["runs"][0]["waveform"] |= {"caller": [0.1] * 30, "agent": [0.0] * 30, "seconds": 0.3}
    for number, path in enumerate(places(sound)):
        text = page(changed(sound, path, NONSENSE[number % len(NONSENSE)]))
        assert "<script" not in text, path
        assert not re.search(r"\b(nan|None)\b", text), path


@pytest.mark.parametrize("instead", NONSENSE)
def test_everything_of_one_kind_may_be_nonsense_at_once(instead: Any) -> None:
    sound = whole()
    for key in {key for record in sound["runs"] for key in record}:
        text = page(document(*({**record, key: instead} for record in sound["runs"][3:5]), knee=instead))
        assert "<script" not in text, key
        assert not re.search(r"\b(nan|None)\b", text), key


def test_text_is_never_markup() -> None:
    evil = "<script>alert(1)</script>\"'&"

    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {f"{key}": spoil(below) for key, below in value.items()}
        if isinstance(value, list):
            return [spoil(below) for below in value]
        return evil + value if isinstance(value, str) else value

    sound = whole()
    sound["runs"][0]["health"] = {evil: {evil: 3, "late_ms p99 " + evil: 4}}
    sound["versions"][evil] = evil
    text = page(spoil(sound))
    reader = read(text)
    assert "script" not in reader.tags
    assert evil in reader.text


@pytest.mark.parametrize("empty", [{}, {"runs": []}, {"runs": None}, {"runs": ["x", 3, None]}])
def test_a_document_without_runs_says_so(empty: dict[str, Any]) -> None:
    text = page(empty)
    assert headline(text) == "No run was made."
    assert "svg" not in read(text).tags


def test_a_run_in_which_nothing_was_counted() -> None:
    nothing = {name: dist([]) for name in ("response_ms", "own_ms", "clear_ms", "silence_ms", "jitter_ms")}
    callers = {"late_ms": dist([])}
    bare = {**run(), **nothing, "samples": {}, "waveform": None, "health": None, "process": {}, "callers": callers}
    text = page(document(bare))
    assert "svg" not in read(text).tags
    assert "<h2>Latency</h2>" not in text


def test_a_distribution_without_samples_is_drawn_from_its_quantiles() -> None:
    text = page(document({**run(), "samples": {}}))
    assert "ridge" not in text.split("</style>")[1]
    assert "<h2>Latency</h2>" in text


def test_the_knee_needs_three_sizes_or_a_search() -> None:
    two = run(calls=1), run(calls=10)
    assert "<h2>The knee</h2>" not in page(document(*two))
    assert "<h2>The knee</h2>" in page(document(*two, run(calls=50)))
    assert "<h2>The knee</h2>" in page(document(*two, knee={"calls": 10, "broke": FAILED, "tried": [10, 20]}))


def test_unknown_figures_of_a_servers_health_are_shown() -> None:
    said = read(page(document(run(health={"boiler": {"bar": 3}, "up": True, "pumps": [1, 2]})))).text
    for words in ("boiler bar", "up", "pumps", "1, 2", "yes"):
        assert words in said.split("\n")


def test_series_that_differ_in_more_than_their_server_have_names_of_their_own() -> None:
    said = read(page(document(run(calls=10), {**run(calls=10), "workers": 2}))).text
    assert "parlance, 2 workers" in said


def test_a_saved_document_is_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    file = tmp_path / "bench.json"
    file.write_text(json.dumps(whole()))
    monkeypatch.setattr(sys, "argv", ["bench.report", str(file)])
    main()
    assert capsysbinary.readouterr().out.decode() == page(whole())


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), ("{", "is not JSON"), ("[]", 'no list of "runs"'), (b"\xff", "JSON")],
)
def test_what_is_no_document_gets_one_message_and_exit_code_2(
    content: str | bytes | None,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "bench.json"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(sys, "argv", ["bench.report", str(file)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
