"""Claims about work: multiplications and kinds of operation of a layer, counted on its lowering."""

from collections.abc import Iterator
from itertools import product

from hwsim.lowering import DIRECTIONS, lower
from hwsim.workload import Convolution, Elementwise
from proofs.article import NO_EXTRA_COMPUTATION, NO_EXTRA_OPERATOR, ours
from proofs.claim import claim
from proofs.domain import Case, Cases


def _sites() -> Iterator[Case]:
    """Convolutions in order of input pixels, then channels, kernel and stride."""
    for side, channels, kernel, stride in product((1, 2, 4, 7), (1, 2, 8), (1, 3), (1, 2)):
        yield {"side": side, "channels": channels, "kernel": kernel, "stride": stride}


ORDER = "square images by side 1, 2, 4, 7; then channels 1, 2, 8; kernel 1, 3; stride 1, 2"


def _site(side: int, channels: int, kernel: int, stride: int) -> Convolution:
    return Convolution(
        in_channels=channels,
        out_channels=channels,
        height=side,
        width=side,
        kernel_h=kernel,
        kernel_w=kernel,
        stride=stride,
        padding=(kernel - 1) // 2,
    )


def _macs(form: str, site: Convolution) -> int:
    """Multiply-accumulates on the array."""
    return sum(p.macs for p in lower(form, site, relu=False) if isinstance(p, Convolution))


def _explain_macs(side: int, channels: int, kernel: int, stride: int) -> str:
    site = _site(side, channels, kernel, stride)
    return (
        f"a {kernel}×{kernel} convolution of a {side}×{side} image with {channels} channel takes "
        f"{_macs('convolution', site)} MAC, the fused X-volution {_macs('xvolution-fused', site)}"
    )


@claim(
    source=NO_EXTRA_COMPUTATION,
    status="false",
    evidence="exhaustive search",
    why="The merged kernel is as large as both branches' kernels together.",
    over=Cases(_sites),
    order=ORDER,
    explain=_explain_macs,
)
def fused_x_volution_adds_no_computation(
    side: int, channels: int, kernel: int, stride: int
) -> bool:
    """Fused X-volution (feature form) takes no more MACs than the convolution it replaces."""
    site = _site(side, channels, kernel, stride)
    return _macs("xvolution-fused", site) <= _macs("convolution", site)


@claim(
    source=ours("A7"),
    status="identity",
    evidence="exhaustive search",
    why="[x; T(x)] has 1 + D times the channels of x, and each product map is one multiplication "
    "per element.",
    over=Cases(_sites),
)
def fused_x_volution_takes_one_plus_d_times_the_macs(
    side: int, channels: int, kernel: int, stride: int
) -> bool:
    """With equal kernels the feature form takes 1 + D times the MACs of the convolution, D = 4.

    Beside the array it takes D·H·W·C elementwise multiplications, and nothing else.
    """
    site = _site(side, channels, kernel, stride)
    beside = [p for p in lower("xvolution-fused", site, relu=False) if isinstance(p, Elementwise)]
    ratio_holds = _macs("xvolution-fused", site) == (1 + 4) * _macs("convolution", site)
    counted = [(p.kind, p.operations) for p in beside]
    return DIRECTIONS == 4 and ratio_holds and counted == [("multiply", 4 * side**2 * channels)]


@claim(
    source=ours("A7"),
    status="identity",
    evidence="exhaustive search",
    why="Merging lays two convolutions side by side; what it saves is a pass over the outputs.",
    over=Cases(_sites),
)
def merging_saves_no_multiplications_on_the_array(
    side: int, channels: int, kernel: int, stride: int
) -> bool:
    """The merged form takes as many MACs as the two branches; it saves elementwise work only."""
    site = _site(side, channels, kernel, stride)
    trained, fused = (
        lower(form, site, relu=False) for form in ("xvolution-training", "xvolution-fused")
    )
    kinds = [[p.kind for p in form if isinstance(p, Elementwise)] for form in (trained, fused)]
    saved = sorted(kinds[0]) == sorted([*kinds[1], "affine", "affine", "add"])
    return saved and _macs("xvolution-training", site) == _macs("xvolution-fused", site)


def _explain_kinds(side: int, channels: int, kernel: int, stride: int) -> str:
    beside = _kinds_beside_convolution(side, channels, kernel, stride)
    return (
        f"on a {side}×{side} image with {channels} channel the fused X-volution also needs "
        f"elementwise: {', '.join(beside)}"
    )


def _kinds_beside_convolution(side: int, channels: int, kernel: int, stride: int) -> list[str]:
    lowered = lower("xvolution-fused", _site(side, channels, kernel, stride), relu=False)
    return [p.kind for p in lowered if isinstance(p, Elementwise)]


@claim(
    source=NO_EXTRA_OPERATOR,
    status="false",
    evidence="exhaustive search",
    why="The shift product multiplies features with features, which no static kernel does; a "
    "machine without elementwise multiplication must emulate it.",
    over=Cases(_sites),
    order=ORDER,
    explain=_explain_kinds,
)
def fused_x_volution_needs_only_convolution(
    side: int, channels: int, kernel: int, stride: int
) -> bool:
    """The fused X-volution (feature form) runs on a machine that can do nothing but convolve."""
    return not _kinds_beside_convolution(side, channels, kernel, stride)
