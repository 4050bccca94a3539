"""Claims about machines: which of them run X-volution at all, how well, and in what buffers.

All on the rows of ``proofs.machines``: every machine of the study, every stage of ResNet-34. A form
is *conv-friendly* on a machine and a stage by the rule of ``hwsim.study.rule``: it reaches 0.9 of
the plain convolution's utilisation of the array, exposes at most a tenth of its cycles to the
vector unit, has no tensor like n × n or C²K²n, and needs convolution, elementwise work and shifts
only, natively.
"""

from collections.abc import Iterator

from hwsim import preset
from proofs.article import IRREGULAR, NO_EXTRA_OPERATOR, ours
from proofs.claim import Hypothesis, claim
from proofs.domain import Case, Cases, grid
from proofs.machines import (
    FUSED,
    LEVELS,
    MACHINES,
    MERGED,
    SOFTMAX,
    STAGES,
    buffer_ratio,
    row,
    runs,
    support,
)

EFFICIENCY, EXPOSED = 0.9, 0.1  # of the decision rule


def _explain_support(machine: str) -> str:
    by_level = {
        level: [each for each in MACHINES if support(each, FUSED) == level]
        for level in reversed(LEVELS)
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
    order="the machines by name",
    explain=_explain_support,
)
def every_machine_that_convolves_runs_fused_x_volution(machine: str) -> bool:
    """Every machine that runs a convolution runs the fused X-volution (feature form)."""
    return runs(machine, FUSED)


def _multiplying(*, able: bool) -> Iterator[str]:
    for machine in MACHINES:
        if (str(preset(machine).supports("multiply").level) != "not executable") == able:
            yield machine


def _with_forms(forms: tuple[str, ...], *, able: bool) -> Cases:
    def cases() -> Iterator[Case]:
        return ({"machine": m, "form": f} for m in _multiplying(able=able) for f in forms)

    return Cases(cases)


@claim(
    source=ours("A6"),
    status="conditional",
    evidence="exhaustive search",
    why="Elementwise products and sums, shifts and one convolution are all there is to it.",
    over=_with_forms((*MERGED, "xvolution-tied"), able=True),
    hypotheses=(
        Hypothesis(
            text="the machine multiplies features element by element",
            without=_with_forms((FUSED,), able=False),
        ),
    ),
)
def a_machine_that_multiplies_elementwise_runs_fused_x_volution(machine: str, form: str) -> bool:
    """A machine that multiplies features element by element runs every fused form of X-volution.

    Natively, but for the shift, which is a second read at another address where nothing moves it:
    the feature form in one pass and in two, with shared products, with tied kernels, with squares.
    """
    return support(machine, form) == "native"


def _explain_squares(machine: str) -> str:
    lacking = [
        kind
        for kind, how in row(machine, STAGES[0], "xvolution-square").supports
        if how.startswith("not executable")
    ]
    return f"{machine} cannot {' nor '.join(lacking)} features element by element"


@claim(
    source=ours("A6"),
    status="false",
    evidence="exhaustive search",
    why="A square is a product of a feature with itself, and what lacks the one lacks the other.",
    over=Cases(lambda: ({"machine": each} for each in _multiplying(able=False))),
    order="the machines without elementwise multiplication, by name",
    explain=_explain_squares,
)
def squares_let_a_machine_without_products_run_x_volution(machine: str) -> bool:
    """With squares in place of products, a machine without elementwise products runs X-volution.

    x ⊙ y = ¼[(x + y)² − (x − y)²]: sums of features, one square, one convolution.
    """
    return runs(machine, "xvolution-square")


@claim(
    source=IRREGULAR,
    status="measured",
    evidence="count",
    why="Softmax over all pixels needs an exponential, a division and a tensor of pixels × pixels; "
    "in blocks it saves the tensor, not the exponential.",
    over=grid(machine=MACHINES, stage=STAGES, form=SOFTMAX),
    rule="the rule for conv-friendly of hwsim/study/rule.py at its default thresholds",
)
def softmax_attention_is_conv_friendly_nowhere(machine: str, stage: str, form: str) -> bool:
    """Softmax attention, alone or beside a convolution (AA-Net), is conv-friendly on no machine.

    Nor natively executable on any that is modelled; in blocks that keep scores on chip neither.
    """
    return support(machine, form) != "native" and not row(machine, stage, form).friendly


@claim(
    source=ours("A9"),
    status="bounded",
    evidence="count",
    why="Scores of all pairs of pixels outgrow the convolution beside them: n² against n.",
    over=grid(machine=MACHINES),
)
def aa_net_idles_the_array_on_large_maps_only(machine: str) -> bool:
    """Beside AA-Net's attention the array works < 0.2 as well in conv2_x, but > 0.7 in conv5_x.

    Utilisation relative to the plain convolution's, at 56×56 and 7×7 pixels, on every machine. So
    the harm of irregular branches depends on where they stand.
    """
    large, small = (row(machine, stage, "aa-convolution") for stage in ("conv2_x", "conv5_x"))
    return large.efficiency_ratio < 0.2 and small.efficiency_ratio > 0.7


def _in_stage(stage: str) -> Cases:
    return Cases(lambda: ({"machine": m, "stage": stage} for m in _multiplying(able=True)))


@claim(
    source=ours("A9"),
    status="measured",
    evidence="count",
    why="At 7×7 pixels the convolution's products outweigh everything else; at 28×28 moving five "
    "times the channels through DRAM does not hide on a fast array.",
    over=_in_stage("conv5_x"),
    hypotheses=(
        Hypothesis(text="the layer is of the last stage, 7×7 pixels", without=_in_stage("conv3_x")),
    ),
    rule="utilisation at least 0.9 of the plain convolution's, vector time exposed at most a tenth",
)
def fused_x_volution_is_as_efficient_in_the_last_stage(machine: str, stage: str) -> bool:
    """In conv5_x fused X-volution uses the array ≥ 0.9 as well as a convolution, wherever it runs.

    In conv3_x that fails on some machines: the failure without the hypothesis is the first.
    """
    found = row(machine, stage, FUSED)
    return found.efficiency_ratio >= EFFICIENCY and found.exposed_share <= EXPOSED


@claim(
    source=ours("A9"),
    status="identity",
    evidence="count",
    why="It is the feature form with half of the products to make, write and read.",
    over=grid(machine=MACHINES, stage=STAGES),
)
def one_product_for_two_directions_is_never_less_friendly(machine: str, stage: str) -> bool:
    """Wherever the feature form is conv-friendly, it is with one product for d and −d, too.

    And takes no more cycles, on any machine and stage.
    """
    shared, fused = (row(machine, stage, form) for form in ("xvolution-shared", FUSED))
    return shared.friendly >= fused.friendly and shared.cycles <= fused.cycles


@claim(
    source=ours("A9"),
    status="bounded",
    evidence="count",
    why="A tile of [x; T(x)] is cut in channels like a tile of x.",
    over=grid(machine=MACHINES, stage=STAGES, form=(*MERGED, "xvolution-tied")),
)
def fused_x_volution_holds_at_most_three_times_the_buffer(
    machine: str, stage: str, form: str
) -> bool:
    """Fused X-volution fits the buffers of every machine, at most 3 times the convolution's bytes.

    The largest tile that the schedule with the fewest cycles holds, of any form that merges.
    """
    found = row(machine, stage, form)
    return not found.reason and buffer_ratio(machine, stage, form) <= 3
