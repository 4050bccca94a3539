"""Who computes is ended from outside: a sentence, what is whole stays, resuming completes it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwsim.io import sweeps
from hwsim.io.runners import on_cluster
from hwsim.io.swept import read_points
from tests.hwsim.sweep.test_files import computed, contents, declared, scheduler, slowly, worker

LARGE = """
[machine]
base = ["scalesim-default"]
[machine.vary]
"array.rows" = {rows}
"array.cols" = {rows}
[workload]
network = ["resnet34", "resnet50"]
"""


def children(pid):
    """Processes that a process started, and theirs."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(each) for each in listed]


def test_a_process_ended_from_outside_is_a_sentence_and_resuming_completes_the_sweep(tmp_path):
    path = declared(tmp_path, LARGE.format(rows=list(range(1, 101))))
    out = tmp_path / "out"
    command = [sys.executable, "-c", "from hwsim.cli import main; main()"]
    words = ["sweep", str(path), "--out", str(out)]
    running = subprocess.Popen(
        [*command, *words, "--processes", "2"], stderr=subprocess.PIPE, text=True
    )
    while not contents(out):
        time.sleep(0.02)
        assert running.poll() is None
    for child in children(running.pid):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 2
    assert "a process that computed a part was ended from outside" in said
    assert "--resume goes on" in said
    before = contents(out)
    done = subprocess.run(
        [*command, *words, "--resume"], capture_output=True, text=True, check=True
    )
    assert f"{len(before)} of " in done.stdout
    points = read_points(out, ["point"])["point"]
    assert points.tolist() == list(range(len(points)))
    assert {name: contents(out)[name] for name in before} == before


def test_a_scheduler_that_is_ended_is_a_sentence_and_keeps_what_is_whole(tmp_path):
    path, out = declared(tmp_path), tmp_path / "out"
    started, file = scheduler(tmp_path)
    helper = worker(file)
    try:
        running = slowly(path, out, file)
        assert running.stdout.readline()
        started.send_signal(signal.SIGKILL)
        _, said = running.communicate(timeout=120)
    finally:
        for process in (helper, started):
            process.kill()
            process.wait()
    assert running.returncode == 1  # the script lets the error through
    assert "must stay until all is computed, and it went away" in said
    assert contents(out)
    _, wanted = computed(path, out, resume=True)
    parts = sweeps.start(out, sweeps.read_declaration(path), resume=True)
    assert 0 < len(wanted) < parts.count
    assert sweeps.missing(parts) == ([], [])


def test_a_cluster_without_a_worker_is_a_sentence(tmp_path):
    started, file = scheduler(tmp_path)
    try:
        parts = sweeps.start(
            tmp_path / "out", sweeps.read_declaration(declared(tmp_path)), resume=False
        )
        address = json.loads(file.read_text(encoding="utf-8"))["address"]
        with pytest.raises(ValueError, match="must have at least one worker, not none"):
            next(on_cluster(parts, [0], address))
    finally:
        started.kill()
        started.wait()
