"""Every rounding rule of requantisation as ONNX nodes, exact: integer ones in int64.

    ⌊v/2^s⌋ = (v − Mod(v, 2^s)) / 2^s, whatever the sign; |v| and its sign for rules of magnitudes
    float_even: Cast to binary32, Mul, Round (ties to even): the scale of QLinearConv

Source: the rules of ``refimpl.bitexact.requantise``; ONNX operator set 17 for Mod, Div and Round.
"""

from collections.abc import Callable

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.requantise import FLOAT_RULE
from refimpl.onnx_graph.graph import Graph, add

FLOAT, INT64 = 1, 7  # ONNX's numbers of element types
Value = str


def scaled(graph: Graph, wide: Value, factor: tuple[Array, Array], rounding: str) -> Value:
    """rule(wide·m/2^s) as int64; factors are per channel (axis 1), or one."""
    multiplier, shift = factor
    if rounding == FLOAT_RULE:
        real = add(graph, "Cast", (wide,), {"to": FLOAT})
        times = constant(graph, "scale", _per_channel(multiplier.astype(np.float32)))
        nearest = add(graph, "Round", (add(graph, "Mul", (real, times)),))
        limit = np.float32(2.0**40)  # as the rule clips; int8 is far inside
        ends = (constant(graph, "end", np.array(end, np.float32)) for end in (-limit, limit))
        return add(graph, "Cast", (add(graph, "Clip", (nearest, *ends)),), {"to": INT64})
    value = add(graph, "Cast", (wide,), {"to": INT64})
    times = constant(graph, "multiplier", _per_channel(multiplier.astype(np.int64)))
    return RULES[rounding](graph, add(graph, "Mul", (value, times)), shift.astype(np.int64))


def constant(graph: Graph, name: str, values: Array) -> Value:
    """Store an array of any type under a name of its own."""
    key = f"{name}_{len(graph.constants)}"
    graph.constants[key] = np.ascontiguousarray(values)
    return key


def _per_channel(values: Array) -> Array:
    return values.reshape(1, -1, 1, 1)


def _integers(graph: Graph, values: Array | int) -> Value:
    return constant(graph, "whole", np.asarray(values, np.int64))


def _powers(graph: Graph, shift: Array) -> Value:
    return _integers(graph, _per_channel(np.int64(1) << shift))


def _floor_of(graph: Graph, value: Value, shift: Array) -> Value:
    step = _powers(graph, shift)
    rest = add(graph, "Mod", (value, step))
    return add(graph, "Div", (add(graph, "Sub", (value, rest)), step))


def _plus(graph: Graph, value: Value, other: Array | int) -> Value:
    return add(graph, "Add", (value, _integers(graph, other)))


def _halves(shift: Array) -> Array:
    return _per_channel((np.int64(1) << shift) >> 1)


def _half_up(graph: Graph, product: Value, shift: Array) -> Value:
    return _floor_of(graph, _plus(graph, product, _halves(shift)), shift)


def _half_even(graph: Graph, product: Value, shift: Array) -> Value:
    """The floor, and one more above a half, or at a half of an odd floor."""
    step, half = _powers(graph, shift), _integers(graph, _halves(shift))
    rest = add(graph, "Mod", (product, step))
    floor = add(graph, "Div", (add(graph, "Sub", (product, rest)), step))
    odd = add(graph, "Cast", (add(graph, "Mod", (floor, _integers(graph, 2))),), {"to": 9})
    tie = add(graph, "And", (add(graph, "Equal", (rest, half)), odd))
    up = add(graph, "Or", (add(graph, "Greater", (rest, half)), tie))
    return add(graph, "Add", (floor, add(graph, "Cast", (up,), {"to": INT64})))


def _of_magnitude(graph: Graph, value: Value, rule: Callable[[Value], Value]) -> Value:
    """A rule on the magnitude, with the sign put back."""
    sign = add(graph, "Sign", (value,))
    return add(graph, "Mul", (sign, rule(add(graph, "Abs", (value,)))))


def _half_away(graph: Graph, product: Value, shift: Array) -> Value:
    return _of_magnitude(graph, product, lambda size: _half_up(graph, size, shift))


def _toward_zero(graph: Graph, product: Value, shift: Array) -> Value:
    return _of_magnitude(graph, product, lambda size: _floor_of(graph, size, shift))


def _by_sign(graph: Graph, value: Value, positive: Array | int, negative: Array | int) -> Value:
    """One number where a value is not negative, another where it is."""
    below = add(graph, "Less", (value, _integers(graph, 0)))
    return add(graph, "Where", (below, _integers(graph, negative), _integers(graph, positive)))


def _tflite_double(graph: Graph, product: Value, shift: Array) -> Value:
    """A shift below 31 is all of the first one: as though the product stood further left."""
    first = np.minimum(shift, 31)
    half = _halves(first)
    nudge = _by_sign(graph, product, half, np.minimum(1 - half, 0))
    nudged = add(graph, "Add", (product, nudge))
    high = _of_magnitude(graph, nudged, lambda size: _floor_of(graph, size, first))
    return _half_away(graph, high, shift - first)


def _tosa_double(graph: Graph, product: Value, shift: Array) -> Value:
    twice = _per_channel(np.where(shift > 31, np.int64(1) << 30, 0))
    nudge = _by_sign(graph, product, twice, -twice)
    return _half_up(graph, add(graph, "Add", (product, nudge)), shift)


RULES: dict[str, Callable[[Graph, Value, Array], Value]] = {
    "half_up": _half_up,
    "half_even": _half_even,
    "half_away": _half_away,
    "floor": _floor_of,
    "toward_zero": _toward_zero,
    "tflite_double": _tflite_double,
    "tosa_double": _tosa_double,
}
