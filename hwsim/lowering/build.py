"""Write a graph down, step by step: every method adds one step and returns what it makes.

A ``Ref`` is a tensor of the graph as it is read; its methods read it otherwise and cost nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.lowering.graph import Graph, Operand, Part, Step, Tensor, side_by_side
from hwsim.lowering.views import (
    Expand,
    Flip,
    Pad,
    Reshape,
    Shape,
    Slice,
    Spread,
    Transpose,
    View,
    Windows,
    shape_through,
)
from hwsim.workload import (
    Convolution,
    Elementwise,
    MapReads,
    Primitive,
    Reduction,
    Shift,
    Softmax,
)

KINDS: Mapping[str, str] = {
    "add": "add",
    "subtract": "add",
    "multiply": "multiply",
    "square": "multiply",
    "scale": "multiply",
    "affine": "affine",
    "relu": "relu",
    "relu-gradient": "multiply",
    "divide": "divide",
    "root-inverse": "transcendental",
}
"""What each function of elements costs as: an adder subtracts, a multiplier squares."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor, or several side by side, as they are read; ``shape`` is that of the operand."""

    operand: Operand
    shape: Shape

    @property
    def name(self) -> str:
        """Name of the tensor, or of the first of several."""
        return self.operand.parts[0].tensor

    def through(self, *views: View) -> "Ref":
        """The same tensor read through further views."""
        parts, before = self.operand
        shape = shape_through(views, self.shape)
        if len(parts) == 1:  # so that parts may stand side by side with others
            (part,) = parts
            return Ref(Operand((Part(part.tensor, (*part.views, *before, *views)),)), shape)
        return Ref(Operand(parts, (*before, *views)), shape)

    def reshape(self, *shape: int) -> "Ref":
        """Under another shape."""
        return self if shape == self.shape else self.through(Reshape(shape))

    def transpose(self, *axes: int) -> "Ref":
        """With its axes in another order."""
        return self.through(Transpose(axes))

    def slice(self, axis: int, start: int, stop: int, step: int = 1) -> "Ref":
        """Part of one axis."""
        whole = (start, stop, step) == (0, self.shape[axis], 1)
        return self if whole else self.through(Slice(axis, start, stop, step))

    def strided(self, stride: int) -> "Ref":
        """Every ``stride``-th row and column."""
        return self.slice(2, 0, self.shape[2], stride).slice(3, 0, self.shape[3], stride)

    def flip(self, *axes: int) -> "Ref":
        """Backwards along some axes."""
        return self.through(Flip(axes))

    def pad(self, axis: int, before: int, after: int) -> "Ref":
        """With zeros around it along one axis, or cut where negative."""
        return self.through(Pad(axis, before, after)) if before or after else self

    def spread(self, axis: int, step: int) -> "Ref":
        """With ``step`` − 1 zeros between neighbours."""
        return self.through(Spread(axis, step)) if step > 1 else self

    def expand(self, axis: int, size: int) -> "Ref":
        """Read again along an axis of size 1."""
        return self if size == 1 else self.through(Expand(axis, size))

    def wide(self, like: "Ref") -> "Ref":
        """Numbers per channel (c,), read at every place of (n, c, …)."""
        many = len(like.shape)
        return self.reshape(1, like.shape[1], *(1,) * (many - 2)).everywhere(like)

    def everywhere(self, like: "Ref") -> "Ref":
        """Read again along every axis where it has size 1."""
        ref = self
        for axis, size in enumerate(like.shape):
            ref = ref if ref.shape[axis] == size else ref.expand(axis, size)
        return ref


def side(*refs: Ref) -> Ref:
    """Tensors side by side along the channels; ``ValueError`` if one is itself read otherwise."""
    if any(ref.operand.views for ref in refs):
        raise ValueError("tensors side by side must be single ones, not joined and read otherwise")
    parts = tuple(part for ref in refs for part in ref.operand.parts)
    return Ref(Operand(parts), side_by_side([ref.shape for ref in refs]))


class Build:
    """A graph in the making."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.steps: list[Step] = []
        self.results: dict[str, Operand] = {}

    def graph(self) -> Graph:
        """What has been written down."""
        return Graph(tensors=self.tensors, steps=tuple(self.steps), results=self.results)

    def given(self, name: str, *shape: int) -> Ref:
        """An input of the graph."""
        return self._declare(Tensor(name, shape, "input"))

    def weight(self, name: str, *shape: int) -> Ref:
        """A learnt tensor; the same one if it is asked for again."""
        if name in self.tensors:
            return Ref(Operand((Part(name),)), self.tensors[name].shape)
        return self._declare(Tensor(name, shape, "weight"))

    def result(self, name: str, ref: Ref) -> None:
        """Name what comes out."""
        self.results[name] = ref.operand

    def convolve(
        self,
        label: str,
        x: Ref,
        w: Ref,
        start: Ref | None = None,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> Ref:
        """Convolution of x (n, c, h, w) with kernels (o, c/groups, k_h, k_w).

        Sums start from ``start``: a bias (o,), or a tensor shaped like the output.
        """
        work = Convolution(
            batch=x.shape[0],
            in_channels=x.shape[1],
            height=x.shape[2],
            width=x.shape[3],
            out_channels=w.shape[0],
            kernel_h=w.shape[2],
            kernel_w=w.shape[3],
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            label=label,
        )
        shape = (work.batch, work.out_channels, work.out_height, work.out_width)
        reads = (x, w) if start is None else (x, w, start)
        return self._step("convolution", work, reads, shape)

    def product(self, label: str, a: Ref, b: Ref) -> Ref:
        """(count, m, k) by (count, k, n): matrix products that share nothing, (count, m, n)."""
        (count, m, k), n = a.shape, b.shape[2]
        image = a.transpose(0, 2, 1).reshape(1, count * k, m, 1)
        kernels = b.transpose(0, 2, 1).reshape(count * n, k, 1, 1)
        made = self.convolve(label, image, kernels, groups=count)
        return made.reshape(count, n, m).transpose(0, 2, 1)

    def mix(self, label: str, x: Ref, w: Ref, start: Ref | None = None) -> Ref:
        """Mix channels by a matrix (o, c): a 1 × 1 convolution."""
        return self.convolve(label, x, w.reshape(*w.shape, 1, 1), start)

    def elements(
        self, label: str, function: str, *reads: Ref, fused: bool = False, **attributes: Any
    ) -> Ref:
        """One function of elements; operands that repeat a smaller tensor are not counted."""
        shape = reads[0].shape
        whole = [ref for ref in reads if not _repeats(ref)]
        if any(ref.shape != shape for ref in reads):
            raise ValueError(
                f"operands of {label} must have one shape, not {[ref.shape for ref in reads]}"
            )
        work = Elementwise(
            kind=KINDS[function],
            elements=prod(shape),
            inputs=1 if fused else max(1, len(whole)),
            fused=fused,
            reads=None if fused else self._map_reads(reads),
            label=label,
        )
        return self._step(function, work, reads, shape, **attributes)

    def affine(self, label: str, x: Ref, scale: Ref, offset: Ref) -> Ref:
        """a_c·x + b_c with constants per channel, on the way out of what made x."""
        return self.elements(label, "affine", x, scale.wide(x), offset.wide(x), fused=True)

    def sum(self, label: str, x: Ref, *axes: int) -> Ref:
        """Sum over some axes, which stay with size 1."""
        shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
        work = Reduction(inputs=prod(x.shape), outputs=prod(shape), label=label)
        return self._step("sum", work, (x,), shape, axes=axes)

    def fold(self, label: str, x: Ref, windows: Windows, image: Shape) -> Ref:
        """Sum of all windows where they overlap: the adjoint of reading windows of an image."""
        work = Reduction(inputs=prod(x.shape), outputs=prod(image), label=label)
        return self._step("fold", work, (x,), image, windows=windows, image=image)

    def softmax(
        self, label: str, x: Ref, *, inside: tuple[Windows, tuple[int, int]] | None = None
    ) -> Ref:
        """Softmax over the last axis; ``inside`` leaves out places of windows outside an image.

        It gives the windows, and height and width of the image.
        """
        cols = x.shape[-1]
        work = Softmax(rows=prod(x.shape) // cols, cols=cols, label=label)
        return self._step("softmax", work, (x,), x.shape, inside=inside)

    def shift(self, x: Ref, offset: tuple[int, int], boundary: str) -> Ref:
        """Bring the pixel at p + offset to p."""
        down, right = offset
        circular = boundary == "circular"
        elements, channels = prod(x.shape), x.shape[1]
        work = Shift(
            elements=elements, down=down, right=right, circular=circular, channels=channels
        )
        return self._step("shift", work, (x,), x.shape)

    def per_pixel(self, work: PerPixel, a: Ref, b: Ref) -> Ref:
        """A product per pixel: see ``hwsim.dynamic``. Tensors are images (n, channels, h, w).

        Scores and weights are (n, heads·places, i, j); kernels (n, o·c·places, i, j).
        """
        grid = (work.out_height, work.out_width)
        shape = {
            "score": (work.batch, work.heads * work.taps, *grid),
            "weigh": (work.batch, work.heads * work.channels, *grid),
            "scatter": (work.batch, work.heads * work.channels, work.height, work.width),
            "mix": (work.batch, work.heads * work.outputs, *grid),
            "spread": (work.batch, work.heads * work.channels, work.height, work.width),
            "outer": (work.batch, work.heads * work.outputs * work.channels * work.taps, *grid),
        }[work.operation]
        return self._step(work.operation, work, (a, b), shape)

    def attend(self, work: TiledAttention, q: Ref, k: Ref, v: Ref) -> Ref:
        """Attention in blocks of q (count, queries, d), k (count, keys, d), v (count, keys, v)."""
        return self._step("attend", work, (q, k, v), (work.count, work.queries, work.values))

    def _map_reads(self, reads: tuple[Ref, ...]) -> MapReads | None:
        """How operands read maps, where one is shifted or read more than once."""
        parts = [part for ref in reads for part in ref.operand.parts]
        plain = all(not ref.operand.views and len(ref.shape) == 4 for ref in reads)
        if not plain or any(part.views for part in parts):
            return None
        names = list(dict.fromkeys(part.tensor for part in parts))
        found = {name: self._source(name) for name in names}
        sources = dict.fromkeys(source for source, _, _ in found.values())
        shifted = [name for name, (source, _, _) in found.items() if source != name]
        if (not shifted and len(names) == len(parts)) or len(sources) != 1:
            return None
        (source,) = sources
        n, channels, height, width = self.tensors[source].shape
        return MapReads(
            sources=self.tensors[source].elements,
            copies=sum(self.tensors[name].elements for name in names),
            rows=height,
            row_elements=n * channels * width,
            walked=n * reads[0].shape[1] * width,
            reach=tuple(sorted({down for _, down, _ in found.values()})),
            circular=all(circular for _, _, circular in found.values()),
        )

    def _source(self, name: str) -> tuple[str, int, bool]:
        """The map behind a shifted one, rows down from it, and whether it wraps around."""
        step = next((step for step in self.steps if step.writes == name), None)
        if step is None or not isinstance(step.primitive, Shift):
            return name, 0, True
        (part, *others), views = step.reads[0]
        if others or views or part.views:
            return name, 0, True  # no map of its own to be read elsewhere
        return part.tensor, step.primitive.down, step.primitive.circular

    def _declare(self, tensor: Tensor) -> Ref:
        self.tensors[tensor.name] = tensor
        return Ref(Operand((Part(tensor.name),)), tensor.shape)

    def _step(
        self,
        function: str,
        primitive: Primitive,
        reads: tuple[Ref, ...],
        shape: Shape,
        **attributes: Any,
    ) -> Ref:
        label = getattr(primitive, "label", function)
        name = label if label not in self.tensors else f"{label} {len(self.steps)}"
        ref = self._declare(Tensor(name, shape))
        operands = tuple(read.operand for read in reads)
        self.steps.append(
            Step(
                function=function,
                primitive=primitive,
                reads=operands,
                writes=name,
                attributes=attributes,
            )
        )
        return ref


def _repeats(ref: Ref) -> bool:
    views = [*ref.operand.views, *(view for part in ref.operand.parts for view in part.views)]
    return any(isinstance(view, Expand) for view in views)
