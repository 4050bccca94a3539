"""The backward pass of any graph, step by step from its last: steps that make the gradients.

Given ∂y, the gradient of a loss with respect to the result, every step passes on to what it read:

    convolution   ∂x = conv(∂y spread by the stride, padded; kernels flipped, channels exchanged)
                  ∂w = ∂y · windows of x, one matrix product per group;  ∂start = Σ ∂y
    add           ∂y to both; subtract: −∂y to the second; multiply: ∂y times the other
    square        2·∂y ⊙ x;  scale: factor·∂y;  affine (a, b): a·∂y, Σ ∂y·x, Σ ∂y
    root-inverse  −½·∂y ⊙ y³, for y = 1/√(x + ε)
    relu          ∂y where x > 0
    softmax       y ⊙ (∂y − Σ y ⊙ ∂y)
    sum           ∂y everywhere that was summed
    shift         the opposite shift
    score         ∂q = weigh(∂a, k), ∂k = scatter(∂a, q)
    weigh         ∂a = score(∂y, v), ∂v = scatter(a, ∂y)
    mix           ∂W = outer(∂y, x), ∂x = spread(W, ∂y)
    attend        scores again, then as through softmax: the backward pass keeps them

A view is undone by views (``hwsim.lowering.views``), but for what several places read: those
gradients are summed, and windows folded. Zeros between and around are multiplied like padding's:
at stride s a convolution's ∂x takes s² times the products that are needed. Activations of the
forward pass are kept. The forward steps are not repeated: ``Backward.first`` says where the
backward pass begins.

Source: derived; for convolutions, Dumoulin and Visin, arXiv:1603.07285 (2016), relationship 14.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hwsim.dynamic import PerPixel, TiledAttention
from hwsim.lowering.build import Build, Ref, side
from hwsim.lowering.graph import Graph, Operand, Part, Step, side_by_side
from hwsim.lowering.views import Expand, Shape, Views, Windows, shape_through
from hwsim.workload import Convolution, Primitive, Shift


@dataclass(frozen=True, slots=True)
class Backward:
    """Forward and backward steps as one graph; ``first`` is the first backward step's number.

    Results are those of the forward pass and, for every input and weight, "d_" and its name.
    """

    graph: Graph
    first: int

    @property
    def primitives(self) -> tuple[Primitive, ...]:
        """What the backward pass alone costs."""
        return self.graph.primitives[self.first :]


def backward(graph: Graph, result: str = "y") -> Backward:
    """The backward pass of ``graph`` from the gradient of ``result``, an input "d_" and its name.

    Results that are read through views or side by side are fine. ``ValueError`` if there is no such
    result.
    """
    if result not in graph.results:
        raise ValueError(f"result must be one of {', '.join(graph.results)}, not {result!r}")
    pull = _Pull(graph)
    operand = graph.results[result]
    upstream = pull.build.given(f"d_{result}", *graph.shape_of(operand))
    pull.give(operand, upstream)
    for step in reversed(graph.steps):
        gradient = pull.gradient(step.writes)
        if gradient is not None:
            _RULES[step.function](pull, step, gradient)
    for name, tensor in graph.tensors.items():
        gradient = None if tensor.role == "activation" else pull.gradient(name)
        if gradient is not None:
            pull.build.result(f"d_{name}", gradient)
    return Backward(pull.build.graph(), len(graph.steps))


class _Pull:
    """Gradients on their way back, by the tensor they belong to."""

    def __init__(self, graph: Graph) -> None:
        self.build = Build()
        self.build.tensors.update(graph.tensors)
        self.build.steps.extend(graph.steps)
        self.build.results.update(graph.results)
        self.terms: dict[str, list[Ref]] = {}

    def ref(self, operand: Operand) -> Ref:
        """An operand of the forward pass."""
        parts, views = operand
        refs = [self.part(part) for part in parts]
        joined = refs[0] if len(refs) == 1 else side(*refs)
        return joined.through(*views) if views else joined

    def part(self, part: Part) -> Ref:
        """One tensor as it was read."""
        shape = shape_through(part.views, self.build.tensors[part.tensor].shape)
        return Ref(Operand((part,)), shape)

    def gradient(self, name: str) -> Ref | None:
        """The sum of all gradients that a tensor was given, if any."""
        terms = self.terms.pop(name, [])
        total: Ref | None = None
        for term in terms:
            total = term if total is None else self.elements("add", total, term)
        return total

    def elements(self, function: str, *reads: Ref, **attributes: Any) -> Ref:
        """A step of elements of the backward pass."""
        return self.build.elements(f"∂ {function}", function, *reads, **attributes)

    def give(self, operand: Operand, gradient: Ref) -> None:
        """Pass the gradient of an operand on to the tensors that it reads."""
        shapes = [self.part(part).shape for part in operand.parts]
        gradient = self.undo(operand.views, side_by_side(shapes), gradient)
        first = 0
        for part, shape in zip(operand.parts, shapes, strict=True):
            own = gradient
            if len(shapes) > 1:
                own = gradient.slice(1, first, first + shape[1])
                first += shape[1]
            before = self.build.tensors[part.tensor].shape
            self.terms.setdefault(part.tensor, []).append(self.undo(part.views, before, own))

    def undo(self, views: Views, shape: Shape, gradient: Ref) -> Ref:
        """The gradient of a tensor of ``shape`` from that of the tensor read through ``views``."""
        shapes = [shape]
        for view in views:
            shapes.append(view.shape(shapes[-1]))
        for view, before in zip(reversed(views), reversed(shapes[:-1]), strict=True):
            if isinstance(view, Expand):
                gradient = self.build.sum("∂ repeated", gradient, view.axis)
            elif isinstance(view, Windows):
                gradient = self.build.fold("∂ windows", gradient, view, before)
            else:
                gradient = gradient.through(*view.adjoint(before))
        return gradient


def _convolution(pull: _Pull, step: Step, dy: Ref) -> None:
    work = step.primitive
    assert isinstance(work, Convolution)  # noqa: S101 - the graph checked it
    x, w = pull.ref(step.reads[0]), pull.ref(step.reads[1])
    pull.give(step.reads[0], _to_image(pull.build, work, w, dy))
    pull.give(step.reads[1], _to_kernels(pull.build, work, x, dy))
    if len(step.reads) > 2:
        start = pull.ref(step.reads[2])
        if len(start.shape) == 1:
            pull.give(step.reads[2], pull.build.sum("∂ bias", dy, 0, 2, 3).reshape(*start.shape))
        else:
            pull.give(step.reads[2], dy)


def _to_image(build: Build, work: Convolution, w: Ref, dy: Ref) -> Ref:
    """∂x: a convolution of ∂y, spread and padded so that every window lies inside."""
    groups, ins, outs = work.groups, work.in_channels // work.groups, work.out_channels
    kernels = w.reshape(groups, outs // groups, ins, work.kernel_h, work.kernel_w)
    flipped = kernels.transpose(0, 2, 1, 3, 4).reshape(
        work.in_channels, outs // groups, work.kernel_h, work.kernel_w
    )
    if work.taps > 1:
        flipped = flipped.flip(2, 3)
    image = dy
    for axis, size, kernel in ((2, work.height, work.kernel_h), (3, work.width, work.kernel_w)):
        reach = work.dilation * (kernel - 1)
        image = image.spread(axis, work.stride)
        before = reach - work.padding
        image = image.pad(axis, before, size + reach - before - image.shape[axis])
    return build.convolve(
        f"∂x of {work.label}", image, flipped, dilation=work.dilation, groups=groups
    )


def _to_kernels(build: Build, work: Convolution, x: Ref, dy: Ref) -> Ref:
    """∂w: one matrix product per group of ∂y and the windows of x."""
    groups, ins, outs = work.groups, work.in_channels // work.groups, work.out_channels
    pixels = work.batch * work.out_height * work.out_width
    rows = dy.reshape(work.batch, groups, outs // groups, work.out_height * work.out_width)
    rows = rows.transpose(1, 2, 0, 3).reshape(groups, outs // groups, pixels)
    windows = Windows(
        (work.kernel_h, work.kernel_w),
        work.stride,
        (work.padding, work.padding),
        work.dilation,
        (work.out_height, work.out_width),
    )
    seen = x.through(windows).reshape(
        work.batch, groups, ins * work.taps, work.out_height * work.out_width
    )
    seen = seen.transpose(1, 0, 3, 2).reshape(groups, pixels, ins * work.taps)
    made = build.product(f"∂w of {work.label}", rows, seen)
    return made.reshape(outs, ins, work.kernel_h, work.kernel_w)


def _add(pull: _Pull, step: Step, dy: Ref) -> None:
    for operand in step.reads:
        pull.give(operand, dy)


def _subtract(pull: _Pull, step: Step, dy: Ref) -> None:
    pull.give(step.reads[0], dy)
    pull.give(step.reads[1], pull.elements("scale", dy, factor=-1))


def _multiply(pull: _Pull, step: Step, dy: Ref) -> None:
    a, b = step.reads
    pull.give(a, pull.elements("multiply", dy, pull.ref(b)))
    pull.give(b, pull.elements("multiply", dy, pull.ref(a)))


def _square(pull: _Pull, step: Step, dy: Ref) -> None:
    twice = pull.elements("scale", pull.elements("multiply", dy, pull.ref(step.reads[0])), factor=2)
    pull.give(step.reads[0], twice)


def _scale(pull: _Pull, step: Step, dy: Ref) -> None:
    pull.give(step.reads[0], pull.elements("scale", dy, factor=step.attributes["factor"]))


def _root_inverse(pull: _Pull, step: Step, dy: Ref) -> None:
    y = _written(pull, step)
    cube = pull.elements("multiply", pull.elements("square", y), y)
    pull.give(
        step.reads[0], pull.elements("scale", pull.elements("multiply", dy, cube), factor=-0.5)
    )


def _affine(pull: _Pull, step: Step, dy: Ref) -> None:
    x, scale, offset = step.reads
    pull.give(x, pull.elements("multiply", dy, pull.ref(scale)))
    pull.give(scale, pull.elements("multiply", dy, pull.ref(x)))
    pull.give(offset, dy)


def _relu(pull: _Pull, step: Step, dy: Ref) -> None:
    pull.give(step.reads[0], pull.elements("relu-gradient", dy, pull.ref(step.reads[0])))


def _softmax(pull: _Pull, step: Step, dy: Ref) -> None:
    soft = _written(pull, step)
    pull.give(step.reads[0], _through_softmax(pull, soft, dy))


def _through_softmax(pull: _Pull, soft: Ref, dy: Ref) -> Ref:
    last = len(dy.shape) - 1
    against = pull.build.sum("∂ softmax sum", pull.elements("multiply", dy, soft), last)
    centred = pull.elements("subtract", dy, against.everywhere(dy))
    return pull.elements("multiply", soft, centred)


def _sum(pull: _Pull, step: Step, dy: Ref) -> None:
    shape = pull.ref(step.reads[0]).shape
    spread = dy
    for axis in step.attributes["axes"]:
        spread = spread.expand(axis, shape[axis])
    pull.give(step.reads[0], spread)


def _shift(pull: _Pull, step: Step, dy: Ref) -> None:
    work = step.primitive
    assert isinstance(work, Shift)  # noqa: S101 - the graph checked it
    boundary = "circular" if work.circular else "zero"
    pull.give(step.reads[0], pull.build.shift(dy, (-work.down, -work.right), boundary))


def _score(pull: _Pull, step: Step, dy: Ref) -> None:
    q, k = (pull.ref(operand) for operand in step.reads)
    pull.give(step.reads[0], pull.build.per_pixel(_like(step, "weigh"), dy, k))
    pull.give(step.reads[1], pull.build.per_pixel(_like(step, "scatter"), dy, q))


def _weigh(pull: _Pull, step: Step, dy: Ref) -> None:
    a, v = (pull.ref(operand) for operand in step.reads)
    pull.give(step.reads[0], pull.build.per_pixel(_like(step, "score"), dy, v))
    pull.give(step.reads[1], pull.build.per_pixel(_like(step, "scatter"), a, dy))


def _mix(pull: _Pull, step: Step, dy: Ref) -> None:
    kernels, x = (pull.ref(operand) for operand in step.reads)
    pull.give(step.reads[0], pull.build.per_pixel(_like(step, "outer"), dy, x))
    pull.give(step.reads[1], pull.build.per_pixel(_like(step, "spread"), kernels, dy))


def _attend(pull: _Pull, step: Step, dy: Ref) -> None:
    q, k, v = (pull.ref(operand) for operand in step.reads)
    assert isinstance(step.primitive, TiledAttention)  # noqa: S101 - the graph checked it
    product = pull.build.product
    weights = pull.build.softmax("softmax again", product("scores again", q, k.transpose(0, 2, 1)))
    d_weights = product("∂ weights", dy, v.transpose(0, 2, 1))
    d_scores = _through_softmax(pull, weights, d_weights)
    pull.give(step.reads[0], product("∂ queries", d_scores, k))
    pull.give(step.reads[1], product("∂ keys", d_scores.transpose(0, 2, 1), q))
    pull.give(step.reads[2], product("∂ values", weights.transpose(0, 2, 1), dy))


def _like(step: Step, operation: str) -> PerPixel:
    assert isinstance(step.primitive, PerPixel)  # noqa: S101 - the graph checked it
    label = f"∂ {operation}"
    return replace(step.primitive, operation=operation, label=label)


def _written(pull: _Pull, step: Step) -> Ref:
    return pull.part(Part(step.writes))


_RULES: Mapping[str, Callable[[_Pull, Step, Ref], None]] = {
    "convolution": _convolution,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "square": _square,
    "scale": _scale,
    "root-inverse": _root_inverse,
    "affine": _affine,
    "relu": _relu,
    "softmax": _softmax,
    "sum": _sum,
    "shift": _shift,
    "score": _score,
    "weigh": _weigh,
    "mix": _mix,
    "attend": _attend,
}
"""How each function of a forward pass passes a gradient on."""
