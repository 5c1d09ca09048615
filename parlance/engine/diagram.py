"""The state machine's tables as a picture: `python -m parlance.engine.diagram` prints Mermaid for the docs.

A test holds docs/architecture.md to what this prints, so that the picture cannot tell another story than the tables.
"""

from __future__ import annotations

from parlance.engine.state import AGENT, CALLER, DEADLINES, JOINT, Agent, Caller, Line


def diagram() -> str:
    """The agent's machine with what every event does, and the joint states that may not last."""
    lines = ["stateDiagram-v2", "    [*] --> IDLE"]
    for (before, event), (after, effects) in AGENT.items():
        label = event.__name__ + (f" / {', '.join(effects)}" if effects else "")
        lines.append(f"    {before.name} --> {after.name}: {label}")
    lines.extend(
        f"    {before.name} --> {after.name}: caller {caller.name} / hold" for (caller, before), after in JOINT.items()
    )
    return "\n".join(lines)


def table() -> str:
    """Caller's machine and every joint state's limit, as Markdown tables."""
    rows = ["| caller | event | becomes |", "|---|---|---|"]
    rows += [f"| {before.name} | {event.__name__} | {after.name} |" for (before, event), after in CALLER.items()]
    rows += ["", "| line | caller | agent | bounded by | counted since the last change of |", "|---|---|---|---|---|"]
    for line in Line:
        for caller in Caller:
            for agent in Agent:
                if (bound := DEADLINES.get((line, caller, agent))) is not None and line is Line.OPEN:
                    rows.append(
                        f"| {line.name} | {caller.name} | {agent.name} | `{bound[0]}` | {' and '.join(bound[1])} |"
                    )
    return "\n".join(rows)


if __name__ == "__main__":
    print(diagram(), table(), sep="\n\n")
