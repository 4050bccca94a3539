"""Claims about what X-volution takes in time, and how that grows with the image.

Cycles of ``hwsim``, on every machine of the study: rows of ``proofs.machines`` for the layers of
ResNet-34, single 3×3 layers of our own where a size is varied.
"""

from functools import cache

from hwsim import preset
from hwsim.evaluate import cost_layers
from hwsim.lowering import Options, write
from hwsim.study.growth import growth
from hwsim.workload import Convolution, Layer
from proofs.article import LINEAR_COST, NO_EXTRA_COMPUTATION, ours
from proofs.claim import Hypothesis, claim
from proofs.domain import Case, Cases, grid
from proofs.machines import FUSED, MACHINES, MERGED, PLAIN, STAGES, row, runs

LINEAR = (
    PLAIN,
    FUSED,
    "xvolution-training",
    "xvolution-two-pass",
    "xvolution-tied",
    "attention-unnormalised",
)
SHAPES = {"conv2_x": (64, 56), "conv3_x": (128, 28), "conv4_x": (256, 14), "conv5_x": (512, 7)}


def site(channels: int, side: int) -> Convolution:
    """A 3×3 convolution of stride 1 of a square image."""
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
def cycles(machine: str, form: str, channels: int, side: int, kernel: int = 3) -> int:
    """Cycles of a 3×3 layer in a form whose attention has kernels of side ``kernel``."""
    graph = write(form, site(channels, side), Options(shift_kernel=kernel))
    layer = Layer(name=form, form=form, primitives=graph.primitives)
    (found,) = cost_layers([layer], preset(machine))
    return found.cost.cycles


@cache
def macs(form: str, channels: int, side: int) -> int:
    """Multiply-accumulates on the array."""
    return write(form, site(channels, side)).macs


@claim(
    source=NO_EXTRA_COMPUTATION,
    status="bounded",
    evidence="count",
    why="1 + D = 5 times the products, on an array that was busy with the convolution already.",
    over=grid(machine=MACHINES, stage=STAGES, form=MERGED),
)
def fused_x_volution_takes_at_least_four_times_the_cycles(
    machine: str, stage: str, form: str
) -> bool:
    """In cycles, fused X-volution takes at least 4 times the plain convolution, on every machine.

    With equal 3×3 kernels and four directions, in one pass or two, with shared products or squares,
    whether or not the machine can do the products.
    """
    return row(machine, stage, form).cycles >= 4 * row(machine, stage, PLAIN).cycles


@claim(
    source=ours("A7"),
    status="identity",
    evidence="count",
    why="A second pass with a 1×1 kernel is 4/9 of the plain products; embedded in 3×3 it is 4.",
    over=grid(machine=MACHINES, stage=tuple(SHAPES)),
)
def two_passes_with_a_small_kernel_are_faster_on_every_machine(machine: str, stage: str) -> bool:
    """With a 1×1 attention kernel two passes take fewer cycles than one, on every machine.

    And more than 1.4 times the plain convolution's: 13/9 in multiply-accumulates.
    """
    taken = {form: cycles(machine, form, *SHAPES[stage], 1) for form in (FUSED, MERGED[1])}
    plain = cycles(machine, PLAIN, *SHAPES[stage])
    return taken[FUSED] > taken[MERGED[1]] and 10 * taken[MERGED[1]] > 14 * plain


def _tied() -> list[Case]:
    able = [each for each in MACHINES if runs(each, "xvolution-tied")]
    return [{"machine": machine, "stage": stage} for machine in able for stage in STAGES]


@claim(
    source=ours("A7"),
    status="bounded",
    evidence="count",
    why="The gate reads and writes whole maps, on a vector unit narrower than the array.",
    over=Cases(_tied),
)
def tied_kernels_are_free_on_the_array_not_in_time(machine: str, stage: str) -> bool:
    """The tied form takes the plain convolution's MACs, and more cycles, wherever it runs.

    In conv2_x and conv3_x at least 1.3 times as many: there it is conv-friendly on no machine.
    """
    tied, plain = (row(machine, stage, form) for form in ("xvolution-tied", PLAIN))
    slower = tied.cycles > plain.cycles
    if stage in STAGES[:2]:
        slower = 10 * tied.cycles >= 13 * plain.cycles and not tied.friendly
    return tied.array_macs == plain.array_macs and slower


@claim(
    source=LINEAR_COST,
    status="conditional",
    evidence="count",
    why="Products per pixel do not depend on how many pixels there are; scores of all pairs do.",
    over=grid(form=LINEAR, side=(4, 8, 16), channels=(1, 8)),
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
    return macs(form, channels, 2 * side) == 4 * macs(form, channels, side)


@claim(
    source=LINEAR_COST,
    status="identity",
    evidence="count",
    why="Every output number takes a product for each tap of each product map.",
    over=grid(side=(1, 4, 7, 14), channels=(1, 3, 8, 64)),
)
def pssa_takes_n_d_k2_c2_products(side: int, channels: int) -> bool:
    """One level of PSSA takes n·D·K²·C² multiply-accumulates: 36·n·C² for D = 4 and K = 3."""
    return macs("pssa", channels, side) == side**2 * 4 * 3**2 * channels**2


def _sizes() -> list[Case]:
    """Sizes around n = 16.5·C, where both take the same, and the stages of a ResNet."""
    around = [(channels, side) for channels in (1, 2, 66) for side in (1, 4, 5, 6, 32, 33, 34)]
    return [{"side": side, "channels": c} for c, side in (*around, *SHAPES.values())]


@claim(
    source=ours("A10"),
    status="identity",
    evidence="count",
    why="36·n·C² against 3·n·C² + 2·n²·C: what is linear in pixels has the larger factor.",
    over=Cases(_sizes),
)
def softmax_attention_takes_less_than_pssa_below_33_halves_c_pixels(
    side: int, channels: int
) -> bool:
    """Softmax attention takes fewer products than PSSA if and only if n < 16.5·C pixels.

    One head, q, k and v included. So it does from conv3_x on, and not in conv2_x: 56×56 pixels, 64
    channels.
    """
    fewer = macs("attention", channels, side) < macs("pssa", channels, side)
    return fewer == (2 * side**2 < 33 * channels)


@claim(
    source=ours("A10"),
    status="conditional",
    evidence="count",
    why="Work grows with the pixels; what is read once, such as weights, does not.",
    over=grid(machine=MACHINES, form=(PLAIN, FUSED, "attention-unnormalised"), side=(7, 14, 28)),
    hypotheses=(
        Hypothesis(
            text="no pixel is compared with all pixels",
            without=grid(machine=MACHINES, form=("attention",), side=(28,)),
        ),
    ),
)
def cycles_grow_no_faster_than_the_pixels(machine: str, form: str, side: int) -> bool:
    """Four times the pixels take at most 4.5 times the cycles, on every machine, 64 channels.

    From 7×7 to 56×56 pixels; of the convolution, of fused X-volution, of attention without softmax.
    """
    return 2 * cycles(machine, form, 64, 2 * side) <= 9 * cycles(machine, form, 64, side)


@claim(
    source=ours("A10"),
    status="conditional",
    evidence="count",
    why="The largest tensor is the product maps, D·n·C; of attention it is the scores, n × n.",
    over=grid(form=LINEAR, side=(7, 14)),
    hypotheses=(
        Hypothesis(
            text="no pixel is compared with all pixels",
            without=grid(form=("attention",), side=(7,)),
        ),
    ),
)
def no_tensor_of_x_volution_outgrows_the_image(form: str, side: int) -> bool:
    """No tensor of X-volution grows like n × n or C²·K²·n, fused or not, PSSA or unnormalised.

    Read off the lowered form at two sizes of the image and of the channels.
    """
    found = growth(form, site(64, side))
    return found.quadratic is None and found.kernels is None
