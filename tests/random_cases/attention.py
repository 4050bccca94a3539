"""Random cases of attention by scores."""

from hypothesis import strategies as st

from tests.random_cases.draws import (
    bn,
    case,
    dilations,
    few,
    flags,
    images,
    odd_sides,
    pairs,
    scales,
)


@st.composite
def global_attention(draw):
    n, c, h, w = draw(images())
    heads = draw(st.integers(1, 2))
    d, v = heads * draw(few), heads * draw(few)
    shapes = {"x": (n, c, h, w), "w_q": (d, c), "w_k": (d, c), "w_v": (v, c)}
    if draw(flags):
        shapes["w_o"] = (draw(few), v)
    normalise, order = draw(
        st.sampled_from([("softmax", "scores"), ("none", "scores"), ("none", "context")])
    )
    options = {"heads": heads, "normalise": normalise, "order": order}
    options |= {"scale": draw(scales), "stride": draw(pairs)}
    return case("global_attention", shapes, options, inexact=_taken(normalise))


def _taken(normalise, *others):
    return ("exp", *others) if normalise == "softmax" else others


@st.composite
def local_attention(draw):
    shapes, options = draw(attention_branch())
    options |= {"kernel": draw(odd_sides), "dilation": draw(dilations)}
    return case("local_attention", shapes, options, inexact=_taken(options["normalise"]))


@st.composite
def attention_branch(draw, outputs=None):
    n, c, h, w = draw(images())
    d, o = draw(few), outputs or draw(few)
    shapes = {"x": (n, c, h, w), "w_q": (d, c), "w_k": (d, c), "w_v": (o, c)}
    normalise = draw(st.sampled_from(["softmax", "none"]))
    return shapes, {"normalise": normalise, "scale": draw(scales), "stride": draw(pairs)}


@st.composite
def aa_conv2d(draw):
    n, c, h, w = draw(images())
    heads, o = draw(st.integers(1, 2)), draw(few)
    d, v = draw(few), heads * draw(few)
    shapes = {"x": (n, c, h, w), "w_c": (o, c, *draw(odd_sides)), "w_v": (v, c), "w_o": (v, v)}
    shapes |= {"w_q": (heads * d, c), "w_k": (heads * d, c)}
    if draw(flags):
        shapes |= {"rel_h": (2 * h - 1, d), "rel_w": (2 * w - 1, d)}
    if draw(flags):
        shapes["b_c"] = (o,)
    options = {"heads": heads, "scale": draw(scales), "stride": draw(pairs)}
    return case("aa_conv2d", shapes, options, inexact=("exp",))


@st.composite
def xvolution_of_attention(draw, name):
    shapes, options = draw(attention_branch())
    o, c = shapes["w_v"]
    shapes |= {"w_c": (o, c, *draw(odd_sides)), "bn_c": bn(o), "bn_a": bn(o)}
    if draw(flags):
        shapes["b_c"] = (o,)
    if name == "xvolution_local":
        options |= {"kernel": draw(odd_sides), "dilation": draw(dilations)}
    return case(name, shapes, options, inexact=_taken(options["normalise"], "sqrt"))
