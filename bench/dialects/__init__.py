"""The carriers' side of every dialect that parlance speaks, for the load bench and for the conformance suite.

A carrier is a file, and a line here. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.dialects.acs import Acs
from bench.dialects.asterisk import Asterisk, AudioSocket
from bench.dialects.browser import Browser
from bench.dialects.freeswitch import FreeSwitch
from bench.dialects.plivo import Plivo
from bench.dialects.port import Dialect
from bench.dialects.ringcentral import RingCentral
from bench.dialects.ringover import Ringover
from bench.dialects.telnyx import Telnyx
from bench.dialects.twilio import Twilio
from bench.dialects.vonage import Vonage
from parlance.codecs.format import Format

DIALECTS: dict[str, Callable[[], Dialect]] = {
    "twilio": Twilio,
    "ringover": Ringover,
    "acs": Acs,
    "acs24": partial(Acs, 24000),
    "ringcentral": RingCentral,
    "ringcentralpcm": partial(RingCentral, "pcm"),
    "telnyx": Telnyx,
    "plivo": Plivo,
    "plivo16": partial(Plivo, Format("pcm16", 16000)),
    "vonage": Vonage,
    "asterisk": Asterisk,
    "asteriskplain": partial(Asterisk, is_json=False),
    "audiosocket": AudioSocket,
    "freeswitch": FreeSwitch,
    "freeswitchbinary": partial(FreeSwitch, "binary"),
    "freeswitchfork": partial(FreeSwitch, "fork", 16000),
    "browser": Browser,
}
"""By name; the names begin with the carrier's, but for AudioSocket, which is Asterisk's."""
