"""Asterisk: media by `chan_websocket`, requests by ARI. It tells nothing: what becomes of a call its media says."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlencode

from bench.dialects.asterisk import Asterisk as Spoken
from clouds.carrier import Call, Cloud
from clouds.web import Answer, Asked, Sent, said

TOKEN, PASSWORD = "asterisk-media-token", "ari-password"


class Asterisk(Cloud):
    carrier = "asterisk"
    dialect = Spoken
    token = TOKEN

    def settings(self) -> dict[str, Any]:
        ari = {"ari_url": f"{self.url}/ari", "ari_password": PASSWORD, "app": "calls"}
        return {"media_token": TOKEN, **ari}

    async def offer(self, call: Call) -> None:
        return None

    def event(self, call: Call, what: str) -> Sent | None:
        return None

    def handshake(self, call: Call) -> tuple[str, Sequence[tuple[str, str]], Sequence[str]]:
        """As the dial plan of the docs has it."""
        url = "wss://house.example/api/v1/media/asterisk"
        if call.outbound:
            names = ("TICKET", "CALL", "AGENT", "FROM", "TO")
            query = {name.lower(): call.wishes["variables"][f"__PARLANCE_{name}"] for name in names}
            return f"{url}?{urlencode({**query, 'channel': call.id})}", (), ("media",)
        basic = b64encode(f"parlance:{self.token}".encode()).decode()
        query = {"from": call.caller, "to": call.called, "channel": call.id}
        return f"{url}?{urlencode(query)}", (("Authorization", f"Basic {basic}"),), ("media",)

    async def asked(self, asked: Asked) -> Answer:
        basic = b64encode(f"parlance:{PASSWORD}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {basic}":
            return self.stranger(asked)
        id, _, act = unquote(asked.path.removeprefix("/ari/channels/")).partition("/")
        found, query = self.calls.get(id), asked.query
        match asked.method, act:
            case "POST", "":
                body = asked.json
                number = body["endpoint"].removeprefix("PJSIP/").removesuffix("@trunk")
                assert id not in self.calls, "a channel's id is taken once"
                call = self.calls[id] = Call(id, body["callerId"], number, outbound=True, wishes=body)
                return await self.place(call) or said({"id": id})
            case "DELETE", "":
                order: tuple[Any, ...] = ("hang_up",)
            case "POST", "continue":
                assert query["context"] == "parlance-transfer"
                order = ("transfer", query["extension"])
            case "POST" | "DELETE", "mute" | "hold":
                order = (act, asked.method == "POST")
            case "POST", "dtmf":
                order = ("dtmf", query["dtmf"])
            case _:
                return self.stranger(asked, 404)
        return Answer(204) if self.order(found, *order) else said({"message": "Channel not found"}, 404)
