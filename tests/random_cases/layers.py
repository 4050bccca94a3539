"""Random cases of the layers of every network."""

from hypothesis import strategies as st

from tests.random_cases.draws import (
    bn,
    case,
    dilations,
    few,
    flags,
    images,
    pairs,
    sides,
)


@st.composite
def conv2d(draw):
    n, c, h, w = draw(images())
    groups, kernel, dilation = draw(few), draw(pairs), draw(dilations)
    padding = draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    spans = [d * (k - 1) + 1 - 2 * p for d, k, p in zip(dilation, kernel, padding, strict=True)]
    h, w = max(h, spans[0]), max(w, spans[1])
    shapes = {"x": (n, groups * c, h, w), "w": (groups * draw(few), c, *kernel)}
    if draw(flags):
        shapes["b"] = (shapes["w"][0],)
    options = {"stride": draw(pairs), "padding": padding, "dilation": dilation, "groups": groups}
    return case("conv2d", shapes, options)


@st.composite
def batch_norm(draw):
    shape = draw(images())
    return case("batch_norm", {"x": shape, **bn(shape[1])._asdict()}, inexact=("sqrt",))


@st.composite
def batch_norm_training(draw):
    shape = draw(images(least=1).filter(lambda shape: shape[0] * shape[2] * shape[3] > 1))
    shapes = {"x": shape, "gamma": (shape[1],), "beta": (shape[1],)}
    return case("batch_norm_training", shapes, inexact=("sqrt",), mixes_images=True)


@st.composite
def max_pool2d(draw):
    n, c, h, w = draw(images())
    kernel = draw(pairs)
    padding = tuple(draw(st.integers(0, side // 2)) for side in kernel)
    h, w = (max(s, k - 2 * p) for s, k, p in zip((h, w), kernel, padding, strict=True))
    options = {"kernel": kernel, "stride": draw(pairs), "padding": padding}
    return case("max_pool2d", {"x": (n, c, h, w)}, options, piecewise=True)


@st.composite
def linear(draw):
    n, c, o = draw(st.integers(0, 3)), draw(sides), draw(sides)
    shapes = {"x": (n, c), "w": (o, c)}
    return case("linear", shapes | ({"b": (o,)} if draw(flags) else {}))


@st.composite
def local_response_norm(draw):
    shape = draw(images())
    options = {
        "size": draw(st.sampled_from([1, 3, 5])),
        "alpha": draw(st.sampled_from([0, 1e-4, 0.5])),
        "beta": draw(st.sampled_from([0.5, 0.75, 1])),
        "k": draw(st.sampled_from([1, 2])),
    }
    return case("local_response_norm", {"x": shape}, options, inexact=("exp", "log"))


@st.composite
def upsample_nearest(draw):
    shape = draw(images())
    larger = tuple(side + draw(st.integers(0, 6)) for side in shape[2:])
    return case("upsample_nearest", {"x": shape}, {"size": larger})


@st.composite
def softmax(draw):
    shape = draw(st.lists(sides, min_size=1, max_size=4).map(tuple))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    if draw(flags) and len(shape) > 1:
        empty = (axis + 1) % len(shape)
        shape = (*shape[:empty], 0, *shape[empty + 1 :])
    return case("softmax", {"x": shape}, {"axis": axis}, inexact=("exp",))


@st.composite
def cross_entropy(draw):
    n, c = draw(sides), draw(sides)
    labels = draw(st.lists(st.integers(0, c - 1), min_size=n, max_size=n))
    shapes = {"logits": (n, c)}
    inexact = ("exp", "log")
    return case("cross_entropy", shapes, inexact=inexact, mixes_images=True, labels=labels)
