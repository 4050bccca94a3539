"""A network as a list of layers, a table each, as a TOML file has them.

    name = "mine"

    [[layers]]
    name = "conv1"                    # a convolution, as hwsim.workload.Convolution has it
    in_channels = 3
    height = 224
    width = 224
    out_channels = 64
    kernel_h = 7
    kernel_w = 7
    stride = 2
    padding = 3
    relu = true                       # applied to what leaves; false if left out
    form = "convolution"              # or another form of hwsim.lowering

    [[layers]]
    name = "fc"
    kind = "matrix product"           # m, n, k, and count independent ones
    m = 1
    n = 1000
    k = 2048

``kind`` may also be "elementwise" (operation, elements, inputs), "pooling" (operation, inputs,
outputs, window), "softmax" (rows, cols) or "copy" (read_elements, write_elements). Sizes are those
of one image: for a batch, there are as many images, rows, elements, or products without weights in
common (count above 1).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hwsim.checks import instance_of, one_of
from hwsim.importers.limits import MOST_LAYERS, size
from hwsim.lowering import FORMS, convolution_layer
from hwsim.networks import Network
from hwsim.workload import (
    Convolution,
    Copy,
    Elementwise,
    Layer,
    Pooling,
    Primitive,
    Softmax,
    matrix_product,
)

NETWORK_KEYS = ("name", "layers")
CONVOLUTION_KEYS = (
    *("in_channels", "height", "width", "out_channels", "kernel_h", "kernel_w", "stride"),
    *("padding", "dilation", "groups"),
)
OPTIONAL: Mapping[str, Any] = {
    "kernel_h": 1,
    "kernel_w": 1,
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
}


def listed(table: Mapping[str, Any], name: str, *, batch: int = 1) -> Network:
    """The network of a table; ``ValueError`` names the layer and the key."""
    for key in table:
        one_of(f"key {key}", key, NETWORK_KEYS)
    layers = table.get("layers")
    if not isinstance(layers, list) or not layers:
        raise ValueError("there must be layers, each a table [[layers]]")
    if len(layers) > MOST_LAYERS:
        raise ValueError(f"layers must be at most {MOST_LAYERS}, not {len(layers)}")
    instance_of("name", table.get("name", name), str, "a text")
    made = [_named(index, layer, batch) for index, layer in enumerate(layers, start=1)]
    (common, count), *_ = Counter(layer.name for layer in made).most_common(1)
    if count > 1:
        raise ValueError(f"names of layers must differ, not be {common!r} {count} times")
    return Network(
        name=table.get("name", name),
        layers=tuple(made),
        batch=batch,
        inputs={f"{batch} x its layers": ()},
    )


def _named(index: int, table: Any, batch: int) -> Layer:
    instance_of(f"layer {index}", table, Mapping, "a table")
    name = table.get("name", f"layer{index}")
    instance_of(f"name of layer {index}", name, str, "a text")
    given = {key: value for key, value in table.items() if key not in {"name", "kind"}}
    kind = table.get("kind", "convolution")
    instance_of(f"kind of layer {name}", kind, str, "a text")
    try:
        one_of("kind", kind, KINDS)
        layer = KINDS[kind](name, given, batch)
    except ValueError as error:
        raise ValueError(f"layer {name}: {error}") from error
    return replace(layer, nodes=(name,))


def _convolution(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    relu, form = given.get("relu", False), given.get("form", "convolution")
    instance_of("relu", relu, bool, "true or false")
    instance_of("form", form, str, "a text")
    one_of("form", form, FORMS)
    rest = {key: value for key, value in given.items() if key not in {"relu", "form"}}
    least = {"padding": 0}
    numbers = {**OPTIONAL, **_sizes(rest, CONVOLUTION_KEYS, OPTIONAL, least)}
    conv = Convolution(batch=batch, **numbers)
    made = convolution_layer(name, conv, relu=relu, form=form)
    return replace(made, primitives=tuple(_labelled(p, name) for p in made.primitives))


def _product(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    sizes = {"count": 1} | _sizes(given, ("m", "n", "k", "count"), ("count",))
    sizes["m" if sizes["count"] == 1 else "count"] *= batch
    return _layer(name, "matrix product", matrix_product(**sizes, label=name))


def _elementwise(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    kind, rest = _operation(given)
    sizes = {"inputs": 1} | _sizes(rest, ("elements", "inputs"), ("inputs",))
    sizes["elements"] *= batch
    return _layer(name, kind, Elementwise(kind=kind, **sizes, label=name))


def _pooling(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    kind, rest = _operation(given)
    sizes = _sizes(rest, ("inputs", "outputs", "window"))
    sizes |= {key: sizes[key] * batch for key in ("inputs", "outputs")}
    return _layer(name, "pooling", Pooling(kind=kind, **sizes, label=name))


def _softmax(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    sizes = _sizes(given, ("rows", "cols"))
    sizes["rows"] *= batch
    return _layer(name, "softmax", Softmax(**sizes, label=name))


def _copy(name: str, given: Mapping[str, Any], batch: int) -> Layer:
    sizes = _sizes(given, ("read_elements", "write_elements"))
    return _layer(name, "copy", Copy(**{k: v * batch for k, v in sizes.items()}, label=name))


KINDS: Mapping[str, Callable[[str, Mapping[str, Any], int], Layer]] = {
    "convolution": _convolution,
    "matrix product": _product,
    "elementwise": _elementwise,
    "pooling": _pooling,
    "softmax": _softmax,
    "copy": _copy,
}


def _layer(name: str, form: str, primitive: Primitive) -> Layer:
    return Layer(name=name, form=form, primitives=(primitive,))


def _labelled(primitive: Primitive, name: str) -> Primitive:
    return replace(primitive, label=f"{name}: {primitive.label}")


def _operation(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    kind = given.get("operation")
    instance_of("operation", kind, str, "a text")
    return str(kind), {key: value for key, value in given.items() if key != "operation"}


def _sizes(
    given: Mapping[str, Any],
    known: tuple[str, ...],
    optional: Any = (),
    least: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    for key in given:
        one_of(f"key {key}", key, known)
    missing = [key for key in known if key not in given and key not in optional]
    if missing:
        raise ValueError(f"there must be a key {missing[0]}")
    return {key: size(key, value, (least or {}).get(key, 1)) for key, value in given.items()}
