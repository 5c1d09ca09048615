"""Ringover: webhooks as JWTs (HS512) of one key, smart routing by the reply, REST with the bare key, toggles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jwt

from bench.dialects.port import Dialect, Message, Ring
from bench.dialects.ringover import Ringover as Spoken
from clouds.carrier import PUBLIC, Call, Cloud, now
from clouds.web import Answer, Asked, Sent, said

KEY, TOKEN = "ringover-api-key", "ringover-media-token"
SECRET = "0123456789abcdef0123456789abcdef01234567" * 2
FALLBACK = "+33100000009"
_NAMES = {"ended": "hangup", "no-answer": "hangup", "unknown": "constellation"}


class Ringover(Cloud):
    carrier = "ringover"
    dialect = Spoken
    busy = "no-answer"
    refusal = FALLBACK
    secret = SECRET
    token = TOKEN

    def settings(self) -> dict[str, Any]:
        return {
            "api_key": KEY,
            "webhook_key": SECRET,
            "url": f"{self.url}/v2",
            "media_token": TOKEN,
            "fallback_to": FALLBACK,
            "pause": 0.2,
        }

    def name(self, number: int) -> str:
        """Of 64 bits, so that a float would not hold it."""
        return str(2**63 - number)

    def _signed(self, section: str, call: Call, event: str, **data: Any) -> Sent:
        url = f"{PUBLIC}/api/v1/webhooks/ringover/{section}"
        known = {
            "call_id": int(call.id),
            "channel_id": call.leg,
            "direction": "out" if call.outbound else "in",
            "from_number": int(call.caller.lstrip("+")),
            "to_number": int(call.called.lstrip("+")),
        }
        message = {"resource": "call", "event": event, "timestamp": now() - self.age, "data": {**known, **data}}
        token = jwt.encode({"url": url, "payload": message}, self.secret, algorithm="HS512")
        return Sent("POST", url, {"X-Ringover-Webhook-Signature": token, "Content-Type": "application/json"}, b"{}")

    def forged(self, sent: Sent) -> Sent:
        """What counts is in the token, and not the body."""
        name = "X-Ringover-Webhook-Signature"
        head, payload, signature = sent.headers[name].split(".")
        other = ("B" if signature[0] == "A" else "A") + signature[1:]
        return replace(sent, headers={**sent.headers, name: f"{head}.{payload}.{other}"})

    def offering(self, call: Call) -> Sent:
        return self._signed("routing", call, "routing")

    def understand(self, call: Call, answer: Answer) -> None:
        if answer.status == 204:
            call.media = True
        else:
            call.refused = f"+{answer.json['agents'][0]['number']}"

    def event(self, call: Call, what: str) -> Sent | None:
        data: dict[str, Any] = {}
        if what in ("ended", "no-answer"):
            data = {"hangup_time": now(), "answered_time": now() if call.answered else None}
            # What is answered by nobody was missed, of whoever calls us.
            if not call.outbound and not call.answered:
                return self._signed("event", call, "missed")
        if what == "machine":
            return None
        return self._signed("event", call, _NAMES.get(what, what), **data)

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        """As it was set up with Ringover once."""
        return f"wss://house.example/api/v1/media/ringover?token={self.token}", (), ()

    def hello(self, call: Call, dialect: Dialect) -> Sequence[Message]:
        return dialect.hello(Ring(call.id, caller=call.caller, called=call.called))

    async def asked(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != KEY:
            return self.stranger(asked)
        if asked.path == "/v2/callback":
            body = asked.json
            assert all(type(body[name]) is int for name in ("from_number", "to_number"))
            call = self.new(f"+{body['from_number']}", f"+{body['to_number']}", outbound=True)
            call.wishes, call.media = body, True
            return await self.place(call) or said({"call_id": int(call.id), "channel_id": call.leg})
        try:
            _, version, channels, leg, events, *act = asked.path.split("/")
        except ValueError:
            return self.stranger(asked, 404)
        if (version, channels, events) != ("v2", "channels", "events"):
            return self.stranger(asked, 404)
        match act:
            case ["hangup"]:
                order: tuple[Any, ...] = ("hang_up",)
            case ["transfer"]:
                order = ("transfer", asked.json["phone_number"])
            case ["mute" | "hold", "toggle"]:
                order = (act[0], "toggle")
            case ["dtmf"]:
                order = ("dtmf", asked.json["dtmf"])
            case _:
                return self.stranger(asked, 404)
        return Answer(204) if self.order(self.legs(leg), *order) else said({"message": "no such channel"}, 404)
