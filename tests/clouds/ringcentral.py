"""RingCentral with a gateway before it: `call.inbound` and media of the gateway, session events and REST (OAuth)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from bench.dialects.ringcentral import RingCentral as Spoken
from clouds.carrier import PUBLIC, Call, Cloud
from clouds.web import Answer, Asked, Sent, said

VALIDATION, TOKEN, ACCESS = "validation-token", "gateway-media-token", "an-access-token"
CLIENT, SECRET, JWT = "client", "client-secret", "a.jwt.credential"
EXTENSION = "102"
_COUNT = count(1)
_CODES = {
    "ringing": ("Setup", ""),
    "answered": ("Answered", ""),
    "ended": ("Disconnected", ""),
    "busy": ("Disconnected", "TargetBusy"),
    "no-answer": ("Disconnected", "NoAnswer"),
    "canceled": ("Disconnected", "Cancelled"),
    "unknown": ("Levitating", ""),
}


class RingCentral(Cloud):
    carrier = "ringcentral"
    dialect = Spoken
    secret = VALIDATION
    token = TOKEN
    dated = False
    refusal = "number-full"

    def settings(self) -> dict[str, Any]:
        credentials = {"client_id": CLIENT, "client_secret": SECRET, "jwt": JWT, "server": self.url}
        ours = {"validation_token": VALIDATION, "media_token": TOKEN, "extensions": [EXTENSION], "device": "device-1"}
        return {**credentials, **ours}

    def _signed(self, path: str, message: dict[str, Any]) -> Sent:
        headers = {"Validation-Token": self.secret, "Content-Type": "application/json"}
        body = json.dumps({"uuid": f"uuid-{next(_COUNT)}", **message}).encode()
        return Sent("POST", f"{PUBLIC}{path}", headers, body)

    def forged(self, sent: Sent) -> Sent:
        return replace(sent, headers={**sent.headers, "Validation-Token": "somebody else's"})

    def offering(self, call: Call) -> Sent:
        body = {"id": f"gateway {call.id}", "telephonySessionId": call.id, "partyId": call.leg}
        numbers = {"from": {"phoneNumber": call.caller}, "to": {"phoneNumber": call.called}}
        return self._signed("/api/voice/inbound", {"event": "call.inbound", "body": {**body, **numbers}})

    def understand(self, call: Call, answer: Answer) -> None:
        if answer.json["action"] == "answer":
            call.media = answer.json["media"]["url"]
        else:
            call.refused, call.over = answer.json["reason"], True

    def event(self, call: Call, what: str) -> Sent | None:
        if what not in _CODES:
            return None
        code, reason = _CODES[what]
        call.sequence += 1
        party = {
            "id": call.leg,
            "extensionId": EXTENSION,
            "direction": "Outbound" if call.outbound else "Inbound",
            "from": {"phoneNumber": call.caller},
            "to": {"phoneNumber": call.called},
            "status": {"code": code, **({"reason": reason} if reason else {})},
        }
        body = {"sequence": call.sequence, "telephonySessionId": call.id, "parties": [party]}
        event = f"/restapi/v1.0/account/1/extension/{EXTENSION}/telephony/sessions"
        return self._signed("/api/v1/webhooks/ringcentral/event", {"event": event, "body": body})

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        """As the answer has it; a call that we place or did not answer comes by the gateway's own token."""
        if call.media is not None:
            return call.media, (), ()
        query = f"call_id={call.id}&from_number=%2B{call.caller[1:]}&to_number=%2B{call.called[1:]}"
        url = f"wss://house.example/api/voice/realtime/ws/call?{query}"
        return url, (("Authorization", f"Bearer {self.token}"),), ()

    async def asked(self, asked: Asked) -> Answer:
        if asked.path == "/restapi/oauth/token":
            basic = b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": JWT}
            if asked.headers.get("authorization") != f"Basic {basic}" or dict(asked.form) != grant:
                return self.stranger(asked)
            return said({"access_token": ACCESS, "token_type": "bearer", "expires_in": 3600})
        if asked.headers.get("authorization") != f"Bearer {ACCESS}":
            return self.stranger(asked)
        act = asked.path.removeprefix("/restapi/v1.0/account/~/telephony/")
        body = asked.json if asked.body else {}
        if act == "call-out":
            assert body["from"] == {"deviceId": "device-1"}
            call = self.new(self.ours(1), body["to"]["phoneNumber"], outbound=True)
            parties = [{"id": call.leg, "direction": "Outbound"}]
            return await self.place(call) or said({"session": {"id": call.id, "parties": parties}}, 201)
        if asked.method == "DELETE" and act.count("/") == 1:
            # The whole session: its party is not known to whoever asks.
            whole = self.order(self.calls.get(act.partition("/")[2]), "hang_up")
            return Answer(204) if whole else said({"message": "no such session"}, 404)
        sessions, id, parties_, leg, *verb = act.split("/")
        found = self.calls.get(id)
        if (sessions, parties_) != ("sessions", "parties") or (found is not None and found.leg != leg):
            return self.stranger(asked, 404)
        match asked.method, verb:
            case "DELETE", []:
                order: tuple[Any, ...] = ("hang_up",)
            case "PATCH", []:
                order = ("mute", body["muted"])
            case "POST", ["transfer"]:
                order = ("transfer", body["phoneNumber"])
            case "POST", ["hold" | "unhold"]:
                order = ("hold", verb == ["hold"])
            case _:
                return self.stranger(asked, 404)
        return Answer(204) if self.order(found, *order) else said({"message": "no such session"}, 404)
