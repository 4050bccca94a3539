"""Run the SystemVerilog device: ``hwsim rtl``."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from hwsim.cli.terminal import UNUSABLE
from hwsim.cycles import array_cycles
from hwsim.dataflow import DATAFLOWS
from hwsim.io import write_text
from hwsim.machine import Array
from hwsim.rtl.bugs import BUGS, NO_BUG
from hwsim.rtl.device import DeviceRun, Stalls, run_set
from hwsim.rtl.registers import Device
from hwsim.rtl.simulator import SOURCES, SimulatorError, missing

if TYPE_CHECKING:
    from hwsim.rtl.record import Record


app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Run the device in SystemVerilog on vectors, and its arrays on layers, in a simulator.",
)
Work = Annotated[Path, typer.Option(help="Where builds are kept; each is made once.")]
BUILDS = Path("out/rtl")


@app.command("run")
def run_command(
    vectors: Annotated[Path, typer.Argument(help="A set written by `refimpl vectors`.")],
    out: Annotated[Path, typer.Argument(help="Where the device's files go.")],
    bug: Annotated[
        str, typer.Option(help="Switch a bug on; `hwsim rtl bugs` lists them.")
    ] = NO_BUG,
    fixed: Annotated[
        bool, typer.Option("--fixed", help="Build with the bug's define, not the selectable build.")
    ] = False,
    case: Annotated[list[str] | None, typer.Option(help="Only these cases.")] = None,
    rows: Annotated[int, typer.Option(help="Rows of the array: pixels at a time.")] = 8,
    cols: Annotated[int, typer.Option(help="Columns of the array: output channels.")] = 4,
    stall_seed: Annotated[int, typer.Option(help="Seed of the pattern of waiting words.")] = 1,
    stall: Annotated[
        float | None, typer.Option(help="Probability that a word waits; 0.2, results 0.4, if none.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write the counters here.")] = None,
    work: Work = BUILDS,
) -> None:
    """Run the cases of a set on the device; `refimpl check SET OUT` judges what it left.

    For example:

      refimpl vectors out/small --arithmetic int8

      hwsim rtl run out/small out/device

      refimpl check out/small out/device --case conv2d-int8-n2c3o4h7w6k3s1-0
    """
    stalls = Stalls(seed=stall_seed)
    if stall is not None:
        stalls = Stalls(load=stall, product=stall, result=stall, seed=stall_seed)
    try:
        done = run_set(
            vectors,
            out,
            work=work,
            device=Device(rows=rows, cols=cols),
            bug=bug,
            fixed=fixed,
            cases=tuple(case or ()),
            stalls=stalls,
        )
    except SimulatorError as error:
        _unusable(error)
    if report is not None:
        write_text(report, json.dumps(asdict(done), indent=2) + "\n")
    for line in _sentences(done):
        typer.echo(line)


@app.command("bugs")
def bugs_command() -> None:
    """List the bugs of the device, and what each is."""
    width = max(len(name) for name in BUGS)
    for name, bug in BUGS.items():
        typer.echo(f"{name:{width}}  {bug.says}")


@app.command("cycles")
def cycles_command(
    write: Annotated[
        Path | None, typer.Option(help="Measure every layer and write the record here (minutes).")
    ] = None,
    array: Annotated[
        list[str] | None, typer.Option(help="Measure only this array, as in 4x4; several may be.")
    ] = None,
    work: Work = BUILDS,
) -> None:
    """Hold the cycles of the bare arrays against the closed form: recorded, or measured now.

    For example:

      hwsim rtl cycles

      hwsim rtl cycles --array 3x5

      hwsim rtl cycles --write hwsim/rtl/cycles.json
    """
    # Reading a record needs pydantic, which would slow down every other command.
    from hwsim.rtl.files import write_record  # noqa: PLC0415
    from hwsim.rtl.measure import ARRAYS, measure  # noqa: PLC0415
    from hwsim.rtl.record import recorded, sources_sha256  # noqa: PLC0415

    sides = [_sides(each) for each in array or ()]
    try:
        only_read = write is None and not sides
        record = recorded() if only_read else measure(sides or ARRAYS, work=work)
    except SimulatorError as error:
        _unusable(error)
    if write is not None:
        write_record(write, record)
    wrong = list(_differences(record))
    for line in wrong:
        typer.echo(line)
    counted = Counter(f"{each.rows}x{each.cols} {each.dataflow}" for each in record.measured)
    for what, number in counted.items():
        typer.echo(f"{what}: {number} layers")
    stale = "" if record.sources_sha256 == sources_sha256() else "; the sources changed since"
    typer.echo(
        f"{len(record.measured)} measured with {record.simulator}, "
        f"{len(wrong)} differ from the closed form{stale}"
    )
    if wrong or stale:
        raise typer.Exit(1)


@app.command("where")
def where_command() -> None:
    """Print where the SystemVerilog lies, and which simulators can run here."""
    typer.echo(str(SOURCES))
    for name in ("verilator", "icarus"):
        typer.echo(f"{name}: {missing(name) or 'can run'}")


def _sentences(done: DeviceRun) -> list[str]:
    lines = []
    for name, each in done.cases.items():
        wrong = {
            "guard words written": each["guards_broken"],
            "words never written": each["unwritten"],
            "words changed while they waited": each["changed_while_waiting"],
        }
        said = "".join(f", {count} {what}" for what, count in wrong.items() if count)
        lines.append(
            f"{name}: {each['cycles']} cycles (array {each['cycles_array']}, product "
            f"{each['cycles_product']}, control {each['cycles_control']}, stalled "
            f"{each['cycles_stalled']}){said}"
        )
    lines += [f"{name}: left out, {reason}" for name, reason in done.excluded.items()]
    return lines


def _differences(record: "Record") -> list[str]:
    lines = []
    for each in record.measured:
        expected = array_cycles(
            each.gemm, Array(rows=each.rows, cols=each.cols), DATAFLOWS[each.dataflow]
        )
        if (each.cycles, each.feeding) != (expected.total, expected.streamed):
            lines.append(
                f"WRONG {each.layer} on {each.rows}x{each.cols} {each.dataflow}: measured "
                f"{each.cycles}, closed form {expected.total}"
            )
    return lines


def _sides(text: str) -> tuple[int, int]:
    rows, _, cols = text.partition("x")
    if not (rows.isdecimal() and cols.isdecimal() and int(rows) and int(cols)):
        raise ValueError(f"array must be rows x columns as in 4x4, not {text!r}")
    return int(rows), int(cols)


def _unusable(error: SimulatorError) -> NoReturn:
    typer.echo(f"hwsim: {error}", err=True)
    raise typer.Exit(UNUSABLE) from error
