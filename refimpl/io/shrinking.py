"""The smallest sub-case of what a device left wrong."""

from refimpl.io.device import read_device_files, read_opposed
from refimpl.io.files import UnusableError
from refimpl.io.judging import Court, judge_case, undriven
from refimpl.io.judging_sequences import judge_sequence
from refimpl.io.sets import read_case
from refimpl.vectors.case import Case
from refimpl.vectors.dut import observable
from refimpl.vectors.explain import case_of
from refimpl.vectors.manifest import CaseEntry
from refimpl.vectors.shrink import Shrunk, shrink
from refimpl.vectors.stages import stages


def shrink_case(court: Court, entries: list[CaseEntry]) -> tuple[Shrunk, CaseEntry, Case]:
    """The smallest sub-case of the first wrong case, that case's entry, and the case itself.

    Where the device must leave a stage that only the sub-case has, it is given the golden one.

    Raises
    ------
    UnusableError
        If no case is wrong; where only a sequence is, it says which step.
    """
    for entry in entries:
        report = judge_case(court, entry)
        bad = report.first_bad
        if bad is None and report.errors:
            raise UnusableError(report.errors[0])
        if bad is None:
            continue
        if bad.first is None:
            raise UnusableError(f"{bad.sentence}: there is no wrong value to look for")
        arrays = read_case(court.golden, entry)
        case = case_of(entry, arrays)
        read = read_device_files(court.device, entry, but=undriven(report.verdicts))
        left = {name: next(iter(files.values())) for name, files in read.items()}
        if bad.unknown:
            path = court.device / entry.id / bad.file
            tensor = next(each for each in entry.tensors if each.name == bad.tensor)
            left[bad.tensor] = read_opposed(path, tensor, arrays[bad.tensor])
        else:
            left[bad.tensor] = read[bad.tensor][bad.file]
        known = not bad.unknown
        small = shrink(case, arrays, left, bad.tensor, bad.first.index, variants=known)
        if bad.unknown:
            small = small._replace(how=f"{small.how}; bits never driven are written inverted")
        if court.dut is not None and court.dut.observe.stages is not None:
            computed = stages(small.case)
            must = {name: computed[name] for name in computed if observable(court.dut, name)}
            small = small._replace(device=must | dict(small.device))
        return small, entry, case
    for sequence in court.manifest.sequences:
        bad = judge_sequence(court, sequence).first_bad
        if bad is not None:
            raise UnusableError(
                f"a case must be wrong by itself to be shrunk, and none is; in a sequence this is: "
                f"{bad.sentence}; what the steps before left in the device is its own: run fewer "
                f"of their cases, as `refimpl vectors --sequence` with fewer operators"
            )
    raise UnusableError(f"{court.device} must be wrong somewhere to be shrunk")
