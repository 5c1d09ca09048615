"""`/api/v1/agents`: who can be called. What an agent is told to say and to think is nobody's business here."""

from __future__ import annotations

from collections.abc import Mapping

from quart import Blueprint, Response, jsonify

from parlance.engine.agent import Agent


def pages(agents: Mapping[str, Agent]) -> Blueprint:
    """`agents` by name; looked at for each request, so that it may change."""
    blueprint = Blueprint("agents", __name__)

    @blueprint.get("/api/v1/agents")
    async def listing() -> Response:
        return jsonify(
            [{"name": agent.name, "title": agent.title, "greeting": agent.greeting} for agent in agents.values()]
        )

    return blueprint
