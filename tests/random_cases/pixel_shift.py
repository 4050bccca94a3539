"""Random cases of what shifts and multiplies: shift products, PSSA, X-volution."""

from hypothesis import strategies as st

import refimpl as ref
from tests.random_cases.draws import (
    bn,
    boundaries,
    case,
    dilations,
    directions,
    few,
    flags,
    images,
    odd_sides,
    offsets,
    pairs,
    shifts,
)


@st.composite
def shift(draw):
    options = {"offset": draw(offsets | st.just((0, 0))), "boundary": draw(boundaries)}
    return case("shift", {"x": draw(images())}, options)


@st.composite
def shift_product(draw):
    shape = draw(images())
    return case(
        "shift_product", {"q": shape} | ({"k": shape} if draw(flags) else {}), draw(shifts())
    )


@st.composite
def pssa(draw):
    n, c, h, w = draw(images())
    options, projected = draw(shifts()), draw(st.sampled_from(["", "q", "k", "qk"]))
    products = draw(few) if projected == "qk" else c
    channels = len(options["directions"]) * products
    groups = draw(st.sampled_from([1, channels]))
    o = draw(few) if groups == 1 else groups
    shapes = {"x": (n, c, h, w), "w": (o, channels // groups, *draw(odd_sides))}
    shapes |= {f"w_{name}": (products, c) for name in projected}
    if draw(flags):
        shapes["b"] = (o,)
    options |= {"stride": draw(pairs), "dilation": draw(dilations), "groups": groups}
    return case("pssa", shapes, options)


@st.composite
def pssa_stack(draw):
    n, c, h, w = draw(images())
    o, many = draw(few), draw(st.integers(1, 3))
    some = draw(directions)
    shapes = {"x": (n, c, h, w), "w": (o, len(some) * c, *draw(odd_sides)), "b": (o,)}
    options = {
        "lengths": tuple(draw(st.integers(1, 2)) for _ in range(many)),
        "directions": some,
        "boundary": draw(boundaries),
        "stride": draw(pairs),
    }
    if many == 1 or draw(flags):
        return case("pssa_stack", shapes, options)
    kernels = [(c, len(some) * c, *draw(odd_sides)) for _ in range(many - 1)]
    shapes["levels"] = tuple(ref.Level(kernel, bn(c)) for kernel in kernels)
    return case("pssa_stack", shapes, options, inexact=("sqrt",))


@st.composite
def xvolution_fused(draw):
    n, c, h, w = draw(images())
    options, o = draw(shifts()), draw(few)
    channels = (1 + len(options["directions"])) * c
    shapes = {"x": (n, c, h, w), "w": (o, channels, *draw(odd_sides)), "b": (o,)}
    options |= {"stride": draw(pairs), "dilation": draw(dilations)}
    return case("xvolution_fused", shapes, options)


@st.composite
def two_branches(draw, *, least=0):
    """Shapes and options that the X-volutions of both normalisations share."""
    n, c, h, w = draw(images(least=least))
    options, o = draw(shifts()), draw(few)
    shapes = {
        "x": (n, c, h, w),
        "w_c": (o, c, *draw(odd_sides)),
        "w_a": (o, len(options["directions"]) * c, *draw(odd_sides)),
    }
    if draw(flags):
        shapes |= {"b_c": (o,), "b_a": (o,)}
    return shapes, options | {"stride": draw(pairs), "dilation": draw(dilations)}


@st.composite
def xvolution(draw):
    shapes, options = draw(two_branches())
    o = shapes["w_c"][0]
    return case("xvolution", shapes | {"bn_c": bn(o), "bn_a": bn(o)}, options, inexact=("sqrt",))


def _has_statistics(branches):
    (n, _, *image), steps = branches[0]["x"], branches[1]["stride"]
    rows, cols = (-(-side // step) for side, step in zip(image, steps, strict=True))
    return n * rows * cols > 1


@st.composite
def xvolution_training(draw):
    shapes, options = draw(two_branches(least=1).filter(_has_statistics))
    o = shapes["w_c"][0]
    shapes |= dict.fromkeys(("gamma_c", "beta_c", "gamma_a", "beta_a"), (o,))
    return case("xvolution_training", shapes, options, inexact=("sqrt",), mixes_images=True)
