"""Runs that are killed, disks that are full, parts that are damaged: nothing lost or done twice."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest
from distributed import Client

from hwsim.io import sweeps
from hwsim.io.files import read_text
from hwsim.io.runners import locally
from hwsim.io.swept import read_points

GRID = """
[machine]
base = ["scalesim-default"]
[machine.vary]
"array.rows" = [8, 16, 24, 32, 40, 48, 56, 64]
"array.cols" = [8, 16, 24, 32, 40, 48, 56, 64]
"dram.bytes_per_cycle" = ["10", "20/3"]
[workload]
network = ["resnet34"]
input = ["64x64"]
"""


def declared(tmp_path, text=GRID):
    path = tmp_path / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def computed(path, out, **options):
    """Everything, in this process; the numbers of the parts that were computed."""
    parts = sweeps.start(out, sweeps.read_declaration(path), part_points=500, **options)
    wanted, _ = sweeps.missing(parts)
    for number, content in locally(parts, wanted, 1):
        sweeps.write_part(parts, number, content)
    return parts, wanted


def contents(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*"))}


def slowly(*arguments):
    """The script of that name, under way."""
    command = [sys.executable, str(Path(__file__).with_name("slowly.py")), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def hwsim(*arguments):
    command = [sys.executable, "-c", "from hwsim.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_parts_hold_every_point_once_in_order(tmp_path):
    parts, wanted = computed(declared(tmp_path), tmp_path / "out", resume=False)
    assert wanted == list(range(parts.count))
    points = read_points(tmp_path / "out", ["point"])["point"]
    assert points.tolist() == list(range(parts.asked.points))


def test_a_killed_run_goes_on_where_it_was_with_the_same_bytes(tmp_path):
    path = declared(tmp_path)
    computed(path, tmp_path / "whole", resume=False)
    out = tmp_path / "out"
    running = slowly(path, out)
    for _ in range(3):
        assert running.stdout.readline()
    running.send_signal(signal.SIGKILL)
    running.communicate()
    (out / ".part-000009.parquet").write_bytes(b"half of a part")
    before = {name: (out / name).stat().st_mtime_ns for name in contents(out)}
    assert 3 <= len(before) < 10
    _, wanted = computed(path, out, resume=True)
    assert len(wanted) + len(before) == len(contents(tmp_path / "whole"))
    assert contents(out) == contents(tmp_path / "whole")
    assert all((out / name).stat().st_mtime_ns == at for name, at in before.items())
    assert not list(out.glob(".part-*"))


@pytest.mark.parametrize("damage", ["cut", "of another part", "empty"])
def test_a_damaged_part_is_named_and_computed_again(tmp_path, damage):
    path, out = declared(tmp_path), tmp_path / "out"
    computed(path, out, resume=False)
    whole = contents(out)
    part = out / "part-000002.parquet"
    other = whole["part-000001.parquet"]
    part.write_bytes({"cut": other[:-9], "of another part": other, "empty": b""}[damage])
    parts = sweeps.start(out, sweeps.read_declaration(path), resume=True)
    wanted, sentences = sweeps.missing(parts)
    assert wanted == [2]
    assert sentences == [f"{part} is damaged, and is computed again"]
    computed(path, out, resume=True)
    assert contents(out) == whole


def test_a_changed_declaration_is_refused_and_nothing_is_touched(tmp_path):
    out = tmp_path / "out"
    computed(declared(tmp_path), out, resume=False)
    before = contents(out)
    changed = declared(tmp_path, GRID.replace("20/3", "7"))
    with pytest.raises(ValueError, match="must hold parts of this very declaration"):
        computed(changed, out, resume=True)
    assert contents(out) == before


def test_a_directory_is_not_overwritten_and_not_resumed_from_nothing(tmp_path):
    path = declared(tmp_path)
    computed(path, tmp_path / "out", resume=False)
    with pytest.raises(ValueError, match="must not hold a sweep yet: --resume goes on"):
        computed(path, tmp_path / "out", resume=False)
    with pytest.raises(ValueError, match="must be new or empty"):
        computed(path, tmp_path, resume=False)
    with pytest.raises(ValueError, match="must hold a sweep that can be resumed"):
        computed(path, tmp_path / "none", resume=True)


def test_a_full_disk_is_a_sentence_and_keeps_what_is_whole(tmp_path, monkeypatch):
    path, out = declared(tmp_path), tmp_path / "out"
    written = []

    def full(handle):
        written.append(handle)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sweeps.os, "fsync", full)
    with pytest.raises(ValueError, match="No space left on device; what is there is whole"):
        computed(path, out, resume=False)
    assert sorted(contents(out)) == ["part-000000.parquet", "part-000001.parquet"]
    assert not list(out.glob(".part-*"))
    monkeypatch.undo()
    _, wanted = computed(path, out, resume=True)
    assert wanted[0] == 2


def test_two_runs_in_one_directory_are_refused(tmp_path):
    computed(declared(tmp_path), tmp_path / "out", resume=False)
    again = sweeps.alone(tmp_path / "out")
    refused = pytest.raises(ValueError, match="must not be in use by another run")
    with sweeps.alone(tmp_path / "out"), refused, again:
        pass


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('network = ["resnet34"]', "network = []"), "workload.network"),
        (('network = ["resnet34"]', 'network = ["resnet35"]'), "resnet35"),
        (('base = ["scalesim-default"]', 'base = ["tpu"]'), "'tpu'"),
        (('"20/3"', "6.67"), "machine.vary.dram.bytes_per_cycle"),
        (("[8, 16, 24", "[-8, 16, 24"), "is no machine"),
        (('"64x64"', '"64"'), "height x width"),
        (("[workload]", "[work]"), "workload"),
        (("[machine]", "[machine"), "TOML"),
    ],
)
def test_a_declaration_that_is_none_is_a_sentence_that_names_the_place(tmp_path, change, sentence):
    path = declared(tmp_path, GRID.replace(*change))
    result = hwsim("sweep", path, "--out", tmp_path / "out")
    assert result.returncode == 2
    assert result.stderr.startswith("hwsim: ")
    assert result.stderr.strip().count("\n") == 0
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_computes_in_processes_and_finds_the_front(tmp_path):
    path, out = declared(tmp_path), tmp_path / "out"
    done = hwsim("sweep", path, "--out", out, "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert "128 machines x" in done.stdout
    again = hwsim("sweep", path, "--out", out, "--resume")
    assert "1 of 1 parts are there" in again.stdout
    assert "0 points" in again.stdout
    found = hwsim("front", out)
    assert found.returncode == 0, found.stderr
    assert "128 of 128 machines run every layer" in found.stdout
    assert "8 " in found.stdout
    wrong = hwsim("front", out, "--y", "cycle")
    assert wrong.returncode == 2
    assert "a column must be one of point, machine" in wrong.stderr


def test_duckdb_and_polars_read_the_parts_as_the_page_shows(tmp_path):
    computed(declared(tmp_path), tmp_path / "out", resume=False)
    parts = str(tmp_path / "out" / "part-*.parquet")
    best = (
        duckdb.read_parquet(parts)
        .aggregate('"array.rows", "array.cols", sum(cycles) AS total')
        .order("total")
        .limit(1)
        .fetchall()[0]
    )
    by = pl.scan_parquet(parts).group_by("array.rows", "array.cols").agg(pl.col("cycles").sum())
    assert by.sort("cycles").collect().row(0) == best


def test_the_page_s_example_is_a_declaration(tmp_path):
    page = read_text(Path(__file__).parents[3] / "docs" / "sweeps.md", "page")
    example = page.split("```toml\n")[1].split("```")[0]
    assert sweeps.read_declaration(declared(tmp_path, example)).points > 1000


def scheduler(tmp_path):
    file = tmp_path / "scheduler.json"
    started = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port",
         "0", "--no-dashboard", "--scheduler-file", str(file)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while not file.exists():
        time.sleep(0.05)
        assert started.poll() is None
    return started, file


def worker(file):
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file),
         "--nthreads", "1", "--no-nanny", "--no-dashboard"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(tmp_path):
    path, out = declared(tmp_path), tmp_path / "out"
    computed(path, tmp_path / "whole", resume=False)
    head, file = scheduler(tmp_path)
    workers = [worker(file) for _ in range(2)]
    with Client(json.loads(file.read_text(encoding="utf-8"))["address"]) as client:
        client.wait_for_workers(2)
    running = slowly(path, out, file)
    try:
        assert running.stdout.readline(), running.stderr.read()
        workers[0].send_signal(signal.SIGKILL)
        _, said = running.communicate(timeout=90)
        assert running.returncode == 0, said
    finally:
        for each in (*workers, head, running):
            each.kill()
            each.communicate()
    assert contents(out) == contents(tmp_path / "whole")


def test_a_cluster_that_does_not_answer_is_a_sentence(tmp_path):
    result = hwsim(
        "sweep", declared(tmp_path), "--out", tmp_path / "out", "--cluster", "tcp://127.0.0.1:9"
    )
    assert result.returncode == 2
    assert "a Dask scheduler must answer at tcp://127.0.0.1:9 within 10 s" in result.stderr
    assert "Traceback" not in result.stderr
