"""Where the time of each answer went: a turn's latencies as bars on one axis. Pure: records in, data or drawing out.

A turn's zero is the moment the caller stopped, or the turn's beginning where the agent spoke of its own accord.
Steps are told in the order in which they happened, which is not always the same: a fast ear has its transcript before
the end of the turn is decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from statistics import median
from typing import TypedDict

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from parlance.engine.effort import ThoughtAhead
from parlance.engine.trace import Record, TurnBegan, TurnEnded, TurnTimed
from parlance.terminal.words import clean, clock, shorten

STEPS = ("end_of_turn", "transcript", "first_token", "first_phrase", "first_audio", "first_frame")
"""What comes after the zero, in the usual order."""

_ANSWERS = ("end_of_turn", "transcript", "first_token")
"""Steps of an answer to the caller: a cue has none of them."""

_NAMES = {
    "caller_stopped": "caller stopped",
    "turn_began": "turn began",
    "end_of_turn": "end of turn",
    "transcript": "transcript",
    "first_token": "first token",
    "first_phrase": "first phrase",
    "first_audio": "first audio",
    "first_frame": "first frame out",
}
_STYLES = {
    "end_of_turn": "yellow",
    "transcript": "cyan",
    "first_token": "magenta",
    "first_phrase": "white",
    "first_audio": "blue",
    "first_frame": "green",
}
_LABEL = 18
_NUMBERS = 17
_SLIMMEST = 10


class Step(TypedDict):
    """`ms`: since the turn's zero, None where it did not happen. `took`: since the step before it."""

    step: str
    ms: float | None
    took: float | None


class Row(TypedDict):
    """One turn. `at`: its zero in seconds of the call's clock. `response`: zero to first frame, in ms. `ahead`: how
    long before the end of the caller's turn the reply was begun, in ms; None: it was not.

    `zero` is `caller_stopped` or `turn_began`; only the former's response is an answer.
    """

    turn: int
    words: str
    cue: str
    outcome: str
    zero: str
    at: float
    response: float | None
    ahead: float | None
    steps: list[Step]


class Summary(TypedDict):
    """Over the answers whose first frame went out. Milliseconds; None where there was no answer."""

    turns: int
    answers: int
    median: float | None
    worst: float | None
    worst_turn: int | None


def rows(records: Iterable[Record]) -> list[Row]:
    """The timed turns of a call, in order. Of several timings of one turn the last counts."""
    began: dict[int, tuple[float, TurnBegan]] = {}
    outcomes: dict[int, str] = {}
    ahead: dict[int, float] = {}
    timed: dict[int, TurnTimed] = {}
    for record in records:
        match record.event:
            case TurnBegan(turn=turn) as event:
                began[turn] = (record.at, event)
            case TurnEnded(turn=turn, outcome=outcome):
                outcomes[turn] = outcome
            case ThoughtAhead(turn=turn, seconds=seconds):
                ahead[turn] = round(seconds * 1000, 3)
            case TurnTimed(turn=turn) as event:
                timed[turn] = event
            case _:
                pass
    result = []
    for turn, event in sorted(timed.items()):
        at, beginning = began.get(turn, (None, TurnBegan(turn)))
        row = _row(event, at, beginning)
        if row is not None:
            row["outcome"], row["ahead"] = outcomes.get(turn, ""), ahead.get(turn)
            result.append(row)
    return result


def summary(turns: Sequence[Row]) -> Summary:
    """How fast the caller was answered."""
    answers = [(r["response"], r["turn"]) for r in turns if r["zero"] == "caller_stopped" and r["response"] is not None]
    worst = max(answers, default=(None, None))
    return {
        "turns": len(turns),
        "answers": len(answers),
        "median": round(median(ms for ms, _ in answers), 3) if answers else None,
        "worst": worst[0],
        "worst_turn": worst[1],
    }


def _row(event: TurnTimed, at: float | None, beginning: TurnBegan) -> Row | None:
    """None where nothing at all is known of when the turn began."""
    times = {step: t for step in STEPS if (t := getattr(event, step)) is not None}
    if event.caller_stopped is not None:
        zero, name = event.caller_stopped, "caller_stopped"
    elif at is not None or times:
        zero, name = (min(times.values()) if at is None else at), "turn_began"
    else:
        return None
    since = {step: round((t - zero) * 1000, 3) for step, t in times.items()}
    return {
        "turn": event.turn,
        "words": beginning.words,
        "cue": beginning.cue,
        "outcome": "",
        "zero": name,
        "at": round(zero, 6),
        "response": since.get("first_frame"),
        "ahead": None,
        "steps": _steps(since),
    }


def _steps(since: dict[str, float]) -> list[Step]:
    """In order of happening; a step that did not happen stays behind the one that usually comes before it."""
    order = sorted(since, key=lambda step: (since[step], STEPS.index(step)))
    for before, step in pairwise(("", *STEPS)):
        if step not in since:
            order.insert(order.index(before) + 1 if before else 0, step)
    steps: list[Step] = []
    last = 0.0
    for step in order:
        ms = since.get(step)
        steps.append({"step": step, "ms": ms, "took": None if ms is None else round(ms - last, 3)})
        last = last if ms is None else ms
    return steps


@dataclass(frozen=True, slots=True)
class Chart:
    """The turns of a call, drawn by rich as wide as the console: `console.print(Chart(rows(records)))`."""

    turns: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self.turns:
            yield Text("No turn was timed.", style="dim")
            return
        width = min(options.max_width, 120)
        room = width - _LABEL - _NUMBERS
        bars = room if room >= _SLIMMEST else 0
        full = "#" if options.ascii_only else "\N{FULL BLOCK}"
        scale = Scale.over((s["ms"] for r in self.turns for s in r["steps"]), bars)
        for row in self.turns:
            yield from self._turn(row, scale, width, full)
            yield Text()
        if bars:
            yield Text(" " * _LABEL + scale.axis(), style="dim", no_wrap=True)
        yield self._total()

    def _turn(self, row: Row, scale: Scale, width: int, full: str) -> RenderResult:
        left, right = f"Turn {row['turn']}", _result(row)
        space = width - len(left) - len(right) - 6
        about = shorten(clean(row["words"]), space) if space >= 8 else ""
        about = f'  "{about}"' if about else f"  {row['cue']}" if row["cue"] else ""
        gap = " " * max(width - len(left) - len(about) - len(right), 2)
        yield Text.assemble((left, "bold"), (about, "italic"), gap, (right, "bold"), overflow="fold")
        zero = _NAMES[row["zero"]]
        tick = "|"[: scale.columns].ljust(scale.columns)
        yield Text(f"  {zero:<{_LABEL - 2}}{tick}{clock(row['at']):>10}", style="dim", no_wrap=True)
        for step in row["steps"]:
            if row["cue"] and step["ms"] is None and step["step"] in _ANSWERS:
                continue
            label = f"  {_NAMES[step['step']]:<{_LABEL - 2}}"
            ms, took = step["ms"], step["took"]
            if ms is None or took is None:
                yield Text(f"{label}{' ' * scale.columns}{'-':>10}", style="dim", no_wrap=True)
                continue
            bar = scale.bar(ms - took, ms, full)
            style = _STYLES[step["step"]]
            yield Text.assemble(label, (bar, style), f"{ms:>7.0f} ms", (f"{took:>+7.0f}", "dim"), no_wrap=True)

    def _total(self) -> Text:
        total = summary(self.turns)
        if total["median"] is None or total["worst"] is None:
            return Text("No answer's first frame went out.", style="bold")
        count = f"{total['answers']} answer" + ("" if total["answers"] == 1 else "s")
        return Text.assemble(
            f"{count}, caller stopped to first frame: ",
            (f"median {total['median']:.0f} ms, worst {total['worst']:.0f} ms", "bold"),
            f" (turn {total['worst_turn']})",
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """`columns` of the screen stand for `most` milliseconds, marked every `mark`."""

    most: float
    mark: float
    columns: int

    @classmethod
    def over(cls, times: Iterable[float | None], columns: int) -> Scale:
        """Round numbers with room for all `times`, at least 10 columns from mark to mark."""
        longest = max((t for t in times if t is not None), default=0.0)
        longest = max(longest, 1.0)
        marks = max(min(columns // 10, 10), 1)
        size = 1.0
        while True:
            for mark in (1 * size, 2 * size, 5 * size):
                if mark * marks >= longest:
                    return cls(mark * ceil(longest / mark), mark, columns)
            size *= 10

    def column(self, ms: float) -> int:
        return round(min(max(ms, 0.0), self.most) / self.most * self.columns)

    def bar(self, begin: float, end: float, full: str) -> str:
        """From `begin` to `end`, a step of no length still to be seen; as wide as the scale."""
        if not self.columns:
            return ""
        first = min(self.column(begin), self.columns - 1)
        last = max(self.column(end), first + 1)
        return (" " * first + full * (last - first)).ljust(self.columns)

    def axis(self) -> str:
        line = [" "] * (self.columns + _NUMBERS)
        count = round(self.most / self.mark)
        for n in range(count + 1):
            text = f"{n * self.mark:.0f}" + (" ms" if n == count else "")
            at = self.column(n * self.mark)
            line[at : at + len(text)] = text
        return "".join(line).rstrip()


def _result(row: Row) -> str:
    stopped = "" if row["outcome"] in ("", "played") else f" ({row['outcome']})"
    if row["response"] is None:
        return f"nothing was played{stopped}"
    kind = "answered" if row["zero"] == "caller_stopped" else "spoke"
    ahead = "" if row["ahead"] is None else f", thought {row['ahead']:.0f} ms ahead"
    return f"{kind} after {row['response']:.0f} ms{ahead}{stopped}"
