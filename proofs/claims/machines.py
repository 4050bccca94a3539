"""Claims about machines: which of them run X-volution at all, how well, and what grows.

On every preset of ``hwsim`` and every stage of ResNet at 224², batch 1, a 3×3 layer in each form.
A form is *conv-friendly* on a machine and stage if it reaches 0.9 of the plain convolution's
utilisation of the array, exposes at most a tenth of its cycles to the vector unit, forms no tensor
of pixels × pixels, and needs convolution and elementwise work only, natively.
"""

from collections.abc import Iterator
from functools import cache

from hwsim import preset, preset_names
from hwsim.evaluate import LayerCost, cost_layers
from hwsim.lowering import convolution_layer, lower
from hwsim.workload import ELEMENTWISE_KINDS, Convolution
from proofs.article import (
    IRREGULAR,
    LINEAR_COST,
    NO_EXTRA_COMPUTATION,
    NO_EXTRA_OPERATOR,
    ours,
)
from proofs.claim import Hypothesis, claim
from proofs.domain import Case, Cases, grid

MACHINES = tuple(sorted(preset_names()))
STAGES = {"conv2_x": (64, 56), "conv3_x": (128, 28), "conv4_x": (256, 14), "conv5_x": (512, 7)}
COMPARED = ("convolution", "xvolution-fused", "attention", "aa-convolution")
EFFICIENCY, EXPOSED = 0.9, 0.1  # of the decision rule


def _site(channels: int, side: int) -> Convolution:
    return Convolution(
        in_channels=channels,
        out_channels=channels,
        height=side,
        width=side,
        kernel_h=3,
        kernel_w=3,
        padding=1,
    )


@cache
def kinds(form: str) -> frozenset[str]:
    """Kinds of primitive that a form needs beside convolutions, activations apart."""
    needed = lower(form, _site(64, 4), relu=False)
    return frozenset(each.kind for each in needed if not isinstance(each, Convolution))


@cache
def costs(machine: str, stage: str) -> dict[str, LayerCost]:
    """Cost of a 3×3 layer of a stage in the forms compared."""
    site = _site(*STAGES[stage])
    layers = [convolution_layer(form, site, relu=False, form=form) for form in COMPARED]
    return {cost.form: cost for cost in cost_layers(layers, preset(machine))}


def support(machine: str, form: str) -> str:
    """The weakest support that a machine has for what a form needs: native, emulated or none."""
    levels = {str(preset(machine).supports(kind).level) for kind in kinds(form)}
    order = ("not executable", "emulated", "native")
    return next((level for level in order if level in levels), "native")


def efficiency(machine: str, stage: str, form: str) -> float:
    """Utilisation of the array relative to the plain convolution's."""
    peak = preset(machine).array.macs_per_cycle
    found = costs(machine, stage)
    return found[form].cost.utilisation(peak) / found["convolution"].cost.utilisation(peak)


def exposed(machine: str, stage: str, form: str) -> float:
    """Part of the cycles in which only the vector unit works."""
    cost = costs(machine, stage)[form].cost
    return cost.vector_cycles / cost.cycles


def is_conv_friendly(machine: str, stage: str, form: str) -> bool:
    """The decision rule at the head of this file."""
    return (
        kinds(form) <= set(ELEMENTWISE_KINDS)
        and support(machine, form) == "native"
        and efficiency(machine, stage, form) >= EFFICIENCY
        and exposed(machine, stage, form) <= EXPOSED
    )


def _explain_support(machine: str) -> str:
    by_level = {
        level: [each for each in MACHINES if support(each, "xvolution-fused") == level]
        for level in ("native", "emulated", "not executable")
    }
    said = (f"{level}: {', '.join(names)}" for level, names in by_level.items() if names)
    return f"{machine} has no elementwise multiplication of features; {'; '.join(said)}"


@claim(
    source=NO_EXTRA_OPERATOR,
    status="false",
    evidence="exhaustive search",
    why="The shift product multiplies features with features; an accelerator that only convolves "
    "has no unit for it.",
    over=grid(machine=MACHINES),
    order="the presets by name",
    explain=_explain_support,
)
def every_machine_that_convolves_runs_fused_x_volution(machine: str) -> bool:
    """Every machine that runs a convolution runs the fused X-volution (feature form)."""
    return support(machine, "xvolution-fused") != "not executable"


def _multiplying(*, able: bool) -> Iterator[Case]:
    for machine in MACHINES:
        if (str(preset(machine).supports("multiply").level) != "not executable") == able:
            yield {"machine": machine}


@claim(
    source=ours("A6"),
    status="conditional",
    evidence="exhaustive search",
    why="One elementwise product and one convolution are all there is to it.",
    over=Cases(lambda: _multiplying(able=True)),
    hypotheses=(
        Hypothesis(
            text="the machine multiplies features element by element",
            without=Cases(lambda: _multiplying(able=False)),
        ),
    ),
)
def a_machine_that_multiplies_elementwise_runs_fused_x_volution(machine: str) -> bool:
    """A machine that multiplies features element by element runs fused X-volution, no reason left.

    On every stage of ResNet; a shift is a second read at another address at least.
    """
    return all(not costs(machine, stage)["xvolution-fused"].not_executable for stage in STAGES)


@claim(
    source=IRREGULAR,
    status="measured",
    evidence="count",
    why="Softmax over all pixels needs an exponential, a division and a tensor of pixels × pixels.",
    over=grid(
        machine=MACHINES,
        stage=tuple(STAGES),
        form=("attention", "aa-convolution"),
    ),
    rule="the rule for conv-friendly at the head of proofs/claims/machines.py",
)
def softmax_attention_is_conv_friendly_nowhere(machine: str, stage: str, form: str) -> bool:
    """Softmax attention, alone or beside a convolution (AA-Net), is conv-friendly on no machine.

    Nor natively executable on any that is modelled.
    """
    native = support(machine, form) == "native"
    return not native and not is_conv_friendly(machine, stage, form)


@claim(
    source=ours("A9"),
    status="measured",
    evidence="count",
    why="At 7×7 pixels the convolution's products outweigh everything else; at 28×28 moving five "
    "times the channels through DRAM does not hide on a fast array.",
    over=Cases(lambda: ({**each, "stage": "conv5_x"} for each in _multiplying(able=True))),
    hypotheses=(
        Hypothesis(
            text="the layer is of the last stage, 7×7 pixels",
            without=Cases(
                lambda: ({**each, "stage": "conv3_x"} for each in _multiplying(able=True))
            ),
        ),
    ),
    rule="utilisation at least 0.9 of the plain convolution's, vector time exposed at most a tenth",
)
def fused_x_volution_is_as_efficient_in_the_last_stage(machine: str, stage: str) -> bool:
    """In conv5_x fused X-volution uses the array ≥ 0.9 as well as a convolution, wherever it runs.

    In conv3_x that fails on some machines: the failure without the hypothesis is the first.
    """
    return (
        efficiency(machine, stage, "xvolution-fused") >= EFFICIENCY
        and exposed(machine, stage, "xvolution-fused") <= EXPOSED
    )


@claim(
    source=NO_EXTRA_COMPUTATION,
    status="bounded",
    evidence="count",
    why="1 + D = 5 times the products, on an array that was busy with the convolution already.",
    over=grid(machine=MACHINES, stage=tuple(STAGES)),
)
def fused_x_volution_takes_at_least_four_times_the_cycles(machine: str, stage: str) -> bool:
    """In cycles, fused X-volution takes at least 4 times the plain convolution, on every machine.

    With equal 3×3 kernels and four directions, whether or not the machine can do the products.
    """
    found = costs(machine, stage)
    return found["xvolution-fused"].cost.cycles >= 4 * found["convolution"].cost.cycles


GROWING = ("convolution", "xvolution-fused", "xvolution-training", "attention-unnormalised")


def _products(form: str, side: int, channels: int) -> int:
    needed = lower(form, _site(channels, side), relu=False)
    return sum(each.macs for each in needed if isinstance(each, Convolution))


@claim(
    source=LINEAR_COST,
    status="conditional",
    evidence="count",
    why="Products per pixel do not depend on how many pixels there are; scores of all pairs do.",
    over=grid(form=GROWING, side=(4, 8, 16), channels=(1, 8)),
    hypotheses=(
        Hypothesis(
            text="no pixel is compared with all pixels",
            without=grid(form=("attention",), side=(4,), channels=(8,)),
        ),
    ),
)
def array_work_is_linear_in_the_number_of_pixels(form: str, side: int, channels: int) -> bool:
    """Four times the pixels take four times the MACs: of PSSA, and of attention without softmax.

    One layer, n·(1 + D)·K²·C² for the fused form and O(n·C²) for unnormalised attention; softmax
    attention takes 2·n²·C more.
    """
    return _products(form, 2 * side, channels) == 4 * _products(form, side, channels)
