"""Golden vectors: write a set, check a device's files against it."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from refimpl import io
from refimpl.bitexact.bounds import Bound
from refimpl.bitexact.operators import OPERATORS
from refimpl.cli.terminal import WRONG, progress, sentences
from refimpl.nets.graph import Network
from refimpl.nets.resnet import resnet
from refimpl.vectors.case import ARITHMETICS, Case, Choices
from refimpl.vectors.check import Verdict, judge
from refimpl.vectors.formats import UnknownBitsError
from refimpl.vectors.layouts import BY_NAME
from refimpl.vectors.manifest import CaseEntry, Tensor
from refimpl.vectors.network import inputs_of, network_cases, prepare, until
from refimpl.vectors.stimuli import Sizes, random_cases
from refimpl.vectors.write import set_files

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
    layout: Annotated[str, typer.Option(help=".bin and .hex: nchw or nhwc.")] = "nchw",
    kinds: Annotated[
        str, typer.Option("--files", help="Kinds of file, of npy, bin and hex.")
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
        )
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
                command=_regenerate(context),
                tool_version=io.tool_version(),
                layout=layout,
                kinds=tuple(kinds.split(",")),
            )
            count = io.write_directory(out, files)
    typer.echo(f"{out}: {len(cases)} cases, {count} files; check a device with")
    typer.echo(f"  refimpl check {shlex.quote(str(out))} DEVICE_DIRECTORY")


def check(
    golden: Annotated[Path, typer.Argument(help="A set written by `refimpl vectors`.")],
    device: Annotated[
        Path, typer.Argument(help="What the device wrote: <case>/<tensor>.npy, .bin or .hex.")
    ],
    case: Annotated[list[str] | None, typer.Option(help="Only these cases.")] = None,
    report: Annotated[Path | None, typer.Option("--json", help="Write the verdicts here.")] = None,
) -> None:
    """Judge a device's files: 0 all right, 1 something is wrong, 2 unusable input.

    Every case must have its output file; stages are judged where the device left them. int8 must be
    equal; fp32 may be within the rigorous bound of any order of summation, and the verdict says so.

    For example:

      refimpl check out/small device/

      refimpl check out/small device/ --case pssa-int8-n2c3o4h7w6k3s1-0 --json verdict.json
    """
    with sentences():
        manifest = io.read_manifest(golden)
        entries = _chosen(manifest.cases, case)
        if not device.is_dir():
            raise io.UnusableError(f"{device} must be a directory of a device's files")
        verdicts: list[Verdict] = []
        with progress("checking", len(entries)) as advance:
            for entry in entries:
                verdicts += _check_case(golden, device, entry)
                advance(entry.id)
        if report is not None:
            rows = [asdict(verdict) | {"passed": verdict.passed} for verdict in verdicts]
            io.write_text(report, json.dumps({"verdicts": rows}, indent=2) + "\n")
    for verdict in verdicts:
        typer.echo(("ok    " if verdict.passed else "WRONG ") + verdict.sentence)
    wrong = sum(not verdict.passed for verdict in verdicts)
    typer.echo(f"{len(verdicts)} files of {len(entries)} cases: {wrong} wrong")
    if wrong:
        raise typer.Exit(WRONG)


def verify(golden: Annotated[Path, typer.Argument(help="A set.")]) -> None:
    """Check that every file of a set is what its manifest says."""
    with sentences():
        count = io.verify_files(golden, io.read_manifest(golden))
    typer.echo(f"{golden}: {count} files, all as the manifest says")


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


def _chosen(entries: tuple[CaseEntry, ...], names: list[str] | None) -> list[CaseEntry]:
    if not names:
        return list(entries)
    known = {entry.id: entry for entry in entries}
    for name in names:
        if name not in known:
            raise io.UnusableError(f"case must be one of {', '.join(known)}, not {name!r}")
    return [known[name] for name in names]


def _check_case(golden: Path, device: Path, entry: CaseEntry) -> Iterator[Verdict]:
    """Judge every file the device left for a case, stages first."""
    by_role: dict[str, Tensor] = {tensor.role: tensor for tensor in entry.tensors}
    bound = None
    if "bound" in by_role:
        reference, reach = (
            io.read_tensor(golden, by_role[role]) for role in ("reference", "bound")
        )
        bound = Bound(reference, reach)
    for tensor in entry.tensors:
        if tensor.role not in {"stage", "output"}:
            continue
        found = io.device_files(device, entry.id, tensor.name)
        if tensor.role == "output" and not found:
            raise io.UnusableError(
                f"{device} must hold {entry.id}/{tensor.name}.npy, .bin or .hex: no output is there"
            )
        if found:
            expected = io.read_tensor(golden, tensor)
        for path, kind in found:
            names = (entry.id, tensor.name, path.name)
            try:
                got = io.read_device(path, kind, tensor)
            except UnknownBitsError as error:
                yield Verdict(
                    case=names[0],
                    tensor=names[1],
                    file=names[2],
                    outcome="unknown bits",
                    elements=tensor.words,
                    note=f": {error}",
                )
                continue
            yield judge(
                expected,
                got,
                layout=BY_NAME[tensor.layout],
                names=names,
                bound=bound if tensor.role == "output" else None,
            )


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
