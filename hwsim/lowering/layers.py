"""Layers of a network: a site in some form, and what stands between sites."""

from hwsim.lowering.catalogue import lower
from hwsim.workload import Convolution, Elementwise, Layer, Pooling, matrix_product


def convolution_layer(name: str, site: Convolution, *, relu: bool, form: str) -> Layer:
    """A layer that computes ``site`` in ``form``."""
    return Layer(name=name, form=form, primitives=lower(form, site, relu=relu))


def addition_layer(name: str, like: Convolution) -> Layer:
    """Sum of a block's two paths, each shaped as the output of ``like``, then ReLU."""
    total = Elementwise(kind="add", elements=like.out_elements, inputs=2, label="sum")
    relu = Elementwise(kind="relu", elements=like.out_elements, fused=True, label="relu")
    return Layer(name=name, form="addition", primitives=(total, relu))


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
