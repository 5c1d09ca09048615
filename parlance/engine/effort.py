"""What a call asks of others and what it uses, as events of its trace: providers, tools, and the sums. Pure.

`trace` has the events of the conversation; these are of the work behind it. `Usage` adds up what a call has used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["ear", "mind", "voice"]


@dataclass(frozen=True, slots=True)
class ProviderServed:
    """From now on this one hears the call, or answers or speaks in turn `turn` (0: in none, as an ear does)."""

    role: Role
    provider: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class ProviderFailed:
    """A provider failed at something that was tried again, with it or with the next one, or done without."""

    role: Role
    provider: str
    error: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class ThoughtAhead:
    """The reply was begun `seconds` before the caller's turn was known to be over."""

    turn: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ToolAsked:
    """The mind wants a tool used; `id` is unique in the call."""

    turn: int
    id: str
    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What came of it, once for every `ToolAsked`: `done`, `failed`, or `unfinished` when the call ended before it."""

    turn: int
    id: str
    tool: str
    outcome: Literal["done", "failed", "unfinished"]
    result: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CallUsed:
    """What the call has used of each provider. Told once, before its end.

    `ears`: seconds of audio; `minds`: tokens `in` and `out`, `cached` of those in, and `requests`; `voices`:
    characters. `discarded`: replies begun ahead that were not wanted; what those have cost is in the sums as far as
    the provider said so before they were stopped.
    """

    ears: Mapping[str, float]
    minds: Mapping[str, Mapping[str, int]]
    voices: Mapping[str, int]
    discarded: int = 0


Effort = ProviderServed | ProviderFailed | ThoughtAhead | ToolAsked | ToolAnswered | CallUsed


@dataclass(slots=True)
class Usage:
    """One call's sums, by provider."""

    ears: dict[str, float] = field(default_factory=dict)
    minds: dict[str, dict[str, int]] = field(default_factory=dict)
    voices: dict[str, int] = field(default_factory=dict)
    discarded: int = 0

    def heard(self, provider: str, seconds: float) -> None:
        self.ears[provider] = self.ears.get(provider, 0.0) + seconds

    def asked(self, provider: str) -> None:
        """A mind was asked for a reply, or for the rest of one."""
        self._tokens(provider)["requests"] += 1

    def thought(self, provider: str, tokens_in: int, tokens_out: int, cached: int) -> None:
        sums = self._tokens(provider)
        for name, tokens in (("in", tokens_in), ("out", tokens_out), ("cached", cached)):
            sums[name] += tokens

    def spoke(self, provider: str, characters: int) -> None:
        self.voices[provider] = self.voices.get(provider, 0) + characters

    def event(self) -> CallUsed:
        ears = {provider: round(seconds, 3) for provider, seconds in self.ears.items()}
        minds = {provider: dict(sums) for provider, sums in self.minds.items()}
        return CallUsed(ears, minds, dict(self.voices), self.discarded)

    def _tokens(self, provider: str) -> dict[str, int]:
        return self.minds.setdefault(provider, {"requests": 0, "in": 0, "out": 0, "cached": 0})
