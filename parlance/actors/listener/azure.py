"""An ear at Azure Speech: one request an utterance, to its REST interface for short audio. Not tried against the live
service.

Request and answer as in https://learn.microsoft.com/azure/ai-services/speech-service/rest-speech-to-text-short, which
takes at most 60 seconds of audio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import trio
from pydantic import Field

from parlance.actors.dial import Dial, address
from parlance.actors.fields import opened, text
from parlance.actors.listener.request import RequestEar, RequestService
from parlance.actors.region import Regional
from parlance.actors.web import Web
from parlance.engine.errors import Garbled, ProviderError, Unreachable
from parlance.engine.faults import checked

NAME = "azure"
HEADER = "Ocp-Apim-Subscription-Key"
HOST = "https://{region}.stt.speech.microsoft.com"
PATH = "/speech/recognition/conversation/cognitiveservices/v1"

_NOTHING = {"NoMatch", "InitialSilenceTimeout", "BabbleTimeout"}
"""What `RecognitionStatus` says of audio without words."""


class Settings(Regional, RequestService):
    place: ClassVar[str] = HOST + PATH

    # As in `RequestService`: `Regional`, which comes first, has inherited those of a service that is asked for more.
    first: Annotated[float, Field(gt=0, le=60)] = 2.5
    warm: Annotated[int, Field(ge=0, le=100)] = 2

    rate: Literal[16000] = 16000
    """The only one that the service's documents know."""
    language: Annotated[str, Field(min_length=2)] = "en-US"
    profanity: Literal["masked", "removed", "raw"] = "raw"
    """What becomes of swear words. Stars in their place would be read by the mind."""


class AzureScribe:
    provider = NAME
    longest = 59.5

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._dial = Dial(NAME, settings, header=HEADER, more={"Accept": "application/json"})
        self._web = Web(self._dial, settings, what="words")
        query = {"language": settings.language, "format": "simple", "profanity": settings.profanity}
        self._address = address(settings.url, query)
        self._headers = {"Content-Type": f"audio/wav; codecs=audio/pcm; samplerate={settings.rate}"}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the connections that calls share, and close them when cancelled."""
        await self._web.run(task_status=task_status)

    async def transcribe(self, file: bytes, so_far: Callable[[str], None]) -> str:
        body = await self._web.whole(self._address, content=file, headers=self._headers)
        try:
            told = opened(body)
            status = text(told["RecognitionStatus"])
            words = text(_display(told)) if status == "Success" else ""
        except (ValueError, KeyError, TypeError, IndexError):
            raise self._strange(body) from None
        if status == "Error":
            raise Unreachable(NAME, "could not go on recognizing: an error of its own")
        if status != "Success" and status not in _NOTHING:
            raise self._strange(body)
        return words

    def _strange(self, body: bytes) -> ProviderError:
        return Garbled(NAME, f"not a recognition: {self._dial.brief(body.decode(errors='replace'))}")


def _display(told: dict[str, Any]) -> Any:
    """Where the words are depends on the format of the answer, and a `url` of one's own may have its own."""
    return told["DisplayText"] if "DisplayText" in told else told["NBest"][0]["Display"]


def make(settings: dict[str, Any]) -> RequestEar:
    """The ear of an agent's `ear:` settings. Raises `Misconfigured`."""
    return RequestEar(AzureScribe(checked(Settings, settings, f"ear {NAME}")))
