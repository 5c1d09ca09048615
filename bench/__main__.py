"""The load bench: calls over real sockets against a real server, on this machine, offline.

    python -m bench                     # 1, 10, 50 and 100 calls
    python -m bench --quick             # a first look
    python -m bench --find-knee         # which limit breaks, and when
    python -m bench --overload          # more than it may take, at once
    python -m bench --carrier ringover  # in Ringover's dialect; repeatable
    python -m bench --webhooks 200      # and 200 webhooks a second
    python -m bench --peer plain        # the same beside another server

What the parts cost and how fast they are, each a command of its own that knows `--help` and `--json`:

    python -m bench.call                # one call: CPU, barge-in
    python -m bench.share               # its share of response times
    python -m bench.rough               # many calls on providers that fail
    python -m bench.adapters            # what a provider's adapter takes
    python -m bench.frame               # a frame; also codecs, gate, engine
    python -m bench.providers           # the embedded ear and voice

`python -m bench.simulators` serves the simulated providers, `python -m bench.report` prints a saved page again.
A run of calls leaves its table, out/bench.json and out/bench.html.

Exit code 0: every run counts and no limit broke. 1: a limit broke, or a run is void. 2: bad use.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import trio
import typer
from rich.console import Console
from rich.text import Text

from bench import machine, table, target
from bench.plan import MOST, SHORTEST, BadUse, Options, Row, duration, expected, numbers
from bench.progress import Bar
from bench.runner import Runner, document
from bench.trial import Stage

OUT = Path("out")
PIPED = 200
"""Columns of a table that nobody's terminal limits."""
LIMIT = 100
KNEE = 12
"""Runs that a search for the knee usually takes."""


class Dialect(StrEnum):
    """typer takes a list of choices as an enumeration only."""

    twilio = "twilio"
    ringover = "ringover"
    acs = "acs"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


HELP = "\n\n".join(f"\b\n{part}" if part.startswith("    ") else part for part in (__doc__ or "").split("\n\n"))
"""Lines of commands stay lines."""


@app.command(help=HELP)
def bench(
    calls: Annotated[str | None, typer.Option(help="Numbers of calls, one run each. Default: 1,10,50,100.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=SHORTEST, max=3600, help="The window. Default: 45, with few calls 100.")
    ] = None,
    ramp: Annotated[float | None, typer.Option(min=0, max=600, help="Seconds in which the calls arrive.")] = None,
    mix: Annotated[
        Literal["conversation", "rough"], typer.Option(help="rough: coughs, silence, hang-ups.")
    ] = "conversation",
    agent: Annotated[
        Literal["rehearsal", "simulated"], typer.Option(help="simulated: providers over sockets.")
    ] = "rehearsal",
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes of the server, a core each.")] = 1,
    find_knee: Annotated[bool, typer.Option("--find-knee", help="Raise the calls until a limit breaks.")] = False,
    overload: Annotated[bool, typer.Option("--overload", help="Offer 150 % of the limit, all at once.")] = False,
    limit: Annotated[int, typer.Option(min=2, max=MOST * 2 // 3, help="The limit of --overload.")] = LIMIT,
    carrier: Annotated[
        list[Dialect] | None, typer.Option(help="Whose dialect the callers speak. Repeatable. Default: twilio.")
    ] = None,
    webhooks: Annotated[int, typer.Option(min=0, max=1000, help="Carriers' webhooks a second.")] = 0,
    peer: Annotated[list[str] | None, typer.Option(help="Another server, beside parlance. Repeatable.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="1 and 20 calls, short windows.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Whose voices, and who is rough.")] = 1,
    as_json: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="The document; - for the output.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="The report.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    errors = Console(stderr=True, highlight=False)
    if markdown and as_json == "-":
        raise BadUse("--json - prints the document and nothing else: leave out --markdown")
    options = Options(
        calls=None if calls is None else numbers(calls),
        seconds=seconds,
        ramp=ramp,
        mix=mix,
        agent=agent,
        workers=workers,
        seed=seed,
        quick=quick,
        find_knee=find_knee,
        overload=limit if overload else None,
        peers=tuple(dict.fromkeys(peer or ())),
        carriers=tuple(dict.fromkeys(one.value for one in carrier or (Dialect.twilio,))),
        webhooks=webhooks,
    )
    options = installed(options, errors)
    to_pipe = as_json == "-"
    files = (
        None if to_pipe else writable(OUT / "bench.json" if as_json is None else Path(as_json)),
        writable(html or OUT / "bench.html"),
    )
    stage = Stage(cores=machine.cores(workers))
    foretell(options, errors)
    runner, stopped = trio.run(carry, options, stage, errors)
    found = document(runner.runs, runner.knee, machine.command(sys.argv[1:]), datetime.now().astimezone())
    if to_pipe and not stopped:
        print(json.dumps(found))
    elif runner.runs:
        output = errors if to_pipe else Console(highlight=False, width=None if sys.stdout.isatty() else PIPED)
        tell(found, output, sharing(stage), as_markdown=markdown)
    if stopped:
        errors.print("stopped: server, callers and simulators were ended; nothing was written")
        raise SystemExit(130)
    save(found, *files, errors)
    raise SystemExit(1 if runner.failed else 0)


async def carry(options: Options, stage: Stage, errors: Console) -> tuple[Runner, bool]:
    """All runs with a progress bar. True: Ctrl+C, SIGTERM or SIGHUP came before the end; every child is gone then."""
    rows = options.rows()
    more = KNEE if options.find_knee else 0
    total = expected(rows) + more * options.knee(KNEE).takes
    stopped = False

    async def watch(scope: trio.CancelScope, *, task_status: trio.TaskStatus[None]) -> None:
        nonlocal stopped
        # Who was started with nohup means it.
        hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangup) as signals:
            task_status.started()
            async for _ in signals:
                stopped = True
                scope.cancel()

    with machine.pinned(stage.cores.others), Bar(errors, total, len(rows) + more) as bar:
        runner = Runner(options, choose, replace(stage, seen=bar.see), bar.next)
        async with trio.open_nursery() as nursery:
            await nursery.start(watch, nursery.cancel_scope)
            await runner.run()
            nursery.cancel_scope.cancel()
    return runner, stopped


def choose(row: Row, agents: Path | None) -> target.Target:
    """The server that `row` names."""
    return target.parlance(row, agents) if row.server == "parlance" else target.peer(row.server)


def installed(options: Options, errors: Console) -> Options:
    """`options` without the peers that are not there, of which it is said how to get them."""
    there = []
    for name in options.peers:
        try:
            target.peer(name)
        except target.Missing as missing:
            errors.print(Text(str(missing)))
        else:
            there.append(name)
    if there and options.agent != "rehearsal":
        raise BadUse("peers answer with stub providers of their own: compare them with --agent rehearsal")
    return replace(options, peers=tuple(there))


def foretell(options: Options, errors: Console) -> None:
    """How long it will take, before it does."""
    rows = options.rows()
    text = f"{len(rows)} run{'s' * (len(rows) != 1)}, about {duration(expected(rows))}"
    if options.find_knee:
        text += f"; then the search for the knee, usually {KNEE} runs of {duration(options.knee(KNEE).takes)}"
    errors.print(Text(text))


def sharing(stage: Stage) -> list[str]:
    """What is to be said of the cores."""
    if stage.cores.shared:
        return ["server and callers share their cores: the server's figures are worse than on cores of its own"]
    return []


def writable(file: Path) -> Path:
    """`file`, if it can be written. Raises `BadUse`, so that nobody learns it after ten minutes."""
    try:
        if file.parent == OUT:
            OUT.mkdir(exist_ok=True)
        there = file.exists()
        with file.open("a"):
            pass
        if not there:
            file.unlink()
    except OSError as error:
        raise BadUse(f"{file} cannot be written: {error.strerror}") from None
    return file


def tell(found: dict[str, Any], output: Console, notes: Sequence[str], *, as_markdown: bool) -> None:
    """The table and, if it was searched, the knee."""
    knee = found["knee"]
    lines = [*notes]
    if knee:
        lines.append(f"knee: {knee['calls']} calls held; what broke: {knee['broke']}")
    if as_markdown:
        print("\n\n".join([table.markdown(found["runs"]), *lines]))
    else:
        table.show(output, found["runs"], lines)


def save(found: dict[str, Any], document_file: Path | None, report_file: Path, errors: Console) -> None:
    """Both files, and where they are."""
    # Late: what makes the plots is of no use to those who only want to know what a wrong option is.
    from bench.report import page

    if document_file is not None:
        document_file.write_text(json.dumps(found), "utf-8")
    report_file.write_text(page(found), "utf-8")
    errors.print(Text(" and ".join(str(file) for file in (document_file, report_file) if file)))


def main() -> None:
    """Run the command; tell bad use in one message."""
    if not Path("/proc/self/stat").exists():
        print("bench: it samples processes with /proc, which only Linux has", file=sys.stderr)
        raise SystemExit(2)
    try:
        app()
    except BadUse as error:
        print(f"bench: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
