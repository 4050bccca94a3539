"""Does a set have the same bytes on another machine? Write it again under its settings."""

from typing import Annotated

import typer

from refimpl import io
from refimpl.cli.check import Golden
from refimpl.cli.terminal import WRONG, progress, sentences
from refimpl.vectors.machines import INTERPRETED, MACHINES


def reproduce(
    golden: Golden,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this machine: {', '.join(MACHINES)}.")
    ] = None,
    interpreted: Annotated[
        bool, typer.Option(help="Also without a compiler: slow, for small sets.")
    ] = False,
) -> None:
    """Write a set again under other CPU, BLAS, libm and compiler settings; compare SHA-256.

    Each setting runs in a process of its own, from the command in the set's manifest. Exit code 0:
    every file has the same bytes everywhere; 1: some differ; 2: unusable input.

    For example:

      refimpl reproduce out/small

      refimpl reproduce out/small --only "generic CPU for the compiler" --interpreted
    """
    with sentences():
        manifest = io.read_manifest(golden)
        expected = io.hashes_of(golden)
        machines = {name: MACHINES[name] for name in _known(only)}
        if interpreted:
            machines["no compiler"] = INTERPRETED
        found = {}
        with progress("writing again:", len(machines)) as advance:
            for name, settings in machines.items():
                found[name] = io.written_again(manifest, settings)
                advance(name)
    differing = 0
    for name, hashes in found.items():
        paths = sorted(
            path for path in {*expected, *hashes} if expected.get(path) != hashes.get(path)
        )
        differing += bool(paths)
        say = f"{len(paths)} files differ, first {paths[0]}" if paths else "every byte the same"
        typer.echo(f"{'WRONG' if paths else 'ok   '} {name}: {say}")
    typer.echo(f"{golden}: {len(expected)} files on {len(found)} machines, {differing} differ")
    if differing:
        raise typer.Exit(WRONG)


def _known(only: list[str] | None) -> list[str]:
    for name in only or ():
        if name not in MACHINES:
            raise io.UnusableError(f"a machine must be one of {', '.join(MACHINES)}, not {name!r}")
    return only or list(MACHINES)
