"""The ``refimpl`` command: golden vectors to check hardware by.

One file per group of commands; this is the only package of ``refimpl`` that prints and exits.
"""

import typer

from refimpl.cli import check, coverage, designed, fuse, layers, reproduce, score, train, vectors

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich")
for command in (
    vectors.vectors,
    check.check,
    check.verify,
    check.diff,
    check.shrink,
    layers.layers,
):
    app.command()(command)
app.command()(designed.designed)
app.command()(score.score)
app.command()(score.mutants)
app.command()(coverage.coverage)
app.command("export-tosa")(check.export_tosa)
app.command()(fuse.fuse)
app.command()(train.train)
app.command()(train.study)
app.command()(reproduce.reproduce)


def main() -> None:
    """Entry point of the ``refimpl`` command."""
    app()


@app.callback()
def _commands() -> None:
    """Golden model of convolution, self-attention and X-volution: vectors to check hardware by."""
