"""A mind that answers from a list: one entry a reply, in tokens, at a given pace.

The fakes' delays share no divisor with the 20 ms beat: on a virtual clock two things at the same instant would happen
in no particular order.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import trio

from parlance.actors.thinker.port import Act, Ask, Entry, Spent, Thought, Token, Tool
from parlance.engine.errors import Unreachable

BREAKS = "!"
"""A script entry, or the end of one: the mind fails here."""
SILENT = "..."
"""A script entry: the mind never says anything."""


class FakeMind:
    """`{act}` in a reply is an act, `[tool]` asks for a tool; a reply that ends in `!!` fails after what stands before
    it. `ahead`: it may be asked about words that are not final.
    """

    def __init__(
        self, script: Sequence[str], *, wait: float = 0.096, pace: float = 0.0113, ahead: bool = False
    ) -> None:
        self.script = list(script)
        self.asked: list[tuple[Entry, ...]] = []
        self.provider, self.ahead = "fake", ahead
        self.heard: list[tuple[str, bool]] = []
        self.wait, self.pace, self.calls = wait, pace, 0

    @asynccontextmanager
    async def think(
        self, history: Sequence[Entry], tools: Sequence[Tool] = ()
    ) -> AsyncIterator[AsyncIterator[Thought]]:
        self.asked.append(tuple(history))
        text = self.script.pop(0) if self.script else "I have nothing more to say."
        async with aclosing(self._thoughts(text)) as thoughts:
            yield thoughts

    def committed(self, heard: str, complete: bool) -> None:
        self.heard.append((heard, complete))

    async def _thoughts(self, text: str) -> AsyncGenerator[Thought]:
        await trio.sleep(self.wait)
        if text == SILENT:
            await trio.sleep_forever()
        text, fails = (text[:-1], True) if text == BREAKS else (text.removesuffix("!!"), text.endswith("!!"))
        for word in text.split():
            if word.startswith("{"):
                yield Act(word.strip("{}"))
                continue
            if word.startswith("["):
                self.calls += 1
                yield Ask(f"call{self.calls}", word.strip("[]"), {"number": self.calls})
                continue
            yield Token(word + " ")
            await trio.sleep(self.pace)
        yield Spent(10, len(text.split()))
        if fails:
            raise Unreachable("fake mind", "it broke, as its script says")
