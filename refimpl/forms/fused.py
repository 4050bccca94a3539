"""One entry: any form of a trained X-volution, as arrays, options and the function that runs them.

    pssa               feature, two-pass, tied, square, shared, kernel
    local_attention    kernel
    global_attention   sa        (without softmax)

Both normalisations are folded first, b = (b − μ)·s + β; then every form is made of w_c', the folded
attention arrays and one bias. The conditions of ``refimpl.fuse`` are checked for every form.

Source: ``refimpl.forms``, one file per form.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from refimpl.arrays import Array
from refimpl.forms.kernel import kernel_form
from refimpl.forms.kernel_local import local_kernel_form
from refimpl.forms.per_image import per_image_form
from refimpl.forms.shared import shared
from refimpl.forms.square import square
from refimpl.forms.tied import tie, tied
from refimpl.forms.trained import Attention, XVolution
from refimpl.forms.two_pass import two_pass
from refimpl.fuse import (
    Branch,
    MergeError,
    check_mergeable,
    expand_groups,
    fold_branch,
    merge,
)
from refimpl.ops.global_attention import attention_scale
from refimpl.ops.xvolution_fused import xvolution_fused

Form: TypeAlias = Literal["feature", "two-pass", "tied", "square", "shared", "kernel", "sa"]
FORMS: dict[Attention, tuple[Form, ...]] = {
    "pssa": ("feature", "two-pass", "tied", "square", "shared", "kernel"),
    "local_attention": ("kernel",),
    "global_attention": ("sa",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """A fused X-volution: arrays and options of the function that runs its form."""

    attention: Attention
    form: Form
    arrays: Mapping[str, Array]
    options: Mapping[str, Any]


def fuse_xvolution(
    trained: XVolution,
    *,
    form: Form | None = None,
    tolerance: Any = 0,
    expand: bool = False,
) -> Fused:
    """Fuse a trained X-volution into a form; by default the first that its attention has.

    ``tolerance`` is what the tied form forgives; ``expand`` allows kernels in groups to be written
    out with zeros, at ``groups`` times the multiplications.

    Raises
    ------
    MergeError
        The first merging condition that fails, by name.
    """
    chosen = form or FORMS[trained.attention][0]
    if chosen not in FORMS[trained.attention]:
        raise MergeError(
            "form of the attention",
            f"{trained.attention} must be fused into one of {', '.join(FORMS[trained.attention])}, "
            f"not {chosen!r}",
        )
    conv, attention = _branches(trained, expand=expand)
    check_mergeable(conv, attention)
    if trained.attention == "pssa":
        return _fuse_pssa(trained, chosen, conv, attention, tolerance)
    return _fuse_attention(trained, chosen, conv, attention)


def run_fused(fused: Fused, x: Array) -> Array:
    """What the fused X-volution computes."""
    return _EVALUATE[fused.attention, fused.form](x, **fused.arrays, **fused.options)


def _branches(trained: XVolution, *, expand: bool) -> tuple[Branch, Branch]:
    """Both branches as convolutions; attention that is not one stands by W_o or W_v, 1×1."""
    groups = list(trained.groups)
    kernels = [trained.arrays["w_c"], _last_map(trained)]
    for place, count in enumerate(groups):
        if expand and count != 1 and kernels[place].ndim == 4:
            kernels[place], groups[place] = expand_groups(kernels[place], count), 1
    rest: dict[str, Any] = {
        "eps": trained.eps,
        "stride": trained.stride,
        "dilation": trained.dilation,
        "statistics": trained.statistics,
        "padding_mode": trained.padding_mode,
        "activation": trained.activation,
    }
    biases, norms = (
        (trained.arrays.get("b_c"), trained.arrays.get("b_a")),
        (trained.bn_c, trained.bn_a),
    )
    conv, attention = (
        Branch(w=w, b=b, bn=bn, groups=count, **rest)
        for w, b, bn, count in zip(kernels, biases, norms, groups, strict=True)
    )
    return conv, attention


def _last_map(trained: XVolution) -> Array:
    """The linear map that the attention ends with: what its normalisation folds into."""
    if trained.attention == "pssa":
        return trained.arrays["w_a"]
    return trained.arrays["w_o" if "w_o" in trained.arrays else "w_v"][:, :, None, None]


def _fuse_pssa(
    trained: XVolution, form: Form, conv: Branch, attention: Branch, tolerance: Any
) -> Fused:
    static, dynamic = fold_branch(conv), fold_branch(attention)
    bias = static.b + dynamic.b
    arrays: dict[str, Array]
    if form in {"feature", "shared"}:
        arrays = merge(conv, attention)._asdict()
    elif form == "tied":
        arrays = tie(static.w, dynamic.w, bias, tolerance=tolerance)._asdict()
    else:
        arrays = {"w_c": static.w, "w_a": dynamic.w, "b": bias}
    options = {
        "directions": trained.directions,
        "length": trained.length,
        "boundary": trained.boundary,
        "stride": trained.stride,
        "dilation": trained.dilation,
    }
    return Fused(attention="pssa", form=form, arrays=arrays, options=options)


def _fuse_attention(trained: XVolution, form: Form, conv: Branch, attention: Branch) -> Fused:
    static, last = fold_branch(conv), fold_branch(attention)
    arrays: dict[str, Any] = {
        "w_c": static.w,
        **{name: trained.arrays[name] for name in ("w_q", "w_k")},
    }
    steps = {"stride": trained.stride, "dilation": trained.dilation}
    matrix = last.w[:, :, 0, 0]
    if form == "kernel":
        options = steps | {
            "kernel": trained.window,
            "scale": trained.scale,
            "normalise": trained.normalise,
        }
        arrays |= {"w_v": matrix, "b": static.b + last.b}
        return Fused(attention=trained.attention, form=form, arrays=arrays, options=options)
    if trained.normalise != "none":
        raise MergeError(
            "no softmax",
            "global attention must be unnormalised to be one kernel per image: softmax is not "
            "linear in the query",
        )
    outer = {"w_v": matrix}
    if "w_o" in trained.arrays:
        outer = {"w_v": trained.arrays["w_v"], "w_o": matrix}
    scale = attention_scale(trained.scale, arrays["w_q"], trained.heads, trained.normalise)
    arrays |= {**outer, "b": static.b + last.b}
    options = steps | {"heads": trained.heads, "scale": scale}
    return Fused(attention=trained.attention, form=form, arrays=arrays, options=options)


_EVALUATE: dict[tuple[Attention, Form], Callable[..., Array]] = {
    ("pssa", "feature"): xvolution_fused,
    ("pssa", "two-pass"): two_pass,
    ("pssa", "tied"): tied,
    ("pssa", "square"): square,
    ("pssa", "shared"): shared,
    ("pssa", "kernel"): kernel_form,
    ("local_attention", "kernel"): local_kernel_form,
    ("global_attention", "sa"): per_image_form,
}
