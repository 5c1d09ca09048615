from __future__ import annotations

import io
import json
import re
import threading

import pytest
from rich.console import Console

from parlance.engine import trace
from parlance.engine.trace import Record
from parlance.terminal.live import Show


class Screen(io.StringIO):
    """A terminal as far as `Show` needs one: it plays the control codes and keeps what stands on it."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = [""]
        self.row = 0
        self.moves = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
            if part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part == "\x1b[2K":
                self.lines[self.row] = ""
            elif match := re.fullmatch(r"\x1b\[(\d+)A", part):
                self.row -= int(match[1])
                self.moves += 1
                assert self.row >= 0, "the cursor left the screen"
            elif part[0] not in "\x1b\r":
                self.lines[self.row] += part
        return len(text)

    @property
    def shown(self) -> list[str]:
        return [line.rstrip() for line in self.lines if line.strip()]


def on_screen(width: int = 100, height: int = 30) -> tuple[Show, Screen]:
    screen = Screen()
    console = Console(file=screen, force_terminal=True, width=width, height=height, highlight=False)
    return Show(console=console), screen


def piped(records: list[Record], **options: bool) -> list[str]:
    stream = io.StringIO()
    with Show(stream, **options) as show:
        for record in records:
            show(record)
    return stream.getvalue().splitlines()


def replay(show: Show, records: list[Record], until: float = 1e9) -> None:
    for record in records:
        if record.at <= until:
            show(record)


def numbered(*events: tuple[float, trace.TraceEvent]) -> list[Record]:
    return [Record(n, at, event) for n, (at, event) in enumerate(events, 1)]


def test_a_pipe_gets_plain_lines_with_final_words_only(conversation: list[Record]) -> None:
    assert piped(conversation) == [
        "00:00.0          call c-1, agent receptionist, carrier fake, from +15550100",
        "00:00.1  agent   Harbor Street Clinic, good morning.",
        "00:02.1          How can I help you?",
        "00:04.1  caller  i would like to make an appointment",
        "00:06.8  agent   Of course.",
        "00:07.6          Which day would suit you best?",
        "00:09.2          We are open from Monday to Friday, and on Saturday morning.",
        '00:10.0          << caller cuts in; not heard: "day to Friday, and on Saturday morning."',
        "00:10.0  caller  on tuesday please",
        "00:12.1  agent   Tuesday is fine.",
        "00:13.3          I have ten o'clock or half past two.",
        "00:14.6          (held 0.5 s: no words came, the agent goes on)",
        "00:16.4  agent   Which one shall I take?",
        "00:18.0          caller presses 1",
        "00:18.3          ! speaker failed: espeak: stopped",
        "00:18.3          ! speaker restarted",
        "00:18.8  caller  at ten my name is john miller",
        "00:20.5          * booked: day tuesday, time ten o'clock, name john miller",
        "00:20.5          * hangs up after this answer",
        "00:20.9  agent   You are booked for Tuesday at ten.",
        "00:22.9          Goodbye!",
        "00:23.7          call completed: the agent hung up, after 00:23.7",
    ]


def test_a_pipe_shows_a_phrase_as_soon_as_it_begins_to_be_heard(conversation: list[Record]) -> None:
    stream = io.StringIO()
    replay(Show(stream), conversation, until=0.12)
    assert stream.getvalue().endswith("agent   Harbor Street Clinic, good morning.\n")


def test_interim_words_are_replaced_in_place(conversation: list[Record]) -> None:
    show, screen = on_screen()
    with show:
        replay(show, conversation, until=4.9)
        assert "00:04.1  caller  i would like" in screen.shown
        replay(show, [r for r in conversation if r.at > 4.9], until=6.62)
        callers = [line for line in screen.shown if "caller  i" in line]
    assert callers == ["00:04.1  caller  i would like to make an appointment"]


def test_the_screen_ends_with_the_conversation_and_no_status_line(conversation: list[Record]) -> None:
    show, screen = on_screen()
    with show:
        for record in conversation:
            show(record)
            show.tick(record.at)
    assert screen.moves > 10
    assert screen.shown == [
        "00:00.0          call c-1, agent receptionist, carrier fake, from +15550100",
        "00:00.1  agent   Harbor Street Clinic, good morning. How can I help you?",
        "00:04.1  caller  i would like to make an appointment",
        "00:06.8  agent   Of course. Which day would suit you best? We are open from Monday to Friday, and on",
        "                 Saturday morning.",
        "                 << caller cuts in",
        "00:10.0  caller  on tuesday please",
        "00:12.1  agent   Tuesday is fine. I have ten o'clock or half past two. (held 0.5 s) Which one shall",
        "                 I take?",
        "00:18.0          caller presses 1",
        "00:18.3          ! speaker failed: espeak: stopped",
        "00:18.3          ! speaker restarted",
        "00:18.8  caller  at ten my name is john miller",
        "00:20.5          * booked: day tuesday, time ten o'clock, name john miller",
        "00:20.5          * hangs up after this answer",
        "00:20.9  agent   You are booked for Tuesday at ten. Goodbye!",
        "00:23.7          call completed: the agent hung up, after 00:23.7",
    ]


def test_what_was_not_heard_is_struck_out(conversation: list[Record]) -> None:
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=200, color_system="truecolor")
    show = Show(console=console, live=True)
    replay(show, conversation)
    struck = re.findall(r"\x1b\[[0-9;]*\b9m([^\x1b]*)", console.export_text(styles=True))
    assert "".join(struck) == "day to Friday, and on Saturday morning."


@pytest.mark.parametrize(
    ("until", "floor"),
    [
        (0.0, "agent thinks"),
        (0.12, "agent speaks"),
        (3.2, "listening"),
        (4.18, "caller speaks"),
        (10.08, "agent held: is it words?"),
        (23.6, "the call is ending"),
    ],
)
def test_the_status_line_says_who_has_the_floor(conversation: list[Record], until: float, floor: str) -> None:
    show, screen = on_screen()
    with show:
        replay(show, conversation, until)
        assert floor in screen.shown[-1]


def test_the_status_line_tells_the_time_and_the_last_answer(conversation: list[Record]) -> None:
    show, screen = on_screen()
    with show:
        replay(show, conversation, until=7.6)
        show.tick(8.04)
        assert screen.shown[-1].startswith("00:08.0")
        assert screen.shown[-1].endswith("last answer 640 ms")
        show.tick(2.0)
        assert screen.shown[-1].startswith("00:08.0")


@pytest.mark.parametrize("width", [100, 60, 49, 30, 12, 1])
@pytest.mark.parametrize("height", [30, 3, 1])
def test_any_size_of_screen_keeps_every_word_of_the_caller(conversation: list[Record], width: int, height: int) -> None:
    show, screen = on_screen(width, height)
    with show:
        for record in conversation:
            show(record)
            show.tick(record.at)
    assert max(map(len, screen.lines)) <= width
    assert "iwouldliketomakeanappointment" in "".join("".join(screen.lines).split())


def test_a_reply_longer_than_the_screen_is_whole_in_the_end() -> None:
    phrases = [f"This is sentence number {n} of it." for n in range(60)]
    whole = " ".join(phrases)
    show, screen = on_screen(80, 6)
    with show:
        for n, phrase in enumerate(phrases):
            show(Record(n + 1, float(n), trace.Spoken(1, phrase)))
            assert len(screen.shown) <= 6
        show(Record(99, 99.0, trace.TurnEnded(1, "played", "", whole, whole, 60.0)))
    text = " ".join(" ".join(screen.shown).split())
    assert all(phrase in text for phrase in phrases)


def test_json_is_one_line_a_record_and_nothing_else(conversation: list[Record]) -> None:
    lines = piped(conversation, json=True)
    assert [json.loads(line) for line in lines] == [record.as_dict() for record in conversation]


def test_json_stays_json_on_a_terminal(conversation: list[Record]) -> None:
    screen = Screen()
    with Show(screen, json=True) as show:
        replay(show, conversation)
        show.tick(1.0)
    assert [json.loads(line)["seq"] for line in screen.shown] == [record.seq for record in conversation]


def test_no_color_is_respected(conversation: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system="standard")
    with Show(console=console, live=True) as show:
        replay(show, conversation)
    file = console.file
    assert isinstance(file, io.StringIO)
    codes = {code for group in re.findall(r"\x1b\[([0-9;]*)m", file.getvalue()) for code in group.split(";")}
    assert codes
    assert not codes & {str(n) for n in (*range(30, 48), *range(90, 108))}


def test_a_reader_that_has_gone_does_not_end_the_call(conversation: list[Record]) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    for options in ({}, {"live": True}, {"json": True}):
        with Show(Gone(), **options) as show:
            replay(show, conversation)
            show.tick(30.0)


def test_an_encoding_that_cannot_say_it_does_not_end_the_call() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    with Show(stream) as show:
        show(Record(1, 0.0, trace.CallerSaid("Gr\u00fc\u00dfe \ud800", True, 1)))
    assert raw.getvalue() == b"00:00.0  caller  Gr??e\n"


def test_words_cannot_move_the_cursor_or_carry_markup() -> None:
    lines = piped(numbered((1.0, trace.CallerSaid("a\x1b[2Jb\r\nc [red]d[/red]", True, 1))))
    assert lines == ["00:01.0  caller  a [2Jb c [red]d[/red]"]


def test_murmured_words_do_not_stay_as_interim_ones() -> None:
    show, screen = on_screen()
    with show:
        show(Record(1, 1.0, trace.CallerSaid("uh huh", False, 1)))
        assert any("caller  uh huh" in line for line in screen.shown)
        show(Record(2, 1.2, trace.Murmured("uh huh")))
    assert screen.shown == ['00:01.2          caller murmurs "uh huh"']


def test_words_that_never_became_final_are_shown_when_the_call_ends() -> None:
    records = numbered((1.0, trace.CallerSaid("wait a", False, 1)), (1.5, trace.CallEnded("failed", "socket lost")))
    assert piped(records) == [
        "00:01.0  caller  wait a",
        "00:01.5          call failed: socket lost, after 00:01.5",
    ]


def test_a_reply_dropped_before_it_was_heard_is_told() -> None:
    records = numbered((2.0, trace.TurnEnded(3, "superseded", "", "Of course.", "", 0.0)))
    assert piped(records) == ["00:02.0          << caller goes on, this answer is dropped"]


def test_a_reply_that_was_held_and_then_cut_off_shows_both() -> None:
    records = numbered(
        (1.0, trace.Spoken(1, "On Monday,")),
        (2.0, trace.Held(1, 0.08)),
        (2.5, trace.Resumed(1)),
        (2.9, trace.TurnEnded(1, "interrupted", "", "On Monday, at ten.", "On Monday,", 1.4)),
    )
    show, screen = on_screen()
    with show:
        replay(show, records)
    assert screen.shown == [
        "00:01.0  agent   On Monday, (held 0.5 s) at ten.",
        "                 << caller cuts in",
    ]
    assert piped(records)[1:] == [
        "00:02.5          (held 0.5 s: no words came, the agent goes on)",
        '00:02.9          << caller cuts in; not heard: "at ten."',
    ]


def test_what_happens_during_a_reply_stands_below_it() -> None:
    show, screen = on_screen()
    with show:
        show(Record(1, 1.0, trace.Spoken(1, "Press one")))
        show(Record(2, 1.5, trace.DigitPressed("1")))
        show(Record(3, 2.0, trace.Spoken(1, "or two.")))
        show(Record(4, 3.0, trace.TurnEnded(1, "played", "", "Press one or two.", "Press one or two.", 2.0)))
    assert screen.shown == ["00:01.0  agent   Press one or two.", "00:01.5          caller presses 1"]


def test_no_thread_is_started(conversation: list[Record]) -> None:
    before = threading.active_count()
    show, _ = on_screen()
    with show:
        replay(show, conversation, until=10.0)
        assert threading.active_count() == before
