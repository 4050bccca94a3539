"""Judge a device's files against a set; verify a set; say what differs between two; shrink."""

import shlex
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from refimpl import io
from refimpl.cli.options import given
from refimpl.cli.terminal import WRONG, progress, sentences
from refimpl.score.measure import covered
from refimpl.score.suspects import catalogued
from refimpl.vectors.again import TRUSTED
from refimpl.vectors.case import bare_name
from refimpl.vectors.difference import difference
from refimpl.vectors.explain import case_of, no_suspects
from refimpl.vectors.manifest import CaseEntry, Manifest, SequenceEntry
from refimpl.vectors.report import CaseReport, lines, to_json, to_junit
from refimpl.vectors.shrink import ratio, shrunk_files
from refimpl.vectors.write import About, written_of

Cases = Annotated[
    list[str] | None, typer.Option("--case", help="Only these cases; a digest may be left out.")
]
Golden = Annotated[Path, typer.Argument(help="A set written by `refimpl vectors`.")]


class Tried(StrEnum):
    """What a failing device is held against."""

    KNOWN = "known"
    ALL = "all"


def check(
    context: typer.Context,
    golden: Golden,
    device: Annotated[
        Path, typer.Argument(help="What the device wrote: <case>/<tensor>.npy, .bin or .hex.")
    ],
    case: Annotated[
        list[str] | None,
        typer.Option("--case", help="Only these cases and sequences; a digest may be left out."),
    ] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write the verdicts here.")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="Write them as JUnit XML, for a build server.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Draw each case's first bad stage into this new directory.")
    ] = None,
    picture: Annotated[str, typer.Option(help="png or svg.")] = "svg",
    dut: Annotated[
        Path | None, typer.Option(help="The device's declaration, if not that of the set.")
    ] = None,
    sequences: Annotated[
        bool, typer.Option("--sequences/--no-sequences", help="Judge the set's sequences too.")
    ] = True,
    why: Annotated[
        bool, typer.Option("--explain/--verdicts", help="Say why, or only give verdicts.")
    ] = True,
    tried: Annotated[
        Tried,
        typer.Option(
            "--diagnose", help="What to try: known deviations, or all bugs of the catalogue too."
        ),
    ] = Tried.KNOWN,
) -> None:
    """Judge a device's files: 0 all right, 1 something is wrong, 2 unusable input.

    Every case must have its output file; stages are judged where the device left them. Integers
    must be equal; floats may be within the rigorous bound of any order of summation, and the
    verdict says so: outputs, and stages where the device declares its adders. Where something
    is wrong you are told where first, in which pattern, which stage errs by itself, and which known
    deviation gives the same bits. What cannot be used is named, and the rest judged all the same.

    For example:

      refimpl check out/small device/

      refimpl check out/small device/ --diagnose all

      refimpl check out/small device/ --json verdict.json --junit verdict.xml --pictures maps/
    """
    with sentences():
        manifest = io.read_manifest(golden)
        entries, run = _to_judge(manifest, case, sequences=sequences)
        skipped = len(manifest.sequences) - len(run) if case and sequences else 0
        io.must_be_directory(device)
        if pictures is None and "picture" in given(context):
            raise ValueError("--picture must come with --pictures DIRECTORY, where they are drawn")
        if pictures is not None:
            io.must_be_drawable(picture)
            io.must_be_new(pictures)
        court = io.Court(
            golden=golden,
            device=device,
            manifest=manifest,
            dut=io.dut_of(manifest.device) if dut is None else io.read_dut(dut),
            explain=why,
            suspects=catalogued if tried is Tried.ALL else no_suspects,
        )
        steps = sum(len(each.steps) for each in run)
        total = sum(io.judged_elements(entry) for entry in entries)
        with progress("checking", total + steps) as advance:
            reports = [io.judge_case(court, entry, advance) for entry in entries]
            reports += [io.judge_sequence(court, each, advance) for each in run]
    for each in reports:
        for line in lines(each):
            typer.echo(line)
    files, wrong = (sum(counts) for counts in zip(*map(_counts, reports), strict=True))
    also = f" and {len(run)} sequences" if run else ""
    errors = [error for each in reports for error in each.errors]
    unusable = f", {len(errors)} unusable" if errors else ""
    left = f"; {skipped} sequences not judged: name them with --case too" if skipped else ""
    typer.echo(f"{files} files of {len(entries)} cases{also}: {wrong} wrong{unusable}{left}")
    writers = (
        (report, lambda place: io.write_text(place, to_json(reports))),
        (junit, lambda place: io.write_text(place, to_junit(reports, str(golden)))),
        (pictures, lambda place: _draw(place, picture, reports)),
    )
    errors += _unwritten(writers)
    with sentences():
        if errors:
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            raise io.UnusableError(f"{errors[0]}{more}")
    if wrong:
        raise typer.Exit(WRONG)


def verify(
    golden: Annotated[Path, typer.Argument(help="A set.")],
    recompute: Annotated[
        bool, typer.Option("--recompute", help="Also write every case again from its inputs.")
    ] = False,
) -> None:
    """Check that a set is what its manifest says: every file, and no other.

    With --recompute each case is written again from its inputs and attributes, and every file and
    line is held against that. The command, the stimulus (where inputs come from), the device and
    what it leaves out are taken on trust.

    For example:

      refimpl verify out/small --recompute
    """
    with sentences():
        manifest = io.read_manifest(golden)
        with progress("verifying", sum(1 for _ in io.every_file(manifest))) as advance:
            count = io.verify_files(golden, manifest, advance)
        if recompute:
            with progress("computing", len(manifest.cases)) as advance:
                io.recompute(golden, manifest, advance, coverage=covered)
    also = f", and as written again; taken on trust: {TRUSTED}" if recompute else ""
    typer.echo(f"{golden}: {count} files, all as the manifest says{also}")


def diff(
    one: Annotated[Path, typer.Argument(help="A set.")],
    other: Annotated[Path, typer.Argument(help="Another.")],
) -> None:
    """Say what changed from one set to another: exit code 0 nothing, 1 something.

    For example:

      refimpl diff released/ out/small
    """
    with sentences():
        changes = difference(*(io.read_manifest(each) for each in (one, other)))
    for change in changes:
        typer.echo(change.sentence)
    data = sum(change.bytes_differ for change in changes)
    typer.echo(f"{len(changes)} differences, {data} of them in the vectors themselves")
    if changes:
        raise typer.Exit(WRONG)


def shrink(
    golden: Golden,
    device: Annotated[Path, typer.Argument(help="What a device wrote, wrong somewhere.")],
    out: Annotated[Path, typer.Argument(help="Directory to create: golden/ and device/.")],
    case: Annotated[str | None, typer.Option(help="The case; the first wrong one if none.")] = None,
) -> None:
    """Write the smallest sub-case that shows the same mismatch, and what the device gives for it.

    For example:

      refimpl shrink out/small device/ out/smallest

      refimpl check out/smallest/golden out/smallest/device
    """
    with sentences():
        manifest = io.read_manifest(golden)
        io.must_be_directory(device)
        io.must_be_new(out)
        court = io.Court(
            golden=golden,
            device=device,
            manifest=manifest,
            dut=io.dut_of(manifest.device),
            explain=False,
        )
        entries = chosen(manifest.cases, [case] if case else None)
        with progress("shrinking", 1):
            small, entry, before = io.shrink_case(court, entries)
        about = About(
            command=f"refimpl shrink {shlex.quote(str(golden))} {shlex.quote(str(device))} SET",
            tool_version=io.tool_version(),
            device=manifest.device,
        )
        count = io.write_directory(out, shrunk_files(small, about, written_of(entry), covered))
    typer.echo(f"{out}: {count} files; {ratio(before, small.case)}; {small.how}; try")
    typer.echo(f"  refimpl check {shlex.quote(f'{out}/golden')} {shlex.quote(f'{out}/device')}")


def export_tosa(
    golden: Golden,
    out: Annotated[Path, typer.Argument(help="Directory to create: one TOSA test per case.")],
    case: Cases = None,
) -> None:
    """Write cases as TOSA tests, desc.json and .tosa; needs TOSA's own tools.

    The operators that convolve and shift, in int8 (rounding half_up or tosa_double) and fp32.

    For example:

      refimpl export-tosa out/small out/tosa --case conv2d-int8-n2c3o4h7w6k3s1-0
    """
    with sentences():
        manifest = io.read_manifest(golden)
        entries = chosen(manifest.cases, case)
        io.must_be_new(out)
        cases = [case_of(entry, io.read_case(golden, entry)) for entry in entries]
        files = ((f"{each.id}/{name}", raw) for each in cases for name, raw in io.tosa_files(each))
        count = io.write_directory(out, files)
    typer.echo(f"{out}: {count} files of {len(entries)} TOSA tests")


def chosen(entries: tuple[CaseEntry, ...], names: list[str] | None) -> list[CaseEntry]:
    """Entries of the named cases, or all of them; the digest of an id may be left out.

    Raises
    ------
    UnusableError
        If a name is none of theirs, or that of several but for the digest.
    """
    return [_called(entries, name) for name in names] if names else list(entries)


def _to_judge(
    manifest: Manifest, names: list[str] | None, *, sequences: bool
) -> tuple[list[CaseEntry], list[SequenceEntry]]:
    """The cases and sequences of these names; all of them if there are none."""
    every = [each for each in manifest.sequences if sequences]
    if not names:
        return list(manifest.cases), every
    run = [each for each in every if each.id in names]
    others = [name for name in names if name not in {each.id for each in run}]
    return chosen(manifest.cases, others) if others else [], run


def _called(entries: Iterable[CaseEntry], name: str) -> CaseEntry:
    by_id = {entry.id: entry for entry in entries}
    if name in by_id:
        return by_id[name]
    found = [entry for entry in by_id.values() if bare_name(entry.id) == name]
    if len(found) != 1:
        raise io.UnusableError(f"case must be one of {', '.join(by_id)}, not {name!r}")
    return found[0]


def _unwritten(writers: Iterable[tuple[Path | None, Callable[[Path], None]]]) -> list[str]:
    """What could not be written, each in a sentence; the others are written all the same."""
    errors = []
    for place, write in writers:
        try:
            if place is not None:
                write(place)
        except ValueError as error:
            errors.append(str(error))
    return errors


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
