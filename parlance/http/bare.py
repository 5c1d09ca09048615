"""An application with nothing in it, for a listener that has media sockets only and answers 404 to everything else."""

from __future__ import annotations

from parlance.http import problem
from parlance.http.socket import Receive, Scope, Send


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI. What is no HTTP request is the server's own start and end, which there is nothing to do for."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    body = problem.body(404)
    named = {**problem.headers(404), "content-length": str(len(body))}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
