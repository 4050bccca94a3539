"""Every form by name: the graph that computes it, and its primitives.

A *site* is a plain K × K convolution of a network; a form replaces it by something with the same
input and output shape (but ``convolution-wide``, which has more output channels).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from hwsim.checks import one_of
from hwsim.lowering import dense, local, neighbours, pixel_shift
from hwsim.lowering.build import Build, Ref
from hwsim.lowering.graph import Graph
from hwsim.lowering.options import Options
from hwsim.workload import Convolution, Primitive

Primitives: TypeAlias = tuple[Primitive, ...]
Write: TypeAlias = Callable[[Build, Convolution, Options, Ref], Ref]


@dataclass(frozen=True, slots=True)
class Form:
    """How a form is written down, and what it is in one sentence."""

    write: Write
    sentence: str


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "convolution": Form(dense.plain, "the convolution itself"),
        "convolution-wide": Form(
            dense.wide, "a plain convolution with the multiply-accumulates of the fused form"
        ),
        "attention": Form(dense.attention, "softmax attention over the image, all scores kept"),
        "attention-tiled": Form(
            dense.attention_tiled, "softmax attention in blocks, no score kept (online softmax)"
        ),
        "attention-scores": Form(
            dense.attention_scores, "unnormalised attention, the scores first: O(n²·C)"
        ),
        "attention-unnormalised": Form(
            dense.attention_context, "unnormalised attention, the context first: O(n·C²)"
        ),
        "aa-convolution": Form(
            dense.aa_convolution, "convolution beside multi-head attention, concatenated (AA-Net)"
        ),
        "aa-convolution-position": Form(
            dense.aa_convolution_position, "the same with relative position logits"
        ),
        "local-attention": Form(
            local.local_attention, "unnormalised attention in a window (Eq. 9)"
        ),
        "local-attention-softmax": Form(local.local_softmax, "softmax attention in a window"),
        "pssa": Form(pixel_shift.pssa, "pixel-shift attention alone"),
        "xvolution-training": Form(
            pixel_shift.training, "convolution and pixel-shift attention, each normalised, summed"
        ),
        "xvolution-training-batch": Form(
            pixel_shift.training_batch, "the same, normalised by the batch's own statistics"
        ),
        "xvolution-training-local": Form(
            local.training_local, "convolution and attention in a window (Eq. 9), summed"
        ),
        "xvolution-training-sa": Form(
            local.training_sa, "convolution and softmax attention over the image, summed"
        ),
        "xvolution-fused": Form(pixel_shift.fused, "fused, feature form: one convolution"),
        "xvolution-two-pass": Form(
            pixel_shift.two_pass, "fused, feature form in two passes into the same sums"
        ),
        "xvolution-tied": Form(pixel_shift.tied, "fused, tied kernels: a gate, one convolution"),
        "xvolution-square": Form(pixel_shift.square, "fused, squares in place of products"),
        "xvolution-square-array": Form(
            pixel_shift.square_convolved, "the same, sums by a convolution with ±1"
        ),
        "xvolution-shared": Form(pixel_shift.shared, "fused, one product for opposite directions"),
        "xvolution-kernel": Form(
            pixel_shift.kernel, "fused, kernel form, window by window (factorised)"
        ),
        "xvolution-kernel-stored": Form(
            pixel_shift.kernel_stored, "fused, kernel form, a kernel per pixel written down"
        ),
        "xvolution-kernel-local": Form(local.kernel_local, "Eq. 9 fused, kernel form, factorised"),
        "xvolution-sa": Form(local.sa, "fused with unnormalised attention: a kernel per image"),
        "acmix": Form(neighbours.acmix, "ACmix: shared projections for both"),
        "involution": Form(neighbours.involution, "involution: a kernel per pixel and group"),
        "neighbourhood-attention": Form(
            neighbours.neighbourhood, "softmax attention to the nearest pixels"
        ),
    }
)


def write(form: str, site: Convolution, options: Options | None = None) -> Graph:
    """The graph of ``site`` in ``form``: from "x" to "y"; ``ValueError`` if there is no such form.

    Weights carry the names of the operators' arguments (w_c, w_q, …); "b" is a bias.
    """
    one_of("form", form, FORMS)
    return _written(form, site, options or Options()).graph()


def lower(
    form: str, site: Convolution, *, relu: bool, options: Options | None = None
) -> Primitives:
    """Primitives that compute ``site`` in ``form``, a name in ``FORMS``; ``ValueError`` if not."""
    one_of("form", form, FORMS)
    build = _written(form, site, options or Options())
    if relu:
        y = Ref(build.results["y"], build.graph().shape_of(build.results["y"]))
        build.elements("relu", "relu", y, fused=True)
    return build.graph().primitives


def _written(form: str, site: Convolution, options: Options) -> Build:
    build = Build()
    x = build.given("x", site.batch, site.in_channels, site.height, site.width)
    build.result("y", FORMS[form].write(build, site, options, x))
    return build
