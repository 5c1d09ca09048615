"""Requests to Azure Communication Services, signed with the resource's access key. Pure.

HMAC-SHA256 over verb, path with query, date, host and the body's hash, joined as learn.microsoft.com, "Sign an HTTP
request" has it and as the SDKs do. What is signed must be sent as it stands: path, query and body.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import urlsplit


def date(now: float) -> str:
    """Seconds since 1970 as an HTTP date (RFC 9110, 5.6.7)."""
    return formatdate(now, usegmt=True)


def signed(method: str, url: str, body: bytes, now: float, key: bytes) -> dict[str, str]:
    """The headers that authenticate a request. `now`: of this attempt; Azure takes no old date."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    at, content = date(now), b64encode(sha256(body).digest()).decode()
    words = f"{method.upper()}\n{path}\n{at};{parts.netloc};{content}"
    signature = b64encode(hmac.digest(key, words.encode("utf-8"), "sha256")).decode()
    return {
        "x-ms-date": at,
        "x-ms-content-sha256": content,
        "Authorization": f"HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}",
    }
