"""The runner of errands: a control's requests to its carrier, and what hooks must know from it, over httpx on Trio.

What a carrier refuses because it is asked too often is sent again after a pause; what nobody answered only where that
cannot do it twice. An errand's time is bounded, and so is the number of those on the way.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from random import Random

import httpx
import trio

from parlance.actors.media.errand import Control, Errand, Handle, Stamp, Verb
from parlance.actors.media.webhook import Learner
from parlance.engine.errors import Lost, Overloaded, ProviderError, Rejected, Unreachable

PATIENCE = 10.0
"""Seconds for one attempt, connecting included."""
CONNECT = 5.0
TRIES = 3
PAUSE = 1.0
"""Seconds before the second attempt, twice as many before the third; some more at random, so that a crowd spreads. A
control that knows better has a `pause` of its own."""
LONGEST = 20.0
"""Seconds that a carrier may ask us to wait."""
AT_ONCE = 20
"""Errands on the way at a time."""
LEARN = 15.0
"""Seconds between two looks at what has to be learned."""
TIRED = 14.0
"""Seconds until a failed attempt to learn is made again: a login that fails four times a minute is within any limit."""
LARGEST = 1 << 20
"""Bytes of an answer."""

log = logging.getLogger(__name__)


class Runner:
    """One carrier's. `learners`: keys, or the control itself, where something must be known first."""

    def __init__(
        self,
        control: Control,
        *,
        wall: Callable[[], float],
        learners: tuple[Learner, ...] = (),
        random: Random | None = None,
    ) -> None:
        self.name = control.carrier
        self.verbs = control.verbs
        self._control, self._wall, self._learners = control, wall, learners
        self._random = random or Random()
        self._pause: float = getattr(control, "pause", PAUSE)
        self._limit = trio.CapacityLimiter(AT_ONCE)
        self._learning = trio.Lock()
        self._wanted = trio.Event()
        self._tired: dict[int, float] = {}
        """Until when a learner that has not learned is not heard: a carrier may count failed logins."""
        self._client: httpx.AsyncClient | None = None
        for learner in learners:
            learner.wanted = lambda: self._wanted.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections warm, and known what has to be, until cancelled."""
        limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=4, keepalive_expiry=60)
        client = httpx.AsyncClient(timeout=httpx.Timeout(PATIENCE, connect=CONNECT), limits=limits)
        self._client = client
        try:
            task_status.started()
            while True:
                self._wanted = trio.Event()
                await self._learn()
                with trio.move_on_after(LEARN):
                    await self._wanted.wait()
        finally:
            self._client = None
            with trio.move_on_after(1, shield=True):
                await client.aclose()

    async def do(self, verb: Verb, ask: Callable[[Control, Stamp], Errand]) -> Handle:
        """Have one errand run. Raises `ProviderError`: `Ended` where the call is over already."""
        id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        attempt = 0
        while True:
            attempt += 1
            await self._learn()
            try:
                errand = ask(self._control, Stamp(self._wall(), id))
            except ValueError as error:
                # An id from outside may be nothing that an address or a header can hold.
                raise Rejected(self.name, f"this call cannot be asked for ({type(error).__name__})") from error
            again, pause = errand.again, 0.0
            headers: Mapping[str, str] = {}
            try:
                status, headers, body = await self._send(errand)
                return self._control.read(verb, status, headers, body)
            except ProviderError as error:
                if isinstance(error, Overloaded):
                    again, pause = True, _asked(headers)
                if not (error.retry and again) or attempt == TRIES or pause > LONGEST:
                    raise
            await trio.sleep(max(pause, self._pause * 2 ** (attempt - 1)) * (1 + self._random.random() / 2))

    async def _send(self, errand: Errand) -> tuple[int, Mapping[str, str], bytes]:
        if self._client is None:
            raise Unreachable(self.name, "the house is closing, or has not opened yet")
        # Its own words may hold the address, and the address a key: an error's name is all that is told of it.
        with trio.move_on_after(PATIENCE) as queuing:
            await self._limit.acquire()
        if queuing.cancelled_caught:
            raise Unreachable(self.name, f"{AT_ONCE} requests are on their way, and none was answered in time")
        try:
            with trio.fail_after(PATIENCE):
                return await self._exchange(self._client, errand)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Unreachable(self.name, f"could not be reached ({type(error).__name__})") from None
        except (httpx.TimeoutException, trio.TooSlowError):
            raise Lost(self.name, f"no answer within {PATIENCE:g} s") from None
        except httpx.RequestError as error:
            raise Lost(self.name, f"the connection was lost ({type(error).__name__})") from None
        finally:
            self._limit.release()

    async def _exchange(self, client: httpx.AsyncClient, errand: Errand) -> tuple[int, Mapping[str, str], bytes]:
        request = client.stream(errand.method, errand.url, headers=dict(errand.headers), content=errand.body)
        async with request as response:
            body = b""
            with trio.CancelScope() as reading:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST:
                        # Left in any other way, httpx's iterators would stay open.
                        reading.cancel()
            if len(body) > LARGEST:
                raise Lost(self.name, f"answered with more than {LARGEST} bytes")
            return response.status_code, response.headers, body

    async def _learn(self) -> None:
        """One after another: who comes while a login is on its way has what it brings."""
        async with self._learning:
            await self._learn_all()

    async def _learn_all(self) -> None:
        for index, learner in enumerate(self._learners):
            errand = learner.wants(self._wall())
            if errand is None or trio.current_time() < self._tired.get(index, 0.0):
                continue
            try:
                status, _, body = await self._send(errand)
            except Unreachable as error:
                log.warning("%s", error)
                status, body = 0, b""
            learner.learned(status, body, self._wall())
            if not 200 <= status < 300:
                log.warning("%s did not tell what has to be known first (status %d)", self.name, status)
                self._tired[index] = trio.current_time() + TIRED


def _asked(headers: Mapping[str, str]) -> float:
    """Seconds that `Retry-After` asks for; a date is read as nothing."""
    try:
        return max(0.0, float(headers.get("retry-after", "0")))
    except ValueError:
        return 0.0
