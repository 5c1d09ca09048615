"""Requests to RingCentral: the login with a JWT, call control of sessions and parties, call-out and RingOut. Pure.

Paths and bodies are of RingCentral's guides "Active-call control", "Pre-call Control", "RingOut" and "JWT authorization
code flow", and of its SDKs where the guides say nothing (call-out, answer).
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from parlance.actors.media import errand
from parlance.actors.media.errand import Errand, Handle, Outgoing, Stamp, Verb
from parlance.actors.media.ringcentral.settings import Settings
from parlance.actors.media.webhook import Addresses, listed, part, text
from parlance.engine.errors import Ended, Overloaded, ProviderError, Rejected, Unreachable

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_RINGOUT = "ringout:"
"""Before a RingOut's id, which is no telephony session's."""
_EARLY = 60.0
"""Seconds before an access token's end at which a new one is wanted."""
_USUAL = 3600.0
"""Seconds an access token holds if the answer does not say."""
_WORDS = 200
_TOKEN = re.compile(r"[!-~]{1,8192}")
_NAME = "ringcentral"


def _nobody() -> None:
    """Nobody runs our errands yet."""


class Control(errand.Control):
    """See `errand.Control`; and a `webhook.Learner` of the access token, which it asks for again a minute early.

    A verb of a party (transfer, mute, hold, answer, reject) raises `Rejected` as long as the party is not known.
    """

    carrier = _NAME

    def __init__(self, settings: Settings, addresses: Addresses) -> None:
        self._settings = settings
        self._base = f"{settings.server}/restapi/{settings.version}/account/{settings.account}"
        self._secret = settings.client_secret.get_secret_value()
        self._jwt = settings.jwt.get_secret_value()
        self._token = ""
        self._until = 0.0
        self.wanted: Callable[[], None] = _nobody
        self.verbs = _verbs(settings)

    # ------------------------------------------------------------------------------------ the login

    def wants(self, now: float) -> Errand | None:
        if not self._settings.client_id or (self._token and now < self._until):
            return None
        basic = b64encode(f"{self._settings.client_id}:{self._secret}".encode()).decode("ascii")
        return Errand(
            "POST",
            f"{self._settings.server}/restapi/oauth/token",
            {
                "Authorization": f"Basic {basic}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            urlencode({"grant_type": GRANT, "assertion": self._jwt}).encode("ascii"),
            again=True,
        )

    def learned(self, status: int, body: bytes, now: float) -> None:
        """Without a usable answer the old token stays, and a new one is wanted still."""
        answer = _opened(body)
        token = part(answer, "access_token")
        if not 200 <= status < 300 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return
        lasts = part(answer, "expires_in")
        seconds = float(lasts) if isinstance(lasts, int | float) and 0 < lasts < 1e9 else _USUAL
        self._token = token
        self._until = now + max(seconds - _EARLY, seconds / 2 if seconds < 2 * _EARLY else 0.0)

    # ------------------------------------------------------------------------------------ the verbs

    def place(self, outgoing: Outgoing, stamp: Stamp) -> Errand:
        """Call-out rings the device first, RingOut the gateway's number; then they call `to`."""
        to = {"phoneNumber": outgoing.to}
        if self._settings.originate == "call-out":
            body: dict[str, Any] = {"from": {"deviceId": self._settings.device}, "to": to}
            return self._errand("POST", "/telephony/call-out", body)
        first = self._settings.ring_from or outgoing.source
        body = {"from": {"phoneNumber": first}, "to": to, "playPrompt": False}
        if outgoing.source:
            body["callerId"] = {"phoneNumber": outgoing.source}
        return self._errand("POST", self._ring(), body)

    def answer(self, call: str, leg: str, context: str, ours: str, ticket: str, stamp: Stamp) -> Errand:
        """The device takes the call; its media comes through the gateway."""
        return self._errand("POST", _party(call, leg, "answer"), {"deviceId": self._settings.device})

    def reject(self, call: str, leg: str, context: str, busy: bool, stamp: Stamp) -> Errand:
        """RingCentral has no way to say busy: the call goes to `overflow`, or on ringing wherever else it rings."""
        if self._settings.overflow:
            return self.forward(Handle(call, leg), self._settings.overflow, stamp)
        return self._errand("POST", _party(call, leg, "reject"))

    def forward(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        """Send a call that nobody has answered yet to the number `to`. Its answer is read as a transfer's."""
        return self._errand("POST", _party(handle.call, handle.leg, "forward"), {"phoneNumber": to})

    def hang_up(self, handle: Handle, stamp: Stamp) -> Errand:
        """Our party, where it is known, else the session. A RingOut can be ended only until its first leg answers."""
        if handle.call.startswith(_RINGOUT):
            return self._errand("DELETE", f"{self._ring()}/{_quoted(handle.call[len(_RINGOUT) :])}", again=True)
        path = _party(handle.call, handle.leg) if handle.leg else _session(handle.call)
        return self._errand("DELETE", path, again=True)

    def transfer(self, handle: Handle, to: str, stamp: Stamp) -> Errand:
        return self._errand("POST", _party(handle.call, handle.leg, "transfer"), {"phoneNumber": to})

    def mute(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        return self._errand("PATCH", _party(handle.call, handle.leg), {"muted": on}, again=True)

    def hold(self, handle: Handle, on: bool, stamp: Stamp) -> Errand:
        return self._errand("POST", _party(handle.call, handle.leg, "hold" if on else "unhold"))

    # ----------------------------------------------------------------------------------- the answers

    def read(self, verb: Verb, status: int, headers: Mapping[str, str], body: bytes) -> Handle:
        answer = _opened(body)
        if 200 <= status < 300:
            return _placed(answer) if verb == "place" else Handle()
        words = self._words(answer, status)
        if status == 401 and self._until:
            # Revoked, or ended before its time: whoever tries again needs a new one.
            self._until = 0.0
            self.wanted()
        raise _error(verb, status, headers, words)

    def _words(self, answer: Any, status: int) -> str:
        """RingCentral's own words, without anything of ours that it may quote."""
        said = text(part(answer, "message")) or text(part(answer, "error_description")) or text(part(answer, "error"))
        code = text(part(answer, "errorCode"))
        words = " ".join(filter(None, [f"status {status}", code, said]))
        for secret in filter(None, (self._token, self._secret, self._jwt)):
            words = words.replace(secret, "***")
        return words[:_WORDS]

    def _ring(self) -> str:
        return f"/extension/{self._settings.extension}/{self._settings.ring_path}"

    def _errand(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, again: bool = False) -> Errand:
        headers = {"Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        return Errand(method, self._base + path, headers, content, again)


def _verbs(settings: Settings) -> frozenset[Verb]:
    verbs: set[Verb] = set()
    if settings.client_id:
        verbs |= {"hang_up", "transfer", "mute", "hold"}
        if settings.originate == "ring-out" or settings.device:
            verbs.add("place")
        if settings.answering == "events":
            verbs |= {"answer", "reject"}
    return frozenset(verbs)


def _session(call: str) -> str:
    if not call or call.startswith(_RINGOUT):
        raise Rejected(_NAME, "the call's telephony session is not known yet")
    return f"/telephony/sessions/{_quoted(call)}"


def _party(call: str, leg: str, act: str = "") -> str:
    session = _session(call)
    if not leg:
        raise Rejected(_NAME, "the call's party is not known yet")
    return f"{session}/parties/{_quoted(leg)}" + (f"/{act}" if act else "")


def _quoted(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _opened(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _placed(answer: Any) -> Handle:
    """Of call-out the session and our party in it, which is its outbound one; of RingOut its id."""
    session = part(answer, "session") or answer
    parties = [party for party in listed(part(session, "parties")) if isinstance(party, dict)]
    if not parties:
        ring = text(part(answer, "id"))
        call = text(part(answer, "session", "id"))
        return Handle(call or (ring and _RINGOUT + ring))
    ours = next((party for party in parties if party.get("direction") == "Outbound"), parties[0])
    return Handle(text(part(session, "id")) or text(part(session, "telephonySessionId")), text(ours.get("id")))


def _error(verb: Verb, status: int, headers: Mapping[str, str], words: str) -> ProviderError:
    if status in (429, 503):
        after = headers.get("retry-after", "")[:20]
        return Overloaded(_NAME, f"{words}; again after {after} s" if after else words)
    if status >= 500 or status < 100:
        return Unreachable(_NAME, words)
    if status in (404, 410) and verb != "place":
        return Ended(_NAME, words)
    return Rejected(_NAME, words)
