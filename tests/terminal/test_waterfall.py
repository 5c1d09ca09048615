from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from parlance.engine.effort import ThoughtAhead
from parlance.engine.trace import Record, TurnBegan, TurnEnded, TurnTimed
from parlance.terminal.waterfall import STEPS, Chart, Row, Scale, rows, summary

times = st.none() | st.floats(0, 10_000)


def drawn(turns: list[Row], width: int = 80, encoding: str = "utf-8") -> list[str]:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=stream, width=width).print(Chart(turns))
    stream.flush()
    return [line.rstrip() for line in raw.getvalue().decode().splitlines()]


def order(row: Row) -> list[str]:
    return [step["step"] for step in row["steps"]]


def test_a_turn_is_told_in_milliseconds_since_the_caller_stopped(conversation: list[Record]) -> None:
    row = rows(conversation)[1]
    assert (row["turn"], row["zero"], row["at"], row["outcome"]) == (2, "caller_stopped", 6.2, "interrupted")
    assert row["words"] == "i would like to make an appointment"
    assert row["response"] == pytest.approx(640)
    assert [(s["step"], s["ms"], s["took"]) for s in row["steps"]] == [
        ("end_of_turn", 410, 410),
        ("transcript", 420, 10),
        ("first_token", 440, 20),
        ("first_phrase", 460, 20),
        ("first_audio", 500, 40),
        ("first_frame", 640, 140),
    ]


def test_a_transcript_before_the_end_of_turn_comes_first(conversation: list[Record]) -> None:
    assert order(rows(conversation)[2])[:2] == ["transcript", "end_of_turn"]


def test_a_missing_step_keeps_its_usual_place(conversation: list[Record]) -> None:
    row = rows(conversation)[3]
    assert order(row) == list(STEPS)
    assert row["steps"][2] == {"step": "first_token", "ms": None, "took": None}
    assert row["steps"][3]["took"] == 50


def test_a_cue_counts_from_the_beginning_of_its_turn(conversation: list[Record]) -> None:
    row = rows(conversation)[0]
    assert (row["zero"], row["at"], row["cue"], row["response"]) == ("turn_began", 0.01, "greeting", 110)


def test_the_summary_counts_answers_only(conversation: list[Record]) -> None:
    assert summary(rows(conversation)) == {
        "turns": 4,
        "answers": 3,
        "median": 700,
        "worst": 900,
        "worst_turn": 4,
    }


def test_the_last_timing_of_a_turn_counts() -> None:
    records = [
        Record(1, 1.0, TurnTimed(1, caller_stopped=1.0, end_of_turn=1.4)),
        Record(2, 2.0, TurnTimed(1, caller_stopped=1.0, end_of_turn=1.4, first_frame=1.9)),
    ]
    assert [row["response"] for row in rows(records)] == [pytest.approx(900)]


def test_what_was_thought_ahead_is_told_in_the_turn_s_head() -> None:
    times = {"caller_stopped": 1.0, "end_of_turn": 1.7, "first_token": 1.7, "first_frame": 1.75}
    turns = rows([Record(1, 1.7, ThoughtAhead(1, 0.55)), Record(2, 2.0, TurnTimed(1, **times))])
    assert turns[0]["ahead"] == 550
    assert drawn(turns)[0].endswith("answered after 750 ms, thought 550 ms ahead")


def test_data_is_ready_for_json(conversation: list[Record]) -> None:
    turns = rows(conversation)
    assert json.loads(json.dumps(turns)) == turns


def test_the_drawing_of_an_answer() -> None:
    records = [
        Record(1, 2.0, TurnBegan(7, words="hello")),
        Record(2, 2.0, TurnTimed(7, 1.0, 1.5, 1.25, None, 1.75, 1.75, 2.0)),
        Record(3, 3.0, TurnEnded(7, "interrupted", "", "Yes.", "Y", 0.1)),
    ]
    assert drawn(rows(records), width=60, encoding="ascii") == [
        'Turn 7  "hello"         answered after 1000 ms (interrupted)',
        "  caller stopped  |                           00:01.0",
        "  transcript      ######                       250 ms   +250",
        "  first token                                       -",
        "  end of turn           ######                 500 ms   +250",
        "  first phrase                #######          750 ms   +250",
        "  first audio                        #         750 ms     +0",
        "  first frame out                    ######   1000 ms   +250",
        "",
        "                  0           500          1000 ms",
        "1 answer, caller stopped to first frame: median 1000 ms,",
        "worst 1000 ms (turn 7)",
    ]


def test_turns_share_one_axis(conversation: list[Record]) -> None:
    lines = drawn(rows(conversation), width=100, encoding="ascii")
    frames = [line for line in lines if "first frame out" in line]
    ends = [line.rindex("#") for line in frames]
    assert ends == sorted(ends)
    assert len([line for line in lines if line.endswith("1000 ms")]) == 1


def test_a_call_without_turns_says_so() -> None:
    assert drawn([]) == ["No turn was timed."]


def test_a_turn_that_never_spoke_says_so() -> None:
    lines = drawn(rows([Record(1, 1.0, TurnTimed(1, caller_stopped=0.5, transcript=0.9))]))
    assert lines[0].endswith("nothing was played")
    assert lines[-1] == "No answer's first frame went out."


@given(st.lists(st.tuples(*[times] * 7), max_size=4), st.integers(1, 150), st.sampled_from(["utf-8", "ascii"]))
def test_any_timing_can_be_drawn_at_any_width(
    timings: list[tuple[float | None, ...]], width: int, encoding: str
) -> None:
    turns = rows(Record(n, 0.0, TurnTimed(n, *timing)) for n, timing in enumerate(timings, 1))
    for row in turns:
        assert sorted(order(row)) == sorted(STEPS)
        told = [step["ms"] for step in row["steps"] if step["ms"] is not None]
        assert told == sorted(told)
    assert max(map(len, drawn(turns, width, encoding))) <= width


@given(st.floats(0, 1e7), st.integers(10, 120))
def test_the_axis_has_room_for_the_longest(longest: float, columns: int) -> None:
    scale = Scale.over([None, longest], columns)
    assert scale.most >= longest
    assert scale.column(scale.most) == columns
    assert scale.columns * scale.mark / scale.most >= 10 - 1e-6
