"""What the SystemVerilog device answered on a set with a bug switched on, judged as a user judges.

A case fails where ``refimpl check`` would find its output wrong, or where words were written into
the guards around a result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwsim.rtl.device import run_set
from refimpl import io
from refimpl.arrays import Array
from refimpl.vectors.check import verdict_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One case on the device: the stages it left, and what was wrong with it.

    ``ready`` says of each row of results whether it was taken when first offered ("1") or waited.
    """

    stages: Mapping[str, Array]
    output_wrong: bool
    guards_broken: int
    unwritten: int
    ready: str

    @property
    def failed(self) -> bool:
        """Whether the run fails: a wrong output, or memory around it written."""
        return self.output_wrong or self.guards_broken > 0


def observe(vectors: Path, bug: str, *, work: Path, scratch: Path) -> dict[str, Observed]:
    """Run every case of a set that the device can run; ``scratch`` takes its files.

    Cases run in the order of the set, without a reset between them. ``work`` holds the builds.
    """
    done = run_set(vectors, scratch, work=work, bug=bug)
    found = {}
    for entry in io.read_manifest(vectors).cases:
        if entry.id not in done.cases:
            continue
        counted = done.cases[entry.id]
        output = next(tensor for tensor in entry.tensors if tensor.role == "output")
        path = scratch / entry.id / f"{output.name}.hex"
        compared = io.compare_files(vectors, output, (path, "hex"))
        names = (entry.id, output.name, path.name)
        verdict = verdict_of(compared, output.physical, names, tiles={})
        found[entry.id] = Observed(
            stages=io.read_device_case(scratch, entry),
            output_wrong=not verdict.passed,
            guards_broken=counted["guards_broken"],
            unwritten=counted["unwritten"],
            ready=counted["ready"],
        )
    return found
