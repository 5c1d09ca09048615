"""Whether a request is Plivo's: its signature, version 3. Pure.

As plivo-python's `utils/signature_v3` does: HMAC-SHA256 with the auth token over the address, the sorted query and
fields, and a nonce. Nothing signed says when: a request that was overheard can be sent again, and is worked off once
because it tells the same event.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from urllib.parse import parse_qsl

from parlance.actors.media.webhook import Denied, Request, same

HEADER = "x-plivo-signature-v3"
MAIN = "x-plivo-signature-ma-v3"
NONCE = "x-plivo-signature-v3-nonce"
Pairs = Sequence[tuple[str, str]]


def check(request: Request, keys: Sequence[str]) -> None:
    """Raises `Denied` (401) for a webhook that Plivo has not signed with one of these keys."""
    given, nonce = _given(request.headers)
    fields: Pairs = ()
    if request.method.upper() != "GET" and request.body:
        try:
            fields = request.form()
        except Denied:
            raise _wrong() from None
    _compare(given, nonce, signed(request.url, fields), keys)


def check_handshake(urls: Iterable[str], headers: Mapping[str, str], keys: Sequence[str]) -> None:
    """Raises `Denied` (401) unless the handshake, which is a GET, is signed for one of these URLs."""
    given, nonce = _given(headers)
    _compare(given, nonce, [each for url in urls for each in signed(url, ())], keys)


def signed(url: str, fields: Pairs) -> list[str]:
    """What is signed, before the nonce, in its spellings: without a query and with fields some put no `?` between."""
    base, _, query = url.partition("#")[0].partition("?")
    asked = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(query, keep_blank_values=True)))
    said = "".join(name + value for name, value in sorted(fields))
    if asked:
        return [f"{base}?{asked}.{said}"] if said else [f"{base}?{asked}"]
    return [f"{base}?{said}", base + said] if said else [base]


def _given(headers: Mapping[str, str]) -> tuple[list[str], str]:
    """The signatures, of which one must be right, and the nonce."""
    given = [each.strip() for name in (HEADER, MAIN) for each in headers.get(name, "").split(",") if each.strip()]
    nonce = headers.get(NONCE, "")
    if not given or not nonce:
        raise Denied(401, "unsigned", "the request has no X-Plivo-Signature-V3 or no nonce")
    # More than the two accounts' old and new tokens make is nobody's honest request.
    return given[:8], nonce


def _compare(given: Sequence[str], nonce: str, texts: Iterable[str], keys: Sequence[str]) -> None:
    wanted = [
        b64encode(hmac.digest(key.encode(), f"{text}.{nonce}".encode("utf-8", "surrogatepass"), sha256)).decode()
        for text in texts
        for key in keys
    ]
    if not any([same(one, other) for one in given for other in wanted]):
        raise _wrong()


def _wrong() -> Denied:
    return Denied(401, "signature", "the request is not signed with a key that is known here")
