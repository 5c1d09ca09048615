"""Errors as RFC 9457's problem details: the application's, and those of whoever answers without it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from quart import Response, jsonify
from werkzeug.exceptions import HTTPException

KIND = "application/problem+json"


def document(status: int, detail: str = "", **more: Any) -> dict[str, Any]:
    """The members that every problem has, and `more` of this one; `detail` only if there is something to say."""
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = f"HTTP {status}"
    said = {"detail": detail} if detail else {}
    return {"type": "about:blank", "title": title, "status": status, **said, **more}


def body(status: int, detail: str = "", **more: Any) -> bytes:
    """The document as JSON."""
    return json.dumps(document(status, detail, **more), separators=(",", ":")).encode()


def headers(status: int) -> dict[str, str]:
    """What goes with it: its type, and for 401 what RFC 9110 (section 15.5.2) asks for."""
    named = {"content-type": KIND, "cache-control": "no-store", "x-content-type-options": "nosniff"}
    if status == HTTPStatus.UNAUTHORIZED:
        named["www-authenticate"] = "Bearer"
    return named


class Problem(HTTPException):
    """An error to raise in a handler. `more`: members of its document besides those that every problem has."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.code = status
        self.more = more
        self._headers = dict(headers or {})

    def get_headers(self, *arguments: Any, **named: Any) -> list[tuple[str, str]]:
        return [*super().get_headers(*arguments, **named), *self._headers.items()]


async def answer(error: HTTPException) -> Response:
    """Any error as problem details, with the headers (`Allow`) that its status asks for."""
    status = error.code or 500
    more = error.more if isinstance(error, Problem) else {}
    response: Response = jsonify(
        {"type": "about:blank", "title": error.name, "status": status, "detail": error.description, **more}
    )
    response.status_code = status
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    response.content_type = KIND
    return response
