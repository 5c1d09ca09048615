"""What becomes of a call that we placed and an answering machine took: what its agent's settings say.

A machine is known by the carrier's word or by its long first utterance. The call is ended, or a message is left as soon
as the machine has said what it has to say; an agent that is told to talk, talks.
"""

from __future__ import annotations

from parlance.engine import life as l
from parlance.engine.message import By
from parlance.engine.trace import CallerBegan, CallerStopped, Record
from parlance.switchboard.board import Switchboard
from parlance.switchboard.entry import Entry
from parlance.switchboard.machine import Recognizer


class Voicemail:
    """Listens to one outbound call: `note` is a sink of its trace."""

    def __init__(self, board: Switchboard, entry: Entry) -> None:
        self._board, self._entry = board, entry
        self._plan = board.host.agents[entry.record.agent].outbound
        self._recognizer = Recognizer(self._plan.long)
        self._leaving = self._known = self._talking = False
        entry.machined = self.machine

    def note(self, record: Record) -> None:
        """An event of the call."""
        if isinstance(record.event, CallerBegan | CallerStopped):
            self._talking = isinstance(record.event, CallerBegan)
        if self._entry.machine and not self._known and self._entry.call is not None:
            # The carrier knew it before the media came: its announcement is still to come, or goes on.
            self._talking = not isinstance(record.event, CallerStopped)
            self.machine()
        if self._leaving:
            if isinstance(record.event, CallerStopped):
                self._leave()
            return
        verdict = self._recognizer.hear(record)
        if verdict is None or self._entry.record.answered_by:
            return
        self._entry.change(answered_by="machine" if verdict else "human")
        if verdict:
            self.machine()

    def machine(self) -> None:
        """It is a machine. While it speaks it has not said everything."""
        entry, plan = self._entry, self._plan
        if self._known:
            return
        self._known = entry.machine = True
        if plan.machines == "hang_up":
            self._board.happen(entry, l.End(By.AGENT, "machine"))
        elif plan.machines == "leave" and entry.call is not None:
            self._leaving = True
            entry.call.mute(True)
            if not self._talking:
                self._leave()

    def _leave(self) -> None:
        self._leaving = False
        if self._entry.call is not None:
            self._entry.call.mute(False)
        self._board.happen(self._entry, l.End(By.AGENT, "message left", words=self._plan.message))
