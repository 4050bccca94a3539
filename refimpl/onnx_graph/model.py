"""Whole ONNX models: one fused X-volution, from x to y; a fused network, from image to answers.

Number of images, height and width are free (N, H, W) unless they are said; where they are said, the
places at which circular shifts cut are constants.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.forms import Attention, Form, Fused
from refimpl.onnx_graph.attention import local_kernel, per_image
from refimpl.onnx_graph.graph import FLOATS, IR_VERSION, OPSET, Graph, require_onnx
from refimpl.onnx_graph.network import Layer, add_layer
from refimpl.onnx_graph.pixel_shift import feature, shared, square, tied, two_pass

FORMS: Mapping[tuple[Attention, Form], Callable[..., str]] = {
    ("pssa", "feature"): feature,
    ("pssa", "two-pass"): two_pass,
    ("pssa", "tied"): tied,
    ("pssa", "square"): square,
    ("pssa", "shared"): shared,
    ("local_attention", "kernel"): local_kernel,
    ("global_attention", "sa"): per_image,
}
"""Forms that have a graph."""


def fused_model(
    fused: Fused, *, size: tuple[int, int] | None = None, about: Mapping[str, str] | None = None
) -> Any:
    """An ONNX model of one fused X-volution, in the number type of its arrays.

    ``size`` is the image's height and width, free if None; ``about`` becomes metadata.

    Raises
    ------
    ValueError
        If the form has no graph, the arrays no number type that ONNX computes in, or the onnx
        extra is not installed.
    """
    if (fused.attention, fused.form) not in FORMS:
        forms = ", ".join(form for kind, form in FORMS if kind == fused.attention)
        raise ValueError(
            f"a graph of {fused.attention} must be in one of the forms {forms}, not {fused.form!r}"
        )
    graph = Graph(dtype=_float_type(fused.arrays.values()), size=size)
    build = FORMS[fused.attention, fused.form]
    build(graph, "x", fused.arrays, fused.options, "y")
    outputs = len(fused.arrays["b"])
    inputs = fused.arrays["w_q" if "w_q" in fused.arrays else _static(fused)].shape[1]
    if fused.form in {"feature", "shared"}:
        inputs //= 1 + len(fused.options["directions"])
    return _model(graph, ("x", inputs), [("y", (outputs, "H_y", "W_y"))], size, about)


def network_model(
    layers: Sequence[Layer],
    parameters: Mapping[str, Mapping[str, Any]],
    *,
    answers: Sequence[tuple[str, tuple[int | str, ...]]],
    channels: int,
    eps: float,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    about: Mapping[str, str] | None = None,
) -> Any:
    """An ONNX model of a network whose X-volutions are fused; ``answers`` are names and shapes.

    ``channels`` are the image's, ``eps`` that of every normalisation that is left; ``sizes`` are
    the height and width of "image" and of every layer's output, free if None.

    Raises
    ------
    ValueError
        If a layer's kind has no graph, the weights are of several number types, or the onnx extra
        is not installed.
    """
    arrays = [
        array
        for weights in parameters.values()
        for value in weights.values()
        for array in (value if isinstance(value, tuple) else (value,))
    ]
    known = sizes or {}
    graph = Graph(dtype=_float_type(arrays))
    for layer in layers:
        graph.size = known.get(layer.inputs[0])
        add_layer(graph, layer, parameters.get(layer.name, {}), eps)
    return _model(graph, ("image", channels), answers, known.get("image"), about)


def _static(fused: Fused) -> str:
    return "w" if "w" in fused.arrays else "w_c"


def _float_type(arrays: Iterable[Array]) -> Any:
    names = sorted({array.dtype.name for array in arrays})
    if len(names) != 1 or names[0] not in FLOATS:
        raise ValueError(f"a graph must be in one of {', '.join(FLOATS)}, not {', '.join(names)}")
    return np.dtype(names[0])


def _model(
    graph: Graph,
    x: tuple[str, int],
    answers: Sequence[tuple[str, tuple[int | str, ...]]],
    size: tuple[int, int] | None,
    about: Mapping[str, str] | None,
) -> Any:
    onnx = require_onnx()
    helper, kind = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
    made = helper.make_graph(
        graph.nodes,
        "xvolution",
        [helper.make_tensor_value_info(x[0], kind, ["N", x[1], *(size or ("H", "W"))])],
        [helper.make_tensor_value_info(name, kind, ["N", *rest]) for name, rest in answers],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        made,
        producer_name="xvolution",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(model, dict(about or {}))
    onnx.checker.check_model(model, full_check=True)
    return model
