"""Carriers' webhooks at a fixed rate, while calls are up, as the load bench starts them, in a process of their own.

A spec comes on standard input, one JSON object: `port` of the server, `rate` a second, `seconds`, the `public` URL and
the `number` that the server has, and `keys`, by carrier.

Ringover's events (a JWT signed with HS512) and Twilio's status callbacks (HMAC-SHA1) by turns, of calls to one of the
server's numbers that ring, are answered and end. All are made and signed beforehand and sent on one absolute schedule
over connections that are kept. On standard output, in the end, one JSON object: how many were sent, how many were
answered with 200, how long each answer took (`took_ms`, as the sender saw it: an upper bound) and how late they were
sent (`late_ms`).
"""

from __future__ import annotations

import hmac
import json
import os
import sys
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

import jwt

from bench import instrument
from bench.callers.sender import Sender
from bench.measure.figures import distribution

RINGOVER, TWILIO = "/api/v1/webhooks/ringover/event", "/api/v1/webhooks/twilio/status"
APART = 300
"""Requests between two of one call: at 200 a second each of its states lasts a second and a half."""
NICE = -10
ACCOUNT = "AC" + "0" * 32


def requests(count: int, now: float, public: str, number: str, keys: Mapping[str, str]) -> list[bytes]:
    """About `count` signed HTTP requests, in order: every call that rings also ends. `now`: seconds since 1970."""
    calls = max(1, count // 3)
    placed = sorted((3 * call + stage * (APART + 1), call, stage) for call in range(calls) for stage in range(3))
    made = []
    for _, call, stage in placed:
        if call % 2:
            made.append(twilio(call, stage, now, public, number, keys["twilio"]))
        else:
            made.append(ringover(call, stage, now, public, number, keys["ringover"]))
    return made


def ringover(call: int, stage: int, now: float, public: str, number: str, key: str) -> bytes:
    """An event as ringover/ringover-webhooks-php reads it, its JWT in the header."""
    data: dict[str, Any] = {
        "id": f"00000000-0000-4000-8000-{call:08x}{stage:04x}",
        "call_id": 1234567890987654400 + call,
        "channel_id": 990 + call,
        "status": ("ringing", "answered", "answered")[stage],
        "start_time": now,
        "answered_time": now if stage else None,
        "hangup_time": now if stage == 2 else None,
        "direction": "inbound",
        "from_number": f"336{call:08}",
        "to_number": number.lstrip("+"),
        "user_id": 7,
        "is_internal": False,
        "is_anonymous": False,
        "is_ivr": False,
        "ivr_data": None,
    }
    event = {"event": ("ringing", "answered", "hangup")[stage], "resource": "call", "timestamp": now, "attempt": 1}
    envelope = {**event, "data": data}
    token = jwt.encode({"url": public + RINGOVER, "payload": envelope}, key, algorithm="HS512")
    headers = {"Content-Type": "application/json", "X-Ringover-Webhook-Signature": token}
    return _request(RINGOVER, headers, json.dumps(envelope).encode())


def twilio(call: int, stage: int, now: float, public: str, number: str, key: str) -> bytes:
    """A status callback as twilio.com/docs/voice/api/call-resource has it, signed as twilio-python's validator does."""
    fields = {
        "AccountSid": ACCOUNT,
        "ApiVersion": "2010-04-01",
        "CallSid": f"CC{call:032x}",
        "CallStatus": ("ringing", "in-progress", "completed")[stage],
        "CallbackSource": "call-progress-events",
        "Direction": "inbound",
        "From": f"+336{call:08}",
        "To": number,
        "Caller": f"+336{call:08}",
        "Called": number,
        "FromCountry": "FR",
        "ToCountry": "FR",
        "SequenceNumber": str(stage),
        "Timestamp": formatdate(now),
    }
    signed = public + TWILIO + "".join(name + value for name, value in sorted(fields.items()))
    signature = b64encode(hmac.digest(key.encode(), signed.encode(), "sha1")).decode()
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    return _request(TWILIO, {"Content-Type": kind, "X-Twilio-Signature": signature}, urlencode(fields).encode())


def _request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: bench.example", "User-Agent: parlance-bench"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("ascii") + body


def main() -> int:
    instrument.parser("webhooks", __doc__).parse_args()
    if os.environ.get("BENCH_NICE", "1") != "0":
        with suppress(OSError):
            os.nice(NICE)
    spec = json.load(sys.stdin)
    count, now = round(spec["rate"] * spec["seconds"]), datetime.now(UTC).timestamp()
    made = requests(count, now, spec["public"], spec["number"], spec["keys"])
    sender = Sender(spec["port"])
    try:
        sender.post(spec["rate"], made)
    except OSError as error:
        print(f"webhooks: {error}", file=sys.stderr)
    print(
        json.dumps(
            {
                "rate": spec["rate"],
                "sent": len(sender.late),
                "ok": sender.statuses[200],
                "statuses": dict(sender.statuses),
                "took_ms": distribution(sender.took),
                "late_ms": distribution(sender.late),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
