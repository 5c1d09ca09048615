"""An agent: who answers the telephone, with which ears, mind and voice, and within which limits. Pure data.

Every default here is one a person can live with: an agent is complete with a name. Times are seconds.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from parlance.engine.hours import Hours, zone

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Strict(BaseModel):
    """A settings block that refuses keys it does not know, so that a typing error cannot be silent. Its errors are
    without what was written, which may be a secret.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Provider(BaseModel):
    """Which ear, mind or voice, and whatever settings that one takes. In YAML `ear: sphinx` is enough, and a list is
    the one that is wanted, followed by those to take when it fails.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str
    fallbacks: tuple[Provider, ...] = ()
    """Whom to ask when this one fails, in this order."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return {"kind": value} if isinstance(value, str) else value
        if not value:
            raise ValueError("the list is empty: name at least one")
        first, *rest = [{"kind": one} if isinstance(one, str) else one for one in value]
        if not all(isinstance(one, dict) and "fallbacks" not in one for one in (first, *rest)):
            raise ValueError("a list has names, or settings with a `kind`")
        return {**first, "fallbacks": rest}

    @property
    def chain(self) -> tuple[Provider, ...]:
        """This one alone, and then its fallbacks alone."""
        return (self.model_copy(update={"fallbacks": ()}), *self.fallbacks)

    @property
    def identity(self) -> str:
        """The same for the same settings, in whatever order they were written."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but `kind`: checked by the provider itself when the program starts."""
        return dict(self.model_extra or {})


_VARIABLE = "is the name of an environment variable (capitals, digits, underscores), not the key itself"
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$", description=_VARIABLE)]
"""The name of a variable of the environment. Capitals only, so that hardly a key passes for one."""


class Endpointing(Strict):
    """When the caller's turn has ended: between `least` and `most` after the last voiced frame."""

    least: Annotated[float, Field(ge=0.1, le=5)] = 0.35
    most: Annotated[float, Field(ge=0.1, le=10)] = 1.4

    @model_validator(mode="after")
    def _ordered(self) -> Endpointing:
        if self.least > self.most:
            raise ValueError(f"least ({self.least}) must not exceed most ({self.most})")
        return self


class Interruption(Strict):
    """What a caller must do to stop the agent.

    Playing stops at once when the gate hears speech. It goes on after `hold` if no words came, or after `hold_most`
    if the sound goes on without words. `words` is how many words end the turn; `murmurs` are words that never do.
    """

    enabled: bool = True
    hold: Annotated[float, Field(ge=0.1, le=5)] = 0.5
    hold_most: Annotated[float, Field(ge=0.1, le=10)] = 2.0
    words: Annotated[int, Field(ge=1, le=10)] = 1
    murmurs: tuple[str, ...] = tuple("uh huh uh-huh mm mhm hm hmm ah oh okay ok yeah right".split())
    second_opinion: Literal["none", "silero"] = "none"
    """Who has to agree with the gate that a sound is speech: it is asked about each sound that may begin some."""


class Early(Strict):
    """Thinking before it is certain that the caller has finished. What is thought ahead is kept if the final words mean
    the same, and thrown away otherwise: a shorter wait for more requests to the mind.
    """

    enabled: bool = True
    stable: Annotated[float, Field(ge=0.05, le=5)] = 0.15
    """Seconds of silence for which interim words must not have changed. An ear that knows itself when a turn is likely
    to be over is believed at once.
    """


ACTS = ("hang_up", "transfer", "take_message")
"""The tools that parlance has of its own."""


class Tool(Strict):
    """Something that a mind may do besides speaking: one of `ACTS`, of which the name is enough, or a tool of your own.

    The mind's arguments for the latter are posted to `url` as JSON, and the answer's text is the result.
    """

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-zA-Z][a-zA-Z0-9_-]{0,63}$",
            description="should be letters, digits, hyphens and underscores, 64 at most, a letter first",
        ),
    ]
    description: Annotated[str, Field(max_length=1000)] = ""
    """What it does and when to use it: the mind decides by this."""
    parameters: dict[str, Any] = {}
    """The properties of its arguments, as a JSON schema has them."""
    required: tuple[str, ...] = ()
    url: Annotated[
        str,
        Field(
            pattern=r"^(https?://[^\s/?#@\\]+([/?][^\s#]*)?)?$",
            description="should begin with http:// or https:// and a host, without a name and password",
        ),
    ] = ""
    key_env: Annotated[str, Field(pattern=r"^([A-Z_][A-Z0-9_]*)?$", description=_VARIABLE)] = ""
    """The environment variable with a token to send (`Authorization: Bearer`); empty: none is sent."""
    timeout: Annotated[float, Field(gt=0, le=60)] = 8.0
    """Seconds for the whole answer."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> Tool:
        if not self.url and self.name not in ACTS:
            raise ValueError(f"{self.name!r} is none of {', '.join(ACTS)}: a tool of your own needs a `url`")
        if self.url and (self.name in ACTS or not self.description):
            what = "is a name of parlance's own" if self.name in ACTS else "needs a `description`"
            raise ValueError(f"{self.name!r} {what}")
        if self.name in ACTS and (self.description or self.parameters or self.required or self.key_env):
            raise ValueError(f"{self.name!r} is parlance's own: its name is all that can be set")
        if unknown := sorted(set(self.required) - set(self.parameters)):
            raise ValueError(f"required: there is no parameter {', '.join(unknown)}")
        return self


class Limits(Strict):
    """Bounds on one agent's calls."""

    calls: Annotated[int, Field(ge=1, le=100_000)] = 3
    """Simultaneous calls this agent takes."""
    call: Annotated[float, Field(gt=0, le=86_400)] = 3600
    """A call's whole length."""
    silence: Seconds = 8.0
    """Neither side speaks: ask whether the caller is still there."""
    prompts: Annotated[int, Field(ge=0, le=10)] = 2
    """How often to ask, before saying goodbye."""
    utterance: Seconds = 60.0
    """One utterance of the caller."""
    transcript: Seconds = 3.0
    """From the end of the caller's turn to its words."""
    digits: Seconds = 2.0
    """From one key that the caller presses to the next: after that, the keys pressed so far are what was said."""
    thinking: Seconds = 12.0
    """From the caller's words to the first frame of the reply."""
    reply: Seconds = 180.0
    """One reply, spoken."""
    closing: Seconds = 10.0
    """The last words of a call that has to end."""
    ringing: Seconds = 60.0
    """From the call's beginning to its being answered, for one that we place."""


class Lines(Strict):
    """What the agent says of its own accord, besides the greeting."""

    reprompt: str = "Are you still there?"
    pardon: str = "Sorry, I did not catch that. Could you say it again?"
    regret: str = "I am sorry, something went wrong on my side. Could you say that again?"
    goodbye: str = "I cannot hear you, so I will hang up now. Please call again. Goodbye."
    apology: str = "I am sorry, we have a technical problem. Please call again later. Goodbye."
    closing: str = "I am sorry, we have to end the call here. Please call again in a moment. Goodbye."


PAUSES = {"busy": 120.0, "no-answer": 600.0, "failed": 60.0}
"""Seconds until a call is dialed for the second time, by why the first did not come about."""


class Outbound(Strict):
    """How this agent's own calls are placed."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """How often a call is dialed at most."""
    pauses: dict[Literal["busy", "no-answer", "failed"], Seconds] = {}
    """Seconds until it is dialed again, `PAUSES` where not said; they double each time."""
    ring: Annotated[int, Field(ge=5, le=300)] = 30
    """Seconds for which it may ring."""
    hours: str = ""
    """When it may call, like `Mo-Fr 08:00-20:00, Sa 09:00-12:00`; empty: always."""
    zone: str = "UTC"
    """The time zone of the hours, like `Europe/Paris`."""
    machines: Literal["hang_up", "leave", "talk"] = "hang_up"
    """What to do when an answering machine takes the call: hang up, leave `message`, or talk as with anybody."""
    message: str = ""
    """What is left on a machine."""
    long: Seconds = 4.0
    """A first utterance of this length is a machine's."""

    @model_validator(mode="after")
    def _sensible(self) -> Outbound:
        Hours.parse(self.hours)
        zone(self.zone)
        if self.machines == "leave" and not self.message:
            raise ValueError("message: say what is to be left on a machine")
        return self

    def pause(self, reason: str) -> float:
        """Seconds until a call that ended for `reason` is dialed for the second time."""
        pauses = {**PAUSES, **{str(reason): pause for reason, pause in self.pauses.items()}}
        return pauses.get(reason, pauses["failed"])


class Agent(Strict):
    """One agent, as its YAML file describes it."""

    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
            max_length=64,
            description="should be small letters, digits and single hyphens, a letter first",
        ),
    ]
    title: str = ""
    listed: bool = True
    """Whether people are offered this agent on the page; carriers can name it all the same."""
    optional: bool = False
    """Whether the house does without it where a package is missing that it needs."""
    greeting: str = ""
    """Empty: the caller speaks first."""
    prompt: str = ""
    script: dict[str, Any] | None = None
    ear: Provider = Provider(kind="sphinx")
    mind: Provider = Provider(kind="script")
    voice: Provider = Provider(kind="espeak")
    transfer: str = ""
    """The human's number, for callers who ask for a person."""
    lines: Lines = Lines()
    limits: Limits = Limits()
    endpointing: Endpointing = Endpointing()
    interruption: Interruption = Interruption()
    early: Early = Early()
    tools: tuple[Tool, ...] = (Tool(name="hang_up"), Tool(name="transfer"))
    """What a mind that is a language model may do besides speaking. `transfer` needs the agent's number for it."""
    outbound: Outbound = Outbound()
    digits: Literal["words", "ignore"] = "words"
    """What keys are that the caller presses: words of his, as if he had said them, or nothing but a line in the record.
    `#` ends them, and so does a pause of `limits.digits`."""

    @model_validator(mode="after")
    def _distinct(self) -> Agent:
        names = [tool.name for tool in self.tools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"tools: there are two of {', '.join(twice)}")
        return self
