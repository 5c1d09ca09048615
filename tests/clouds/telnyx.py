"""Telnyx: webhooks signed with Ed25519, Call Control commands behind a bearer key."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.dialects.port import Dialect, Message, Ring
from bench.dialects.telnyx import Telnyx as Spoken
from clouds.carrier import PUBLIC, Call, Cloud, now
from clouds.web import Answer, Asked, Sent, said

KEY = "KEY0123456789"
_EVENTS = count(1)
_KINDS = {"ringing": "call.initiated", "answered": "call.answered", "unknown": "call.of.tomorrow"}
_CAUSES = {"ended": "normal_clearing", "busy": "user_busy", "no-answer": "timeout", "canceled": "originator_cancel"}


@cache
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


class Telnyx(Cloud):
    carrier = "telnyx"
    dialect = Spoken

    def settings(self) -> dict[str, Any]:
        public = b64encode(key().public_key().public_bytes_raw()).decode()
        return {"api_key": KEY, "public_key": public, "connection_id": "connection-1", "api": f"{self.url}/v2"}

    def name(self, number: int) -> str:
        return f"v3:{number:040x}"

    def _signed(self, call: Call, kind: str, **more: Any) -> Sent:
        payload = {
            "call_control_id": call.id,
            "call_leg_id": call.leg,
            "client_state": call.wishes.get("client_state"),
            "from": call.caller,
            "to": call.called,
            **more,
        }
        at = datetime.fromtimestamp(now(), UTC).isoformat().replace("+00:00", "Z")
        data = {"record_type": "event", "event_type": kind, "id": f"event-{next(_EVENTS)}", "occurred_at": at}
        body = json.dumps({"data": {**data, "payload": payload}}).encode()
        stamp = str(int(now() - self.age))
        signature = b64encode(key().sign(stamp.encode() + b"|" + body)).decode()
        headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": stamp}
        return Sent("POST", f"{PUBLIC}/api/v1/webhooks/telnyx", headers, body)

    def offering(self, call: Call) -> Sent:
        return self._signed(call, "call.initiated", direction="incoming", state="parked")

    def event(self, call: Call, what: str) -> Sent | None:
        if what in ("machine", "human"):
            return self._signed(call, "call.machine.detection.ended", result=what)
        if what in _CAUSES:
            source = "caller" if not call.outbound else "callee"
            return self._signed(call, "call.hangup", hangup_cause=_CAUSES[what], hangup_source=source)
        if what == "ringing":
            direction = "outgoing" if call.outbound else "incoming"
            return self._signed(call, "call.initiated", direction=direction, state="parked")
        return self._signed(call, _KINDS[what])

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        return call.media, (), ()

    def hello(self, call: Call, dialect: Dialect) -> Sequence[Message]:
        return dialect.hello(Ring(call.id, caller=call.caller, called=call.called))

    async def asked(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return self.stranger(asked)
        body = asked.json
        assert body["command_id"]
        if asked.path == "/v2/calls":
            assert body["connection_id"] == "connection-1"
            if body["command_id"] in self.acts:
                return self.acts[body["command_id"]]
            call = self.new(body["from"], body["to"], outbound=True)
            self._streams(call, body)
            usual = said({"data": {"call_control_id": call.id, "call_leg_id": call.leg}})
            return await self.once(body["command_id"], call, usual)
        id, _, verb = asked.path.removeprefix("/v2/calls/").partition("/actions/")
        found = self.calls.get(id)
        if found is None or found.over:
            return said({"errors": [{"code": "90018", "title": "Call has already ended"}]}, 422)
        if verb == "answer":
            await self.hesitate(found)
            self._streams(found, body)
        elif verb == "reject":
            assert body["cause"] == "USER_BUSY"
            found.refused, found.over = "busy", True
        else:
            orders = {"hangup": ("hang_up",), "transfer": ("transfer", body.get("to"))}
            order: tuple[Any, ...] = ("dtmf", body["digits"]) if verb == "send_dtmf" else orders[verb]
            self.order(found, *order)
        return said({"data": {"result": "ok"}})

    def _streams(self, call: Call, body: dict[str, Any]) -> None:
        assert (body["stream_bidirectional_mode"], body["stream_bidirectional_codec"]) == ("rtp", "PCMU")
        call.wishes, call.media = body, body["stream_url"]
