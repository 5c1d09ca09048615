"""A bench document as the runner makes it, with made-up figures, small enough to look at."""

from __future__ import annotations

import math
import random
from typing import Any


def dist(values: list[float]) -> dict[str, Any]:
    values = sorted(values)
    if not values:
        return {"n": 0, "mean": None, "p50": None, "p90": None, "p99": None, "worst": None}
    ranks = {f"p{rank}": values[min(len(values) * rank // 100, len(values) - 1)] for rank in (50, 90, 99)}
    return {"n": len(values), "mean": sum(values) / len(values), **ranks, "worst": values[-1]}


def wave(seconds: int = 12) -> dict[str, Any]:
    def track(begin: float, end: float) -> list[float]:
        return [
            abs(math.sin(index / 7)) * 0.3 if begin * 100 <= index < end * 100 else 0.004
            for index in range(seconds * 100)
        ]

    return {
        "seconds": float(seconds),
        "rate": 100,
        "caller": track(1, 2.5),
        "agent": track(3, 6.4),
        "events": [
            {"at": 1.0, "what": "utterance", "text": "utterance"},
            {"at": 3.03, "what": "answer", "text": "530 ms after the caller's last frame"},
            {"at": 6.3, "what": "barge-in", "text": "barge-in"},
            {"at": 6.36, "what": "clear", "text": ""},
            {"at": 6.38, "what": "silence", "text": "80 ms after the onset"},
            {"at": 6.4, "what": "mark", "text": "m1"},
        ],
    }


def run(server: str = "parlance", calls: int = 100, samples: int = 40, **changes: Any) -> dict[str, Any]:
    chance = random.Random(f"{server}{calls}")
    own = [chance.lognormvariate(1.2, 0.5) for _ in range(samples)]
    clear = [chance.uniform(50, 90) for _ in range(samples)]
    kinds = {
        "response_ms": [520 + value for value in own],
        "own_ms": own,
        "clear_ms": clear,
        "silence_ms": [value + 12 for value in clear],
    }
    late = [chance.lognormvariate(-1.5, 0.8) for _ in range(samples)]
    return {
        "server": server,
        "agent": "rehearsal",
        "lines": calls,
        "limit": calls + 10,
        "arrival": "spread",
        "mix": "conversation",
        "seconds": 45.0,
        "workers": 1,
        "void": None,
        "callers": {"late_ms": dist(late), "cpu": 0.3, "void": None},
        "calls": {
            "offered": calls, "admitted": calls, "refused": 0, "dropped": 0, "stuck": 0, "half_answered": 0,
            "refusals": {}, "refused_ms": dist([]),
        },
        "turns": {"asked": calls * 7, "answered": calls * 7, "failed": 0, "interrupted": calls, "uncleared": 0},
        **{name: dist(values) for name, values in kinds.items()},
        "jitter_ms": dist([0.5]),
        "gaps": {"count": 0, "worst_ms": None},
        "samples": {**{name: sorted(values) for name, values in kinds.items()}, "late_ms": sorted(late)},
        "waveform": wave(),
        "process": {
            "cpu": calls * 0.0023, "cpu_per_call": 0.0023, "rss_mb": 60 + calls * 0.4, "idle_rss_mb": 60.0,
            "mb_per_call": 0.4, "threads": 2, "tasks": 12 + 5 * calls, "tasks_per_call": 5.0, "ready_s": 0.9,
        },
        "health": {
            "calls": calls,
            "metronome": {"ticks": 9, "late_ms": {"p99": 0.7, "worst": 3.1}},
            "loop": {"lag_ms": {"p99": 1.0, "worst": 9.0}, "step_ms": 4.0, "worst": None},
            "gc": {"collections": [3, 1, 0], "pause_ms": {"worst": 1.2, "total": 4.0}},
        },
        "broke": [],
        **changes,
    }  # fmt: skip


def document(*runs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "made": "2026-11-20T15:40:12+00:00",
        "command": "python -m bench --find-knee",
        "machine": {"cpu": "AMD EPYC", "cores": 2, "memory_gb": 24, "system": "Linux 6.1", "python": "3.11.7"},
        "versions": {"parlance": "0.1.0", "trio": "0.31.0"},
        "commit": "abc1234",
        "runs": list(runs),
        "knee": None,
        **changes,
    }
