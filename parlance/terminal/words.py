"""How a call's events read to a person: the wording the screen and the transcript share. Pure.

Nothing here knows how a line is drawn or kept. Text that comes from outside (a caller, a provider, a carrier)
passes through `clean` before it is shown, so that it cannot move the cursor or break a line.
"""

from __future__ import annotations

from parlance.engine.effort import CallUsed, ToolAsked
from parlance.engine.trace import Acted, TurnEnded

_ACTS = {
    "book": "booked",
    "take_message": "message taken",
    "hang_up": "hangs up after this answer",
    "transfer": "transfers to a person after this answer",
}

_ENDINGS = {
    "interrupted": "caller cuts in",
    "superseded": "caller goes on, this answer is dropped",
    "hung-up": "the call ended here",
    "failed": "this answer failed",
}


def clean(text: str) -> str:
    """`text` on one line, without control characters, lone surrogates and runs of white space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def clock(at: float) -> str:
    """Seconds of the call's clock as mm:ss.s."""
    tenths = round(max(at, 0.0) * 10)
    return f"{tenths // 600:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def rest(said: str, heard: str) -> str:
    """What of `said` comes after `heard`, to the character where `heard` begins `said`, else to the word.

    It begins with a space, unless the cut was in the middle of a word or nothing was heard.
    """
    said, heard = clean(said), clean(heard)
    if said.startswith(heard):
        return said[len(heard) :]
    ours, theirs = said.split(), heard.split()
    same = 0
    while same < min(len(ours), len(theirs)) and ours[same] == theirs[same]:
        same += 1
    return "".join(f" {word}" for word in ours[same:])


def shorten(text: str, length: int) -> str:
    """`text` cut after a whole word to at most `length` characters, "..." showing that it was."""
    if len(text) <= length:
        return text
    head = text[: length - 3]
    return (head.rpartition(" ")[0] or head) + "..."


def arguments(event: ToolAsked) -> str:
    """What a tool is asked, in one line."""
    return ", ".join(f"{clean(str(name))} {clean(str(value))}" for name, value in event.arguments.items()) or "nothing"


def used(event: CallUsed) -> str:
    """What a call has used of those who ask to be paid, in one line; empty: nothing."""
    parts = [f"{provider} heard {seconds:.1f} s" for provider, seconds in event.ears.items()]
    for provider, sums in event.minds.items():
        tokens = f", {sums['in']} tokens in, {sums['out']} out" if sums["in"] or sums["out"] else ""
        parts.append(f"{provider} asked {_times(sums['requests'])}{tokens}")
    parts += [f"{provider} spoke {characters} characters" for provider, characters in event.voices.items()]
    wasted = f"; thought ahead in vain {_times(event.discarded)}" if event.discarded else ""
    return "used: " + "; ".join(parts) + wasted if parts else ""


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def act(event: Acted) -> str:
    """What the mind did: `booked: day tuesday, time ten`."""
    name = _ACTS.get(event.act) or clean(event.act.replace("_", " "))
    details = ", ".join(f"{clean(str(k))} {clean(str(v))}".strip() for k, v in event.details.items())
    return f"{name}: {details}" if details else name


def ending(event: TurnEnded) -> str:
    """Why a reply stopped before its end; empty where it was played whole."""
    words = _ENDINGS.get(event.outcome, "")
    if event.outcome == "failed" and event.reason:
        words += f": {clean(event.reason)}"
    return words


def parted(how: str, reason: str) -> str:
    """How the call ended."""
    return f"call {clean(how)}: {clean(reason)}" if reason else f"call {clean(how)}"
