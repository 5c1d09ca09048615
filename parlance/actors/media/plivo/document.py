"""The XML that parlance answers Plivo with: its few documents, properly escaped. Pure.

Elements and attributes as plivo.com/docs/voice/xml has them.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from parlance.actors.media.webhook import Reply


def stream(url: str, status: str, audio: str, headers: str = "") -> str:
    """Exchange the call's audio with `url`, and hang up when the stream is over; `status` hears of the stream.

    `audio`: a content type with its rate. `headers`: `a=1,b=2`, letters and digits only.
    """
    response = Element("Response")
    attributes = {
        "bidirectional": "true",
        "keepCallAlive": "true",
        "contentType": audio,
        "statusCallbackUrl": status,
        "statusCallbackMethod": "POST",
    }
    if headers:
        attributes["extraHeaders"] = headers
    SubElement(response, "Stream", attributes).text = url
    SubElement(response, "Hangup")
    return _written(response)


def dial(number: str, action: str = "") -> str:
    """Connect the caller with `number` (digits); `action` is told how it went, and its answer is not followed."""
    response = Element("Response")
    told = {"action": action, "method": "POST", "redirect": "false"} if action else {}
    SubElement(SubElement(response, "Dial", told), "Number").text = number
    return _written(response)


def reject(busy: bool) -> str:
    """Refuse the call without answering it."""
    response = Element("Response")
    SubElement(response, "Hangup", {"reason": "busy" if busy else "rejected"})
    return _written(response)


def nothing() -> str:
    return _written(Element("Response"))


def answer(written: str) -> Reply:
    return Reply(200, written.encode(), "application/xml")


def _written(response: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(response, encoding="unicode")
