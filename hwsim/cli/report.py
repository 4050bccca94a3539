"""Reports: estimates as one HTML page."""

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\b
Examples:
  hwsim estimate resnet50 -m tpu-v1 --json plain.json
  hwsim report plain.json --out plain.html
  hwsim estimate resnet50 -m tpu-v1 --stage conv3_x --form xvolution-fused --json fused.json
  hwsim report plain.json fused.json --out both.html
"""


def report_command(
    estimate: Annotated[Path, typer.Argument(help="JSON of hwsim estimate.")],
    after: Annotated[
        Path | None, typer.Argument(help="JSON of another one, to be compared with the first.")
    ] = None,
    out: Annotated[Path, typer.Option(help="HTML file to write; overwritten.")] = Path(
        "report.html"
    ),
) -> None:
    """Write one page, complete in itself: of an estimate, or of two side by side."""
    from hwsim.io import write_text  # noqa: PLC0415 - as the next: for this one command
    from hwsim.io.estimates import read_page  # noqa: PLC0415

    try:
        from hwsim.report.page import comparison_page, estimate_page  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"a report needs the extra of that name: pip install 'xvolution[report]' ({error.name})"
        ) from error
    first = read_page(estimate)
    if after is None:
        text = estimate_page(first)
    else:
        text = comparison_page(first, read_page(after), names=(estimate.stem, after.stem))
    write_text(out, text)
    typer.echo(f"{out}: {len(text.encode()) / 1e3:,.0f} kB")
