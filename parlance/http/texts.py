"""`/api/v1/messages`: text messages (SMS), sent by the carrier of one of our numbers."""

from __future__ import annotations

from quart import Blueprint
from quart_schema import tag_blueprint

from parlance.http.auth import Auth
from parlance.http.calls import answers, declined
from parlance.http.intake import takes
from parlance.http.schemas import Sent, Text
from parlance.switchboard.desk import Desk

BASE = "/api/v1/messages"


def pages(desk: Desk, auth: Auth) -> Blueprint:
    """The resource, for whoever `auth` lets in."""
    blueprint = Blueprint("messages", __name__, url_prefix=BASE)
    tag_blueprint(blueprint, ["messages"])

    @blueprint.post("")
    @auth.guard("calls:place")
    @answers(Sent, 202, 400, 413, 415, 422, 502)
    @takes(Text)
    async def send_message(body: Text) -> tuple[Sent, int]:
        """Send a text message

        The carrier has taken it: whether it arrives is not told. It is not sent again by itself.
        """
        number = await declined(desk.send(body.text_message()))
        return Sent.model_validate({"carrier": number.carrier, "from": number.number, "to": body.to}), 202

    return blueprint
