"""Whether a person or an answering machine has taken a call that we placed, by the first thing it says. Pure.

A person says "hello?" and waits; a machine speaks for seconds on end, and its announcement is the longest first
utterance there is. Where the carrier listens for machines itself, its word comes first or not at all.
"""

from __future__ import annotations

from parlance.engine.trace import CallerBegan, CallerStopped, Record, TurnEnded


class Recognizer:
    """Fed with a call's trace. `long`: seconds of a first utterance that no person makes."""

    def __init__(self, long: float) -> None:
        self._long = long
        self._began: float | None = None
        self._settled = False

    def hear(self, record: Record) -> bool | None:
        """True: it is a machine. False: it is a person. None: not known yet, or said before."""
        if self._settled:
            return None
        match record.event:
            case CallerBegan(voiced=at) if self._began is None:
                self._began = at
            case CallerStopped(voiced=at) if self._began is not None:
                return self._settle(at - self._began >= self._long)
            case TurnEnded(outcome="played") if self._began is None:
                # Nobody spoke over our greeting: somebody listens to it.
                return self._settle(False)
        if self._began is not None and record.at - self._began >= self._long:
            return self._settle(True)
        return None

    def _settle(self, machine: bool) -> bool:
        self._settled = True
        return machine
