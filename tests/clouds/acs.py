"""Azure Communication Services: Event Grid, callbacks and sockets with a JWT (RS256), REST with an HMAC of its own."""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bench.dialects.acs import Acs as Spoken
from clouds.carrier import PUBLIC, Call, Cloud, now
from clouds.web import Answer, Asked, Sent, said

ACCESS = b64encode(b"an access key of thirty-two bytes").decode()
SECRET, AUDIENCE = "a-secret-in-the-subscription", "resource-1"
_NAMES = {"answered": "CallConnected", "ended": "CallDisconnected", "busy": "CallDisconnected"}
_EVENTS = count(1)


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def party(number: str) -> dict[str, Any]:
    return {"kind": "phoneNumber", "rawId": f"4:{number}", "phoneNumber": {"value": number}}


class Acs(Cloud):
    carrier = "acs"
    dialect = Spoken

    def settings(self) -> dict[str, Any]:
        return {
            "connection_string": f"endpoint={self.url};accesskey={ACCESS}",
            "audience": AUDIENCE,
            "incoming_secret": SECRET,
            "jwks_url": f"{self.url}/keys",
            "source": self.ours(1),
        }

    def bearer(self) -> str:
        at = int(now() - self.age)
        claims = {"iss": "https://acscallautomation.communication.azure.com", "aud": AUDIENCE}
        times = {"iat": at, "nbf": at, "exp": at + 3600}
        return "Bearer " + jwt.encode({**claims, **times}, key(), algorithm="RS256", headers={"kid": "one"})

    def unsigned(self, sent: Sent) -> Sent:
        return replace(super().unsigned(sent), url=sent.url.partition("?")[0])

    def forged(self, sent: Sent) -> Sent:
        return replace(sent, url=sent.url.replace(SECRET, SECRET[:-1] + "X"))

    def offering(self, call: Call) -> Sent:
        data = {
            "to": party(call.called),
            "from": party(call.caller),
            "serverCallId": call.id,
            "correlationId": f"correlation of {call.id}",
            "incomingCallContext": f"context of {call.id}",
        }
        event = {"id": f"grid-{call.id}", "eventType": "Microsoft.Communication.IncomingCall", "data": data}
        url = f"{PUBLIC}/api/v1/calls/acs/incoming?secret={SECRET}"
        return Sent("POST", url, {"Content-Type": "application/json"}, json.dumps([event]).encode())

    def event(self, call: Call, what: str) -> Sent | None:
        if what not in ("answered", "ended", "busy", "no-answer", "unknown"):
            return None
        base, status = (560_000 if call.outbound else 540_000), {"busy": 486, "no-answer": 480}.get(what, 0)
        codes = {"code": status or 200, "subCode": base + status}
        data = {
            "callConnectionId": call.leg,
            "serverCallId": call.id,
            "correlationId": f"correlation of {call.id}",
            "resultInformation": codes if what != "answered" else None,
        }
        name = "CallDisconnected" if status or what == "ended" else _NAMES.get(what, "SomethingOfTomorrow")
        event = {
            "id": f"callback-{next(_EVENTS)}",
            "type": f"Microsoft.Communication.{name}",
            "specversion": "1.0",
            "data": data,
        }
        url = call.wishes.get("callbackUri", f"{PUBLIC}/api/v1/calls/acs/callbacks")
        headers = {"Authorization": self.bearer(), "Content-Type": "application/cloudevents+json"}
        return Sent("POST", url, headers, json.dumps([event]).encode())

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        named = ("x-ms-call-connection-id", call.leg), ("x-ms-call-correlation-id", f"correlation of {call.id}")
        return call.media, (("Authorization", self.bearer()), *named), ()

    def _authentic(self, asked: Asked) -> bool:
        """As "Sign an HTTP request" has it."""
        at, hashed = asked.headers.get("x-ms-date", ""), b64encode(sha256(asked.body).digest()).decode()
        text = f"{asked.method}\n{asked.target}\n{at};{asked.headers.get('host')};{hashed}".encode()
        signature = b64encode(hmac.new(b64decode(ACCESS), text, "sha256").digest()).decode()
        wanted = f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
        return asked.headers.get("authorization") == wanted and asked.headers.get("x-ms-content-sha256") == hashed

    async def asked(self, asked: Asked) -> Answer:
        if asked.path == "/keys":
            public = json.loads(RSAAlgorithm.to_jwk(key().public_key()))
            return said({"keys": [{**public, "kid": "one", "use": "sig"}]})
        if not self._authentic(asked) or asked.query != {"api-version": "2025-05-15"}:
            return self.stranger(asked)
        base = "/calling/callConnections"
        act = asked.path.removeprefix(base)
        body = asked.json if asked.body else {}
        if act == ":answer":
            await self.hesitate(self._offered(body))
            return self._connected(self._offered(body), body, 200)
        if act == ":reject":
            call = self._offered(body)
            call.refused, call.over = body["callRejectReason"], True
            return Answer(204)
        if not act:
            act = asked.headers["repeatability-request-id"]
            if act in self.acts:
                return self.acts[act]
            number = body["targets"][0]["phoneNumber"]["value"]
            call = self.new(body["sourceCallerIdNumber"]["value"], number, outbound=True)
            return await self.once(act, call, self._connected(call, body, 201))
        return self._command(asked, act.lstrip("/"), body)

    def _command(self, asked: Asked, act: str, body: dict[str, Any]) -> Answer:
        leg, _, verb = act.partition(":")
        call = self.legs(leg)
        whom = body.get("targetParticipant") or {}
        match verb:
            case "terminate":
                order: tuple[Any, ...] = ("hang_up",)
            case "transferToParticipant":
                assert body["sourceCallerIdNumber"] == {"value": self.ours(1)}
                order = ("transfer", whom["phoneNumber"]["value"])
            case "hold" | "unhold" | "sendDtmfTones" if call is not None and whom.get("rawId") != f"4:{call.theirs}":
                return self.stranger(asked, 400)
            case "hold" | "unhold":
                order = ("hold", verb == "hold")
            case "sendDtmfTones":
                order = ("dtmf", body["tones"])
            case _:
                return self.stranger(asked, 404)
        if not self.order(call, *order):
            return said({"error": {"code": "8522", "message": "call not found"}}, 404)
        return Answer(204) if verb == "terminate" else said({}, 202)

    def _offered(self, body: dict[str, Any]) -> Call:
        return self.calls[body["incomingCallContext"].removeprefix("context of ")]

    def _streams(self, call: Call, body: dict[str, Any]) -> None:
        options = body["mediaStreamingOptions"]
        assert (options["audioFormat"], options["enableBidirectional"]) == ("pcm16KMono", True)
        call.wishes, call.media = body, options["transportUrl"]

    def _connected(self, call: Call, body: dict[str, Any], status: int) -> Answer:
        self._streams(call, body)
        known = {"callConnectionId": call.leg, "serverCallId": call.id, "targets": [party(call.called)]}
        return said({**known, "callbackUri": body["callbackUri"], "callConnectionState": "connecting"}, status)
