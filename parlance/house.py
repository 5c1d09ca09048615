"""The house: everything that lives as long as the process, and how a call comes to be in it.

The composition root together with `main`: it may import everything, and of the rooms nothing imports it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog
import trio

from parlance import config
from parlance.actors.listener.actor import ListenerActor
from parlance.actors.listener.endpoint import Endpoint
from parlance.actors.media.actor import Bounds, MediaActor
from parlance.actors.media.gate import Gate
from parlance.actors.media.port import Socket, Started, Wire
from parlance.actors.media.silero import Silero
from parlance.actors.speaker.actor import SpeakerActor
from parlance.actors.speaker.port import Voice
from parlance.actors.speaker.prepared import Prepared
from parlance.actors.thinker.actor import ThinkerActor
from parlance.actors.thinker.hands import Hands
from parlance.actors.thinker.history import History
from parlance.codecs.format import TELEPHONE, Format
from parlance.engine.agent import Agent
from parlance.engine.call import Call
from parlance.engine.errors import LineError, LineGone, Misconfigured, ParlanceError, ProviderError, Refused
from parlance.engine.exchange import AGAIN_LATER, Exchange, Placed, Seat
from parlance.engine.garbage import Garbage
from parlance.engine.message import How
from parlance.engine.metronome import Metronome
from parlance.engine.saturation import Saturation
from parlance.engine.trace import Sink
from parlance.engine.watch import Watch
from parlance.office import Office
from parlance.registry import Registry
from parlance.settings import Settings
from parlance.switchboard.arrivals import POLICY
from parlance.switchboard.entry import Entry

UNKNOWN_AGENT = 1003
"""The close code that users of the browser profile were promised for an agent that does not exist."""

AGAIN = 5.0
"""Seconds until what failed is begun again: a provider's own work, and the speaking of an agent's own lines."""
LONGEST = 300.0
"""The same of an agent's own lines, at the most: it doubles from one try to the next."""
_NAME = re.compile(r"[!-~]{1,128}")
"""What may be a call's id: it goes into every log line and record of the call."""

LINES = (TELEPHONE, Format("pcm16", 16000))
"""The formats that callers come with: telephones and browsers."""
PLAIN = Format("pcm16", 8000)
"""What carriers and exchanges send besides."""

log = structlog.get_logger()


class House:
    """Agents and their crews, the exchange, the metronome. `take` is the door for a carrier's socket."""

    def __init__(self, settings: Settings, agents: Mapping[str, Agent], *, only: str | None = None) -> None:
        """`only`: this agent alone gets a crew. Raises `Misconfigured`."""
        self.settings = settings
        self.agents = dict(agents)
        if settings.default_agent not in self.agents:
            known = ", ".join(sorted(self.agents))
            raise Misconfigured(f"default_agent: there is no agent {settings.default_agent!r}; there are {known}")
        self.registry = Registry()
        self.crews = self.registry.crews(self.agents.values() if only is None else (self.agents[only],))
        if only is None:
            self._left_out()
        wanting = [crew for crew in self.crews.values() if crew.agent.interruption.second_opinion == "silero"]
        # One for all calls: it is asked between two awaits, and remembers nothing from one candidate to the next.
        self.silero = Silero() if wanting else None
        # Agents with one voice have most of their lines in common.
        self._voices = {id(crew.voice): (crew.voice, Prepared()) for crew in self.crews.values()}
        self.garbage = Garbage()
        self.watch = Watch(settings.watch.limit, garbage=self.garbage) if settings.watch.limit else None
        self.saturation = Saturation(settings.limits.lateness)
        self.metronome = Metronome(saturation=self.saturation, watch=self.watch)
        self.exchange = Exchange(settings.limits.calls, crashed=self._crashed)
        self.office = Office(self)
        self.sinks: list[Sink] = []
        """Told of every event of every call, after the call's own sinks."""
        self.ready = False

    def _left_out(self) -> None:
        """Forget the agents that have no crew. Raises `Misconfigured` where calls are to go to one of them."""
        named = {".".join(map(str, place)): name for place, name in config.named(self.settings) if place[0] != "limits"}
        named["default_agent"] = self.settings.default_agent
        self.agents = {name: crew.agent for name, crew in self.crews.items()}
        if faults := [
            f"{where}: {name} is left out" for where, name in named.items() if name not in ("", *self.agents)
        ]:
            there = ", ".join(sorted(name for name, agent in self.agents.items() if agent.listed))
            raise Misconfigured(f"{'; '.join(faults)}, because a package is missing that it needs; there are {there}")

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep house until cancelled. Ready when calls can be taken and every agent's own lines were tried."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.metronome.run)
            await nursery.start(self.exchange.run)
            await nursery.start(self.office.run)
            for provider in self.registry.shared.values():
                if (run := getattr(provider, "run", None)) is not None:
                    await nursery.start(_kept, run)
            async with trio.open_nursery() as starting:
                for voices, prepared in self._voices.values():
                    starting.start_soon(nursery.start, self._prepare, voices, prepared)
            self.ready = True
            task_status.started()

    async def _prepare(
        self,
        voices: Callable[[], Voice],
        prepared: Prepared,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Have the agents' own lines spoken. The house waits for one try: what fails is tried again later, since an
        apology is wanted most when the voice has failed; what says no may be mended by somebody.
        """
        ready, wait = _Ready(task_status), AGAIN
        crews = [crew for crew in self.crews.values() if crew.voice is voices]
        names = [crew.agent.name for crew in crews]
        texts = [text for crew in crews for text in (crew.agent.greeting, *(str(text) for _, text in crew.agent.lines))]
        while faults := await prepared.prepare(voices(), texts, lines(self.settings)):
            for fault in dict.fromkeys(map(str, faults)):
                told = "the agents' own lines could not be spoken: callers may hear silence in their place"
                log.warning(told, agents=names, error=fault)
            ready.started()
            await trio.sleep(wait)
            wait = min(2 * wait, LONGEST)
        ready.started()

    def refusal(self) -> str | None:
        """Why no call can be taken now, or None."""
        if not self.ready:
            return "starting"
        figures = self.exchange.statistics()
        if figures.draining:
            return "draining"
        if figures.seats >= self.settings.limits.calls:
            return "full"
        return None if self.saturation.ready else "saturated"

    # --------------------------------------------------------------------------------------- a call

    async def take(
        self, socket: Socket, wire: Wire, started: Started | None = None, *, ended: Callable[[], None] = lambda: None
    ) -> bool:
        """Take a carrier's socket: find out which call it is, and admit it or refuse it.

        True: the call is on the line, has the socket and closes it, and `ended` is called when nothing is left of it.
        """
        entry: Entry | None = None
        try:
            started = started or await self._hello(socket, wire)
            if started.call and not _NAME.fullmatch(started.call):
                raise LineError("the call's id must be 1 to 128 printable ASCII characters", fatal=True, code=1008)
            entry = self.office.arrivals.of(wire.carrier, started)
            if entry.call is not None:
                self.office.arrivals.rejoin(entry, wire, socket, ended)
                return True
            agent = self.agent(entry.record.agent)
            seat = entry.seat or self.office.board.seat(entry)
        except LineGone:
            return False
        except (Refused, LineError) as error:
            if entry is not None:
                self.office.arrivals.turned_away(entry, str(error))
            log.info("call refused", carrier=wire.carrier, reason=str(error))
            retry = isinstance(error, Refused) and error.code not in (UNKNOWN_AGENT, POLICY)
            code = error.reason if isinstance(error, Refused) else "bad_message"
            for message in wire.complaint(str(error), code=code.replace("-", "_"), retry=retry):
                socket.send(message)
            await socket.close(error.code, str(error))
            return False
        with seat:
            call, media = self.call(agent, wire, socket, entry)
            self.exchange.put(seat, call, ended=partial(self._gone, entry, call, socket, ended))
        self.metronome.join(call)
        self.office.board.joined(entry, call, wire, media, early=self.office.early(entry, wire))
        log.info("call", call=call.id, agent=agent.name, carrier=wire.carrier, peer=socket.peer)
        return True

    async def host(self, socket: Socket, wire: Wire, started: Started | None = None) -> None:
        """`take`, and wait for the call's end."""
        ended = trio.Event()
        if await self.take(socket, wire, started, ended=ended.set):
            await ended.wait()

    def _gone(self, entry: Entry, call: Call, socket: Socket, ended: Callable[[], None]) -> None:
        self.metronome.leave(call)
        self.office.board.parted(entry, call)
        # Media closes it in good order, unless the call failed before media lived.
        socket.drop()
        log.info("call ended", call=call.id, how=call.state.how.value, reason=call.state.reason)
        ended()

    def call(self, agent: Agent, wire: Wire, socket: Socket, entry: Entry) -> tuple[Call, MediaActor]:
        """A call with its four actors, ready to run."""
        crew, bounds, known = self.crews[agent.name], self.settings.media, entry.record
        call = Call(known.id, agent, carrier=wire.carrier, caller=known.caller, called=known.called)
        limits, pauses = agent.limits, agent.endpointing
        endpoint = Endpoint(pauses.least, pauses.most)
        stable = agent.early.stable if agent.early.enabled else None
        listener = ListenerActor(crew.ear(), wire.format, call, endpoint, transcript=limits.transcript, stable=stable)
        media = MediaActor(
            wire,
            socket,
            call,
            listener.feed,
            gate=Gate(wire.format, second=self.silero if agent.interruption.second_opinion == "silero" else None),
            names=(call.id, agent.name),
            prepared=partial(self._voices[id(crew.voice)][1].get, line=wire.format),
            bounds=Bounds(bounds.bad_messages, bounds.silence, bounds.lead, bounds.reconnect),
            early=self.office.early(entry, wire),
            onward=partial(self.office.board.onward, entry),
        )
        hands = Hands(crew.tools, call, known.id)
        thinker = ThinkerActor(crew.mind(), History(), call, hands, regret=agent.lines.regret)
        call.attach(media, listener, thinker, SpeakerActor(crew.voice(), media, call))
        call.trace.sinks.extend((media.announce, *self.office.sinks(entry), *self.sinks))
        return call, media

    async def _hello(self, socket: Socket, wire: Wire) -> Started:
        """The carrier's first messages, until it has said which call this is."""
        with trio.move_on_after(self.settings.media.hello):
            for _ in range(self.settings.media.bad_messages + 10):
                signal = wire.receive(await socket.receive())
                if isinstance(signal, Started):
                    return signal
            raise LineError("no start message among the first messages", fatal=True, code=1008)
        raise LineError(f"no start message within {self.settings.media.hello:g} s", fatal=True, code=1008)

    def seat(self, agent: str) -> Seat:
        """Capacity for one call of that agent. Raises `Refused`."""
        if not self.ready:
            raise self.exchange.refuse("starting", AGAIN_LATER, "this server is starting: try again in a moment")
        if self.refusal() == "saturated":
            told = "this server is at its limit: try again later, or on another one"
            raise self.exchange.refuse("saturated", AGAIN_LATER, told)
        seat = self.exchange.admit(self.agent(agent))
        self.saturation.admitted()
        return seat

    def refuse(self, reason: str, code: int, message: str) -> Refused:
        """The error to raise for a call that is not taken, counted under `reason`."""
        return self.exchange.refuse(reason, code, message)

    def closed(self, agent: str) -> str:
        """Why no call of this agent can be taken now, in one word; empty: one can."""
        taken = self.exchange.statistics().agents.get(agent, 0)
        return self.refusal() or ("agent-full" if taken >= self.agents[agent].limits.calls else "")

    def agent(self, name: str) -> Agent:
        """Raises `Refused` for one that there is not."""
        if name in self.crews:
            return self.agents[name]
        known = ", ".join(sorted(known for known in self.crews if self.agents[known].listed))
        told = f"there is no agent {name[:64]!r}; there are {known}"
        raise self.exchange.refuse("unknown-agent", UNKNOWN_AGENT, told)

    async def drain(self) -> None:
        """Take no more calls, let those on the line end, then end them properly."""
        drain = self.settings.drain
        done = await self.exchange.drain(drain.limit, grace=drain.grace)
        log.info("drained", ended=done.ended, closed=done.closed, cancelled=done.cancelled)

    def _crashed(self, call: Placed, error: BaseException) -> None:
        ours = not isinstance(error, ParlanceError)
        kind = "call failed by a fault of ours" if ours else "call failed"
        trace = {"exc_info": error} if ours else {}
        log.error(kind, call=call.id, agent=call.agent, error=repr(error), how=How.FAILED.value, **trace)


def lines(settings: Settings) -> tuple[Format, ...]:
    """The formats in which an agent's own lines are wanted when a call begins: converting then would hold up all."""
    carriers = settings.carriers
    plain = (PLAIN,) if set(carriers.names) - {"twilio", "plivo"} else ()
    wide = (Format("pcm16", carriers.acs.rate),) if carriers.acs is not None else ()
    return tuple(dict.fromkeys((*LINES, *plain, *wide)))


class _Ready:
    """A `task_status` that may be told of several lives or tries: the first is passed on."""

    def __init__(self, status: trio.TaskStatus[None]) -> None:
        self._status = status
        self.told = False

    def started(self, value: None = None) -> None:
        if not self.told:
            self.told = True
            self._status.started()


async def _kept(
    run: Callable[..., Awaitable[None]], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """A provider's own work, begun again when it fails: calls must not end because a spare worker did not start."""
    ready = _Ready(task_status)
    while True:
        try:
            await run(task_status=ready)
        except ProviderError as error:
            if not ready.told:
                raise
            log.error("a provider failed", error=str(error), again_in=AGAIN)
            await trio.sleep(AGAIN)
        else:
            return
