"""Whether a request is Twilio's: both of its signature schemes. Pure.

As twilio-python 9.13's request_validator does: what is signed is the URL as Twilio asked for it, followed by the
form's fields. HMAC-SHA1 with the account's auth token, or, where a header names a shared key, HMAC-SHA256 with that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from parlance.actors.media.twilio.settings import Settings
from parlance.actors.media.webhook import Denied, Request, same

HEADER = "x-twilio-signature"
SCHEME = "x-twilio-webhooks-signature-settings"
_HOST = re.compile(r"^(\w+://[^/?#]*?)(:\d+)?(?=[/?#]|$)")
_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def check(request: Request, settings: Settings) -> None:
    """Raises `Denied` (401) for a webhook that Twilio has not signed."""
    signature = _given(request.headers)
    fields: Sequence[tuple[str, str]] = ()
    if is_form(request):
        try:
            fields = request.form()
        except Denied:
            raise _wrong() from None
    elif request.body and not same(_stated(request.url), hashlib.sha256(request.body).hexdigest()):
        # A body that is no form is signed by its hash, which is in the URL.
        raise _wrong()
    _compare(signature, variants(request.url), fields, _key(request.headers, settings))


def check_handshake(urls: Iterable[str], headers: Mapping[str, str], settings: Settings) -> None:
    """Raises `Denied` (401) unless the handshake is signed for one of these URLs: a socket has no fields."""
    signature = _given(headers)
    _compare(signature, [each for url in urls for each in variants(url)], (), _key(headers, settings))


def is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bool(request.body) and kind in ("application/x-www-form-urlencoded", "")


def variants(url: str) -> list[str]:
    """The URL without its port and with it (its scheme's usual one, if it names none): Twilio signs either."""
    match = _HOST.match(url)
    if match is None:
        return [url]
    host, rest = match[1], url[match.end() :]
    port = match[2] or f":{_PORTS.get(host.partition(':')[0].lower(), 443)}"
    return [host + rest, host + port + rest]


def _given(headers: Mapping[str, str]) -> str:
    signature = headers.get(HEADER, "")
    if not signature:
        raise Denied(401, "unsigned", "the request has no X-Twilio-Signature")
    return signature


def _key(headers: Mapping[str, str], settings: Settings) -> tuple[str, str]:
    """The digest and the secret that this request says it was signed with."""
    if SCHEME not in headers:
        secret, digest = settings.auth_token.get_secret_value(), "sha1"
    else:
        said = dict(pair.strip().partition("=")[::2] for pair in headers[SCHEME].split(","))
        if said.get("algorithm", "").upper() != "HMAC_SHA256":
            raise _wrong()
        kept = settings.shared_keys.get(said.get("key", ""))
        secret, digest = kept.get_secret_value() if kept else "", "sha256"
    if not secret:
        raise _wrong()
    return digest, secret


def _compare(signature: str, urls: Iterable[str], fields: Sequence[tuple[str, str]], key: tuple[str, str]) -> None:
    digest, secret = key
    # Of a name that comes twice with the same value, once: as twilio-python does.
    signed = "".join(name + value for name, value in sorted(set(fields)))
    wanted = [
        b64encode(hmac.digest(secret.encode(), (url + signed).encode("utf-8", "surrogatepass"), digest)).decode()
        for url in urls
    ]
    if not any([same(signature, each) for each in wanted]):
        raise _wrong()


def _stated(url: str) -> str:
    """The hash of the body that the URL states."""
    try:
        return parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    except ValueError:
        return ""


def _wrong() -> Denied:
    return Denied(401, "signature", "the request is not signed with a key that is known here")
