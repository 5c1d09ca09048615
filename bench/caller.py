"""Callers without a carrier, in the house's own process: they speak, wait for what comes, and note when they heard it.

Each is a whole call of the house on `FakeLine`: a frame every 20 ms each way, in real time, on the house's metronome.
"""

from __future__ import annotations

import gc
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random

import trio

from bench.callers.speech import speech
from parlance.actors.media.fake import BEAT, FakeLine, FakeWire
from parlance.actors.media.port import Started
from parlance.codecs.format import TELEPHONE
from parlance.engine.agent import Agent
from parlance.engine.call import Call
from parlance.engine.effort import ProviderFailed
from parlance.engine.trace import CallEnded, ChildFailed, ChildRestarted, Record, TurnBegan, TurnEnded, TurnTimed
from parlance.house import House
from parlance.settings import Settings

SAYS = 60
"""Frames of what a caller says."""
QUIET = b"\xff\x7e\x7f\xfe"
"""µ-law that nobody hears."""
PATIENCE = 45.0
"""Seconds after which a caller takes it that no answer comes: more than a stall and every deadline after it."""
HANGING_UP = 10.0
"""Seconds that a call has to end after its caller has hung up."""
SETTLING = 1.5
"""Seconds after which a house has forgotten how late the beats of its start were, and has warm connections."""
DIALING, AGAIN = 20.0, 0.5
"""Seconds for which a caller tries, and from one try to the next."""
KEPT = (TurnBegan, TurnEnded, TurnTimed, ProviderFailed, ChildFailed, ChildRestarted)


@dataclass(slots=True)
class Said:
    """Something that a caller has said. Times are the call's clock; `pause`: from his last frame to the first sound;
    `gap`: the longest silence in what came after it.
    """

    at: float
    over: float = math.inf
    pause: float = math.inf
    gap: float = 0.0
    outcome: str = "unanswered"
    """Or `answered`; `in part`, when he did not hear all of the answer; `apologized`, when he was told that something
    went wrong; `lost`, when the call ended before.
    """


@dataclass(slots=True)
class _Turns:
    """What the trace says of turns: their cues, and those that have ended."""

    cues: dict[int, str] = field(default_factory=dict)
    ended: list[TurnEnded] = field(default_factory=list)
    news: trio.Event = field(default_factory=trio.Event)
    over: CallEnded | None = None


def clips() -> tuple[bytes, ...]:
    """What callers say."""
    return tuple(b"".join(clip) for clip in speech(SAYS, 20, 10).long)


class Caller:
    """One call, and its record."""

    def __init__(self, house: House, agent: str, clips: Sequence[bytes], seed: str) -> None:
        self.house, self.agent = house, agent
        self.line = FakeLine(TELEPHONE, ear=self._hear)
        self.records: list[Record] = []
        """Those of `KEPT`. All of a hundred calls would be a load on the collector that no server has."""
        self.said: list[Said] = []
        self.hung_up = False
        self._clips, self._random = clips, Random(seed)
        self._call: Call | None = None
        self._turns = _Turns()
        self._ended = trio.Event()
        self._sounded = 0
        """Where the last frame was that could be heard."""

    @property
    def ended(self) -> CallEnded | None:
        return self._turns.over

    async def talk(self, *, times: float = math.inf, until: float = math.inf, pause: tuple[float, float]) -> None:
        """Say something so many times or until then (the clock), each time after a pause of so many seconds, of these
        bounds; hang up then.
        """
        await self._dial()
        try:
            while len(self.said) < times and trio.current_time() < until and self.ended is None:
                await trio.sleep(self._random.uniform(*pause))
                if trio.current_time() < until and self.ended is None:
                    await self._say(until + PATIENCE)
        finally:
            await self._hang_up()

    async def _dial(self) -> None:
        """A house that is at its limit for a moment, because the machine stood still, is called again."""
        until = trio.current_time() + DIALING
        while not await self._taken():
            if trio.current_time() >= until:
                raise RuntimeError(f"the house has not taken the call: {self.line.sent}")
            await trio.sleep(AGAIN)
            self.line = FakeLine(TELEPHONE, ear=self._hear)
        self.house.metronome.join(self.line)

    async def _taken(self) -> bool:
        before = set(self.house.exchange.calls)
        started = Started(agent=self.agent)
        if not await self.house.take(self.line, FakeWire(TELEPHONE), started, ended=self._ended.set):
            return False
        # It was placed in this very step, and has not begun.
        (mine,) = set(self.house.exchange.calls) - before
        call = self.house.exchange.calls[mine]
        assert isinstance(call, Call)
        self._call = call
        call.trace.sinks.append(self._told)
        return True

    async def _hang_up(self) -> None:
        self.hung_up = self.ended is None
        self.line.tell("stop")
        with trio.move_on_after(HANGING_UP, shield=True):
            await self._ended.wait()
        self.house.metronome.leave(self.line)

    async def _say(self, until: float) -> None:
        assert self._call is not None
        mine = Said(self._call.clock())
        self.said.append(mine)
        over = trio.Event()
        self.line.on_end = over.set
        self._turns.ended.clear()
        self.line.say(self._random.choice(self._clips))
        with trio.move_on_after(SAYS * BEAT + 1):
            await over.wait()
        # From now on; what was heard before was heard while he spoke.
        mine.over = self._call.clock()
        with trio.move_on_at(min(trio.current_time() + PATIENCE, until)):
            mine.outcome = await self._outcome()

    async def _outcome(self) -> str:
        """What came of what was just said."""
        while True:
            self._turns.news = trio.Event()
            for turn in self._turns.ended:
                if turn.outcome == "played" and turn.heard:
                    whole = "answered" if turn.heard.split() == turn.said.split() else "in part"
                    return "apologized" if self._sorry(turn) else whole
            self._turns.ended.clear()
            if self.ended is not None:
                return "lost"
            await self._turns.news.wait()

    def _sorry(self, turn: TurnEnded) -> bool:
        """Whether it was, or ended with, words for when something went wrong."""
        lines = self.house.agents[self.agent].lines
        return bool(self._turns.cues.get(turn.turn)) or turn.said.endswith(lines.regret)

    def _told(self, record: Record) -> None:
        if isinstance(record.event, KEPT):
            self.records.append(record)
        match record.event:
            case TurnBegan(turn, _, cue):
                self._turns.cues[turn] = cue
            case TurnEnded() as event:
                self._turns.ended.append(event)
            case CallEnded() as event:
                self._turns.over = event
            case _:
                return
        self._turns.news.set()

    def _hear(self, position: int, audio: bytes) -> None:
        mine = self.said[-1] if self.said else None
        if mine is None or mine.over == math.inf or not audio.strip(QUIET):
            return
        assert self._call is not None
        if mine.pause == math.inf:
            mine.pause = self._call.clock() - mine.over
        elif mine.outcome == "unanswered":
            mine.gap = max(mine.gap, (position - self._sounded) / TELEPHONE.rate - BEAT)
        self._sounded = position


@asynccontextmanager
async def housed(agents: Mapping[str, Agent]) -> AsyncIterator[House]:
    """A house with these agents, ready for calls, with its collector and its watch as in a server."""
    chosen = Settings.model_validate({"default_agent": next(iter(agents)), "limits": {"calls": 10_000}})
    house = House(chosen, agents)
    kept, watch = chosen.gc, house.watch
    async with trio.open_nursery() as nursery:
        await nursery.start(house.run)
        # What earlier houses have left is none of this one's.
        gc.collect()
        with house.garbage.kept(freeze=kept.freeze, threshold=kept.threshold), watch.on() if watch else nullcontext():
            await trio.sleep(SETTLING)
            yield house
        nursery.cancel_scope.cancel()
