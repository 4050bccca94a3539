"""Golden vectors: write a set."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from refimpl import io
from refimpl.bitexact.operators import OPERATORS
from refimpl.cli.terminal import progress, sentences
from refimpl.nets.graph import Network
from refimpl.nets.resnet import resnet
from refimpl.vectors.case import ARITHMETICS, Case, Choices
from refimpl.vectors.files.kinds import CASE_KINDS, TENSOR_KINDS
from refimpl.vectors.layouts import FAMILIES
from refimpl.vectors.network import inputs_of, network_cases, prepare, until
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import About, Written, set_files

DEPTHS = {"resnet34": 34, "resnet50": 50}
Operators = Annotated[
    list[str] | None,
    typer.Option("--operator", help=f"Operator on seeded random input: {', '.join(OPERATORS)}."),
]
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", help="Layer of the network on the image; `refimpl layers` lists them."),
]
Arithmetics = Annotated[
    list[str] | None,
    typer.Option("--arithmetic", help=f"{' or '.join(ARITHMETICS)}; both if none."),
]
NetworkName = Annotated[str, typer.Option("--network", help=" or ".join(DEPTHS))]
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
    rounding: Annotated[
        str, typer.Option(help="int8: half_up, half_even, floor or tflite_double.")
    ] = "half_up",
    order: Annotated[str, typer.Option(help="fp32: loop order, cuv or uvc.")] = "cuv",
    bias: Annotated[str, typer.Option(help="fp32: bias first or last.")] = "last",
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
    side: Annotated[int, typer.Option(help="Layers: input side of the network, pixels.")] = 224,
    crop: Annotated[
        int | None, typer.Option(help="Layers: only the middle CROP×CROP of what enters them.")
    ] = None,
    batch: int = 2,
    channels: int = 3,
    outputs: int = 4,
    height: int = 7,
    width: int = 6,
    kernel: int = 3,
    stride: int = 1,
    seed: Annotated[str, typer.Option(help="Seed of random inputs and weights.")] = "0",
) -> None:
    """Write a set of golden vectors: every operator on random input, unless you choose.

    Sizes (--batch … --stride) are those of random inputs; a layer has its own.

    For example:

      refimpl vectors out/small

      refimpl vectors out/pssa --operator pssa --arithmetic int8 --height 14 --width 14

      refimpl vectors out/layer --layer conv3_2.conv2 --crop 14 --image photo.png --layout nhwc
    """
    with sentences():
        choices = Choices(
            arithmetics=tuple(arithmetic or ARITHMETICS),
            rounding=rounding,
            order=order,
            bias_at=bias,
            k_tile=k_tile,
            im2col=im2col,
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
        )
        io.must_be_new(out)
        cases: list[Case] = []
        if operator or not layer:
            cases += random_cases(operator or OPERATORS, sizes, choices, seed=seed)
        if layer:
            cases += _layer_cases(_network(network, stage), layer, image, choices, seed, side, crop)
        with progress("writing", len(cases)) as advance:
            files = set_files(
                _each(cases, advance),
                about=About(command=_regenerate(context), tool_version=io.tool_version()),
                written=written,
            )
            count = io.write_directory(out, files)
    typer.echo(f"{out}: {len(cases)} cases, {count} files; check a device with")
    typer.echo(f"  refimpl check {shlex.quote(str(out))} DEVICE_DIRECTORY")


def _layer_cases(
    network: Network,
    layer: list[str],
    image: str,
    choices: Choices,
    seed: str,
    side: int,
    crop: int | None,
) -> list[Case]:
    part = until(network, layer)
    pixels, stimulus = io.read_photograph(image)
    with progress(f"running {network.name}", 2 * len(part.nodes)) as advance:
        prepared = prepare(
            part, pixels, side=side, keep=inputs_of(part, layer), seed=seed, progress=advance
        )
    return network_cases(
        prepared, layer, choices, stimulus={**stimulus, "seed": seed, "side": side}, crop=crop
    )


def _network(name: str, stage: str) -> Network:
    if name not in DEPTHS:
        raise ValueError(f"network must be one of {', '.join(DEPTHS)}, not {name!r}")
    return resnet(DEPTHS[name], stage=None if stage == "none" else stage)


def _regenerate(context: typer.Context) -> str:
    """The command that writes the same set again: every option that is not at its default."""
    words = ["refimpl", "vectors", "SET"]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        unset = value is None or value == parameter.default
        if parameter.param_type_name == "option" and not unset:
            several = value if isinstance(value, list | tuple) else [value]
            words += [word for each in several for word in (parameter.opts[0], str(each))]
    return shlex.join(words)


def _each(cases: list[Case], advance: Any) -> Iterator[Case]:
    for case in cases:
        yield case
        advance(case.id)
