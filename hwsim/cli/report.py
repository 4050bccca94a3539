"""Reports: estimates, a sweep or a study as one HTML page."""

import json
from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  hwsim estimate resnet50 -m tpu-v1 --json plain.json
  hwsim report plain.json --out plain.html
  hwsim estimate resnet50 -m tpu-v1 --stage conv3_x --form xvolution-fused --json fused.json
  hwsim report plain.json fused.json --out both.html
  hwsim report out/study/study.json --out verdict.html      # what hwsim study wrote
  hwsim report out/sweep --out sweep.html                   # a directory of hwsim sweep
"""


def report_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="JSON of hwsim estimate or hwsim study, or a directory of hwsim sweep."
        ),
    ],
    after: Annotated[
        Path | None, typer.Argument(help="JSON of another estimate, to be compared with the first.")
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write; overwritten.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one page, complete in itself: of an estimate, of two, of a study or of a sweep."""
    from hwsim.io import write_text  # noqa: PLC0415 - for this one command

    try:
        text = _text(source, after)
    except ImportError as error:
        raise ValueError(
            f"a report needs the extras report and sweep: "
            f"pip install 'xvolution[report,sweep]' ({error.name})"
        ) from error
    write_text(out, text)
    typer.echo(f"{out}: {len(text.encode()) / 1e3:,.0f} kB")


def _text(source: Path, after: Path | None) -> str:
    kind = "sweep" if source.is_dir() else _kind(source)
    if after is not None and kind != "estimate":
        raise ValueError(f"only two estimates can be compared, and {source} is of a {kind}")
    if kind == "sweep":
        return _sweep(source)
    if kind == "study":
        return _study(source)
    from hwsim.io.estimates import read_page  # noqa: PLC0415 - as the next: for this kind
    from hwsim.report.page import comparison_page, estimate_page  # noqa: PLC0415

    first = read_page(source)
    if after is None:
        return estimate_page(first)
    return comparison_page(first, read_page(after), names=(source.stem, after.stem))


def _kind(path: Path) -> str:
    """What a JSON file is of; what it must have is for its reader to say."""
    from hwsim.io import read_text  # noqa: PLC0415 - as above

    try:
        found = json.loads(read_text(path, "report's source"))
    except json.JSONDecodeError:
        return "estimate"
    return "study" if isinstance(found, dict) and "study" in found else "estimate"


def _study(path: Path) -> str:
    from hwsim.io.studies import read_answers  # noqa: PLC0415 - as above
    from hwsim.report.verdict import study_page  # noqa: PLC0415

    return study_page(*read_answers(path))


def _sweep(directory: Path) -> str:
    from hwsim.io.swept import read_machines, read_points, varied_keys  # noqa: PLC0415 - as above
    from hwsim.report import sweep  # noqa: PLC0415

    keys = varied_keys(directory)
    machines = read_machines(directory, sweep.SUMMED, sweep.EACH)
    fastest = sweep.fastest(machines, str(directory))
    layers = read_points(directory, sweep.OF_LAYERS, machine=fastest)
    return sweep.sweep_page(sweep.swept(keys, machines, layers, directory.name))
