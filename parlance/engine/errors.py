"""The error tree, named by whose act it was.

Everything parlance raises on purpose is a `ParlanceError`. The branch says who has to act: the user
(`Misconfigured`), the other side of the line (`LineError`, `LineGone`, `Stalled`), a provider (`ProviderError`), the
house itself (`Refused`, `Exhausted`, `Full`). `retry` says whether the same thing may work if tried again.
"""

from __future__ import annotations


class ParlanceError(Exception):
    """The root of what parlance raises on purpose."""

    retry = False


class Misconfigured(ParlanceError):
    """Settings, an agent or a file are wrong. The message names every fault, with file and line."""


class Missing(Misconfigured):
    """A package that `who` needs is missing; the optional part `extra` of parlance would bring it."""

    def __init__(self, who: str, package: str, extra: str) -> None:
        super().__init__(f"{who} needs {package}: pip install '.[{extra}]' (in parlance's checkout)")


class LineError(ParlanceError):
    """The other side of the line sent what its dialect does not allow.

    `fatal` says whether the call can go on; `code` is the WebSocket close code to answer with if it cannot.
    """

    def __init__(self, message: str, *, fatal: bool = False, code: int = 1007) -> None:
        super().__init__(message)
        self.fatal = fatal
        self.code = code


class LineGone(ParlanceError):
    """The other side has gone: it closed, vanished or was never there. `code` is its close code, if it sent one."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Stalled(ParlanceError):
    """The other side does not read: more than its bound of audio waits to be sent."""


class Refused(ParlanceError):
    """A call is not taken. `reason` is one word for counting, `code` the WebSocket close code to answer with."""

    def __init__(self, message: str, *, reason: str, code: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


class ProviderError(ParlanceError):
    """An ear, a mind or a voice failed. The subclass says how; `retry` says whether another try can help.

    `after`: seconds for which the provider has asked to be left alone (`Retry-After`); None: it asked for nothing.
    """

    def __init__(self, provider: str, message: str, *, after: float | None = None) -> None:
        super().__init__(f"{provider}: {message}")
        self.provider, self.after = provider, after


class Unreachable(ProviderError):
    """Nothing answered, or not in time."""

    retry = True


class Lost(Unreachable):
    """Nobody knows whether the provider has done what it was asked: it was asked, and no answer came."""


class Rejected(ProviderError):
    """The provider understood and said no: a wrong key, model or request."""


class Withheld(Rejected):
    """The provider does not want to answer this: it works, and says nothing of any other request."""


class Overloaded(ProviderError):
    """The provider asked us to come back later."""

    retry = True


class Garbled(ProviderError):
    """The provider sent what its protocol does not allow."""

    retry = True


class Ended(ProviderError):
    """What was to be done to a call cannot be, because the carrier says that the call is over."""


class Exhausted(ParlanceError):
    """A child failed and is not begun again: its restart budget is spent, or another try cannot help."""


class Full(ParlanceError):
    """A mailbox that must never fill up is full: a bug in whoever fills it or does not empty it."""


def inner(error: BaseException | None) -> BaseException | None:
    """The error itself: nurseries wrap what their tasks raise in groups. Of several, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def hopeless(error: BaseException | None) -> bool:
    """Whether a provider has said what it would say again."""
    error = inner(error)
    return isinstance(error, ProviderError) and not error.retry


def plain(error: BaseException | None) -> str:
    """An error in its own words, or its name where it has none."""
    error = inner(error)
    return str(error) or type(error).__name__
