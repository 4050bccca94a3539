"""Shifts, windows and convolutions as ONNX has them.

    zero       Pad on the side that is read beyond, then Slice
    circular   Slice twice and Concat, axis by axis: x[s:] · x[:s], s = d mod size

Where the image's size is not known when the graph is made, s is computed in it: Shape and Mod. So
a shift by more than the image is right, too.

Source: ONNX operator set 17; ``refimpl.ops.shift`` for what a shift is.
"""

from refimpl.arrays import Array, Pair, pair
from refimpl.onnx_graph.graph import Graph, add, integers, join, weight
from refimpl.ops.conv2d import same_padding
from refimpl.ops.shift import Boundary, Offset

END = 2**31 - 1  # beyond any axis


def shift(graph: Graph, x: str, offset: Offset, boundary: Boundary) -> str:
    """``shift(x, offset)`` of an image (n, c, h, w)."""
    if boundary == "circular":
        for axis, step in zip((2, 3), offset, strict=True):
            x = _rotate(graph, x, axis, step)
        return x
    before = [max(-step, 0) for step in offset]
    after = [max(step, 0) for step in offset]
    padded = pad(graph, x, before, after)
    return cut(graph, padded, after, [-step if step else END for step in before])


def pad(graph: Graph, x: str, before: list[int], after: list[int]) -> str:
    """Zeros around an image: above and left, below and right."""
    if not any((*before, *after)):
        return x
    return add(graph, "Pad", (x, integers(graph, [0, 0, *before, 0, 0, *after])))


def cut(
    graph: Graph, x: str, starts: list[int], ends: list[int], steps: tuple[int, int] = (1, 1)
) -> str:
    """Rows and columns from ``starts`` to before ``ends``, which may count from the end."""
    places = [integers(graph, each) for each in (starts, ends, [2, 3], list(steps))]
    return add(graph, "Slice", (x, *places))


def windows(graph: Graph, x: str, kernel: Pair, stride: Pair, dilation: Pair) -> list[str]:
    """What each tap of a "same" window sees, tap by tap, zeros outside the image."""
    sides, apart = pair("kernel", kernel, least=1), pair("dilation", dilation, least=1)
    reach = list(same_padding(sides, dilation))
    padded, steps = pad(graph, x, reach, reach), pair("stride", stride, least=1)
    seen = []
    for u in range(sides[0]):
        for v in range(sides[1]):
            starts = [u * apart[0], v * apart[1]]
            left = [d * (side - 1) - at for d, side, at in zip(apart, sides, starts, strict=True)]
            seen.append(cut(graph, padded, starts, [-each or END for each in left], steps))
    return seen


def convolve(
    graph: Graph,
    x: str,
    kernels: tuple[str, Array],
    bias: Array | None = None,
    *,
    stride: Pair = 1,
    dilation: Pair = 1,
    padding: Pair | None = None,
    groups: int = 1,
    output: str | None = None,
) -> str:
    """A convolution by named kernels, "same" unless told; the bias is named b."""
    name, w = kernels
    sides = (w.shape[2], w.shape[3])
    reach = same_padding(sides, dilation) if padding is None else pair("padding", padding, least=0)
    inputs = [x, weight(graph, name, w)]
    if bias is not None:
        inputs.append(weight(graph, "b", bias))
    attributes = {
        "kernel_shape": sides,
        "strides": pair("stride", stride, least=1),
        "dilations": pair("dilation", dilation, least=1),
        "pads": (*reach, *reach),
        "group": groups,
    }
    return add(graph, "Conv", inputs, attributes, output=output)


def _rotate(graph: Graph, x: str, axis: int, step: int) -> str:
    """x[s:] and then x[:s] along one axis."""
    if step == 0 or (graph.size is not None and step % graph.size[axis - 2] == 0):
        return x
    if graph.size is None:
        size = add(graph, "Shape", (x,), {"start": axis, "end": axis + 1})
        place = add(graph, "Mod", (integers(graph, [step]), size))
    else:
        place = integers(graph, [step % graph.size[axis - 2]])
    first, last, along = (integers(graph, [each]) for each in (0, END, axis))
    tail = add(graph, "Slice", (x, place, last, along))
    head = add(graph, "Slice", (x, first, place, along))
    return join(graph, (tail, head), axis=axis)
