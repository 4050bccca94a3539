"""Designed sets: few outputs that catch what is known."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from refimpl import io
from refimpl.bitexact.requantise import ALL_RULES
from refimpl.cli.options import given, must_be_read, must_have_a_source
from refimpl.cli.terminal import progress, sentences
from refimpl.cli.worth import Declared, Operators, declared, print_excluded
from refimpl.score.measure import covered
from refimpl.score.select import default_cases, known_operators
from refimpl.score.target import Target, case_excluded
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.dut import plan_of
from refimpl.vectors.manifest import Exclusion
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.write import About, Written, set_files


def designed(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Directory to create; it must not exist yet.")],
    operator: Operators = None,
    rounding: Annotated[str, typer.Option(help=f"int8: {', '.join(ALL_RULES)}.")] = "half_up",
    sequence: Annotated[
        bool, typer.Option(help="Also all cases in one memory, without reset, under stalls.")
    ] = False,
    layout: Annotated[
        str, typer.Option(help="Layout of .bin and .hex; see docs/vectors.md.")
    ] = "nchw",
    dut: Declared = None,
) -> None:
    """Write the default designed sets: few outputs, every known bug of the design half.

    For a declared device their channels end where its tiles do, and they lie as in its memory; what
    it cannot run is left out.

    For example:

      refimpl designed out/designed

      refimpl designed out/conv --operator conv2d.int8 --rounding half_even
    """
    with sentences():
        named = given(context)
        if dut is not None:
            must_have_a_source({"layout": named["layout"]} if "layout" in named else {}, ["dut"])
        chosen = known_operators(operator)
        io.must_be_new(out)
        choices = Choices(rounding=rounding)
        target = declared(dut)
        every = default_cases(chosen, choices, target)
        left_out = {case.id: case_excluded(case, target) for case in every}
        cases = [case for case in every if not left_out[case.id]]
        if not cases:
            raise ValueError("designed must be given a device that can run one of the cases")
        must_be_read(named, cases)
        words = ["refimpl", "designed", "SET", *(f"--operator {each}" for each in operator or ())]
        words += [] if rounding == "half_up" else [f"--rounding {rounding}"]
        words += ["--sequence"] if sequence else []
        words += [] if layout == "nchw" else [f"--layout {layout}"]
        words += [] if dut is None else [f"--dut {dut.name}"]
        plan, written = Plan(), Written(layout=layout)
        if target.dut is not None:
            memory = target.dut.memory
            plan, written = plan_of(target.dut), Written(layout=memory.layout, lanes=memory.lanes)
        with progress("writing", len(cases)) as advance:
            files = set_files(
                _each(cases, advance),
                about=_about(words, target, left_out),
                written=written,
                sequencer=partial(run_in_one_memory, plan=plan) if sequence else None,
                coverage=covered,
            )
            count = io.write_directory(out, files)
    operators = {f"{case.operator}.{case.arithmetic}" for case in cases}
    typer.echo(f"{out}: {len(cases)} cases of {len(operators)} operators, {count} files")
    print_excluded({name: reason for name, reason in left_out.items() if reason})


def _about(words: Sequence[str], target: Target, left_out: Mapping[str, str]) -> About:
    device = None if target.dut is None else target.dut.model_dump(mode="json")
    return About(
        command=" ".join(words),
        tool_version=io.tool_version(),
        device=device,
        excluded=tuple(
            Exclusion(what=f"case {name}", reason=reason)
            for name, reason in left_out.items()
            if reason
        ),
    )


def _each(cases: Sequence[Case], advance: Any) -> Iterator[Case]:
    for case in cases:
        yield case
        advance(case.id)
