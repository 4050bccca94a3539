"""From a layer in some form to the primitives that compute it.

A *site* is a plain K × K convolution of a network; a form replaces it by something with the same
input and output shape.

    convolution               the site itself
    attention                 softmax(q·kᵀ)·v over the whole image: one head, d = output channels,
                              no output projection, 1/√d folded into the query's weights. With a
                              stride, queries stand at the strided positions, keys and values at all
    attention-unnormalised    q·(kᵀ·v): no softmax, so the products associate the cheap way
    xvolution-training        BN(conv(x)) + BN(conv(T(x))), T(x) = concat_d x ⊙ shift(x, d): two
                              branches, each with its own normalisation kept as an affine map
    xvolution-fused           conv([x; T(x)]): the same after folding and merging, one convolution
                              over (1 + D)·C channels

A shift is an address offset in the second operand's read: it takes no cycles, and both reads of
the multiplication are counted. ``[x; T(x)]`` is not copied together: the convolution reads x where
it lies. ReLU and affine maps are fused (applied on the way out of the primitive before them).

Source: Chen, Wang and Ni, "X-volution: On the unification of convolution and self-attention",
arXiv:2106.02253 (2021), for the forms; D = 4 directions is our reading of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from hwsim.checks import one_of
from hwsim.workload import (
    Convolution,
    Elementwise,
    Layer,
    Pooling,
    Primitive,
    Softmax,
    matrix_product,
)

DIRECTIONS = 4
Primitives: TypeAlias = tuple[Primitive, ...]


def lower(form: str, site: Convolution, *, relu: bool) -> Primitives:
    """Primitives that compute ``site`` in ``form``, a name in ``FORMS``; ``ValueError`` if not."""
    one_of("form", form, FORMS)
    rectify = (_fused("relu", site),) if relu else ()
    return (*FORMS[form](site), *rectify)


def convolution_layer(name: str, site: Convolution, *, relu: bool, form: str) -> Layer:
    """A layer that computes ``site`` in ``form``."""
    return Layer(name=name, form=form, primitives=lower(form, site, relu=relu))


def addition_layer(name: str, like: Convolution) -> Layer:
    """Sum of a block's two paths, each shaped as the output of ``like``, then ReLU."""
    return Layer(name=name, form="addition", primitives=(_sum(like), _fused("relu", like)))


def pooling_layer(name: str, kind: str, before: Convolution, window: int, outputs: int) -> Layer:
    """Pooling of the output of ``before``."""
    pooling = Pooling(
        kind=kind, inputs=before.out_elements, outputs=outputs, window=window, label=f"{kind} pool"
    )
    return Layer(name=name, form="pooling", primitives=(pooling,))


def fully_connected_layer(name: str, rows: int, channels_in: int, channels_out: int) -> Layer:
    """Matrix product of ``rows`` feature vectors with one weight matrix."""
    product = matrix_product(rows, channels_out, channels_in, label="fully connected")
    return Layer(name=name, form="matrix product", primitives=(product,))


def _plain(site: Convolution) -> Primitives:
    return (replace(site, label="convolution"),)


def _projections(site: Convolution) -> Primitives:
    everywhere = replace(site, kernel_h=1, kernel_w=1, padding=0, dilation=1, stride=1)
    return (
        replace(everywhere, stride=site.stride, label="query"),
        replace(everywhere, label="key"),
        replace(everywhere, label="value"),
    )


def _attention(site: Convolution) -> Primitives:
    queries, keys = site.out_height * site.out_width, site.height * site.width
    depth, count = site.out_channels, site.batch
    return (
        *_projections(site),
        matrix_product(queries, keys, depth, count=count, label="scores"),
        Softmax(rows=count * queries, cols=keys),
        matrix_product(queries, depth, keys, count=count, label="weighted sum"),
    )


def _attention_unnormalised(site: Convolution) -> Primitives:
    queries, keys = site.out_height * site.out_width, site.height * site.width
    depth, count = site.out_channels, site.batch
    return (
        *_projections(site),
        matrix_product(depth, depth, keys, count=count, label="key-value"),
        matrix_product(queries, depth, depth, count=count, label="query-key-value"),
    )


def _training(site: Convolution) -> Primitives:
    features = replace(site, in_channels=DIRECTIONS * site.in_channels, label="shifted branch")
    return (
        replace(site, label="plain branch"),
        _fused("affine", site),
        _shift_product(site),
        features,
        _fused("affine", site),
        _sum(site),
    )


def _merged(site: Convolution) -> Primitives:
    channels = (1 + DIRECTIONS) * site.in_channels
    return (
        _shift_product(site),
        replace(site, in_channels=channels, label="merged convolution"),
    )


def _shift_product(site: Convolution) -> Elementwise:
    pixels = site.batch * site.in_channels * site.height * site.width
    return Elementwise(
        kind="multiply", elements=DIRECTIONS * pixels, inputs=2, label="shift product"
    )


def _sum(like: Convolution) -> Elementwise:
    return Elementwise(kind="add", elements=like.out_elements, inputs=2, label="sum")


def _fused(kind: str, after: Convolution) -> Elementwise:
    return Elementwise(kind=kind, elements=after.out_elements, fused=True, label=kind)


FORMS: Mapping[str, Callable[[Convolution], Primitives]] = MappingProxyType(
    {
        "convolution": _plain,
        "attention": _attention,
        "attention-unnormalised": _attention_unnormalised,
        "xvolution-training": _training,
        "xvolution-fused": _merged,
    }
)
