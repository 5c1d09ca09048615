"""What must hold, and what of it a run broke, in words with figures. Pure.

Up to 100 calls a core the figures stand by themselves; beyond, a run is held against the single call's, as far as that
keeps them. A void run is judged no further. A peer is held to what a caller notices, not to what parlance asks of
itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

FULL = 100
"""Calls on one core up to which the figures below hold as they stand."""
CPU = 0.35
"""Of a core."""
LATENCIES = (
    ("own_ms", "own share", "p50", 8.0),
    ("own_ms", "own share", "p99", 30.0),
    ("clear_ms", "onset to clear", "p50", 80.0),
    ("clear_ms", "onset to clear", "p99", 120.0),
)
MORE, PLUS = 1.25, 30.0
"""Beyond: the single call's figure and a quarter, and milliseconds on top."""
RELATIVE = (
    ("response_ms", "response"),
    ("own_ms", "own share"),
    ("clear_ms", "onset to clear"),
    ("silence_ms", "onset to silence"),
)
CAPS = {key: limit for key, _, which, limit in LATENCIES if which == "p99"}
"""A single call that is worse than a hundred may be excuses nobody."""
ALONE = "not judged: no single call to compare with"
MEMORY = 0.7
"""MB a call."""
MANY = 50
"""Calls from which memory a call can be told: the first call pays for what all share."""
TASKS = 5.0
READY = 1.5
REFUSED = 100.0
"""Milliseconds in which a call that cannot be taken is refused."""
GREETED = 60.0
"""Milliseconds from a call's start message to the first audio of its greeting, at the 99th percentile."""
WEBHOOK = 5.0
"""Milliseconds in which a webhook is answered, at the 99th percentile, as its sender sees it."""
LATE = 5.0
"""Milliseconds: a sender of webhooks that is later itself says nothing about a server."""
ANSWERED = 100.0
"""Milliseconds in which a call that can be taken is."""
WHOLE = (
    ("turns", "failed", "failed turns"),
    ("turns", "uncleared", "barge-ins without a clear"),
    ("turns", "cut_short", "replies cut short"),
    ("calls", "dropped", "dropped calls"),
    ("calls", "stuck", "stuck calls"),
    ("calls", "half_answered", "half-answered calls"),
)
"""Of these there must be none."""
OWN = (
    ("turns", "unsaid", "utterances that no line was up for"),
    ("turns", "overran", "replies that did not end in time"),
    ("turns", "unasked_clears", "clears without a barge-in"),
    ("turns", "unasked_sound", "sound without a turn"),
)
"""Of these neither, with parlance."""


def broken(run: dict[str, Any], single: dict[str, Any] | None = None) -> list[str]:
    """The limits that `run` broke; `single`: the same server's run with one call, if there is one."""
    if run["void"] or (run["broke"] and not run["turns"]["asked"]):
        return []
    found = [*_whole(run), *_gaps(run), *_latencies(run, single), *_answered(run)]
    found += [*_greeted(run), *_posted(run)]
    if run["arrival"] == "at once":
        found += _overloaded(run)
    elif refused := run["calls"]["refused"]:
        found.append(f"refused calls {refused}, limit 0{_reasons(run)}")
    if run["server"] == "parlance":
        found += _costs(run, single)
    return found


def beyond(run: dict[str, Any], single: dict[str, Any]) -> list[str]:
    """What makes a number of calls too many, in the search for the knee. CPU is not of it: callers do not hear CPU."""
    if run["void"] or (run["broke"] and not run["turns"]["asked"]):
        return []
    found = [*_whole(run), *_gaps(run), *_relative(run, single), *_answered(run)]
    if refused := run["calls"]["refused"]:
        found.append(f"refused calls {refused}, limit 0{_reasons(run)}")
    return found


def _whole(run: dict[str, Any]) -> Iterator[str]:
    if not run["turns"]["asked"]:
        yield "no turn was counted"
    for group, key, name in (*WHOLE, *(OWN if run["server"] == "parlance" else ())):
        if count := run[group].get(key):
            yield f"{name} {count}, limit 0"


def _gaps(run: dict[str, Any]) -> Iterator[str]:
    if count := run["gaps"]["count"]:
        worst = run["gaps"].get("worst_ms")
        yield f"gaps {count}{'' if worst is None else f', worst {worst:.0f} ms'}, limit 0"


def _latencies(run: dict[str, Any], single: dict[str, Any] | None) -> Iterator[str]:
    """The own share is measured against the latencies of stub providers: real protocols have more."""
    if min(run["calls"]["admitted"], run["lines"]) > FULL * run["workers"]:
        yield from _relative(run, single)
        return
    for key, name, which, limit in LATENCIES:
        value = run[key].get(which)
        if value is not None and value > limit and (key != "own_ms" or run["agent"] == "rehearsal"):
            yield f"{name} {which} {value:.0f} ms, limit {limit:.0f} ms"


def _relative(run: dict[str, Any], single: dict[str, Any] | None) -> Iterator[str]:
    if single is None or single["void"]:
        yield ALONE
        return
    for key, name in RELATIVE:
        value, base = run[key].get("p99"), single[key].get("p99")
        if value is None:
            continue
        if base is None:
            yield f"{name} {ALONE}"
            continue
        # The stub providers' own share only: real protocols have more.
        capped = min(base, CAPS.get(key, base)) if key != "own_ms" or run["agent"] == "rehearsal" else base
        if value > (limit := capped * MORE + PLUS):
            yield f"{name} p99 {value:.0f} ms, limit {limit:.0f} ms (one call: {base:.0f} ms)"


def _answered(run: dict[str, Any]) -> Iterator[str]:
    slow = (run.get("answer_ms") or {}).get("p99")
    if run["server"] == "parlance" and slow is not None and slow > ANSWERED:
        yield f"answered in p99 {slow:.0f} ms, limit {ANSWERED:.0f} ms"


def _greeted(run: dict[str, Any]) -> Iterator[str]:
    """Visitors; beyond what one core is asked to carry, nobody is promised a time."""
    if lost := (run.get("visits") or {}).get("ungreeted"):
        yield f"ungreeted visitors {lost}, limit 0"
    slow = (run.get("greeting_ms") or {}).get("p99")
    within = min(run["calls"]["admitted"], run["lines"]) <= FULL * run["workers"]
    if slow is not None and slow > GREETED and within:
        yield f"greeted in p99 {slow:.0f} ms, limit {GREETED:.0f} ms"


def _posted(run: dict[str, Any]) -> Iterator[str]:
    found = run.get("webhooks")
    if not found:
        return
    sent, late = found["sent"], (found.get("late_ms") or {}).get("p99")
    if not sent:
        yield "webhooks: none was sent"
        return
    if lost := sent - found["ok"]:
        yield f"webhooks not answered with 200: {lost} of {sent}, limit 0{'; ' * bool(found['word'])}{found['word']}"
    counted = sum(count for word, count in found["counted"].items() if word.endswith(" ok"))
    if counted != sent:
        words = ", ".join(f"{word} {count}" for word, count in found["counted"].items())
        yield f"webhooks that the server counted as ok {counted} of {sent}: {words or 'none'}"
    slow = found["took_ms"].get("p99")
    if late is not None and late > LATE:
        yield f"webhooks not judged: their sender was late, p99 {late:.1f} ms"
    elif slow is not None and slow > WEBHOOK:
        yield f"webhooks answered in p99 {slow:.1f} ms, limit {WEBHOOK:.0f} ms"


def _overloaded(run: dict[str, Any]) -> Iterator[str]:
    # Each worker has its part of the limit, rounded up.
    calls, limit = run["calls"], ceil(run["limit"] / run["workers"]) * run["workers"]
    if calls["admitted"] != limit:
        yield f"admitted calls {calls['admitted']} of {calls['offered']} offered, limit {limit}{_reasons(run)}"
    # Who was refused may have called again.
    if (lost := calls["offered"] + (calls.get("redials") or 0) - calls["admitted"] - calls["refused"]) > 0:
        yield f"calls neither admitted nor refused {lost}, limit 0"
    slow = calls["refused_ms"].get("p99")
    if slow is not None and slow > REFUSED:
        yield f"refused in p99 {slow:.0f} ms, limit {REFUSED:.0f} ms"
    counted = run["process"].get("refused")
    if counted is not None and counted != calls["refused"]:
        yield f"refused calls {calls['refused']}, of which the server counted {counted}"


def _costs(run: dict[str, Any], single: dict[str, Any] | None) -> Iterator[str]:
    process, workers = run["process"], run["workers"]
    calls = min(run["calls"]["admitted"], run["lines"])
    cpu = process["cpu"]
    # Sockets to providers cost what they cost, and so do webhooks: the figures are those of a call without.
    rehearsal = run["agent"] == "rehearsal"
    plain = rehearsal and not run.get("webhooks")
    if cpu is not None and calls <= FULL * workers and cpu > CPU * workers and plain:
        yield f"CPU {cpu:.2f} of a core, limit {CPU * workers:.2f}"
    memory = process["mb_per_call"]
    if memory is not None and calls >= MANY and memory > MEMORY and rehearsal:
        yield f"memory {memory:.2f} MB a call, limit {MEMORY:.1f} MB"
    tasks = process["tasks_per_call"]
    if tasks is not None and tasks > TASKS and rehearsal:
        yield f"tasks {tasks:.1f} a call, limit {TASKS:.0f}"
    alone = single["process"]["threads"] if single is not None else None
    if alone is not None and process["threads"] is not None and process["threads"] > alone:
        yield f"threads {process['threads']}, with one call {alone}: a call may have none"
    if process["ready_s"] is not None and process["ready_s"] > READY:
        yield f"ready after {process['ready_s']:.1f} s, limit {READY:.1f} s"


def _reasons(run: dict[str, Any]) -> str:
    """Why calls were refused, as the server told its callers."""
    reasons = run["calls"].get("refusals") or {}
    told = sorted(reasons.items(), key=lambda item: -item[1])
    return "".join(f"; {count} x {reason}" for reason, count in told[:2])
