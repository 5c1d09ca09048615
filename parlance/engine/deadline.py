"""When the present joint state has lasted too long: the tables' limits, in one agent's seconds. Pure.

`state.deadline` names the limit of a joint state and the machines since whose last change it counts; this file knows
since when each machine is where it is. Times are seconds of the call's clock.
"""

from __future__ import annotations

from parlance.engine.agent import Agent
from parlance.engine.state import State, deadline


class Deadline:
    """One call's deadline; it dies with its state."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._since = {"line": 0.0, "caller": 0.0, "agent": 0.0}
        self._replying = 0.0
        """Since when the agent thinks or speaks, whatever holds came between."""

    def changed(self, before: State, state: State, now: float) -> None:
        """The call went from one state to another."""
        for machine in self._since:
            if getattr(before, machine) is not getattr(state, machine):
                self._since[machine] = now
        if before.turn != state.turn:
            self._since["agent"] = now
        if (before.turn, before.audible) != (state.turn, state.audible):
            self._replying = now

    def released(self) -> None:
        """A hold was no change: the agent is where it was, and since then."""
        self._since["agent"] = self._replying

    def touched(self, now: float) -> None:
        """The caller did something that is no sound."""
        self._since["caller"] = now

    def stood(self, since: float, now: float) -> None:
        """Time has stood still between the two: it counts for nothing."""
        for machine, at in self._since.items():
            self._since[machine] = min(at + now - since, now)
        self._replying = min(self._replying + now - since, now)

    def of(self, state: State) -> float | None:
        """When `state` expires; None once the line is closed."""
        if (bound := deadline(state)) is None:
            return None
        limit, machines = bound
        return max(self._since[machine] for machine in machines) + self._seconds(limit)

    def _seconds(self, limit: str) -> float:
        source = self._agent.interruption if limit in ("hold", "hold_most") else self._agent.limits
        return float(getattr(source, limit))
