"""Plivo: forms signed with HMAC-SHA256 (version 3), XML, and the Call resource behind Basic authentication."""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

from bench.dialects.plivo import Plivo as Spoken
from clouds.carrier import PUBLIC, Call, Cloud
from clouds.web import Answer, Asked, Sent, said

ACCOUNT, SECRET = "MA0123456789", "the-auth-token-of-plivo"
_NONCES = count(1000)
_STATUSES = {"answered": "in-progress", "ended": "completed", "canceled": "cancel", "unknown": "levitating"}


class Plivo(Cloud):
    carrier = "plivo"
    dialect = Spoken
    secret = SECRET
    dated = False

    def settings(self) -> dict[str, Any]:
        return {"auth_id": ACCOUNT, "auth_token": SECRET, "url": self.url}

    def signed(self, url: str, fields: dict[str, str]) -> Sent:
        """As plivo-python's `signature_v3` does."""
        parts = urlsplit(url)
        query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query)))
        text = f"{parts.scheme}://{parts.netloc}{parts.path}?{query}{'.' if query else ''}"
        text += "".join(name + fields[name] for name in sorted(fields))
        nonce = str(next(_NONCES))
        signature = hmac.new(self.secret.encode(), f"{text}.{nonce}".encode(), "sha256").digest()
        headers = {
            "X-Plivo-Signature-V3": b64encode(signature).decode(),
            "X-Plivo-Signature-V3-Nonce": nonce,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return Sent("POST", url, headers, urlencode(fields).encode())

    def _fields(self, call: Call, **more: str) -> dict[str, str]:
        direction = "outbound" if call.outbound else "inbound"
        numbers = {"From": call.caller.lstrip("+"), "To": call.called.lstrip("+")}
        request = {"RequestUUID": call.leg} if call.outbound else {}
        return {"CallUUID": call.id, "Direction": direction, "Event": "StartApp", **numbers, **request, **more}

    def offering(self, call: Call) -> Sent:
        return self.signed(f"{PUBLIC}/api/v1/webhooks/plivo/answer", self._fields(call, CallStatus="ringing"))

    def understand(self, call: Call, answer: Answer) -> None:
        first = next(iter(ElementTree.fromstring(answer.body.decode())))
        if first.tag == "Stream":
            assert first.attrib["bidirectional"] == "true"
            call.media = first.text
        else:
            call.refused, call.over = first.attrib["reason"], True

    def event(self, call: Call, what: str) -> Sent | None:
        url = call.wishes.get("hangup_url", f"{PUBLIC}/api/v1/webhooks/plivo/status")
        if what in ("machine", "human"):
            fields = self._fields(call, Event="MachineDetection", Machine=str(what == "machine").lower())
            return self.signed(call.wishes["machine_detection_url"], fields)
        fields = self._fields(call, Event="Hangup", CallStatus=_STATUSES.get(what, what))
        if what == "ended":
            fields["HangupSource"] = "Callee" if call.outbound else "Caller"
        if what == "answered" and call.outbound:
            # Whoever is called has picked up: the answer address is asked what to do.
            url, fields = call.wishes["answer_url"], self._fields(call, CallStatus="in-progress")
        return self.signed(url, fields)

    async def tell(self, call: Call, what: str) -> None:
        if what != "answered" or not call.outbound:
            await super().tell(call, what)
            return
        sent = self.event(call, what)
        assert sent is not None
        self.understand(call, await self.send(sent))

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        return call.media, (), ()

    async def asked(self, asked: Asked) -> Answer:
        basic = b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return self.stranger(asked)
        if asked.method == "DELETE" and "/Request/" in asked.path:
            waiting = self.legs(asked.path.split("/")[-2])
            return Answer(204) if self.order(waiting, "hang_up") else said({"error": "not found"}, 404)
        act = asked.path.removeprefix(f"/v1/Account/{ACCOUNT}/Call/")
        body = asked.json if asked.body else {}
        if (asked.method, act) == ("POST", ""):
            call = self.new(f"+{body['from']}", f"+{body['to']}", outbound=True)
            call.wishes = body
            return await self.place(call) or said({"request_uuid": call.leg, "message": "call fired"}, 201)
        id, _, rest = act.partition("/")
        found = self.calls.get(id)
        if asked.method == "DELETE":
            done = self.order(found, "hang_up")
        elif rest == "DTMF/":
            done = self.order(found, "dtmf", body["digits"])
        else:
            assert body["legs"] == "aleg"
            done = found is not None and not found.over
            if found is not None:
                self.soon(self._transferred, found, body["aleg_url"])
        return Answer(204) if done else said({"error": "not found"}, 404)

    async def _transferred(self, call: Call, url: str) -> None:
        answer = await self.send(self.signed(url, self._fields(call, CallStatus="in-progress")))
        self.order(call, "transfer", ElementTree.fromstring(answer.body.decode()).findtext("Dial/Number"))
