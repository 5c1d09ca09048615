"""Twilio: forms signed with HMAC-SHA1, TwiML, and the Call resource behind Basic authentication."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from bench.dialects.port import Dialect, Message, Ring
from bench.dialects.twilio import Twilio as Spoken
from clouds.carrier import PUBLIC, Call, Cloud, now
from clouds.web import Answer, Asked, Sent, said

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
SECRET = "the-auth-token-of-the-account"
_STATUS = {"answered": "in-progress", "ended": "completed"}
_HEARD = {"machine": "machine_start", "human": "human"}


class Twilio(Cloud):
    carrier = "twilio"
    dialect = Spoken
    secret = SECRET

    def settings(self) -> dict[str, Any]:
        return {"account_sid": ACCOUNT, "auth_token": SECRET, "url": self.url, "media_token": "twilio-media-token"}

    def name(self, number: int) -> str:
        return f"CA{number:032x}"

    def signed(self, url: str, fields: dict[str, str]) -> Sent:
        text = url + "".join(name + fields[name] for name in sorted(fields))
        signature = b64encode(hmac.new(self.secret.encode(), text.encode(), "sha1").digest()).decode()
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return Sent("POST", url, headers, urlencode(fields).encode())

    def _fields(self, call: Call, **more: str) -> dict[str, str]:
        direction = "outbound-api" if call.outbound else "inbound"
        known = {"CallSid": call.id, "AccountSid": ACCOUNT, "From": call.caller, "To": call.called}
        return {**known, "Direction": direction, **more}

    def offering(self, call: Call) -> Sent:
        return self.signed(f"{PUBLIC}/api/v1/webhooks/twilio/voice", self._fields(call, CallStatus="ringing"))

    def understand(self, call: Call, answer: Answer) -> None:
        self._obey(call, answer.body.decode())

    def _obey(self, call: Call, twiml: str) -> None:
        first = next(iter(ElementTree.fromstring(twiml)))
        if first.tag == "Connect":
            stream = first.find("Stream")
            assert stream is not None
            assert "?" not in stream.attrib["url"], "Twilio takes no query in a stream's address"
            parameters = {one.attrib["name"]: one.attrib["value"] for one in stream.findall("Parameter")}
            call.media = stream.attrib["url"], parameters
        elif first.tag == "Reject":
            call.refused, call.over = first.attrib["reason"], True
        else:
            call.refused = first.findtext("Number") or ""

    def event(self, call: Call, what: str) -> Sent | None:
        url = call.wishes.get("StatusCallback", f"{PUBLIC}/api/v1/webhooks/twilio/status")
        if what in _HEARD:
            return self.signed(call.wishes["AsyncAmdStatusCallback"], self._fields(call, AnsweredBy=_HEARD[what]))
        call.sequence += 1
        at = formatdate(now() - self.age)
        fields = self._fields(call, CallStatus=_STATUS.get(what, what), SequenceNumber=str(call.sequence), Timestamp=at)
        return self.signed(url, fields)

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        return call.media[0], (), ()

    def hello(self, call: Call, dialect: Dialect) -> Sequence[Message]:
        connected, start = dialect.hello(Ring(call.id))
        message = json.loads(start)
        message["start"]["customParameters"] = call.media[1]
        return connected, json.dumps(message)

    async def asked(self, asked: Asked) -> Answer:
        basic = b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        base = f"/2010-04-01/Accounts/{ACCOUNT}/Calls"
        if asked.headers.get("authorization") != f"Basic {basic}":
            return self.stranger(asked)
        if asked.method != "POST" or not asked.path.startswith(base):
            return self.stranger(asked, 404)
        fields = dict(asked.form)
        if asked.path == f"{base}.json":
            call = self.new(fields["From"], fields["To"], outbound=True)
            call.wishes = {**fields, "events": [value for name, value in asked.form if name == "StatusCallbackEvent"]}
            self._obey(call, fields["Twiml"])
            return await self.place(call) or said({"sid": call.id, "status": "queued"}, 201)
        found = self.calls.get(asked.path.removeprefix(f"{base}/").removesuffix(".json"))
        twiml = fields.get("Twiml", "")
        order = ("transfer", ElementTree.fromstring(twiml).findtext("Dial/Number")) if twiml else ("hang_up",)
        assert twiml or fields == {"Status": "completed"}
        if not self.order(found, *order):
            return said({"code": 21220, "message": "Call is not in-progress. Cannot redirect.", "status": 400}, 400)
        return said({"sid": found.id if found else ""})
