"""The servers that parlance is compared with: where they are installed, how they are started, what they wait for.

A peer runs in an environment of its own, which `make peers` makes below `.peers/`; the bench starts its script with
that environment's Python and speaks Twilio's dialect to it. Every peer's stubs are as slow as those of the agent
`rehearsal`, and its voice is the same sound. Only what starts them belongs here.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from parlance.actors.speaker.rehearsal import sound

HERE = Path(__file__).parent
HOME = HERE.parent.parent / ".peers"
"""Where `make peers` puts the environments, one folder each, with a file `.ready` in those that are complete."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to compare with.

    `end_of_turn`: seconds from the caller's last voiced frame until it takes the turn for over. `providers`: seconds
    from there to the first audio that its stubs take: to hear (0.05), to think (0.1), to say the first sentence as far
    as it has to be known (0.01 a word after the first), and to speak (0.05). What is left of its response time is its
    own.
    """

    name: str
    script: Path
    environment: Path
    options: tuple[str, ...] = ()
    end_of_turn: float = 0.3
    providers: float = 0.31
    path: str = "/media"
    ready: str = "/health"
    how: str = "make peers"

    def command(self, port: int) -> list[str] | None:
        """What starts it on 127.0.0.1:`port`; None if its environment is not installed (then `how` says what to do)."""
        if not (self.environment / ".ready").is_file():
            return None
        python = self.environment / "bin" / "python"
        # Before Python 3.13 the µ-law codec of the standard library says that it will go; for 3.13 there is a package.
        quiet = ("-W", "ignore::DeprecationWarning")
        spoken = ("--sound", str(spoken_below(self.environment)))
        return [str(python), *quiet, str(self.script), "--port", str(port), *spoken, *self.options]


def servers(home: Path = HOME) -> dict[str, Peer]:
    """The peers by name, installed or not, with their environments below `home`."""
    # Eleven words are enough for it: parlance and pipecat wait for the next one, to know that the sentence has ended.
    plain = Peer("plain", HERE / "plain.py", home / "plain", providers=0.3)
    # Messages as long as parlance's, so that their number tells nothing against the others.
    longer = replace(plain, name="plain-100", options=("--frame", "800"))
    # Its ear's 50 ms pass while the pause after the detector's 200 ms is waited for: they are in `end_of_turn`.
    default = ("--vad", "silero", "--pause", "0.1")
    stock = Peer("pipecat", HERE / "pipecatserver.py", home / "pipecat", default, providers=0.26)
    cheap = ("--vad", "webrtc", "--stop", "0.3", "--pause", "0")
    tuned = Peer("pipecat-tuned", HERE / "pipecatserver.py", home / "pipecat", cheap)
    return {peer.name: peer for peer in (plain, longer, stock, tuned)}


def spoken_below(folder: Path) -> Path:
    """A file in `folder` with the sound that every voice speaks: µ-law at 8 kHz, no header."""
    path = folder / "rehearsal.ulaw"
    audio = sound()
    if not path.is_file() or path.read_bytes() != audio:
        # Whole or not at all: another bench may be starting the same peer.
        handle, made = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(audio)
        Path(made).replace(path)
    return path
