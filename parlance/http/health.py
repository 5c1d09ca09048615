"""`/health`: the process lives. `/ready`: a call can be taken. For load balancers, orchestrators and people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Blueprint, Response, jsonify


def pages(ready: Callable[[], str | None], statistics: Callable[[], dict[str, Any]]) -> Blueprint:
    """`ready`: None, or why no call can be taken now. `statistics`: figures to show, ready for JSON."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/health")
    async def health() -> Response:
        return jsonify({**statistics(), "status": "ok"})

    @blueprint.get("/ready")
    async def readiness() -> tuple[Response, int]:
        reason = ready()
        if reason is None:
            return jsonify({"ready": True}), 200
        return jsonify({"ready": False, "reason": reason}), 503

    return blueprint
