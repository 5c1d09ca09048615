"""What carriers' webhooks tell the switchboard: calls that come in, and what becomes of calls.

Carriers tell things twice, late and out of order, and they tell of calls that are none of ours: an account may have
other numbers. News of an unknown call make a call of it only where one of our numbers is called, and such a call is
never hung up by us unless its media came here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime

import structlog
import trio

from parlance.actors.media.webhook import News, Offer, Refusal, Welcome, What
from parlance.engine import life as l
from parlance.engine.errors import Refused
from parlance.engine.message import By
from parlance.engine.record import Direction, Status
from parlance.switchboard.arrivals import bounded
from parlance.switchboard.board import Switchboard
from parlance.switchboard.entry import Entry

UNPLACED = 256
"""News of unknown calls that are kept a moment: a carrier may tell of a call before it has answered who placed it."""
MOMENT = 10.0
EVENTS = 500
"""Events of one call that are remembered, so that a second delivery is noticed."""

log = structlog.get_logger()

_OVER: dict[What, tuple[str, bool]] = {
    What.ENDED: ("hung up", False),
    What.BUSY: ("busy", True),
    What.UNANSWERED: ("no-answer", True),
    What.FAILED: ("failed", True),
    What.CANCELED: ("canceled", True),
}


class Reception:
    """One carrier's. `local`: the local time, for rules that know hours."""

    def __init__(self, carrier: str, board: Switchboard, local: Callable[[], datetime]) -> None:
        self.carrier = carrier
        self._board, self._local = board, local
        self._unplaced: deque[tuple[float, News]] = deque(maxlen=UNPLACED)

    # ------------------------------------------------------------------------------------------ offers

    def offered(self, offer: Offer) -> Welcome | Refusal:
        """Take the call, or not; the second time, the same again."""
        board = self._board
        known = board.index.line(self.carrier, offer.call)
        if known is not None and known.verdict is not None:
            return known.verdict
        if known is not None and (known.life.status.final or known.life.status is Status.ENDING):
            return Refusal("ended", "this call has ended", busy=False)
        if known is not None and known.call is not None:
            # Its media has come before the question.
            known.verdict = Welcome(known.id, known.record.agent, known.ticket)
            return known.verdict
        entry = known or board.open(
            self.carrier,
            Direction.INBOUND,
            board.router.agent(
                self.carrier, offer.caller, offer.called, self._local(), named=offer.parameters.get("agent", "")
            ),
            caller=offer.caller,
            called=offer.called,
            line=offer.call,
            leg=offer.leg,
            metadata=bounded(offer.parameters),
        )
        entry.ours, entry.context = True, offer.context
        try:
            entry.seat = board.seat(entry)
        except Refused as refused:
            return self._refuse(entry, refused)
        entry.verdict = Welcome(entry.id, entry.record.agent, entry.ticket)
        if offer.elsewhere:
            # There is room now; the seat is taken when it comes from there.
            entry.release()
            entry.ours = False
            board.happen(entry, l.Over(By.HOUSE, "sent on"))
            return entry.verdict
        log.info("call offered", call=entry.id, carrier=self.carrier, agent=entry.record.agent)
        if board.errands.can(entry, "answer"):
            line, leg, context, ticket = entry.record.line, entry.record.leg, entry.context, entry.ticket
            board.errands.soon(
                entry,
                "answer",
                lambda control, stamp: control.answer(line, leg, context, entry.id, ticket, stamp),
            )
        return entry.verdict

    def _refuse(self, entry: Entry, refused: Refused) -> Refusal:
        board = self._board
        busy = refused.reason != "unknown-agent"
        entry.verdict = Refusal(refused.reason, str(refused), busy)
        log.info("call refused", call=entry.id, carrier=self.carrier, reason=refused.reason)
        if board.errands.can(entry, "reject"):
            line, leg, context = entry.record.line, entry.record.leg, entry.context
            board.errands.soon(entry, "reject", lambda control, stamp: control.reject(line, leg, context, busy, stamp))
        # The carrier was told with the answer, or is just being told: there is nothing to hang up.
        entry.ours = False
        board.happen(entry, l.Over(By.HOUSE, refused.reason, failed=True))
        return entry.verdict

    # -------------------------------------------------------------------------------------------- news

    def told(self, news: News) -> None:
        """Work off what has become of a call, unless it is old, or known already, or nobody's."""
        entry = self._find(news)
        if entry is None:
            self._unplaced.append((trio.current_time(), news))
            return
        if news.call in entry.past or (entry.outbound and entry.record.due is not None):
            # Of an earlier attempt: the next one has not begun.
            return
        if news.event:
            if news.event in entry.seen:
                return
            if len(entry.seen) < EVENTS:
                entry.seen.add(news.event)
        if news.order and news.order < entry.order and news.what not in _OVER:
            return
        entry.order = max(entry.order, news.order)
        if news.what is What.UNTRANSFERRED:
            self._board.handed_back(entry)
        elif not entry.life.status.final:
            self._board.learn(entry, news.call, news.leg)
            # Media may have come without saying who calls whom.
            record = entry.record
            entry.change(caller=record.caller or news.caller, called=record.called or news.called)
            self._believe(entry, news)

    def placed(self, entry: Entry) -> None:
        """A call that we have placed is now known by the carrier's id: what was told of it before is true now."""
        since = trio.current_time() - MOMENT
        kept, self._unplaced = self._unplaced, deque(maxlen=UNPLACED)
        for at, news in kept:
            if at >= since and news.call == entry.record.line:
                self.told(news)
            elif at >= since:
                self._unplaced.append((at, news))

    def _find(self, news: News) -> Entry | None:
        board, index = self._board, self._board.index
        entry = (index.get(news.ours) or index.ended(news.ours)) if news.ours else None
        if entry is not None and entry.record.carrier != self.carrier:
            entry = None
        entry = entry or index.line(self.carrier, news.call)
        if entry is not None or news.outbound:
            return entry
        entry = index.nameless(self.carrier, news.caller, news.called)
        if entry is not None:
            return entry
        if news.what in (What.RINGING, What.ANSWERED) and board.router.number(self.carrier, news.called) is not None:
            agent = board.router.agent(self.carrier, news.caller, news.called, self._local())
            return board.open(
                self.carrier,
                Direction.INBOUND,
                agent,
                ours=False,
                caller=news.caller,
                called=news.called,
                line=news.call,
                leg=news.leg,
            )
        return None

    def _believe(self, entry: Entry, news: News) -> None:
        board = self._board
        match news.what:
            case What.RINGING:
                board.happen(entry, l.Rang())
            case What.ANSWERED:
                board.happen(entry, l.Answered())
                if entry.media is not None:
                    entry.media.answered()
            case What.MACHINE:
                entry.change(answered_by="machine")
                entry.machine = True
                if entry.machined is not None:
                    entry.machined()
            case What.HUMAN:
                entry.change(answered_by="human")
            case What.TRANSFERRED:
                board.handed_over(entry, entry.record.transferred or news.word or "elsewhere")
            case What.MEDIA_FAILED if entry.life.status is not Status.IN_PROGRESS:
                board.happen(entry, l.End(By.CARRIER, f"no media: {news.word}", failed=True))
            case What.ENDED | What.BUSY | What.UNANSWERED | What.FAILED | What.CANCELED:
                self._over(entry, news)
            case _:
                said = dict(news.details)
                log.info("carrier's word", call=entry.id, what=news.what.value, word=news.word, details=said)

    def _over(self, entry: Entry, news: News) -> None:
        reason, failed = _OVER[news.what]
        by = next((one for one in By if one.value == news.by), None)
        if by is None:
            # What we have ended ourselves has its end already. `caller` is whoever is not us.
            given_up = news.what in (What.CANCELED, What.UNANSWERED) and not entry.outbound
            by = By.CALLER if given_up or news.what is What.ENDED else By.CARRIER
        # A caller who gives up before anybody answers is not our failure.
        failed = failed and not (news.what is What.CANCELED and not entry.outbound)
        self._board.happen(entry, l.Over(by, reason, failed))
