"""Callers of a server that speaks a carrier's dialect, as the load bench starts them, in a process of their own.

A spec comes on standard input (one JSON object, as in `bench.callers.spec`), for example
{"url": "ws://127.0.0.1:8080/api/v1/media/twilio", "calls": 10, "seconds": 45}. JSON lines go to standard output, the
last of them the result.

Exit code 2 and one line on standard error if the spec is wrong or nobody listens there.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from typing import Any

from bench import instrument
from bench.callers.carrier import Carrier
from bench.callers.crowd import Crowd, Unreachable, dials, periods
from bench.callers.script import COUGH, PERIOD, SHORT, TURN, Script, Sheet, plan
from bench.callers.spec import BadSpec, Spec, read
from bench.callers.speech import NoSpeech, Speech, speech
from bench.measure.record import Run
from bench.measure.result import judged, result
from bench.measure.wave import wave

NICE = -10
"""The callers' priority, where they may raise it. The server under test has a core of its own and loses nothing."""


def tell(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def scripts(spec: Spec, said: Speech, carrier: Carrier) -> list[Script]:
    """Every line's run."""
    total = periods(spec.ramp + spec.seconds)
    sheet = Sheet(said, total, carrier.media)
    return [
        plan(sheet, line, spec.calls, dial=dials(spec, line), periods=total, mix=spec.mix, seed=spec.seed)
        for line in range(spec.calls)
    ]


def measured(spec: Spec, lines: list[Script], run: Run) -> dict[str, Any]:
    calls = judged(run)
    began = run.begin - periods(spec.ramp) * PERIOD
    most = periods(spec.ramp + spec.seconds) - 1

    def sound(line: int, at: float) -> bytes:
        return lines[line].sound(max(0, min(most, round((at - began) / PERIOD))))

    return result(run, calls, wave(run, calls, sound) if spec.waveform else None)


def main() -> int:
    instrument.parser("callers", __doc__).parse_args()
    # A measuring instrument that others delay measures them. Where the system does not allow it, the run says how late
    # the callers were all the same. On a core that the server has to share they would come before it.
    if os.environ.get("BENCH_NICE", "1") != "0":
        with suppress(OSError):
            os.nice(NICE)
    try:
        spec = read(sys.stdin.read())
        _room(spec.calls)
        said = speech(TURN, SHORT, COUGH)
        carrier = Carrier(spec.carrier, said)
        lines = scripts(spec, said, carrier)
        quiet = [carrier.media(place, frame) for place, frame in enumerate(said.noise)]
        run = Crowd(spec, lines, carrier, tell, quiet).run()
    except (BadSpec, NoSpeech, Unreachable) as error:
        print(f"callers: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    for record in run.records:
        carrier.settle(record)
    tell(measured(spec, lines, run))
    return 0


def _room(calls: int) -> None:
    """As many open files as calls need. Raises `BadSpec` where the system allows fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = calls + 64
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BadSpec(f"{calls} calls need {needed} open files, and the system allows {hard}: raise `ulimit -n`")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


if __name__ == "__main__":
    sys.exit(main())
