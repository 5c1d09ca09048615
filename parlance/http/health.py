"""`/health`: the process lives. `/ready`: a call can be taken. For load balancers, orchestrators and people."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trio
from pydantic import BaseModel, ConfigDict
from quart import Blueprint, Response, jsonify
from quart_schema import document_response, tag_blueprint

MB = 1e6


class Health(BaseModel):
    """Figures of the process and of its calls."""

    model_config = ConfigDict(extra="allow")
    status: str


class Ready(BaseModel):
    """Whether a call can be taken, and why not."""

    ready: bool
    reason: str | None = None


def process() -> dict[str, Any]:
    """Tasks and threads that live, and resident memory in megabytes. Inside `trio.run` only."""
    return {
        "tasks": trio.lowlevel.current_statistics().tasks_living,
        "threads": threading.active_count(),
        "memory_mb": round(_resident() / MB, 1),
    }


def _resident() -> int:
    """Bytes of memory: now where Linux tells it (proc(5), statm), else the most there ever were (getrusage(2))."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def pages(ready: Callable[[], str | None], statistics: Callable[[], dict[str, Any]]) -> Blueprint:
    """`ready`: None, or why no call can be taken now. `statistics`: figures to show, ready for JSON."""
    blueprint = Blueprint("health", __name__)
    tag_blueprint(blueprint, ["house"])

    @blueprint.get("/health")
    @document_response(Health, 200)
    async def health() -> Response:
        """Show that the process lives, and its figures"""
        return jsonify({**statistics(), "status": "ok"})

    @blueprint.get("/ready")
    @document_response(Ready, 200)
    @document_response(Ready, 503)
    async def readiness() -> tuple[Response, int]:
        """Tell whether a call can be taken"""
        reason = ready()
        if reason is None:
            return jsonify({"ready": True}), 200
        return jsonify({"ready": False, "reason": reason}), 503

    return blueprint
