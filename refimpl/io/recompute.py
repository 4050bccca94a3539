"""A set computed again from its inputs and attributes, and held against every line it has."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from refimpl.arrays import Array
from refimpl.io.dut import dut_of
from refimpl.io.files import UnusableError
from refimpl.io.sets import read_tensor
from refimpl.vectors.again import (
    case_again,
    case_differences,
    plan_again,
    sequence_differences,
    set_differences,
    written_as,
)
from refimpl.vectors.check import judge
from refimpl.vectors.explain import STRANGE
from refimpl.vectors.formats import FORMATS, labelled
from refimpl.vectors.manifest import CaseEntry, Manifest
from refimpl.vectors.memory import run_in_one_memory
from refimpl.vectors.write import Coverage, Written, case_files


def recompute(
    golden: Path,
    manifest: Manifest,
    advance: Callable[[str, int], None] = lambda _, __: None,
    *,
    coverage: Coverage | None = None,
) -> None:
    """Write every case of a set again from its inputs and attributes, and compare all of it.

    Files are compared by the SHA-256 that the manifest has of them (``verify_files`` holds that
    against their bytes). Without ``coverage``, the ids of points are taken on trust, as are the
    fields in ``vectors.again.TRUSTED``.

    Raises
    ------
    UnusableError
        If anything is not what would be written, or the entries do not describe cases.
    """
    how = written_as(manifest)
    found, entries, kept = list(set_differences(manifest)), [], {}
    for entry in manifest.cases:
        again, arrays, differences = _case(golden, entry, how, coverage)
        found += differences
        entries.append(again)
        if manifest.sequences:
            kept[entry.id] = {
                each.name: arrays[each.name]
                for each in again.tensors
                if each.role in {"input", "output"}
            }
        advance(entry.id, 1)
    if manifest.sequences:
        plan = plan_again(manifest, dut_of(manifest.device))
        sequences, _ = run_in_one_memory(entries, kept, plan=plan)
        found += sequence_differences(manifest.sequences, sequences)
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise UnusableError(f"the set must hold what is computed: {found[0]}{more}")


def _case(
    golden: Path, entry: CaseEntry, how: Written, coverage: Coverage | None
) -> tuple[CaseEntry, Mapping[str, Array], list[str]]:
    """A case written again: its entry, its arrays, and what the set says otherwise."""
    inputs = {
        tensor.name: labelled(read_tensor(golden, tensor), FORMATS[tensor.format])
        for tensor in entry.tensors
        if tensor.role == "input"
    }
    points = coverage or (lambda _, __: entry.coverage)
    try:
        case = case_again(entry, inputs)
        with np.errstate(all="ignore"):  # of forged numbers; what comes of them is compared
            again, _, arrays = case_files(case, how, points)
        differences = list(case_differences(case, entry, again))
    except STRANGE as error:
        raise UnusableError(
            f"case {entry.id} must have the attributes and tensors of its operator "
            f"({type(error).__name__}: {str(error).partition(chr(10))[0]})"
        ) from error
    return again, arrays, [*_first_elements(golden, entry, arrays), *differences]


def _first_elements(golden: Path, entry: CaseEntry, arrays: Mapping[str, Array]) -> Iterator[str]:
    """Of every stage with other elements, which is the first."""
    for tensor in entry.tensors:
        again = arrays.get(tensor.name)
        if tensor.role == "input" or again is None or again.shape != tensor.shape:
            continue
        names = (entry.id, tensor.name, "computed again")
        verdict = judge(again, read_tensor(golden, tensor), of=tensor.physical, names=names)
        if verdict.outcome != "exact":
            yield verdict.sentence
