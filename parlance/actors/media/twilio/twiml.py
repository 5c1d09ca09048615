"""The TwiML that parlance answers with, or sends along with a call: its few documents, properly escaped. Pure.

Verbs and attributes as twilio.com/docs/voice/twiml has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from parlance.actors.media.webhook import Reply

_UNWRITABLE = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def connect(url: str, status: str, parameters: Mapping[str, str]) -> str:
    """Take the call and exchange its audio with `url` (no query: Twilio refuses one); `status` hears of the stream."""
    response = Element("Response")
    stream = SubElement(SubElement(response, "Connect"), "Stream", url=url, statusCallback=status)
    for name, value in parameters.items():
        if value:
            SubElement(stream, "Parameter", name=name, value=_clean(value))
    return _written(response)


def dial(number: str, action: str = "") -> str:
    """Connect the caller with `number`; `action` is told how it went, when it is over."""
    response = Element("Response")
    call = SubElement(response, "Dial", {"action": action} if action else {})
    SubElement(call, "Number").text = _clean(number)
    return _written(response)


def reject(busy: bool) -> str:
    """Refuse the call without answering it."""
    response = Element("Response")
    SubElement(response, "Reject", reason="busy" if busy else "rejected")
    return _written(response)


def nothing() -> str:
    """Nothing more to do: a call that is up ends."""
    return _written(Element("Response"))


def answer(document: str) -> Reply:
    return Reply(200, document.encode(), "application/xml")


def _clean(value: str) -> str:
    """Without the characters that XML 1.0 has no way to write."""
    return _UNWRITABLE.sub("", value)


def _written(response: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(response, encoding="unicode")
