"""The front of the house: every path it answers, and every door it has.

Part of the composition root. Which path is whose, who may come in there, and which sockets are listened on; what
becomes of a call or a request is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from parlance.actors.media.access import Access, bearer
from parlance.actors.media.browser import Browser
from parlance.actors.media.port import Started, Visit, Wire
from parlance.actors.media.recorded import Recorded
from parlance.actors.media.twilio.wire import Twilio
from parlance.actors.media.webhook import Denied
from parlance.actors.speaker.prepared import said
from parlance.codecs import wav
from parlance.codecs.convert import convert
from parlance.codecs.errors import MissingCodec
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.agent import Agent
from parlance.engine.errors import LineError
from parlance.engine.trace import CallerSaid, ChildFailed, Record
from parlance.house import House
from parlance.http import audiosocket, voice
from parlance.http.app import Office as Desk
from parlance.http.app import View, create
from parlance.http.auth import Auth, Entry, Keys
from parlance.http.bare import bare
from parlance.http.door import Door
from parlance.http.gateway import Gateway, Route
from parlance.http.hooks import Webhooks
from parlance.http.mend import App
from parlance.http.reactor import Reactor
from parlance.http.serve import serve
from parlance.http.tally import Tally

SUBPROTOCOLS = {"asterisk": ("media",), "freeswitch": ("audio.drachtio.org",)}
"""What a carrier's WebSocket client may offer: Asterisk's `chan_websocket` and FreeSWITCH's `mod_audio_fork` do."""


class Front:
    """The application and the gateways in front of it. `statistics`: figures for `/health`."""

    def __init__(self, house: House, reactor: Reactor | None, statistics: Callable[[], dict[str, Any]]) -> None:
        settings, office = house.settings, house.office
        self._house, self._reactor = house, reactor
        self._keys = Keys(Entry(key.name, key.hash, key.scopes) for key in settings.api.keys)
        self._auth = Auth(self._keys, office.directory, rate=settings.api.rate, burst=settings.api.burst)
        self.tally = Tally()
        self._deaf = False
        """The last that was heard of any ear is that it failed."""
        view = View(agents=offered(house), ready=house.refusal, statistics=lambda: {**statistics(), **self._figures()})
        app = create(view, office=Desk(office.desk, self._auth))
        if settings.carriers.ringcentral is not None:
            app.register_blueprint(voice.pages(self._voice, self._speak, self._guard))
            house.sinks.append(self._listen_in)
        hooks = [parts.hooks for parts in office.carriers.values() if parts.hooks is not None]
        self.gateway = Gateway(
            Webhooks(
                app.asgi_app,
                hooks,
                office.receptions.__getitem__,
                public=lambda: settings.public_url,
                wall=office.wall,
                tally=self.tally,
            ),
            house.take,
            self._routes(),
        )
        app.asgi_app = self.gateway  # type: ignore[method-assign]
        self.app: App = app
        self.door = None if reactor is None else Door(self.gateway, reactor)

    # ------------------------------------------------------------------------------------------- paths

    def _routes(self) -> tuple[Route, ...]:
        settings, carriers = self._house.settings, self._house.office.carriers
        routes = [self._route(parts.access, path) for parts in carriers.values() for path in parts.access.paths]
        if "twilio" not in carriers:
            # What load tests and most third-party tools speak works without any settings.
            plain = partial(Route, carrier="twilio", guard=self._anybody, same_origin=True)
            routes.append(plain("/api/v1/media/twilio", lambda visit: (Twilio(), None)))
        page = partial(Route, carrier="browser", guard=self._anybody, same_origin=True, origins=settings.media.origins)
        default = settings.default_agent
        return (
            *routes,
            page("/ws/voice-agent/{agent}", lambda visit: browser(visit.path["agent"], visit)),
            page("/api/v1/realtime/conversation", lambda visit: browser(visit.query.get("agent", default), visit)),
        )

    def _route(self, access: Access, path: str) -> Route:
        wall = self._house.office.wall
        return Route(
            path,
            access.open,
            access.carrier,
            lambda visit: access.guard(visit, wall()),
            SUBPROTOCOLS.get(access.carrier, ()),
        )

    def _anybody(self, visit: Visit) -> None:
        """Sockets that show nothing are taken while the house is open; an API key opens it, too."""
        if self._house.settings.open:
            return
        key = bearer(visit)
        holder = self._keys.check(f"Bearer {key}") if key else None
        if holder is None:
            raise Denied(401, "key", "this house takes no calls from anybody: send an API key, or set media.open")
        if not holder.may("calls:place"):
            raise Denied(403, "scope", "this key has not the scope calls:place")

    # ------------------------------------------------------------------------------------------- doors

    async def listen(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the other listeners, where there are any, until cancelled. Raises `Misconfigured`."""
        settings, office = self._house.settings, self._house.office
        async with trio.open_nursery() as nursery:
            ringover = office.carriers.get("ringover")
            if settings.media.second_port and ringover is not None:
                await nursery.start(self._second, ringover.access)
            asterisk = settings.carriers.asterisk
            if asterisk is not None and asterisk.audiosocket_port:
                access: Any = office.carriers["asterisk"].access
                await nursery.start(
                    partial(
                        audiosocket.serve,
                        self._house.take,
                        access.connect,
                        host=asterisk.audiosocket_host,
                        port=asterisk.audiosocket_port,
                    )
                )
            task_status.started()

    async def _second(self, access: Access, *, task_status: trio.TaskStatus[int]) -> None:
        """Ringover's media sockets at `/ws` on a port of their own, for installations that were set up with it."""
        media = self._house.settings.media
        routes = tuple(self._route(access, path) for path in SECOND)
        gateway = Gateway(bare, self._house.take, routes)
        door = None if self._reactor is None else Door(gateway, self._reactor)
        await serve(
            gateway,
            host=media.second_host,
            port=media.second_port,
            graceful=self._house.settings.drain.grace,
            stop=trio.Event(),
            door=door,
            task_status=task_status,
        )

    # ----------------------------------------------------------------------------------------- figures

    def _figures(self) -> dict[str, Any]:
        denied: dict[str, int] = {}
        for (carrier, reason), count in sorted(self.gateway.denied.items()):
            denied[f"{carrier} {reason}"] = count
        return {"webhooks": self.tally.statistics(), "denied": {"media": denied, "api": dict(self._auth.denied)}}

    def _voice(self) -> voice.VoiceHealth:
        board, exchange = self._house.office.board, self._house.exchange.statistics()
        ended = board.completed + board.failed
        return {
            "status": self._house.refusal() or "ok",
            "stt_health": "failing" if self._deaf else "ok",
            "active_calls": exchange.calls,
            "total_calls": exchange.admitted,
            "success_rate": board.completed / ended if ended else None,
        }

    def _listen_in(self, record: Record) -> None:
        match record.event:
            case ChildFailed(child="listener"):
                self._deaf = True
            case CallerSaid():
                self._deaf = False

    async def _guard(self, scope: str) -> None:
        await self._auth.admit(scope)

    async def _speak(self, text: str) -> bytes:
        """`text` as a sound file, in the default agent's voice."""
        return await speak(self._house, text)


SECOND = ("/ws",)
"""The path of the second listener."""


def browser(agent: str, visit: Visit) -> tuple[Wire, Started]:
    """The browser profile in the form that the query asks for. Raises `LineError`."""
    wanted = visit.query.get("format", "webm")
    session = visit.query.get("session", "")
    started = Started(agent=agent, call=session, again=bool(session))
    if wanted == "pcm16":
        return Browser(agent), started
    if wanted != "webm":
        raise LineError(f"format {wanted[:32]!r} is not spoken here: use webm or pcm16", fatal=True, code=1003)
    try:
        return Recorded(agent), started
    except MissingCodec as missing:
        raise LineError(f"{missing}; or use format=pcm16", fatal=True, code=1011) from None


def offered(house: House) -> dict[str, Agent]:
    """The agents that people can choose from, the one that answers by default first."""
    first = house.settings.default_agent
    names = sorted(house.agents, key=lambda name: (name != first, name))
    return {name: house.agents[name] for name in names if house.agents[name].listed}


async def speak(house: House, text: str) -> bytes:
    """`text` as a WAV file, in the default agent's voice. Raises `ProviderError`."""
    voice = house.crews[house.settings.default_agent].voice()
    made, audio = await said(voice, text) or (TELEPHONE, b"")
    samples = await trio.to_thread.run_sync(convert, audio, made, Format("pcm16", made.rate))
    return wav.encode(samples, made.rate)
