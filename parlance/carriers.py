"""The carriers that are set up, each with its parts: who may bring media sockets, its webhooks, and how it is asked.

A carrier is a folder in `actors/media/` and a line here. Its modules are imported when it is set up, and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from parlance.actors.media.access import Access
from parlance.actors.media.errand import Control
from parlance.actors.media.webhook import Addresses, Hooks, Learner
from parlance.engine.errors import Misconfigured
from parlance.settings import Carriers, Settings

if TYPE_CHECKING:
    from parlance.actors.media.runner import Runner

_FOLDER = "parlance.actors.media"


@dataclass(frozen=True, slots=True)
class Parts:
    """A carrier's, made from its settings. Some have no webhooks, and some no way to be asked."""

    name: str
    access: Access
    hooks: Hooks | None = None
    control: Control | None = None
    learners: tuple[Learner, ...] = field(default=())

    def runner(self, wall: Callable[[], float]) -> Runner | None:
        """Who carries its errands; None where there are none to carry."""
        if self.control is None or not (self.control.verbs or self.learners):
            return None
        # The HTTP client takes its time to be imported, and most houses on a desk have no carrier.
        from parlance.actors.media.runner import Runner

        return Runner(self.control, wall=wall, learners=self.learners)


def _plain(name: str, settings: Any, addresses: Addresses) -> Parts:
    return Parts(
        name,
        _module(name, "access").Access(settings),
        _module(name, "hooks").Hooks(settings, addresses),
        _module(name, "control").Control(settings, addresses),
    )


def _acs(name: str, settings: Any, addresses: Addresses) -> Parts:
    keys = _module(name, "keys").Keys(settings)
    return Parts(
        name,
        _module(name, "access").Access(settings, keys),
        _module(name, "hooks").Hooks(settings, addresses, keys),
        _module(name, "control").Control(settings, addresses),
        (keys,),
    )


def _ringcentral(name: str, settings: Any, addresses: Addresses) -> Parts:
    control = _module(name, "control").Control(settings, addresses)
    access, hooks = _module(name, "access").Access(settings), _module(name, "hooks").Hooks(settings, addresses)
    return Parts(name, access, hooks, control, (control,) if control.verbs else ())


def _asterisk(name: str, settings: Any, addresses: Addresses) -> Parts:
    control = _module(name, "control").Control(settings, addresses)
    return Parts(name, _module(name, "access").Access(settings), None, control)


def _freeswitch(name: str, settings: Any, addresses: Addresses) -> Parts:
    return Parts(name, _module(name, "access").Access(settings))


_MAKERS: dict[str, Callable[[str, Any, Addresses], Parts]] = {
    "ringover": _plain,
    "acs": _acs,
    "ringcentral": _ringcentral,
    "twilio": _plain,
    "telnyx": _plain,
    "plivo": _plain,
    "vonage": _plain,
    "asterisk": _asterisk,
    "freeswitch": _freeswitch,
}


def make(settings: Settings) -> dict[str, Parts]:
    """The parts of every carrier that is set up, by its name. Raises `Misconfigured`."""
    chosen: Carriers = settings.carriers
    addresses = Addresses(settings.public_url)
    made: dict[str, Parts] = {}
    for name in chosen.names:
        parts = _MAKERS[name](name, getattr(chosen, name), addresses)
        if parts.hooks is not None and not settings.public_url:
            raise Misconfigured(f"public_url: {name} has to know where this house is found, like https://your.host")
        made[name] = parts
    return made


def _module(name: str, part: str) -> Any:
    return import_module(f"{_FOLDER}.{name}.{part}")
