"""Golden vectors: write a set."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from refimpl import io
from refimpl.bitexact.operators import ALL_OPERATORS, OPERATORS
from refimpl.bitexact.operators import ARITHMETICS as KNOWN
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.cli.options import given as given_options
from refimpl.cli.options import must_be_read, must_have_a_source
from refimpl.cli.sources import NETWORKS, TRAINED, layer_cases, onnx_node_cases
from refimpl.cli.terminal import progress, sentences
from refimpl.cli.worth import print_excluded
from refimpl.score.measure import covered
from refimpl.vectors.case import ARITHMETICS, Case, Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.declare import must_concern, parsed, table_of
from refimpl.vectors.dut import plan_of
from refimpl.vectors.dut_cases import dut_cases
from refimpl.vectors.files.kinds import CASE_KINDS, TENSOR_KINDS
from refimpl.vectors.layouts import FAMILIES
from refimpl.vectors.memory import Plan, run_in_one_memory
from refimpl.vectors.stimuli import Sizes, seeded_cases
from refimpl.vectors.write import About, Written, set_files

Operators = Annotated[
    list[str] | None,
    typer.Option(
        "--operator", help=f"Operator on seeded random input: {', '.join(ALL_OPERATORS)}; or all."
    ),
]
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", help="Layer of the network on the image; `refimpl layers` lists them."),
]
Arithmetics = Annotated[
    list[str] | None,
    typer.Option("--arithmetic", help=f"{', '.join(KNOWN)}; {' and '.join(ARITHMETICS)} if none."),
]
NetworkName = Annotated[str, typer.Option("--network", help=", ".join(NETWORKS))]
Stage = Annotated[
    str, typer.Option("--stage", help="Stage whose 3×3 convolutions are X-volution, or none.")
]


def vectors(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(help="Directory to create; it must not exist yet.")],
    operator: Operators = None,
    layer: Layers = None,
    arithmetic: Arithmetics = None,
    network: NetworkName = "resnet50",
    stage: Stage = "conv3_x",
    image: Annotated[
        str, typer.Option(help=f"A picture file, or {', '.join(io.PHOTOGRAPHS)}.")
    ] = "astronaut",
    rounding: Annotated[str, typer.Option(help=f"Integers: {', '.join(ROUNDINGS)}.")] = "half_up",
    order: Annotated[str, typer.Option(help="fp32: loop order, cuv or uvc.")] = "cuv",
    bias: Annotated[str, typer.Option(help="fp32: bias first or last.")] = "last",
    declare: Annotated[
        list[str] | None,
        typer.Option(help="A field of the arithmetic, as in softmax.exp.kind=table (JSON values)."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="A table of yours that is declared: NAME=row.npy, NAME:FORMAT=row.npy."),
    ] = None,
    k_tile: Annotated[
        int | None, typer.Option(help="Show partial sums after every K_TILE taps.")
    ] = None,
    im2col: Annotated[
        str | None, typer.Option(help="Show im2col columns in this order: cuv or uvc.")
    ] = None,
    layout: Annotated[
        str, typer.Option(help=f"Order of elements in memory: {', '.join(FAMILIES)}.")
    ] = "nchw",
    lanes: Annotated[
        int, typer.Option(help="Elements of a memory word, the first in its lowest bits.")
    ] = 1,
    kinds: Annotated[
        str, typer.Option("--files", help=f"Of {', '.join((*TENSOR_KINDS, *CASE_KINDS))}.")
    ] = "npy,bin,hex",
    side: Annotated[
        int | None,
        typer.Option(help="Layers: input side of the network, pixels; 224, trained 32."),
    ] = None,
    crop: Annotated[
        int | None, typer.Option(help="Layers: only the middle CROP×CROP of what enters them.")
    ] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="A convolution inside this ONNX model; see --node.")
    ] = None,
    node: Annotated[str | None, typer.Option(help="Its name, or that of its output.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", help="What enters the model: x.npy, or NAME=x.npy."),
    ] = None,
    dut: Annotated[
        Path | None, typer.Option(help="A device's declaration: the cases that follow from it.")
    ] = None,
    chain: Annotated[
        str | None,
        typer.Option(help="Operators one after another, as in conv2d,pssa: each reads the last."),
    ] = None,
    sequence: Annotated[
        bool,
        typer.Option(
            "--sequence/--no-sequence", help="Also all cases in one memory, without reset."
        ),
    ] = False,
    batch: int = 2,
    channels: int = 3,
    outputs: int = 4,
    height: int = 7,
    width: int = 6,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    seed: Annotated[str, typer.Option(help="Seed of random inputs and weights.")] = "0",
) -> None:
    """Write a set of golden vectors: what convolves and shifts on random input, unless you choose.

    Sizes (--batch … --groups) are those of random inputs; a layer has its own.

    For example:

      refimpl vectors out/small

      refimpl vectors out/pssa --operator pssa --arithmetic int8 --height 14 --width 14

      refimpl vectors out/layer --layer conv3_2.conv2 --crop 14 --image photo.png --layout nhwc

      refimpl vectors out/trained --network trained --layer conv2_1.conv1 --image chelsea

      refimpl vectors out/mine --onnx model.onnx --node conv_7 --input x.npy

      refimpl vectors out/npu --dut dut.toml --sequence

      refimpl vectors out/table --operator global_attention --declare softmax.exp.kind=table
    """
    with sentences():
        choices = Choices(
            arithmetics=tuple(arithmetic or ARITHMETICS),
            rounding=rounding,
            order=order,
            bias_at=bias,
            k_tile=k_tile,
            im2col=im2col,
            declared=parsed(declare or ()),
            tables=dict(table_of(*each) for each in io.read_tables(table or ())),
        )
        written = Written(layout=layout, lanes=lanes, kinds=tuple(kinds.split(",")))
        sizes = Sizes(
            batch=batch,
            channels=channels,
            outputs=outputs,
            height=height,
            width=width,
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            groups=groups,
        )
        named = given_options(context)
        chosen = {"dut": dut is not None, "onnx": onnx is not None, "chain": chain is not None}
        chosen["trained" if network == TRAINED else "layer"] = bool(layer)
        sources = [name for name, there in chosen.items() if there]
        sources += ["operator"] if operator or not sources else []
        must_have_a_source(named, sources)
        io.must_be_new(out)
        about = About(command=_regenerate(context), tool_version=io.tool_version())
        plan = Plan()
        of_device: list[Case] = []
        left_out: dict[str, str] = {}
        cases: list[Case] = []
        if dut is not None:
            declared = io.read_dut(dut)
            of_device, excluded = dut_cases(declared, seed=seed)
            about = replace(about, device=declared.model_dump(mode="json"), excluded=excluded)
            written = replace(written, layout=declared.memory.layout, lanes=declared.memory.lanes)
            plan = plan_of(declared)
        if layer:
            options = {"network": network, "stage": stage, "image": image, "seed": seed}
            layered, missing = layer_cases(layer, choices, side=side, crop=crop, **options)
            cases += layered
            about = replace(about, excluded=(*about.excluded, *missing))
            left_out = {each.what: each.reason for each in missing}
        if onnx is not None:
            cases += onnx_node_cases(onnx, node, given or [], choices)
        if chain is not None:
            cases += chained_cases(chain.split(","), sizes, choices, seed=seed)
        if "operator" in sources:
            of = ALL_OPERATORS if operator == ["all"] else operator or OPERATORS
            cases += seeded_cases(of, sizes, choices, seed=seed)
        must_concern(cases, choices)
        must_be_read(named, cases)
        cases = list({case.id: case for case in (*of_device, *cases)}.values())
        with progress("writing", len(cases)) as advance:
            files = set_files(
                _each(cases, advance),
                about=about,
                written=written,
                coverage=covered,
                sequencer=partial(run_in_one_memory, plan=plan) if sequence else None,
            )
            count = io.write_directory(out, files)
    typer.echo(f"{out}: {len(cases)} cases, {count} files; check a device with")
    typer.echo(f"  refimpl check {shlex.quote(str(out))} DEVICE_DIRECTORY")
    print_excluded(left_out)


def _regenerate(context: typer.Context) -> str:
    """The command that writes the same set again: every option that is not at its default."""
    words = ["refimpl", "vectors", "SET"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        unset = value is None or value == parameter.default
        if parameter.param_type_name == "option" and not unset:
            several = value if isinstance(value, list | tuple) else [value]
            flag = isinstance(value, bool)
            said = [(parameter.opts[0], *(() if flag else (str(each),))) for each in several]
            words += [word for each in said for word in each]
    return shlex.join(words)


def _each(cases: list[Case], advance: Any) -> Iterator[Case]:
    for case in cases:
        yield case
        advance(case.id)
