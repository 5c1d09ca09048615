"""A server and callers that cost nothing: small programs that keep to the contracts of the bench's processes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.blank import DIST, blank
from bench.plan import Row

SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, mode = int(sys.argv[1]), sys.argv[2]
if mode == "broken":
    sys.exit("the settings are wrong")
calls = 0

class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        global calls
        if self.path == "/die":
            print("out of luck", file=sys.stderr, flush=True)
            os._exit(3)
        if self.path == "/health":
            calls += 1
        # Busy when it is asked for the second time, near the window's end; then calls are gone, unless they stay.
        busy = calls == 2 or (mode == "full" and calls > 2)
        found = {"calls": 3 * busy, "tasks": 10 + 10 * busy, "refused": {"full": calls}, "workers": [3 * busy, None]}
        body = json.dumps(found | {"metronome": {"late_ms": {"p99": 0.4}}}).encode()
        self.send_response(503 if mode == "shut" and self.path == "/ready" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass

if mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
if mode != "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""

CALLERS = """
import json, os, sys, time, urllib.request
result, mode = json.loads(sys.argv[1]), sys.argv[2]
spec = json.loads(sys.stdin.readline())
say = lambda **said: print(json.dumps(said), flush=True)
if mode == "fail":
    sys.exit("there is no server to call")
if mode == "babble":
    print("hello there", flush=True)
    time.sleep(60)
say(event="progress", phase="ramp", done=0.5, up=1, late_ms=0.2)
if mode == "kill":
    try:
        urllib.request.urlopen(spec["url"].replace("ws", "http").rpartition("/")[0] + "/die")
    except OSError:
        time.sleep(60)
say(event="window", what="begin")
say(event="progress", phase="steady", done=0.5, up=spec["calls"], late_ms=0.3)
if mode == "hang":
    time.sleep(60)
time.sleep(0.2)
say(event="window", what="end")
spec["nice"] = os.environ["BENCH_NICE"]
say(event="result", spec=spec, **result)
"""


def row(calls: int = 1, **changed: Any) -> Row:
    """A run of no length."""
    given: dict[str, Any] = {"server": "parlance", "calls": calls, "limit": calls + 10, "seconds": 0.2, "ramp": 0.1}
    return Row(**given | changed)


def dist(p50: float, p99: float, count: int = 100) -> dict[str, Any]:
    """A distribution with these figures."""
    return DIST | {"n": count, "mean": p50, "p50": p50, "p90": p99, "p99": p99, "worst": p99}


def record(calls: int = 100, /, *, limit: int | None = None, **changed: Any) -> dict[str, Any]:
    """The record of a run in which all held; `changed` are its parts, laid over those that are dicts."""
    run = blank(row(calls, **({} if limit is None else {"limit": limit, "arrival": "at once"})))
    run["calls"]["admitted"] = calls
    run["turns"] |= {"asked": 7 * calls, "answered": 7 * calls, "interrupted": 2 * calls}
    run |= {"response_ms": dist(530, 545), "own_ms": dist(5, 20), "clear_ms": dist(61, 90), "silence_ms": dist(60, 90)}
    run["callers"] = {"late_ms": dist(0.3, 0.9), "cpu": 0.1, "void": None}
    run["process"] = {
        "cpu": 0.003 * calls,
        "cpu_per_call": 0.003,
        "foreign": 0.0,
        "refused": 0,
        "rss_mb": 70.0,
        "idle_rss_mb": 50.0,
        "mb_per_call": 0.2,
        "threads": 2,
        "tasks": 500,
        "tasks_per_call": 4.8,
        "ready_s": 1.1,
    }
    for key, value in changed.items():
        run[key] = run[key] | value if isinstance(value, dict) and isinstance(run[key], dict) else value
    return run


def script(folder: Path, name: str, text: str) -> list[str]:
    """The command that runs `text`."""
    file = folder / name
    file.write_text(text)
    return [sys.executable, str(file)]
