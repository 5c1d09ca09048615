"""Which clouds there are, and what each of them does."""

from __future__ import annotations

from collections.abc import Callable

from clouds.acs import Acs
from clouds.asterisk import Asterisk
from clouds.carrier import Cloud
from clouds.plivo import Plivo
from clouds.ringcentral import RingCentral
from clouds.ringover import Ringover
from clouds.telnyx import Telnyx
from clouds.twilio import Twilio
from clouds.vonage import Vonage

CAST: dict[str, Callable[[int], Cloud]] = {
    one.carrier: one for one in (Ringover, Acs, Twilio, Telnyx, Vonage, Plivo, RingCentral, Asterisk)
}
TELLING = tuple(name for name in CAST if name != "asterisk")
"""Those who have webhooks: they tell of a call before its media comes, and what becomes of it."""
