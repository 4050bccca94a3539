"""SCALE-Sim's files: a topology as a network, a configuration as a machine.

A topology is a CSV table with a header and a layer per line. For convolutions

    name, ifmap height, ifmap width, filter height, filter width, channels, filters, stride

and for matrix products, told by a header whose second column is M,

    name, M, N, K

Images come padded, and an output is ⌈(in − filter + stride) / stride⌉ wide: where the stride does
not fit, one more window than lies in the image, whose last pixels we count as read. What follows
the stride (a second one, a sparsity) must repeat it or say that nothing is sparse.

Source: the files that SCALE-Sim 3.0.0 ships (topologies, configs/scale.cfg) and its behaviour.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import replace
from fractions import Fraction

from hwsim.checks import one_of
from hwsim.importers.limits import MOST_LAYERS, size
from hwsim.integers import ceil_div
from hwsim.machine import Array, Machine
from hwsim.networks import Network
from hwsim.workload import Convolution, Layer, matrix_product

CONVOLUTION = (
    *("IFMAP height", "IFMAP width", "filter height", "filter width"),
    *("channels", "number of filters", "stride"),
)
PRODUCT = ("M", "N", "K")
DATAFLOWS = {"os": "output-stationary", "ws": "weight-stationary", "is": "input-stationary"}
SIZES = ("ArrayHeight", "ArrayWidth", "IfmapSramSzkB", "FilterSramSzkB", "OfmapSramSzkB")
SECTION = "architecture_presets"


def topology(text: str, name: str, *, batch: int = 1) -> Network:
    """The network a topology describes; ``ValueError`` names the line and the field."""
    lines = _lines(text)
    first = next(lines, None)
    if first is None:
        raise ValueError("a topology must have a header line, not be empty")
    columns = [cell.upper() for cell in first[1]]
    is_product = columns[1:4] == ["M", "N", "K"]
    layers: list[Layer] = []
    for number, cells in lines:
        if len(layers) == MOST_LAYERS:
            raise ValueError(f"layers must be at most {MOST_LAYERS}")
        try:
            layers.append(_product(cells, batch) if is_product else _convolution(cells, batch))
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    if not layers:
        raise ValueError("a topology must have a layer after its header line")
    image = _image(layers[0])
    return Network(name=name, layers=tuple(_told_apart(layers)), batch=batch, inputs=image)


def configuration(text: str, name: str, default: Machine) -> Machine:
    """The machine a configuration describes; what it does not say is as in ``default``.

    Raises ``ValueError`` for a missing or impossible entry, and for sparse operands.
    """
    parser = ConfigParser(interpolation=None, strict=True)
    try:
        parser.read_string(text)
    except ConfigError as error:
        sentence = " ".join(str(error).split())
        raise ValueError(f"a configuration must be sections of entries: {sentence}") from error
    if not parser.has_section(SECTION):
        raise ValueError(f"there must be a section [{SECTION}]")
    given = parser[SECTION]
    for key in given:
        one_of(f"entry {key} of [{SECTION}]", key, [each.lower() for each in KNOWN])
    if parser.get("sparsity", "SparsitySupport", fallback="false").strip().lower() == "true":
        raise ValueError("SparsitySupport must be false: sparse operands are not modelled")
    missing = [key for key in (*SIZES, "Dataflow") if key not in given]
    if missing:
        raise ValueError(f"there must be an entry {missing[0]} in [{SECTION}]")
    rows, cols, *kilobytes = (_integer(key, given[key]) for key in SIZES)
    flow = given["Dataflow"].strip().lower()
    ifmap, weights, ofmap = (value * 1024 for value in kilobytes)
    return replace(
        default,
        name=name,
        description="read from a SCALE-Sim configuration",
        dataflow=DATAFLOWS[one_of("Dataflow", flow, DATAFLOWS)],
        array=Array(rows=rows, cols=cols),
        buffers=replace(
            default.buffers, ifmap_bytes=ifmap, filter_bytes=weights, ofmap_bytes=ofmap
        ),
        dram=replace(default.dram, bytes_per_cycle=_bandwidth(given.get("Bandwidth"), default)),
        sources={},
    )


KNOWN = (
    *(*SIZES, "Dataflow", "Bandwidth", "MemoryBanks", "ReadRequestBuffer", "WriteRequestBuffer"),
    *("IfmapOffset", "FilterOffset", "OfmapOffset"),
)
"""Entries of a configuration's architecture; those beyond sizes, dataflow and bandwidth say where
addresses lie and how requests queue, which no number here depends on."""


def _told_apart(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers, a number after the name of each that has one as before."""
    seen: Counter[str] = Counter()
    for layer in layers:
        seen[layer.name] += 1
        count = seen[layer.name]
        name = layer.name if count == 1 else f"{layer.name} #{count}"
        yield replace(layer, name=name, nodes=(name,))


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Lines that are not blank, with their numbers, as stripped cells without empty last ones."""
    try:
        for number, cells in enumerate(csv.reader(text.splitlines(), strict=True), start=1):
            stripped = [cell.strip() for cell in cells]
            while stripped and not stripped[-1]:
                stripped.pop()
            if stripped:
                yield number, stripped
    except csv.Error as error:
        raise ValueError(f"a topology must be a CSV table: {error}") from error


def _convolution(cells: Sequence[str], batch: int) -> Layer:
    numbers = _numbers(cells, CONVOLUTION)
    height, width, kernel_h, kernel_w, channels, filters, stride = numbers[:7]
    for extra in cells[8:]:
        if extra not in {cells[7], "1:1", "0"}:
            raise ValueError(
                f"what follows the stride must repeat it, or say 1:1 (dense), not {extra!r}"
            )
    if kernel_h > height or kernel_w > width:
        raise ValueError(
            f"filter {kernel_h}x{kernel_w} must fit in the ifmap, not exceed {height}x{width}"
        )
    rows, cols = (
        (ceil_div(full - kernel + stride, stride) - 1) * stride + kernel
        for full, kernel in ((height, kernel_h), (width, kernel_w))
    )
    conv = Convolution(
        batch=batch,
        in_channels=channels,
        height=rows,
        width=cols,
        out_channels=filters,
        kernel_h=kernel_h,
        kernel_w=kernel_w,
        stride=stride,
        label=cells[0],
    )
    return Layer(name=cells[0], form="convolution", primitives=(conv,), nodes=(cells[0],))


def _product(cells: Sequence[str], batch: int) -> Layer:
    m, n, k = _numbers(cells, PRODUCT)[:3]
    product = matrix_product(m * batch, n, k, label=cells[0])
    return Layer(name=cells[0], form="matrix product", primitives=(product,), nodes=(cells[0],))


def _numbers(cells: Sequence[str], names: Sequence[str]) -> list[int]:
    if len(cells) <= len(names):
        raise ValueError(
            f"a layer must have a name and {len(names)} numbers ({', '.join(names)}), not "
            f"{len(cells)} fields"
        )
    return [_integer(name, cell) for name, cell in zip(names, cells[1:], strict=False)]


def _integer(name: str, text: str) -> int:
    digits = text.strip()[:40]
    value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else digits
    return size(name, value)


def _bandwidth(text: str | None, default: Machine) -> Fraction:
    """Words per cycle, a word being a byte; the first of a list, all of which must be equal."""
    if text is None:
        return default.dram.bytes_per_cycle
    values = {_integer("Bandwidth", each) for each in text.split(",")}
    if len(values) != 1:
        raise ValueError(f"Bandwidth must be one number for all operands, not {text!r}")
    return Fraction(values.pop())


def _image(layer: Layer) -> dict[str, tuple[int, ...]]:
    first = layer.primitives[0]
    assert isinstance(first, Convolution)  # noqa: S101 - made so above
    return {layer.name: (first.batch, first.in_channels, first.height, first.width)}
