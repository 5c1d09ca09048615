"""The record of a run (RUN) before anything is known of it: every key that a record has. Pure."""

from __future__ import annotations

from typing import Any

from bench.plan import Row

DIST: dict[str, Any] = {"n": 0, "mean": None, "p50": None, "p90": None, "p99": None, "worst": None}
TIMES = ("response_ms", "own_ms", "clear_ms", "silence_ms", "jitter_ms", "answer_ms", "greeting_ms")
CALLS = ("offered", "admitted", "refused", "dropped", "stuck", "half_answered")
PROCESS = (
    "cpu", "cpu_per_call", "foreign", "rss_mb", "idle_rss_mb", "mb_per_call", "threads", "tasks", "tasks_per_call",
    "refused", "ready_s",
)  # fmt: skip
TURNS = ("asked", "answered", "failed", "interrupted", "uncleared", "cut_short", "resumed", "coughs")


def blank(row: Row) -> dict[str, Any]:
    """The record of a run of which nothing is known yet."""
    return {
        "server": row.server,
        "carrier": row.carrier,
        "agent": row.agent,
        "lines": row.calls,
        "limit": row.limit,
        "arrival": row.arrival,
        "mix": row.mix,
        "seconds": row.seconds,
        "workers": row.workers,
        "void": None,
        "callers": {"late_ms": dict(DIST), "cpu": None, "void": None},
        "calls": dict.fromkeys(CALLS, 0) | {"offered": row.calls, "refusals": {}, "refused_ms": dict(DIST)},
        "turns": dict.fromkeys(TURNS, 0),
        **{name: dict(DIST) for name in TIMES},
        "visits": {"made": 0, "ungreeted": 0},
        "webhooks": None,
        "gaps": {"count": 0, "worst_ms": None},
        "samples": {},
        "waveform": None,
        "process": dict.fromkeys(PROCESS),
        "health": None,
        "broke": [],
    }
