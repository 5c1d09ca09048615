"""The command line: `parlance call`, `serve`, `agents`, `providers`, `key`. What it finds wrong is one message and
exit code 2.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import trio
import typer
from rich.console import Console
from rich.table import Table

from parlance import checkup, play
from parlance import main as root
from parlance import workers as crowd
from parlance.engine.errors import Misconfigured, ParlanceError
from parlance.engine.faults import checked
from parlance.http import auth
from parlance.http.share import Share
from parlance.settings import Key, Settings
from parlance.terminal import roster
from parlance.terminal.live import Show
from parlance.terminal.waterfall import Chart, rows, summary

app = typer.Typer(
    help="A call engine for AI phone agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings (TOML). Default: parlance.toml, if there is one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON instead of text.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"parlance {version('parlance')}")
        raise typer.Exit


@app.callback()
def common(
    told: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """A call engine for AI phone agents."""


@app.command()
def call(
    recording: Annotated[Path, typer.Argument(metavar="CALLER.wav", help="What the caller says.")],
    agent: Annotated[str | None, typer.Option(help="Who answers. Default: the settings' default_agent.")] = None,
    out: Annotated[Path, typer.Option(help="Where call.wav, transcript.txt and trace.jsonl go.")] = Path("out"),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Play a recorded caller through a whole call, in real time, and show it as it happens. Exit code 1: it failed."""
    chosen, known = root.settings(config)
    root.logs(chosen.log.model_copy(update={"level": "warning"}))
    show = Show(json=as_json)
    now = datetime.now().astimezone()
    answering = agent or chosen.default_agent
    records = trio.run(partial(play.play, chosen, known, answering, recording, out, show=show, now=now))
    turns = rows(records)
    if as_json:
        print(json.dumps({"event": "Waterfall", "turns": turns, "summary": summary(turns)}))
    else:
        show.console.print()
        show.console.print(Chart(turns))
        show.console.print(f"\n{out}/call.wav (caller left, agent right), {out}/transcript.txt, {out}/trace.jsonl")
    if play.failed(records):
        raise typer.Exit(1)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 lets the system choose.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes that share the port.")] = None,
    config: ConfigFile = None,
    share: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Take calls: carriers on their media paths, people on the page at /."""
    chosen, known = root.settings(config)
    given = {"host": host, "port": port, "workers": workers}
    merged = {**dict(chosen), **{key: value for key, value in given.items() if value is not None}}
    chosen = checked(Settings, merged, "the settings")
    root.logs(chosen.log)

    def opened(host: str, port: int) -> None:
        Console(stderr=True, highlight=False).print(f"parlance: http://{host}:{port}/ (end with Ctrl+C)")

    if share is not None:
        trio.run(partial(root.run, chosen, known, share=Share.parse(share)))
    elif chosen.workers > 1:
        told = () if config is None else ("--config", str(config))
        trio.run(partial(crowd.run, chosen, told, opened=opened))
    else:
        trio.run(partial(root.run, chosen, known, opened=opened))


@app.command()
def agents(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the agents there are."""
    _, known = root.settings(config, keys=False)
    facts = [
        {
            "name": agent.name,
            "title": agent.title,
            "ear": ", ".join(one.kind for one in agent.ear.chain),
            "mind": ", ".join(one.kind for one in agent.mind.chain),
            "voice": ", ".join(one.kind for one in agent.voice.chain),
            "calls": agent.limits.calls,
            "greeting": agent.greeting,
        }
        for agent in known.values()
    ]
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = Table("name", "title", "ear", "mind", "voice", "calls", box=None, header_style="bold")
    for fact in facts:
        table.add_row(*(str(fact[key]) for key in ("name", "title", "ear", "mind", "voice", "calls")))
    Console(highlight=False).print(table)


@app.command()
def providers(
    check: Annotated[
        bool, typer.Option("--check", help="Make one real request to each, which may cost a little.")
    ] = False,
    agent: Annotated[
        list[str] | None,
        typer.Option(help="Only these agents' providers; several times for several. Default: every listed agent's."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the ears, minds and voices that the agents use, and with --check whether they work and how fast."""
    chosen, known = root.settings(config, keys=check)
    root.logs(chosen.log.model_copy(update={"level": "error"}))
    if unknown := sorted(set(agent or ()) - set(known)):
        raise Misconfigured(f"there is no agent {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    wanted = {name: known[name] for name in agent or known if agent or known[name].listed}
    if not check:
        _tell([asdict(provider) for provider, _ in checkup.providers(wanted)], roster.providers, as_json)
        return
    with Console(stderr=True, highlight=False).status("Starting") as status:

        def told(provider: checkup.Entry) -> None:
            status.update(f"Asking the {provider.role} {provider.kind}")

        results = trio.run(checkup.check, wanted, told)
    _tell([result.as_dict() for result in results], roster.health, as_json)
    if any(result.error for result in results):
        raise typer.Exit(1)


def _tell(facts: list[dict[str, Any]], table: Callable[[list[dict[str, Any]]], Table], as_json: bool) -> None:
    """Facts as JSON, or drawn as a table."""
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        Console(highlight=False).print(table(facts))


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose key it is: it stands in logs and settings.")] = "operator",
    scope: Annotated[
        list[str] | None, typer.Option(help="calls:read, calls:write, calls:place or admin; several times for several.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key for the API. It is shown once; the settings get its hash."""
    made, hash = auth.make()
    entry = checked(Key, {"name": name, "hash": hash, "scopes": scope or ["admin"]}, "the key")
    if as_json:
        print(json.dumps({"key": made, **entry.model_dump(mode="json")}))
        return
    scopes = ", ".join(json.dumps(one) for one in entry.scopes)
    print(f"The key, which is shown now and never again:\n\n  {made}\n\nIts place in parlance.toml:\n")
    print(f'[[api.keys]]\nname = "{entry.name}"\nhash = "{entry.hash}"\nscopes = [{scopes}]')


def main() -> None:
    """Run the command; tell what is wrong in one message."""
    try:
        app()
    except* ParlanceError as errors:
        for error in _leaves(errors):
            print(f"parlance: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except* KeyboardInterrupt:
        raise SystemExit(130) from None


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in errors.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


if __name__ == "__main__":
    main()
