"""The ``hwsim`` command: what a network takes on an NPU.

One file per group of commands; this is the only package of ``hwsim`` that prints and exits. A
command that needs more than an estimate does imports it when it runs, so that the others start
quickly.
"""

import sys

import typer

from hwsim.cli import compare, estimate, machines, report, rtl, study, sweep, trace, validate
from hwsim.cli.terminal import UNUSABLE

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Estimate cycles, traffic and energy of a network on an NPU, layer by layer.",
)
app.command("estimate", epilog=estimate.ESTIMATE_EXAMPLES)(estimate.estimate_command)
app.command("forms", epilog=estimate.FORMS_EXAMPLES)(estimate.forms_command)
app.command("compare", epilog=compare.EXAMPLES)(compare.compare_command)
app.command("machines", epilog=machines.EXAMPLES)(machines.machines_command)
app.command("report", epilog=report.EXAMPLES)(report.report_command)
app.command("trace", epilog=trace.EXAMPLES)(trace.trace_command)
app.command("study", epilog=study.EXAMPLES)(study.study_command)
app.command("validate", epilog=validate.EXAMPLES)(validate.validate_command)
app.command("sweep", epilog=sweep.SWEEP_EXAMPLES)(sweep.sweep_command)
app.command("front", epilog=sweep.FRONT_EXAMPLES)(sweep.front_command)
app.add_typer(rtl.app, name="rtl")


def main() -> None:
    """Run the command line: one sentence on standard error and status 2 for a mistake."""
    try:
        app(sys.argv[1:] or ["--help"], prog_name="hwsim")
    except ValueError as error:
        typer.echo(f"hwsim: {error}", err=True)
        sys.exit(UNUSABLE)
