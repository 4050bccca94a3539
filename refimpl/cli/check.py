"""Judge a device's files against a set; verify a set; say what differs between two; shrink."""

import shlex
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Annotated

import typer

from refimpl import io
from refimpl.cli.terminal import WRONG, progress, sentences
from refimpl.vectors.check import Verdict, unknown_bits, verdict_of
from refimpl.vectors.explain import Evidence, explain
from refimpl.vectors.files.readmem import UnknownBitsError
from refimpl.vectors.manifest import CaseEntry, Manifest, Tensor
from refimpl.vectors.patterns import blocks_of, tiles_of
from refimpl.vectors.report import CaseReport, lines, to_json, to_junit

MOST_EXPLAINED = 2**26  # ours: elements of a case that are held in memory to explain it
Cases = Annotated[list[str] | None, typer.Option("--case", help="Only these cases.")]
Golden = Annotated[Path, typer.Argument(help="A set written by `refimpl vectors`.")]


def check(
    golden: Golden,
    device: Annotated[
        Path, typer.Argument(help="What the device wrote: <case>/<tensor>.npy, .bin or .hex.")
    ],
    case: Cases = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write the verdicts here.")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write them as JUnit XML, for a build server.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Draw each case's first bad stage into this new directory.")
    ] = None,
    picture: Annotated[str, typer.Option(help="png or svg.")] = "svg",
    why: Annotated[
        bool, typer.Option("--explain/--verdicts", help="Say why, or only give verdicts.")
    ] = True,
) -> None:
    """Judge a device's files: 0 all right, 1 something is wrong, 2 unusable input.

    Every case must have its output file; stages are judged where the device left them. Integers
    must be equal; floats may be within the rigorous bound of any order of summation, and the
    verdict says so. Where something is wrong you are told where first, in which pattern, which
    stage errs by itself, and which known deviation gives the same bits.

    For example:

      refimpl check out/small device/

      refimpl check out/small device/ --json verdict.json --junit verdict.xml --pictures maps/
    """
    with sentences():
        manifest = io.read_manifest(golden)
        entries = chosen(manifest.cases, case)
        io.must_be_directory(device)
        if pictures is not None:
            io.must_be_new(pictures)
        reports = []
        total = sum(prod(tensor.shape) for entry in entries for tensor in _judged(entry))
        with progress("checking", total) as advance:
            for entry in entries:
                verdicts = list(_verdicts(golden, device, entry, manifest, advance))
                reports.append(_report(golden, device, entry, verdicts, why=why))
        if report is not None:
            io.write_text(report, to_json(reports))
        if junit is not None:
            io.write_text(junit, to_junit(reports, str(golden)))
        if pictures is not None:
            _draw(pictures, picture, reports)
    for each in reports:
        for line in lines(each):
            typer.echo(line)
    files, wrong = (sum(counts) for counts in zip(*map(_counts, reports), strict=True))
    typer.echo(f"{files} files of {len(entries)} cases: {wrong} wrong")
    if wrong:
        raise typer.Exit(WRONG)


def verify(golden: Annotated[Path, typer.Argument(help="A set.")]) -> None:
    """Check that a set is what its manifest says: every file, and no other."""
    with sentences():
        manifest = io.read_manifest(golden)
        with progress("verifying", sum(1 for _ in io.every_file(manifest))) as advance:
            count = io.verify_files(golden, manifest, advance)
    typer.echo(f"{golden}: {count} files, all as the manifest says")


def chosen(entries: tuple[CaseEntry, ...], names: list[str] | None) -> list[CaseEntry]:
    """Entries of the named cases, or all of them.

    Raises
    ------
    UnusableError
        If a name is none of theirs.
    """
    if not names:
        return list(entries)
    known = {entry.id: entry for entry in entries}
    for name in names:
        if name not in known:
            raise io.UnusableError(f"case must be one of {', '.join(known)}, not {name!r}")
    return [known[name] for name in names]


def _judged(entry: CaseEntry) -> Iterator[Tensor]:
    return (tensor for tensor in entry.tensors if tensor.role in {"stage", "output"})


def _verdicts(
    golden: Path,
    device: Path,
    entry: CaseEntry,
    manifest: Manifest,
    advance: Callable[[str, int], None],
) -> Iterator[Verdict]:
    """Judge every file the device left for a case, in the order of computation."""
    by_role = {tensor.role: tensor for tensor in entry.tensors}
    bounding = None
    if "bound" in by_role:
        bounding = io.Bounding(by_role["reference"], by_role["bound"])
    for tensor in _judged(entry):
        found = io.device_files(device, entry.id, tensor.name)
        if tensor.role == "output" and not found:
            raise io.UnusableError(
                f"{device} must hold {entry.id}/{tensor.name}.npy, .bin or .hex: no output is there"
            )
        for path, kind in found:
            names = (entry.id, tensor.name, path.name)
            try:
                compared = io.compare_files(
                    golden,
                    tensor,
                    (path, kind),
                    bounding=bounding if tensor.role == "output" else None,
                    advance=lambda count: advance(entry.id, count),
                )
            except UnknownBitsError as error:
                yield unknown_bits(names, prod(tensor.shape), str(error))
                continue
            tiles = tiles_of(manifest.device, blocks_of(tensor.layout.digits))
            yield verdict_of(compared, tensor.physical, names, tiles=tiles)


def _report(
    golden: Path, device: Path, entry: CaseEntry, verdicts: list[Verdict], *, why: bool
) -> CaseReport:
    plain = CaseReport(case=entry.id, verdicts=tuple(verdicts))
    unknown = any(verdict.outcome == "unknown bits" for verdict in verdicts)
    if not why or not plain.wrong or unknown:
        return plain
    if sum(prod(tensor.shape) for tensor in entry.tensors) > MOST_EXPLAINED:
        note = f"more than {MOST_EXPLAINED:,} elements: too large to be explained in memory"
        return CaseReport(case=entry.id, verdicts=plain.verdicts, notes=(note,))
    arrays = io.read_case(golden, entry)
    left = io.read_device_case(device, entry)
    others = {f"the golden {name}": arrays[name] for name in arrays if name not in left}
    return explain(entry, verdicts, Evidence(golden=arrays, device=left, others=others))


def _draw(pictures: Path, suffix: str, reports: list[CaseReport]) -> None:
    bad = [each.first_bad for each in reports]
    drawn = [
        (f"{verdict.case}-{verdict.tensor}.{suffix}", io.mismatch_figure(verdict, suffix))
        for verdict in bad
        if verdict is not None and verdict.maps is not None
    ]
    if drawn:
        count = io.write_directory(pictures, drawn)
        typer.echo(f"{shlex.quote(str(pictures))}: {count} pictures")


def _counts(report: CaseReport) -> tuple[int, int]:
    return len(report.verdicts), report.wrong
