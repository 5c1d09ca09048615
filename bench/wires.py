"""Every wire with its carrier's side, ready to be measured: one frame of a caller in, one frame's share of a reply out.

The messages are those that the carrier sends (`bench.dialects`), the wires those that its way in gives. Not here is the
browser's WebM and MP3: what costs there are two codecs, in which the dialect's own work is lost.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.dialects import DIALECTS
from bench.dialects.port import Dialect, Message, Ring
from parlance import carriers
from parlance.actors.media.port import Started, Visit, Wire
from parlance.codecs.convert import convert
from parlance.codecs.format import FRAME_MS, TELEPHONE
from parlance.front import browser
from parlance.settings import Settings

FRAME = FRAME_MS / 1000
PEER = "127.0.0.1:40000"


@dataclass(frozen=True, slots=True)
class Steps:
    """`hear` takes one message of 20 ms, of which `refill` has to make so many beforehand.

    `say` makes one message, of which a frame of 20 ms has `share`.
    """

    hear: Callable[[], object]
    refill: Callable[[int], None]
    say: Callable[[], object]
    share: float


def steps(audio: bytes) -> dict[str, Steps]:
    """Every wire's, by the dialect's name. `audio`: 20 ms of µ-law, which everybody says."""
    parts = carriers.make(_settings())
    found = {}
    for name, make in DIALECTS.items():
        dialect = make()
        # Without a token: whether somebody may come in is not asked here, and some dialects then say more themselves.
        ring = Ring(f"{name}-1", "rehearsal")
        found[name] = _steps(dialect, _wire(dialect, ring, parts), ring, audio)
    return found


def _steps(dialect: Dialect, wire: Wire, ring: Ring, audio: bytes) -> Steps:
    for message in dialect.hello(ring):
        wire.receive(message)
    payload = convert(audio, TELEPHONE, dialect.format)
    places = count()
    ready: deque[Message] = deque()

    def refill(fresh: int) -> None:
        # Carriers number and time what they send: the same message twice is heard once.
        ready.extend(dialect.media(next(places), payload) for _ in range(fresh))

    batch = max(FRAME, wire.batch)
    reply = payload * round(batch / FRAME)
    return Steps(lambda: wire.receive(ready.popleft()), refill, lambda: wire.audio(reply), FRAME / batch)


def _wire(dialect: Dialect, ring: Ring, parts: dict[str, carriers.Parts]) -> Wire:
    """As the house opens it for this handshake."""
    shake = dialect.handshake(ring)
    url = urlsplit(shake.path)
    headers = {name.lower(): value for name, value in shake.headers}
    if shake.subprotocols:
        headers["sec-websocket-protocol"] = ", ".join(shake.subprotocols)
    visit = Visit({}, dict(parse_qsl(url.query)), headers, PEER)
    if dialect.carrier == "browser":
        return browser("rehearsal", visit)[0]
    access: Any = parts[dialect.carrier].access
    opened: tuple[Wire, Started | None] = access.connect(PEER) if dialect.stream else access.open(visit)
    return opened[0]


def _settings() -> Settings:
    """Every carrier's, with keys that open nothing."""
    token = {"media_token": "the-token-that-was-set-up-with-the-carrier"}
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    secret = b64encode(bytes(32)).decode()
    return Settings.model_validate(
        {
            "public_url": "https://house.example",
            "carriers": {
                "twilio": token,
                "ringover": token,
                "acs": token
                | {
                    "connection_string": f"endpoint=https://house.example;accesskey={secret}",
                    "audience": "a resource",
                    "incoming_secret": "a" * 16,
                },
                "ringcentral": token | {"validation_token": "validation"},
                "telnyx": token | {"api_key": "k", "public_key": secret},
                "plivo": token,
                "vonage": token | {"application_id": "a", "private_key": pem.decode(), "signature_secret": "s" * 32},
                "asterisk": token | {"audiosocket_port": 9092},
                "freeswitch": token,
            },
        }
    )
