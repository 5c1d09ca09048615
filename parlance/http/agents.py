"""`/api/v1/agents`: who can be called. What an agent is told to say and to think is nobody's business here."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field
from quart import Blueprint, Response, jsonify
from quart_schema import document_response, tag_blueprint

from parlance.engine.agent import Agent


class Offered(BaseModel):
    """Somebody who can be called."""

    name: str = Field(examples=["receptionist"])
    title: str
    greeting: str


def pages(agents: Mapping[str, Agent]) -> Blueprint:
    """`agents` by name; looked at for each request, so that it may change."""
    blueprint = Blueprint("agents", __name__)
    tag_blueprint(blueprint, ["house"])

    @blueprint.get("/api/v1/agents")
    @document_response(list[Offered], 200)
    async def list_agents() -> Response:
        """List the agents"""
        return jsonify(
            [{"name": agent.name, "title": agent.title, "greeting": agent.greeting} for agent in agents.values()]
        )

    return blueprint
