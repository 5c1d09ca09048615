"""The Quart application: the page, the pages' headers, and what is answered when there is nothing to answer.

Resources have a file each; media sockets never come here (`gateway`). The page's files are read once, when the
application is made: no request touches the file system, and no path can leave the folder.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quart import Response, request
from quart_schema import hide
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound

from parlance.engine.agent import Agent
from parlance.http import agents, calls, health, openapi, problem, texts
from parlance.http.auth import Auth
from parlance.switchboard.desk import Desk

STATIC = Path(__file__).parent / "static"

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
    ".woff2": "font/woff2",
    ".wav": "audio/wav",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
}
"""Spelled out: a browser loads no script of a wrong type, and the system's own table differs between machines."""

HEADERS = {
    # Scripts, styles and AudioWorklet modules from here only, nothing inline. Safari does not count a WebSocket as
    # 'self', hence the two schemes.
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; script-src 'self'; style-src 'self'; worker-src 'self'; "
        "img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

BODY = 64 * 1024
"""The largest request body, in bytes: nothing here takes an upload."""


@dataclass(frozen=True, slots=True)
class View:
    """What the front end may know of the house."""

    agents: Mapping[str, Agent]
    ready: Callable[[], str | None]
    """None when a call can be taken, else the reason: `starting`, `draining`, `full`, `saturated`."""
    statistics: Callable[[], dict[str, Any]]
    """Figures for `/health`, ready for JSON."""


@dataclass(frozen=True, slots=True)
class Office:
    """What the front end needs for calls as a resource."""

    desk: Desk
    auth: Auth


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    kind: str
    etag: str


def create(view: View, static: Path = STATIC, office: Office | None = None) -> QuartTrio:
    """The application, with the page's files from `static`; without an `office` there is no API for calls."""
    app = QuartTrio(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY
    # The application's own errors go to the program's log, by way of the root logger.
    app.logger.handlers.clear()
    app.logger.setLevel(logging.NOTSET)
    openapi.describe(app)
    files = _read(static)

    @app.get("/")
    @hide
    async def page() -> Response:
        return await _answer(files, "index.html")

    @app.get("/static/<path:name>")
    @hide
    async def asset(name: str) -> Response:
        return await _answer(files, name)

    app.register_blueprint(health.pages(view.ready, view.statistics))
    app.register_blueprint(agents.pages(view.agents))
    if office is not None:
        app.register_blueprint(calls.pages(office.desk, office.auth))
        app.register_blueprint(texts.pages(office.desk, office.auth))
    app.register_error_handler(HTTPException, problem.answer)
    app.after_request(_secure)
    return app


def _read(folder: Path) -> dict[str, _File]:
    """Every file of a known type below `folder`, by its path there."""
    files: dict[str, _File] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in TYPES:
            body = path.read_bytes()
            etag = hashlib.sha256(body).hexdigest()[:32]
            files[path.relative_to(folder).as_posix()] = _File(body, TYPES[path.suffix], etag)
    return files


async def _answer(files: Mapping[str, _File], name: str) -> Response:
    file = files.get(name)
    if file is None:
        raise NotFound
    response = Response(file.body, content_type=file.kind)
    response.set_etag(file.etag)
    response.headers["Cache-Control"] = "no-cache"
    await response.make_conditional(request)
    return response


async def _secure(response: Response) -> Response:
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response
