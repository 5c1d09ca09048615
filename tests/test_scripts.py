"""Conversations as data: each file of tests/scripts/ is a call and the trace it must leave, with its times.

A script says what the ear hears, what the mind answers and what the caller does; `expect` is the whole trace, one
line an event, seconds first. Everything but the carrier and the providers is real, on the virtual clock.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import Stage, speech

from parlance.actors.media.actor import Bounds
from parlance.actors.media.fake import FakeWire
from parlance.actors.speaker.fake import FakeVoice
from parlance.engine import effort as e
from parlance.engine import message as m
from parlance.engine import trace as t

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.yaml"))


def line(record: t.Record) -> str | None:
    """A record as scripts write it; None for those that tests of their own look at."""
    match record.event:
        case t.StateChanged(line, caller, agent):
            text = f"state {line} {caller} {agent}"
        case t.CallerSaid(words, final, utterance):
            text = f"{'said' if final else 'hears'} {utterance}: {words}"
        case t.CallerUnheard(utterance):
            text = f"unheard {utterance}"
        case t.Murmured(words):
            text = f"murmured: {words}"
        case t.TurnBegan(turn, words, cue):
            text = f"turn {turn}: {cue.upper() or words}"
        case t.Spoken(turn, words):
            text = f"speaks {turn}: {words}"
        case t.Held(turn, after):
            text = f"held {turn}, {after * 1000:.0f} ms after the voice"
        case t.Resumed(turn):
            text = f"resumed {turn}"
        case t.TurnEnded(turn, outcome, reason, _, heard, seconds):
            text = f"ended {turn} {outcome}{f' ({reason})' if reason else ''}, heard {seconds:.2f} s: {heard}"
        case t.Acted(turn, act):
            text = f"act {turn}: {act}"
        case t.DigitPressed(digit):
            text = f"digit {digit}"
        case t.ChildFailed(child):
            text = f"{child} failed"
        case t.ChildRestarted(child):
            text = f"{child} restarted"
        case e.ProviderFailed(role, _, error, _):
            text = f"{role} tried again: {error}"
        case e.ThoughtAhead(turn, seconds):
            text = f"thought {turn} ahead by {seconds:.2f} s"
        case e.ToolAsked(turn, _, tool, _):
            text = f"tool {turn}: {tool}"
        case e.ToolAnswered(turn, _, tool, outcome, result, seconds):
            text = f"tool {turn}: {tool} {outcome} after {seconds:.2f} s: {result}"
        case e.CallUsed(discarded=discarded) if discarded:
            text = f"discarded {discarded}"
        case t.LineLost(reason):
            text = f"line lost: {reason}"
        case t.LineBack(seconds):
            text = f"line back after {seconds:.2f} s"
        case t.LineFault(error):
            text = f"line fault: {error}"
        case t.Muted(on):
            text = f"muted {'on' if on else 'off'}"
        case t.Paused(on):
            text = f"paused {'on' if on else 'off'}"
        case t.Pressed(digits):
            text = f"pressed {digits}"
        case t.Transferred(number, error):
            text = f"transferred to {number}{f', failed: {error}' if error else ''}"
        case t.CallEnded(how, reason, by):
            text = f"call {how} by {by}: {reason}"
        case _:
            return None
    return f"{record.at:.2f} {text}"


def act(cue: str) -> tuple[float, Any]:
    """`2.0 says 1.2`, `3 presses 5`, `4 hangs up`, `5 vanishes`, `6 rejoins`, ... as a cue of the stage."""
    at, verb, *rest = cue.split()
    match verb:
        case "says":
            return float(at), lambda stage: stage.line.say(speech(float(rest[0])))
        case "presses":
            return float(at), lambda stage: stage.line.tell(f"digit {rest[0].strip(chr(34))}")
        case "hangs":
            return float(at), lambda stage: stage.line.tell("stop caller hung up")
        case "vanishes":
            return float(at), lambda stage: stage.line.vanish()
        case "drops":
            return float(at), lambda stage: stage.line.vanish(code=1006)
        case "rejoins":
            return float(at), lambda stage: stage.rejoin()
        case "answers":
            return float(at), lambda stage: stage.media.answered()
    raise ValueError(f"no such cue: {cue}")


def ask(cue: str) -> tuple[float, Any]:
    """What the operator asks of the call: `2.0 say Hello.`, `2.0 interrupt Hello.`, `3 mute on`, `4 press 12`..."""
    at, verb, rest = cue.split(maxsplit=2)
    match verb:
        case "say" | "interrupt":
            return float(at), lambda stage: stage.call.say(rest, verb == "interrupt")
        case "mute" | "pause":
            return float(at), lambda stage: getattr(stage.call, verb)(rest == "on")
        case "press" | "transfer":
            return float(at), lambda stage: getattr(stage.call, verb)(rest)
        case "close":
            return float(at), lambda stage: stage.call.close(m.How.COMPLETED, rest, by=m.By.OPERATOR)
        case "drain":
            return float(at), lambda stage: stage.call.drain()
    raise ValueError(f"no such verb: {cue}")


def prepared(text: str) -> bytes:
    """A tenth of a second of audio for every word."""
    return b"\x80\x00" * 400 * len(text.split())


async def perform(script: dict[str, Any]) -> list[str]:
    stage = Stage(
        ear=script.get("ear", ()),
        mind=script.get("mind", ()),
        agent=script.get("agent"),
        voice=FakeVoice(**script.get("voice", {})),
        prepared=prepared if script.get("prepared") else lambda _: None,
        wire=FakeWire(**script.get("wire", {})),
        bounds=Bounds(**script.get("bounds", {})),
        early=script.get("early", False),
        ahead=script.get("ahead", False),
        tools=script.get("tools"),
    )
    await stage.play(*map(act, script.get("caller") or ()), *map(ask, script.get("operator") or ()), until=120)
    return [text for text in map(line, stage.records) if text is not None]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_script(path: Path, autojump_clock: object) -> None:
    script = yaml.safe_load(path.read_text())
    assert await perform(script) == script["expect"]


def test_every_script_says_what_it_shows() -> None:
    assert len(SCRIPTS) >= 20
    assert all(path.read_text().startswith("# ") for path in SCRIPTS)


@functools.cache
def _all_lines() -> str:
    return "\n".join(path.read_text() for path in SCRIPTS)


@pytest.mark.parametrize("state", ["idle", "thinking", "speaking", "held", "closing"])
def test_somebody_hangs_up_in_every_state(state: str) -> None:
    assert (Path(__file__).parent / "scripts" / f"hangup{state}.yaml").exists()
