"""The main job on a photograph: golden vectors, their cost on three NPUs, the claims, one page.

A small trained network is fused and gives the same answers. A photograph goes through ResNet-50
with X-volution in conv3_x. One of its X-volution layers becomes a set of golden vectors, which
three devices are held against; the same layer is costed on three machines in four forms; every
claim is checked. ``OUT/index.html`` shows it all.
"""

import base64
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Annotated, Any

import jinja2
import matplotlib as mpl
import numpy as np
import typer
from learned import learned
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

import hwsim
from proofs.catalogue import select
from proofs.pool import check_each
from refimpl import io
from refimpl.bitexact.operators import PIPELINES
from refimpl.nets import shapes
from refimpl.nets.graph import parameter_count
from refimpl.nets.photograph import square
from refimpl.nets.resnet import resnet
from refimpl.nets.run import DEFINITIONS, fuse_network, run, xvolution_tensors
from refimpl.vectors.case import bare_name
from refimpl.vectors.manifest import Manifest
from refimpl.vectors.network import Prepared, inputs_of, prepare
from refimpl.vectors.write import npy

LAYER = "conv3_2.conv2"
STAGE = "conv3_x"
MACHINES = ("scalesim-default", "gemmini-default", "tpu-v1")
FORMS = {
    "convolution": "plain convolution",
    "attention": "global softmax attention",
    "xvolution-training": "X-volution, training form",
    "xvolution-fused": "X-volution, fused",
}
BUDGET = {
    "compute_cycles": ("multiplying", "#2b6cb0"),
    "fragmentation_cycles": ("idle elements", "#90cdf4"),
    "fill_drain_cycles": ("fill and drain", "#a0aec0"),
    "vector_cycles": ("vector unit", "#dd6b20"),
    "stall_cycles": ("waiting for memory", "#e53e3e"),
}
HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """One channel of a layer's feature maps, as pictures."""

    channel: int
    pictures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that was held against the vectors: what it does, and what the checker said."""

    name: str
    does: str
    command: str
    exit_code: int
    said: str


def main(
    image: Annotated[
        str, typer.Option(help=f"A picture file, or {', '.join(io.PHOTOGRAPHS)}.")
    ] = "astronaut",
    out: Annotated[Path, typer.Option(help="Directory to (re)create.")] = Path("out"),
    side: Annotated[int, typer.Option(help="Input side of the network, in pixels.")] = 224,
    crop: Annotated[int, typer.Option(help="Side of the activation the vectors use.")] = 14,
    claim: Annotated[
        list[str] | None, typer.Option(help="Only these claims: ids, patterns, A4.1; all if none.")
    ] = None,
) -> None:
    """Do the main job on a photograph and write OUT/index.html."""
    started = time.perf_counter()
    try:
        pixels, provenance = io.read_photograph(image)
        square(pixels, side)
        claims = select(claim or ())
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error
    _make_room(out)
    with _step("a small network that was trained, before and after fusing"):
        small = learned(_picture)
    with _step("a photograph through ResNet-50 with X-volution in conv3_x, to the bit"):
        network = resnet(50, stage=STAGE)
        keep = [*inputs_of(network, [LAYER]), LAYER]
        prepared = prepare(network, pixels, keep=keep, side=side)
        agreement = _fused_agrees(prepared)
    with _step(f"golden vectors of {LAYER}, and three devices held against them"):
        vectors = _vectors(out, image, side, crop)
        devices = _devices(out)
    with _step("cost on three machines"):
        costs = _costs()
    with _step("claims"):
        verdicts = check_each(claims, jobs=os.cpu_count() or 1)
    with _step("the page"):
        manifest = io.read_manifest(out / "vectors")
        page = _render(
            photograph=_picture(square(pixels, side)),
            provenance=provenance,
            side=side,
            crop=crop,
            layer=LAYER,
            learned=small,
            maps=_feature_maps(prepared),
            network=_facts(prepared, side) | agreement,
            vectors=vectors,
            cases=_case_rows(manifest, out),
            devices=devices,
            bars=_bars(costs),
            costs=costs,
            verdicts=verdicts,
            seconds=round(time.perf_counter() - started),
        )
        io.write_text(out / "index.html", page)
    typer.echo(f"done in {time.perf_counter() - started:.0f} s: open {out / 'index.html'}")
    if any(verdict.surprise for verdict in verdicts):
        typer.echo("a claim did not come out as stated: see the page", err=True)
        raise typer.Exit(1)


def _make_room(out: Path) -> None:
    """Remove what an earlier run wrote, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("vectors", "devices"):
        shutil.rmtree(out / name, ignore_errors=True)
    (out / "index.html").unlink(missing_ok=True)


@contextmanager
def _step(doing: str) -> Iterator[None]:
    typer.echo(f"== {doing}")
    started = time.perf_counter()
    yield
    typer.echo(f"   {time.perf_counter() - started:.1f} s")


def _fused_agrees(prepared: Prepared) -> dict[str, Any]:
    """Answer of the trained and of the fused network by the definitions, in float64."""
    image, parameters = prepared.image.astype(np.float64), _float64(prepared.parameters)
    forms = ((prepared.network, parameters), fuse_network(prepared.network, parameters))
    trained, fused = (run(*form, image, arithmetic=DEFINITIONS)["fc"] for form in forms)
    exact = prepared.activations["fc"].astype(np.float64)
    scale = float(np.abs(trained).max())
    return {
        "fused_difference": float(np.abs(trained - fused).max()) / scale,
        "bit_exact_difference": float(np.abs(exact - fused).max()) / scale,
        "same_answer": len({int(each.argmax()) for each in (trained, fused, exact)}) == 1,
    }


def _float64(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    def wide(value: Any) -> Any:
        if isinstance(value, tuple):
            return type(value)(*(each.astype(np.float64) for each in value))
        return value.astype(np.float64)

    return {
        node: {name: wide(value) for name, value in arrays.items()}
        for node, arrays in parameters.items()
    }


def _facts(prepared: Prepared, side: int) -> dict[str, Any]:
    plain = resnet(50, stage=None)
    macs, plain_macs = (
        shapes.total(shapes.node_shapes(each, side, side)).macs
        for each in (prepared.network, plain)
    )
    return {
        "name": prepared.network.name,
        "parameters": parameter_count(prepared.parameters),
        "macs": macs,
        "plain_macs": plain_macs,
    }


def _command(*words: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    """Run one of our commands as a user would."""
    done = subprocess.run(  # noqa: S603 - our own command
        [str(BIN / words[0]), *words[1:]], capture_output=True, text=True, check=False
    )
    return shlex.join(words), done


def _vectors(out: Path, image: str, side: int, crop: int) -> dict[str, Any]:
    words = ["refimpl", "vectors", str(out / "vectors"), "--layer", LAYER]
    options = {"--stage": STAGE, "--image": image, "--side": side, "--crop": crop}
    words += [str(word) for option in options.items() for word in option]
    command, done = _command(*words)
    if done.returncode:
        raise RuntimeError(done.stderr)
    files = [path for path in (out / "vectors").rglob("*") if path.is_file()]
    return {
        "command": command,
        "files": len(files),
        "megabytes": sum(path.stat().st_size for path in files) / 1e6,
    }


def _case_rows(manifest: Manifest, out: Path) -> list[dict[str, Any]]:
    rows = []
    for entry in manifest.cases:
        by_role = {tensor.role: tensor for tensor in entry.tensors}
        hex_file = next(each.path for each in by_role["output"].files if each.kind == "hex")
        with (out / "vectors" / hex_file).open(encoding="ascii") as lines:
            words = [line.strip() for line, _ in zip(lines, range(4), strict=False)]
        rows.append(
            {
                "id": entry.id,
                "operator": entry.operator,
                "arithmetic": entry.arithmetic["name"],
                "stages": [each.name for each in entry.tensors if each.role == "stage"],
                "output": "×".join(map(str, by_role["output"].shape)),
                "file": hex_file,
                "words": words,
            }
        )
    return rows


def _devices(out: Path) -> list[Device]:
    """A faithful device, one that sums in another order, and one that truncates."""
    golden = out / "vectors"
    fp32, int8 = (f"{LAYER}-xvolution-fused-{arithmetic}" for arithmetic in ("fp32", "int8"))
    plans: list[tuple[str, str, str, Mapping[str, Any]]] = [
        ("faithful", "rounds half up, as declared", int8, {}),
        ("channels-innermost", "sums the same products in another order", fp32, {"order": "uvc"}),
        ("truncating", "drops the low bits where it should round", int8, {"rounding": "floor"}),
    ]
    return [_device(out, golden, *plan) for plan in plans]


def _device(
    out: Path, golden: Path, name: str, does: str, case: str, changed: Mapping[str, Any]
) -> Device:
    entry = next(each for each in io.read_manifest(golden).cases if bare_name(each.id) == case)
    tensors = {
        tensor.name: io.read_tensor(golden, tensor)
        for tensor in entry.tensors
        if tensor.role == "input"
    }
    pipeline = PIPELINES[entry.operator, entry.arithmetic["name"]]
    output = pipeline(tensors, {**entry.attributes, **changed})["output"]
    (out / "devices").mkdir(exist_ok=True)
    place = out / "devices" / name
    io.write_directory(place, [(f"{entry.id}/output.npy", npy(output))])
    command, done = _command("refimpl", "check", str(golden), str(place), "--case", case)
    said = done.stdout.replace(f"{entry.id} ", "").strip()
    return Device(name=name, does=does, command=command, exit_code=done.returncode, said=said)


def _feature_maps(prepared: Prepared, count: int = 3) -> list[Maps]:
    """Feature maps around the layer, for the channels whose attention branch varies most."""
    node = prepared.network.node(LAYER)
    x = prepared.activations[inputs_of(prepared.network, [LAYER])[0]]
    tensors = xvolution_tensors(x, prepared.parameters[LAYER])
    stages = PIPELINES["xvolution", "fp32"](tensors, node.attributes)
    right = x.shape[1]  # products come direction by direction; the second is "right"
    variation = stages["attention_scaled"][0].astype(np.float64).std(axis=(1, 2))
    chosen = np.argsort(-variation, kind="stable")[:count]
    return [
        Maps(
            channel=int(channel),
            pictures=tuple(
                (title, _heat(array[0, channel]))
                for title, array in (
                    ("before: x", x),
                    ("x ⊙ shift(x, right)", stages["attention_product"][:, right:]),
                    ("convolution branch", stages["conv_scaled"]),
                    ("attention branch", stages["attention_scaled"]),
                    ("after: X-volution", stages["output"]),
                )
            ),
        )
        for channel in chosen
    ]


def _heat(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    unit = (values - low) / ((high - low) or 1.0)
    return _picture((mpl.colormaps["magma"](unit)[..., :3] * 255).astype(np.uint8))


def _picture(pixels: np.ndarray) -> str:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormCost:
    """A form of the layer on a machine; ``missing`` is what the machine itself has no unit for."""

    label: str
    cost: hwsim.Cost
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCost:
    """What the layer costs in every form, and the whole network plain and fused, on a machine."""

    machine: hwsim.Machine
    forms: tuple[FormCost, ...]
    plain: hwsim.Estimate
    fused: hwsim.Estimate
    coverage: str

    @property
    def hypothetical(self) -> bool:
        """Whether a hypothetical vector unit had to be assumed for some form."""
        return any(form.missing for form in self.forms)


def _costs() -> list[MachineCost]:
    return [_machine_cost(hwsim.preset(name)) for name in MACHINES]


def _machine_cost(machine: hwsim.Machine) -> MachineCost:
    """Cost everything as documented; where a unit is missing, with a hypothetical one, marked."""
    assumed = hwsim.with_vector_unit(machine, _lanes(machine))
    documented, completed = (
        hwsim.layer_forms(each, in_channels=128, out_channels=128, height=28, width=28, relu=False)
        for each in (machine, assumed)
    )
    forms = tuple(
        FormCost(
            label=label,
            cost=(completed if documented[form].not_executable else documented)[form].cost,
            missing=documented[form].not_executable,
        )
        for form, label in FORMS.items()
    )
    fused = hwsim.network("resnet50", stage=STAGE, form="xvolution-fused")
    as_documented = hwsim.estimate(fused, machine).coverage
    runs = assumed if as_documented.not_executable else machine
    return MachineCost(
        machine=machine,
        forms=forms,
        plain=hwsim.estimate(hwsim.network("resnet50"), runs),
        fused=hwsim.estimate(fused, runs),
        coverage=as_documented.sentence,
    )


def _lanes(machine: hwsim.Machine) -> int:
    """Lanes of a hypothetical vector unit: as many as the machine's own has, or array columns."""
    return machine.array.cols if machine.vector is None else machine.vector.lanes


def _bars(costs: Sequence[MachineCost]) -> str:
    """Cycles of each form relative to the plain convolution, split into where they go."""
    mpl.rcParams.update({"svg.hashsalt": "xvolution", "font.size": 10, "svg.fonttype": "none"})
    figure = Figure(figsize=(9.6, 2.1 * len(costs) + 0.6), layout="constrained")
    for axes, on in zip(figure.subplots(len(costs), 1), costs, strict=True):
        plain = on.forms[0].cost.cycles
        names = [form.label + (" *" if form.missing else "") for form in on.forms]
        left = np.zeros(len(on.forms))
        for part, (label, colour) in BUDGET.items():
            width = np.array([getattr(form.cost, part) / plain for form in on.forms])
            bars = axes.barh(names, width, left=left, color=colour, label=label)
            for bar, form in zip(bars, on.forms, strict=True):
                bar.set(hatch="///" if form.missing else None, edgecolor="white", linewidth=0)
            left += width
        for row, total in enumerate(left):
            axes.text(total, row, f" {total:.2f}×", va="center")
        axes.set_title(on.machine.name, loc="left", fontweight="bold")
        axes.set_xlim(0, left.max() * 1.12)
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("cycles, relative to the plain 3×3 convolution on the same machine")
    key = [Patch(color=colour, label=label) for label, colour in BUDGET.values()]
    figure.legend(handles=key, loc="outside upper center", ncols=len(BUDGET), frameon=False)
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _render(**page: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = _thousands()
    return environment.get_template("demo.html.j2").render(**page)


def _thousands() -> Callable[[float], str]:
    return lambda number: f"{number:,.0f}".replace(",", "\u202f")


if __name__ == "__main__":
    typer.run(main)
