"""Which option of `refimpl vectors` is read by what: one that is given and not read is refused.

A set's cases come from sources (random inputs, a chain, a layer, a model, a device's declaration),
and each source reads some options only; of what a source reads, its cases read some only. Both are
data here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import typer

from refimpl.bitexact.operators import INTEGER_ARITHMETICS, OPERATORS
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import convolves
from refimpl.vectors.stimuli import Sizes, sums_over_taps

SOURCES: Mapping[str, str] = {
    "operator": "random inputs",
    "chain": "--chain",
    "layer": "--layer of a ResNet",
    "trained": "--layer of --network trained",
    "onnx": "--onnx",
    "dut": "--dut",
}
_CHOSEN = ("operator", "chain", "layer", "trained", "onnx")
_SIZES = tuple(each.name for each in fields(Sizes))
READ_BY: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("arithmetic", "declare", "table", "k_tile", "im2col"), _CHOSEN),
    **dict.fromkeys(("rounding", "order", "bias"), _CHOSEN),
    **dict.fromkeys(_SIZES, ("operator", "chain")),
    **dict.fromkeys(("network", "image", "side", "crop"), ("layer", "trained")),
    "stage": ("layer",),
    "seed": ("operator", "chain", "layer", "dut"),
    **dict.fromkeys(("node", "given"), ("onnx",)),
}
"""Sources that read an option; one that is not here is read whatever the sources are."""
DECLARED: Mapping[str, str] = {
    "arithmetic": "features.arithmetics",
    "declare": "a field of [arithmetic]",
    "rounding": "features.roundings",
    "order": "features.order",
    "bias": "features.bias",
    "k_tile": "tile.k",
    "channels": "tile.channels",
    "outputs": "tile.outputs",
    "height": "tile.pixels",
    "width": "tile.pixels",
    "kernel": "features.kernels",
    "stride": "features.strides",
    "dilation": "features.dilations",
    "groups": "features.groups",
    "layout": "memory.layout",
    "lanes": "memory.lanes",
}
"""Where a device's declaration says what an option would."""
_OF_THE_SET = ("layout", "lanes")  # a declaration's hold for all cases of a set


class Reader(NamedTuple):
    """Cases that read an option: which, and what they are called."""

    reads: Callable[[str, str], bool]
    says: str


_SHOWS = Reader(convolves, "one that convolves would")
CASES: Mapping[str, Reader] = {
    "rounding": Reader(
        lambda _, arithmetic: arithmetic in INTEGER_ARITHMETICS,
        "one in integers would; floats round as --declare accumulation.rounding says",
    ),
    "order": Reader(
        sums_over_taps,
        "one in floats that sums over c, u, v would; an integer accumulator's order is "
        "--declare accumulator.order",
    ),
    "bias": Reader(
        lambda operator, arithmetic: operator in OPERATORS and sums_over_taps(operator, arithmetic),
        "one in floats that convolves forward and adds a bias would",
    ),
    "k_tile": _SHOWS,
    "im2col": _SHOWS,
}


def given(context: typer.Context) -> dict[str, str]:
    """Options that the command line names, by parameter: how they are spelt."""
    return {
        parameter.name: parameter.opts[0]
        for parameter in context.command.params
        if parameter.param_type_name == "option" and parameter.name and _named(context, parameter)
    }


def _named(context: typer.Context, parameter: Any) -> bool:
    """Whether a person gave it; by name, since typer and click have a type of their own each."""
    source = context.get_parameter_source(parameter.name)
    return source is not None and source.name == "COMMANDLINE"


def must_have_a_source(options: Mapping[str, str], sources: Iterable[str]) -> None:
    """Refuse an option that no source of the set reads.

    Raises
    ------
    ValueError
        If there is one; with where a device's declaration says the same, or what would read it.
    """
    chosen = tuple(sources)
    for name, spelt in options.items():
        of_the_set = name in _OF_THE_SET and "dut" in chosen
        readers = READ_BY.get(name, chosen)
        if any(each in readers for each in chosen) and not of_the_set:
            continue
        if "dut" in chosen and name in DECLARED:
            raise ValueError(
                f"{spelt} must be left out with --dut: the declaration says it, as {DECLARED[name]}"
            )
        what, others = (", ".join(SOURCES[each] for each in these) for these in (chosen, readers))
        raise ValueError(f"{spelt} must be left out with {what}: only {others} would read it")


def must_be_read(options: Mapping[str, str], cases: Iterable[Case]) -> None:
    """Refuse an option that no case reads; ``cases`` are those of sources that read options.

    Raises
    ------
    ValueError
        If there is one; with which cases would.
    """
    calls = {(case.operator, case.arithmetic) for case in cases}
    for name, reader in CASES.items():
        if name in options and not any(reader.reads(*call) for call in calls):
            raise ValueError(
                f"{options[name]} must be left out here, as no case reads it: {reader.says}"
            )
