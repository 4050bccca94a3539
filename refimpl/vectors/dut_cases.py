"""The cases that follow from a device's declaration, and what it leaves out with the reason.

Every operator and arithmetic on whole tiles, one more than a tile and one less of outputs and
channels, ragged rows of pixels, a single pixel; every stride, dilation, kernel, number of groups
and rounding rule; in the arithmetic that the device declares.
"""

from collections.abc import Iterator
from dataclasses import replace

from refimpl.bitexact.operators import ALL_OPERATORS, INTEGER_ARITHMETICS
from refimpl.bitexact.operators import ARITHMETICS as KNOWN
from refimpl.bitexact.requantise import ROUNDINGS
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.declare import must_concern
from refimpl.vectors.dut import Dut
from refimpl.vectors.manifest import Exclusion
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import GROUPED, Sizes, seeded_cases

BATCHED = ("xvolution_training",)  # of one value a channel there is no variance


def dut_cases(dut: Dut, *, seed: str = "0") -> tuple[list[Case], tuple[Exclusion, ...]]:
    """Cases that a device must be tried on, and what is left out with the reason.

    Raises
    ------
    ValueError
        If the device declares a record that none of its operators has, or shows a stage that none
        of its cases has.
    """
    first, *others = dut.features.roundings
    cases: dict[str, Case] = {}
    choices = _choices(dut, first, dut.features.arithmetics)
    for case in _in_every_size(dut, choices, seed):
        cases.setdefault(case.id, case)
    integers = tuple(each for each in dut.features.arithmetics if each in INTEGER_ARITHMETICS)
    for rounding in others if integers else ():
        own = f"{seed}-{rounding.replace('_', '-')}"
        for case in _in_every_size(dut, _choices(dut, rounding, integers), own):
            cases.setdefault(case.id, case)
    must_concern(cases.values(), choices)
    _must_be_shown(dut, choices)
    return list(cases.values()), tuple(_excluded(dut))


def _choices(dut: Dut, rounding: str, arithmetics: tuple[str, ...]) -> Choices:
    return Choices(
        arithmetics=arithmetics,
        rounding=rounding,
        order=dut.features.order,
        bias_at=dut.features.bias,
        k_tile=dut.tile.k,
        declared=dut.arithmetic,
    )


def _in_every_size(dut: Dut, choices: Choices, seed: str) -> Iterator[Case]:
    for sizes in _sizes(dut):
        operators = [each for each in dut.features.operators if _takes(each, sizes)]
        yield from seeded_cases(operators, sizes, choices, seed=seed)


def _takes(operator: str, sizes: Sizes) -> bool:
    """Whether an operator has a case of such sizes."""
    if sizes.groups > 1 and operator not in GROUPED:
        return False
    one = sizes.batch * sizes.height * sizes.width == 1
    return operator not in BATCHED or not one


def _sizes(dut: Dut) -> Iterator[Sizes]:
    """Shapes whose tiles are whole, and ragged in each way."""
    own, width = dut.features, 5
    channels, outputs = dut.tile.channels, dut.tile.outputs
    rows = -(-dut.tile.pixels // width)
    base = Sizes(
        batch=1,
        height=rows,
        width=width,
        kernel=own.kernels[-1],
        stride=own.strides[0],
        dilation=own.dilations[0],
    )
    if 1 in own.groups:
        yield replace(base, channels=channels, outputs=outputs)
        yield replace(base, channels=channels, outputs=outputs + 1)
        yield replace(base, channels=channels + 1, outputs=max(1, outputs - 1))
        fewer = max(1, channels - 1)
        yield replace(base, channels=fewer, outputs=2, height=rows + 1, batch=2)
    for groups in own.groups:
        few = replace(base, channels=2 * groups, outputs=2 * groups, groups=groups)
        for kernel in own.kernels:
            yield replace(few, outputs=3 * groups, height=1, width=1, kernel=kernel)
            yield replace(few, outputs=3 * groups, kernel=kernel)
        for step in own.strides:
            yield replace(few, height=7, width=6, stride=step)
        for apart in own.dilations:
            yield replace(few, height=7, width=6, dilation=apart)


def _must_be_shown(dut: Dut, choices: Choices) -> None:
    """Every observable stage must be one that some case shows."""
    small = Sizes(batch=1, channels=2, outputs=2, height=3, width=3)
    cases = seeded_cases(dut.features.operators, small, choices)
    known = dict.fromkeys(name for case in cases for name in stages(case))
    for stage in dut.observe.stages or ():
        if not any(name == stage or name.endswith(f"_{stage}") for name in known):
            raise ValueError(
                f"observe.stages of {dut.name} must be of {', '.join(known)}, not {stage!r}"
            )


def _excluded(dut: Dut) -> Iterator[Exclusion]:
    """What the declaration leaves out of everything there is."""
    own = dut.features
    for what, known, has, key in (
        ("operator", ALL_OPERATORS, own.operators, "operators"),
        ("arithmetic", KNOWN, own.arithmetics, "arithmetics"),
        ("rounding", ROUNDINGS, own.roundings, "roundings"),
        ("stride", (1, 2), own.strides, "strides"),
        ("dilation", (1, 2), own.dilations, "dilations"),
        ("kernel side", (1, 3), own.kernels, "kernels"),
        ("groups", (1, 2), own.groups, "groups"),
    ):
        for each in known:
            if each not in has:
                reason = f"features.{key} of {dut.name} has {', '.join(map(str, has))} only"
                yield Exclusion(what=f"{what} {each}", reason=reason)
    yield from _by_operator(dut)
    if dut.observe.stages is not None:
        seen = ", ".join(dut.observe.stages) or "none"
        yield Exclusion(
            what="stages other than the output",
            reason=f"observe.stages of {dut.name} has {seen}",
        )
    why = dut.adder_class
    if isinstance(why, str):
        yield Exclusion(what="bounds of float outputs", reason=f"{dut.name}: {why}")


def _by_operator(dut: Dut) -> Iterator[Exclusion]:
    """Sizes that an operator of the device has no case of."""
    split = ", ".join(str(each) for each in dut.features.groups if each > 1)
    for operator in dut.features.operators:
        if split and operator not in GROUPED:
            yield Exclusion(what=f"{operator} in {split} groups", reason="it has none")
        if operator in BATCHED:
            reason = "a batch of one value has no variance"
            yield Exclusion(what=f"{operator} of a single pixel", reason=reason)
