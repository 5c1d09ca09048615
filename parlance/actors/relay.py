"""What a chain of providers hands on: the beginning of an answer, which shows whether there is one, and the rest of it.

The reader gets one stream: what was told of tries that failed, the beginning, and what comes. What fails after the
beginning is raised as it is, and counted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import TypeVar

import trio

from parlance.actors.choice import Trial
from parlance.engine.errors import ProviderError

P = TypeVar("P")


async def beginning(pieces: AsyncIterator[P], gives: Callable[[P], bool]) -> tuple[list[P], bool]:
    """What comes until a piece gives something that cannot be taken back, and whether there was such a piece."""
    early: list[P] = []
    async for piece in pieces:
        early.append(piece)
        if gives(piece):
            return early, True
    return early, False


async def rest(
    told: Sequence[P], pieces: AsyncIterator[P], trial: Trial, check: Callable[[P], None] = lambda piece: None
) -> AsyncGenerator[P]:
    """`told`, and then what comes. `check` may raise a `ProviderError`."""
    try:
        for piece in told:
            check(piece)
            yield piece
        async for piece in pieces:
            check(piece)
            yield piece
    except ProviderError as error:
        trial.failed(trio.current_time(), error)
        raise


async def ended(told: Sequence[P], error: ProviderError) -> AsyncGenerator[P]:
    """`told`, and that there is nobody left to try."""
    for piece in told:
        yield piece
    raise error
