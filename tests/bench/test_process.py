"""Child processes of the bench: counted, sampled, ended, and quoted without a word about this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import trio
from fakes import script

from bench import machine, process

CORES = machine.cores(1)


async def test_children_of_a_child_are_counted_and_ended_with_it(tmp_path: Path) -> None:
    text = "import subprocess, sys, time\n"
    text += "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
    text += "print('ready', flush=True); time.sleep(60)"
    parent = script(tmp_path, "parent.py", text)
    with (tmp_path / "parent.txt").open("wb") as output:
        running = process.child(
            parent, cores=CORES.others, folder=tmp_path, environment=os.environ, output=output, piped=True
        )
        async with running as child:
            assert child.stdout is not None
            assert (await child.stdout.receive_some()).startswith(b"r")
            family = process.kin(child.pid)
            assert len(family) == 2
            assert process.usage(family).threads == 2
    with trio.fail_after(5):
        while any(Path(f"/proc/{pid}/exe").exists() for pid in family):
            await trio.sleep(0.01)


async def test_usage_counts_what_a_process_does(tmp_path: Path) -> None:
    busy = script(tmp_path, "busy.py", "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(60)")
    with (tmp_path / "busy.txt").open("wb") as output:
        running = process.child(busy, cores=CORES.others, folder=tmp_path, environment=os.environ, output=output)
        async with running as child:
            with trio.fail_after(10):
                while (used := process.usage(process.kin(child.pid))).cpu < 0.4:
                    await trio.sleep(0.05)
            assert used.cpu < 0.8
            assert used.threads == 1
            assert os.sched_getaffinity(child.pid) == CORES.others


def test_what_was_had_on_a_core_is_what_processes_had_and_the_host_took(tmp_path: Path) -> None:
    file = tmp_path / "stat"
    file.write_text("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 30 900 5 7 8 50 0 0\ncpu1 1 0 0 0 0 0 0 1 0 0\nintr 5\n")
    assert process.busy({0}, file) * process.TICKS == 200
    assert process.busy({0, 1}, file) * process.TICKS == 202


def test_words_for_others_name_the_exception_and_no_folder(tmp_path: Path) -> None:
    output = tmp_path / "server.txt"
    output.write_text(
        f'Traceback:\n  File "{machine.ROOT}/parlance/main.py", line 3\nbench.Odd.BadError: no {machine.ROOT}/x.yaml\n'
        f"  in {Path.home()}/y and /tmp/benchab12/z\n  note"
    )
    assert process.last(output) == "bench.Odd.BadError: no x.yaml"
    output.write_text("    | ValueError: 3\n    +-------")
    assert process.last(output) == "ValueError: 3"
    output.write_text(f"one\nsee {Path.home()}/y and {tempfile.gettempdir()}/benchab12/z\n")
    assert process.last(output) == "see ~/y and z"
    output.write_text("")
    assert process.last(output) == ""
