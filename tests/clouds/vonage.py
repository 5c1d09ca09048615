"""Vonage: webhooks with a JWT (HS256) over the body's hash, call control objects, REST with the application's JWT."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.dialects.port import Dialect, Message, Ring
from bench.dialects.vonage import Vonage as Spoken
from clouds.carrier import PUBLIC, Call, Cloud, now
from clouds.web import Answer, Asked, Sent, said

APPLICATION, SECRET = "78d335fa-323d-0114-9c3d-d6f0d48968cf", "a-signature-secret-of-forty-characters-xx"
_COUNT = count(1)
_STATUSES = {"ended": "completed", "no-answer": "unanswered", "canceled": "cancelled", "unknown": "levitating"}


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Vonage(Cloud):
    carrier = "vonage"
    dialect = Spoken
    secret = SECRET
    refusal = "words"

    def settings(self) -> dict[str, Any]:
        form = serialization.PrivateFormat.PKCS8
        pem = key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
        known = {"application_id": APPLICATION, "private_key": pem, "signature_secret": SECRET}
        return {**known, "api": f"{self.url}/v1"}

    def _signed(self, url: str, fields: dict[str, Any]) -> Sent:
        body = json.dumps(fields).encode()
        claims = {
            "iat": int(now() - self.age),
            "jti": f"{next(_COUNT)}",
            "iss": "Vonage",
            "application_id": APPLICATION,
            "payload_hash": sha256(body).hexdigest(),
        }
        token = jwt.encode(claims, self.secret, algorithm="HS256")
        return Sent("POST", url, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}, body)

    def _fields(self, call: Call, **more: Any) -> dict[str, Any]:
        direction = "outbound" if call.outbound else "inbound"
        numbers = {"from": call.caller.lstrip("+"), "to": call.called.lstrip("+")}
        return {"uuid": call.id, "conversation_uuid": f"CON-{call.leg}", "direction": direction, **numbers, **more}

    def offering(self, call: Call) -> Sent:
        return self._signed(f"{PUBLIC}/api/v1/webhooks/vonage/answer", self._fields(call))

    def understand(self, call: Call, answer: Answer) -> None:
        self._obey(call, answer.json)

    def _obey(self, call: Call, ncco: list[dict[str, Any]]) -> None:
        if ncco[0]["action"] == "connect":
            [call.media] = ncco[0]["endpoint"]
            assert len(json.dumps(call.media["headers"])) <= 512
        else:
            assert ncco[0]["action"] == "talk"
            call.refused, call.over = "words", True

    def event(self, call: Call, what: str) -> Sent | None:
        [url] = call.wishes.get("event_url", [f"{PUBLIC}/api/v1/webhooks/vonage/event"])
        at = datetime.fromtimestamp(now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        more = {"disconnected_by": "user"} if what == "ended" else {}
        return self._signed(url, self._fields(call, status=_STATUSES.get(what, what), timestamp=at, **more))

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        return call.media["uri"], (), ()

    def hello(self, call: Call, dialect: Dialect) -> Sequence[Message]:
        first = json.loads(str(dialect.hello(Ring(""))[0]))
        assert first["content-type"] == call.media["content-type"]
        return (json.dumps({name: first[name] for name in ("event", "content-type")} | call.media["headers"]),)

    async def asked(self, asked: Asked) -> Answer:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        try:
            claims = jwt.decode(token, key().public_key(), algorithms=["RS256"], options={"require": ["jti", "exp"]})
        except jwt.PyJWTError:
            return self.stranger(asked)
        if scheme != "Bearer" or claims["application_id"] != APPLICATION:
            return self.stranger(asked)
        body = asked.json
        if (asked.method, asked.path) == ("POST", "/v1/calls"):
            call = self.new(f"+{body['from']['number']}", f"+{body['to'][0]['number']}", outbound=True)
            call.wishes = body
            self._obey(call, body["ncco"])
            usual = said({"uuid": call.id, "status": "started", "conversation_uuid": f"CON-{call.leg}"}, 201)
            return await self.place(call) or usual
        id, _, rest = asked.path.removeprefix("/v1/calls/").partition("/")
        if asked.method != "PUT":
            return self.stranger(asked, 404)
        if rest == "dtmf":
            order: tuple[Any, ...] = ("dtmf", body["digits"])
        elif body["action"] == "transfer":
            order = ("transfer", body["destination"]["ncco"][0]["endpoint"][0]["number"])
        else:
            assert body["action"] == "hangup", body
            order = ("hang_up",)
        return Answer(204) if self.order(self.calls.get(id), *order) else said({"title": "Not Found"}, 404)
