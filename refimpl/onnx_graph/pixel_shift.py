"""The forms of a fused X-volution with pixel shifts, as ONNX nodes.

    feature    Mul per direction · Concat with x · Conv
    shared     Mul per pair of opposite directions, its shifted copy · Concat with x · Conv
    two-pass   Conv of x · Mul per direction · Concat · Conv of the products · Add
    tied       Mul by α and Add per direction · Mul by x · Add x · Conv
    square     Add, Sub and Mul per direction · Concat with x · Conv

and the shifts of ``shifts``. The kernel form has the feature form's numbers and no ONNX operator.

Source: ``refimpl.forms``, one file per form.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from refimpl.arrays import Array
from refimpl.forms import square_weights
from refimpl.onnx_graph.graph import Graph, add, join, total, weight
from refimpl.onnx_graph.shifts import convolve, shift
from refimpl.ops.shift import Offset
from refimpl.ops.shift_product import offsets

Arrays: TypeAlias = Mapping[str, Array]
Options: TypeAlias = Mapping[str, Any]


def pssa(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None = None) -> str:
    """Pixel-shift attention by itself, kernels w and perhaps a bias b."""
    products = join(graph, _products(graph, x, options), axis=1)
    kernels = ("w", arrays["w"])
    return convolve(graph, products, kernels, arrays.get("b"), **_steps(options), output=output)


def feature(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """One convolution of [x; T(x)]."""
    augmented = join(graph, [x, *_products(graph, x, options)], axis=1)
    return _last(graph, augmented, arrays, options, output)


def shared(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """The feature form with one product for each pair of opposite directions."""
    products: dict[Offset, str] = {}
    for offset in _reached(options):
        back = (-offset[0], -offset[1])
        if back in products:
            products[offset] = shift(graph, products[back], offset, options["boundary"])
        elif offset not in products:
            products[offset] = _product(graph, x, offset, options)
    augmented = join(graph, [x, *(products[each] for each in _reached(options))], axis=1)
    return _last(graph, augmented, arrays, options, output)


def two_pass(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """Each kernel at its own size, and their sum."""
    steps = _steps(options)
    static = convolve(graph, x, ("w_c", arrays["w_c"]), arrays["b"], **steps)
    products = join(graph, _products(graph, x, options), axis=1)
    attention = convolve(graph, products, ("w_a", arrays["w_a"]), **steps)
    return add(graph, "Add", (static, attention), output=output)


def tied(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """A gate, x + x·Σ α·shift(x), before one convolution of x's size."""
    terms = []
    for number, offset in enumerate(_reached(options)):
        factor = weight(graph, f"alpha_{number}", arrays["alpha"][number].reshape(1, -1, 1, 1))
        copy = shift(graph, x, offset, options["boundary"])
        terms.append(add(graph, "Mul", (factor, copy)))
    gated = add(graph, "Mul", (x, total(graph, terms)))
    return _last(graph, add(graph, "Add", (x, gated)), arrays, options, output)


def square(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    """Squares of sums and of differences instead of products."""
    copies = [shift(graph, x, offset, options["boundary"]) for offset in _reached(options)]
    squares = []
    for kind in ("Add", "Sub"):
        for copy in copies:
            both = add(graph, kind, (x, copy))
            squares.append(add(graph, "Mul", (both, both)))
    kernels = {"w": square_weights(arrays["w_c"], arrays["w_a"]), "b": arrays["b"]}
    return _last(graph, join(graph, [x, *squares], axis=1), kernels, options, output)


def _last(graph: Graph, x: str, arrays: Arrays, options: Options, output: str | None) -> str:
    kernels = ("w", arrays["w"])
    return convolve(graph, x, kernels, arrays.get("b"), **_steps(options), output=output)


def _products(graph: Graph, x: str, options: Options) -> list[str]:
    return [_product(graph, x, offset, options) for offset in _reached(options)]


def _product(graph: Graph, x: str, offset: Offset, options: Options) -> str:
    return add(graph, "Mul", (x, shift(graph, x, offset, options["boundary"])))


def _reached(options: Options) -> tuple[Offset, ...]:
    return tuple(offsets(options["directions"], options["length"]))


def _steps(options: Options) -> dict[str, Any]:
    return {name: options.get(name, 1) for name in ("stride", "dilation")}
