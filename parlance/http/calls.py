"""`/api/v1/calls`: calls as a resource. What becomes of a call is the desk's; here are its words as HTTP's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints
from quart import Blueprint, g
from quart_schema import document_response, tag_blueprint, validate_headers, validate_querystring

from parlance.http.auth import Auth
from parlance.http.intake import takes
from parlance.http.openapi import Error
from parlance.http.problem import Problem
from parlance.http.schemas import Call, Calls, Done, Dtmf, Order, Query, Say, Terminate, Transfer
from parlance.switchboard.desk import Command, Declined, Desk, Hold, Mute, Unknown

BASE = "/api/v1/calls"
LATER = 5
"""Seconds after which somebody may ask again who found the queue full."""

STATUS = {
    "unknown-agent": 422,
    "unknown-number": 422,
    "bad-number": 422,
    "bad-cursor": 422,
    "no-carrier": 422,
    "too-late": 422,
    # This carrier never can: 501 would be a fault of ours, and something to try again.
    "not-possible": 422,
    "not-now": 409,
    "conflict": 409,
    "carrier": 502,
    "full": 503,
    "draining": 503,
}
"""The HTTP status of each code of `Declined`."""

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


class Keyed(BaseModel):
    """An order's own key."""

    model_config = ConfigDict(frozen=True)
    idempotency_key: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")] | None = None


def pages(desk: Desk, auth: Auth) -> Blueprint:
    """The resource, for whoever `auth` lets in."""
    blueprint = Blueprint("calls", __name__, url_prefix=BASE)
    tag_blueprint(blueprint, ["calls"])

    @blueprint.post("")
    @auth.guard("calls:place")
    @answers(Call, 201, 400, 409, 413, 415, 422, 502, 503)
    @document_response(Call, 200)
    @validate_headers(Keyed)
    @takes(Order)
    async def place_call(body: Order, headers: Keyed) -> tuple[Call, int, dict[str, str]]:
        """Place a call

        It is queued, dialed as soon as a channel is free, and dialed again if nobody answers, as its agent says.
        With an `Idempotency-Key` the same order is the same call, however often it is sent: 201 the first time,
        then 200. Another order with that key is 409.
        """
        # Two holders may well choose the same key.
        key = f"{g.holder.name}/{headers.idempotency_key}" if headers.idempotency_key else ""
        record, fresh = await declined(desk.place(body.order(), key))
        return Call.of(record), 201 if fresh else 200, {"Location": f"{BASE}/{record.id}"}

    @blueprint.get("")
    @auth.guard("calls:read")
    @answers(Calls, 200, 422)
    @validate_querystring(Query)
    async def list_calls(query_args: Query) -> Calls:
        """List calls, the newest first

        Ask again with the answer's `cursor`, and the same filters, for the next page. A call that begins meanwhile is
        not on it: no call comes twice, and none is left out.
        """
        page = await declined(desk.find(query_args.filter(), cursor=query_args.cursor, limit=query_args.limit))
        return Calls(calls=[Call.of(record) for record in page.records], cursor=page.cursor)

    @blueprint.get("/<id>")
    @auth.guard("calls:read")
    @answers(Call, 200, 404)
    async def get_call(id: str) -> Call:
        """Get a call"""
        return Call.of(await declined(desk.get(id)))

    async def command(id: str, wanted: Command) -> Done:
        answer = await declined(desk.command(id, wanted))
        return Done(call=Call.of(answer.record), done=answer.done, detail=answer.detail)

    def reading(handler: Handler) -> Callable[..., Any]:
        return auth.guard("calls:write")(answers(Done, 200, 400, 404, 409, 413, 415, 422, 502)(handler))

    @blueprint.post("/<id>/terminate")
    @reading
    @takes(Terminate, optional=True)
    async def terminate_call(id: str, body: Terminate) -> Done:
        """End a call

        A call that waits to be dialed is canceled. With `words` the agent says them first.
        """
        return await command(id, body.command())

    @blueprint.post("/<id>/transfer")
    @reading
    @takes(Transfer)
    async def transfer_call(id: str, body: Transfer) -> Done:
        """Connect the caller with another number"""
        return await command(id, body.command())

    @blueprint.post("/<id>/dtmf")
    @reading
    @takes(Dtmf)
    async def press_digits(id: str, body: Dtmf) -> Done:
        """Press digits"""
        return await command(id, body.command())

    @blueprint.post("/<id>/say")
    @reading
    @takes(Say)
    async def say_words(id: str, body: Say) -> Done:
        """Have the agent say something"""
        return await command(id, body.command())

    def switch(word: str, summary: str, wanted: Command) -> None:
        async def handler(id: str) -> Done:
            return await command(id, wanted)

        handler.__name__, handler.__doc__ = f"{word}_call", summary
        guarded = auth.guard("calls:write")(answers(Done, 200, 404, 409, 422, 502)(handler))
        blueprint.post(f"/<id>/{word}")(guarded)

    switch("mute", "Mute: the agent is not heard", Mute(True))
    switch("unmute", "Unmute: the agent is heard again", Mute(False))
    switch("hold", "Hold: caller and agent do not hear each other", Hold(True))
    switch("unhold", "End the hold", Hold(False))
    return blueprint


def answers(model: type[BaseModel], status: int, *problems: int) -> Callable[[Handler], Handler]:
    """Say which answers a handler has; those of the guard are added."""

    def decorate(handler: Handler) -> Handler:
        described = document_response(model, status)(handler)
        for other in sorted({401, 403, 429, *problems}):
            described = document_response(Error, other)(described)
        return described

    return decorate


T = TypeVar("T")


async def declined(asked: Awaitable[T]) -> T:
    """What the desk answers; its refusals as problems."""
    try:
        return await asked
    except Unknown as unknown:
        raise Problem(404, str(unknown) or "There is no such call.", code="unknown-call") from None
    except Declined as declined:
        status = STATUS.get(declined.code, 409)
        headers = {"Retry-After": str(LATER)} if status == 503 else None
        raise Problem(status, str(declined), headers=headers, code=declined.code) from None
