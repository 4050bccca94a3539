"""Fusing: the X-volutions of a checkpoint, or a whole network, into their inference form."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from refimpl import io
from refimpl.checkpoint import DTYPES, FusedState, KeyMap, fuse_state, parse_map
from refimpl.checkpoint.attributes import ATTENTION_OF, DEFAULTS
from refimpl.cli.fuse_network import NETWORKS, fuse_file
from refimpl.cli.terminal import WRONG, sentences, size
from refimpl.forms import FORMS, cost, trained_cost
from refimpl.onnx_graph import fused_model

WIDTH = 130  # columns of a table, whatever it is written to, so that two runs give the same bytes
SIDE = 56  # ours: pixels of the image that MACs are counted for
FORM_NAMES = list(dict.fromkeys(form for forms in FORMS.values() for form in forms))


def fuse(
    weights: Annotated[Path, typer.Argument(help="Trained weights, .npz or .safetensors.")],
    out: Annotated[
        Path, typer.Option(help="New file, .npz, .safetensors or .onnx; never overwritten.")
    ],
    form: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(FORM_NAMES)}; the attention's first.")
    ] = None,
    operator: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(ATTENTION_OF)}; needed where w_q, w_k, w_v do not tell."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help=f"What arrays do not tell: {', '.join(DEFAULTS)}."
        ),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option("--map", help="Your own keys, .toml or .json (docs/fusing.md).")
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help=f"Fuse a whole network, torchvision's keys: {', '.join(NETWORKS)}."),
    ] = None,
    stage: Annotated[
        str, typer.Option(help="Network: the stage that holds the operator, or none.")
    ] = "conv3_x",
    dtype: Annotated[
        str | None, typer.Option(help=f"What is written: {', '.join(DTYPES)}; as read if unset.")
    ] = None,
    site: Annotated[
        str | None, typer.Option(help="The X-volution that an .onnx file is of, if not the only.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--input", help="Height x width: for MACs, and fixed in an .onnx file."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Form tied: relative to the largest weight.", min=0)
    ] = 0.0,
    expand_groups: Annotated[
        bool, typer.Option(help="Write kernels in groups out with zeros, groups times the MACs.")
    ] = False,
    partial: Annotated[
        bool, typer.Option(help="Carry keys that are not recognised along, unchanged.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the random image of the check.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Fuse trained X-volutions; check them on a random image: 0 the same, 1 not, 2 unusable input.

    The trained and the fused form both run in float64, and must differ by rounding only. Nothing is
    written otherwise.

    For example:

      refimpl fuse weights.safetensors --out fused.safetensors

      refimpl fuse weights.npz --out fused.npz --form two-pass --set boundary=zero --set length=2

      refimpl fuse weights.safetensors --map keys.toml --out block.onnx --site stage3.mix

      refimpl fuse resnet.safetensors --network resnet50 --stage conv3_x --out resnet.onnx
    """
    with sentences():
        io.must_take_checkpoint(out)
        if dtype is not None and dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {dtype!r}")
        if form is not None and form not in FORM_NAMES:
            raise ValueError(f"form must be one of {', '.join(FORM_NAMES)}, not {form!r}")
        height, width = (SIDE, SIDE) if image is None else size(image)
        if min(height, width) < 1:
            raise ValueError(f"input must be at least 1x1, not {image}")
        attributes = _attributes(operator, settings or [])
        keys = KeyMap() if mapping is None else parse_map(io.read_mapping(mapping))
        if network is not None:
            others = {"--form": form, "--set": settings, "--site": site}
            _refuse_with_network({name: bool(value) for name, value in others.items()})
            report = fuse_file(
                weights,
                out,
                network,
                stage=stage,
                operator=operator,
                mapping=keys,
                dtype=dtype,
                size=None if image is None else (height, width),
                seed=seed,
            )
            title = f"{weights} as {report['network']}"
        else:
            state = io.read_checkpoint(weights)
            fused = fuse_state(
                state,
                keys,
                attributes,
                form=form,
                dtype=dtype,
                partial=partial,
                expand=expand_groups,
                tolerance=tolerance,
                seed=seed,
            )
            report, title = _report(fused, height, width), str(weights)
            if report["passed"]:
                _write(out, fused, site, None if image is None else (height, width), report)
    report["written"] = str(out) if report["passed"] else None
    _print(report, title, as_json=as_json)
    if not report["passed"]:
        raise typer.Exit(WRONG)


def _attributes(operator: str | None, settings: list[str]) -> dict[str, Any]:
    """Attributes of the command line: numbers and lists as JSON has them, else words."""
    given: dict[str, Any] = {} if operator is None else {"operator": operator}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--set must be NAME=VALUE, as in stride=2, not {each!r}")
        try:
            given[name] = json.loads(value)
        except ValueError:
            given[name] = value
    return given


def _refuse_with_network(given: Mapping[str, bool]) -> None:
    for name, is_given in given.items():
        if is_given:
            raise ValueError(f"{name} must be left out with --network, which has its own")


def _report(fused: FusedState, height: int, width: int) -> dict[str, Any]:
    """Everything there is to say of a fused checkpoint, as JSON has it."""
    rows = []
    for site, check in zip(fused.sites, fused.checks, strict=True):
        before, after = trained_cost(site.trained, height, width), cost(site.fused, height, width)
        rows.append(
            {
                "site": site.name,
                "attention": site.trained.attention,
                "form": site.fused.form,
                "macs_before": before.array_macs,
                "macs_after": after.array_macs,
                "elementwise_before": before.elementwise,
                "elementwise_after": after.elementwise,
                "parameters_before": before.parameters,
                "parameters_after": after.parameters,
                "difference": check.difference,
                "of_bound": check.of_bound,
                "rounded_difference": check.rounded,
                "largest_output": check.largest,
                "passed": check.passed,
                "attributes": dict(site.attributes),
                "assumed": list(site.assumed),
            }
        )
    return {
        "input": [height, width],
        "sites": rows,
        "coverage": fused.coverage,
        "passed": all(row["passed"] for row in rows),
    }


def _write(
    out: Path,
    fused: FusedState,
    site: str | None,
    size: tuple[int, int] | None,
    report: Mapping[str, Any],
) -> None:
    kept = ("site", "attention", "form", "attributes", "assumed")
    sites = [{name: row[name] for name in kept} for row in report["sites"]]
    about = {"sites": sites, "version": io.tool_version()}
    if out.suffix != ".onnx":
        io.write_checkpoint(out, fused.arrays, about)
        return
    names = [each.name for each in fused.sites]
    if site is None and len(names) > 1:
        raise ValueError(f"--site must name the one X-volution of the graph: {', '.join(names)}")
    if site is not None and site not in names:
        raise ValueError(f"--site must be one of {', '.join(map(repr, names))}, not {site!r}")
    at = 0 if site is None else names.index(site)
    said = {name: json.dumps(value) for name, value in sites[at].items()}
    io.write_model(out, fused_model(fused.stored(at), size=size, about=said))


def _print(report: Mapping[str, Any], title: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, indent=2))
        return
    height, width = report["input"]
    table = Table(title=f"{title}: MACs of a {height}×{width} image")
    for name in ("site", "attention", "form"):
        table.add_column(name)
    for name in ("MACs before", "after", "max |difference|", "of bound", "rounded"):
        table.add_column(name, justify="right")
    for row in report["sites"]:
        counts = (f"{row['macs_before']:,}", f"{row['macs_after']:,}")
        differences = (row["difference"], row["of_bound"], row["rounded_difference"])
        table.add_row(
            row["site"] or "(root)",
            row["attention"],
            row["form"],
            *counts,
            *("–" if each is None else np.format_float_scientific(each, 1) for each in differences),
        )
    Console(width=WIDTH).print(table)
    typer.echo(report["coverage"])
    for row in report["sites"]:
        if row["assumed"]:
            said = ", ".join(f"{name}={row['attributes'][name]}" for name in row["assumed"])
            typer.echo(f"assumed of {row['site'] or '(root)'}: {said}")
    typer.echo(
        f"written: {report['written']}"
        if report["written"]
        else "WRONG the fused form is not the trained one beyond rounding: nothing written"
    )
