"""What the house of the conformance suite has: agents that cost no CPU, and every carrier, set up for `cloud`."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cloud import AUDIENCE, Cloud, pem

from parlance.agents import load
from parlance.engine.agent import Agent

TOKEN = "the-token-that-was-set-up-with-the-carrier"
WORDS = 20
"""Of a reply: 1.7 s."""


def agents() -> dict[str, Agent]:
    """Agents without a CPU: `brief` answers with 1.7 s of audio, `long` with 5 s, `receptionist` greets besides."""
    rehearsal = load.shipped()["rehearsal"].model_dump()
    made: dict[str, dict[str, Any]] = {
        "brief": {"mind": {"kind": "rehearsal", "wait": 0.02, "words": WORDS}},
        "long": {"mind": {"kind": "rehearsal", "wait": 0.02, "words": 60}},
        "slow": {"mind": {"kind": "rehearsal", "wait": 2.0, "words": WORDS}},
        "receptionist": {
            "mind": {"kind": "rehearsal", "wait": 0.02, "words": WORDS},
            "greeting": "Hello, who is there?",
        },
    }
    usual: dict[str, Any] = rehearsal | {"listed": True, "endpointing": {"least": 0.25, "most": 0.25}}
    return {name: Agent.model_validate(usual | {"name": name} | changes) for name, changes in made.items()}


def carriers(cloud: Cloud, audiosocket: int) -> dict[str, Any]:
    """Every carrier, with a token; whatever they are asked goes to `cloud`."""
    token: dict[str, Any] = {"media_token": TOKEN}
    access = b64encode(b"k" * 32).decode()
    return {
        "twilio": token,
        "ringover": token,
        "acs": {
            **token,
            "connection_string": f"endpoint={cloud.url};accesskey={access}",
            "audience": AUDIENCE,
            "source": "+33100000002",
            "incoming_secret": "a" * 16,
            "jwks_url": f"{cloud.url}/keys",
        },
        "ringcentral": token | {"validation_token": "validation"},
        "telnyx": token | {"api_key": "k", "public_key": b64encode(bytes(32)).decode(), "api": f"{cloud.url}/v2"},
        "plivo": token,
        "vonage": token
        | {"application_id": "a", "private_key": pem(), "signature_secret": "s" * 32, "api": f"{cloud.url}/v1"},
        "asterisk": token | {"audiosocket_port": audiosocket, "audiosocket_agent": "receptionist"},
        "freeswitch": token,
    }
