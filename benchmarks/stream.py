"""A set of a gigabyte checked as a stream: how long, and in how much memory.

    python -m benchmarks.stream --megabytes 1024 --folder /tmp

Writes one case of int8 with an output of that size as ``.bin``, a device that is right, and one
with a single wrong bit at the end; checks both as ``refimpl check`` does, and prints seconds, MB/s
and the largest resident size of the checking process.
"""

import shutil
import sys
import tempfile
import time
from hashlib import file_digest
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from refimpl import io
from refimpl.vectors.formats import FORMATS
from refimpl.vectors.layouts import layout_for
from refimpl.vectors.manifest import CaseEntry, Tensor, VectorFile, described
from refimpl.vectors.physical import Physical
from refimpl.vectors.write import POLICY, About, manifest_of, manifest_text

CASE = "stream-int8"


def entry_of(path: Path, shape: tuple[int, ...]) -> CaseEntry:
    """The manifest's entry of a case that has an output and nothing else."""
    layout = layout_for("nchw", rank=4, kernel=False, element_bits=8)
    of = Physical(form=FORMATS["int8"], shape=shape, layout=layout)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    line = VectorFile(kind="bin", path=f"{CASE}/output.bin", sha256=digest, size_bytes=size)
    tensor = Tensor.model_validate(
        {
            "name": "output",
            "role": "output",
            "format": "int8",
            "shape": shape,
            "files": [line],
            **described(of),
        }
    )
    return CaseEntry.model_validate(
        {
            "id": CASE,
            "operator": "conv2d",
            "attributes": {},
            "arithmetic": {"name": "int8"},
            "policy": POLICY,
            "stimulus": {"class": "random"},
            "coverage": (),
            "inputs_from": {},
            "tensors": (tensor,),
            "files": (),
        }
    )


def write(folder: Path, megabytes: int) -> tuple[Path, Path]:
    """A set with an output of so many megabytes, and a device that has it."""
    golden, device = folder / "golden", folder / "device"
    for root in (golden, device):
        (root / CASE).mkdir(parents=True)
    path = golden / CASE / "output.bin"
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(rng.integers(0, 256, 2**20, np.uint8).tobytes())
    shutil.copyfile(path, device / CASE / "output.bin")
    shape = (megabytes, 16, 256, 256)
    entry = entry_of(path, shape)
    manifest = manifest_of([entry], About(command="benchmarks.stream", tool_version="0"))
    (golden / "manifest.json").write_bytes(manifest_text(manifest))
    return golden, device


def main(
    megabytes: Annotated[int, typer.Option(help="Size of the output.")] = 1024,
    folder: Annotated[Path | None, typer.Option(help="Where to write; removed again.")] = None,
    child: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Write a set, check it in a process of its own, and print what that took."""
    console = Console()
    if child is not None:
        check(child, console)
        return
    with tempfile.TemporaryDirectory(dir=folder) as place:
        _, device = write(Path(place), megabytes)
        check_in_child(Path(place))
        last = device / CASE / "output.bin"
        with last.open("r+b") as file:
            file.seek(-1, 2)
            byte = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([byte[0] ^ 1]))
        check_in_child(Path(place))


def check_in_child(place: Path) -> None:
    """Check in a process of its own, whose memory is only the checker's."""
    import subprocess  # noqa: PLC0415 - of this one function

    command = [sys.executable, "-m", "benchmarks.stream", "--child", str(place)]
    subprocess.run(command, check=True)  # noqa: S603 - our own command


def largest_mb() -> float:
    """Largest resident size of this process so far (Linux)."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (each for each in status if each.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def check(place: Path, console: Console) -> None:
    """Check, and print seconds, speed and memory."""
    manifest = io.read_manifest(place / "golden")
    court = io.Court(
        golden=place / "golden", device=place / "device", manifest=manifest, explain=False
    )
    before = largest_mb()
    started = time.perf_counter()
    report = io.judge_case(court, manifest.cases[0])
    seconds = time.perf_counter() - started
    after = largest_mb()
    size = (place / "device" / CASE / "output.bin").stat().st_size / 2**20
    console.print(
        f"{size:.0f} MB: {report.verdicts[0].outcome}, {seconds:.1f} s, {size / seconds:.0f} MB/s, "
        f"largest resident size {after:.0f} MB, {before:.0f} MB of it before the check"
    )


if __name__ == "__main__":
    typer.run(main)
