"""Random sites, options, numbers and machines: small enough to run every primitive literally."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from hwsim.lowering import FORMS, Options, write
from hwsim.machine import Mover
from hwsim.workload import Convolution
from refimpl.forms import square_weights
from refimpl.ops.shift_product import EIGHT_DIRECTIONS
from tests.hwsim.strategies import machines_of_every_kind

NEIGHBOURS = ("acmix", "involution", "neighbourhood-attention")
GOLDEN = tuple(form for form in FORMS if form not in NEIGHBOURS)
"""Forms that `refimpl` has an operator of."""
TRAINING = {"xvolution-training", "xvolution-training-batch"}
OUTS = dict.fromkeys(("aa-convolution", "aa-convolution-position"), st.integers(3, 7))


@st.composite
def sites(draw, form):
    """A "same" convolution; also with strides, dilation and, if it stays one, groups.

    A batch's own statistics need two values.
    """
    kernel, dilation = draw(st.sampled_from([1, 3])), draw(st.integers(1, 2))
    if form in OUTS:
        dilation = 1  # it has none
    groups = draw(st.integers(1, 2)) if form == "convolution" else 1
    return Convolution(
        batch=2 if form == "xvolution-training-batch" else draw(st.integers(1, 2)),
        in_channels=groups * draw(st.integers(1, 3)),
        height=draw(st.integers(1, 5)),
        width=draw(st.integers(1, 5)),
        out_channels=groups * draw(OUTS.get(form, st.integers(1, 3))),
        kernel_h=kernel,
        kernel_w=kernel,
        stride=draw(st.integers(1, 3)),
        padding=dilation * (kernel - 1) // 2,
        dilation=dilation,
        groups=groups,
    )


@st.composite
def options_of(draw, form, site):
    """Options in which the form differs from its default; heads divide what they must."""
    heads = draw(st.sampled_from([each for each in (1, 2, 3) if site.out_channels % each == 0]))
    one_size = {"xvolution-kernel", "xvolution-kernel-stored", "xvolution-square"}
    larger = [site.kernel_h, 3] if form in one_size else [1, 3]
    kernels = (
        [None, *larger]
        if form in {"pssa", "xvolution-two-pass", "xvolution-kernel-stored"} | TRAINING
        else [None]
    )
    plain = form == "xvolution-training-sa" or "local" in form
    return Options(
        directions=tuple(
            draw(st.lists(st.sampled_from(EIGHT_DIRECTIONS), min_size=1, max_size=4, unique=True))
        ),
        length=draw(st.integers(1, 2)),
        boundary=draw(st.sampled_from(["circular", "zero"])),
        shift_kernel=draw(st.sampled_from(kernels)),
        window=draw(st.sampled_from([None, 1, 3])),
        heads=1 if plain else heads,
        query_block=draw(st.integers(1, 6)),
        key_block=draw(st.integers(1, 6)),
        aa_heads=draw(st.integers(1, 2)),
    )


def numbers(graph, seed):
    """Small whole numbers for every input and weight."""
    random = np.random.default_rng(seed)
    return {
        name: random.integers(-3, 4, tensor.shape)
        for name, tensor in graph.tensors.items()
        if tensor.role != "activation"
    }


def given_of(form, site, options, seed):
    """Numbers by name; of the square form the kernels that it is made of as well."""
    graph = write(form, site, options)
    given = numbers(graph, seed)
    if form.startswith("xvolution-square"):
        random = np.random.default_rng(seed + 1)
        c, many, o, k = site.in_channels, len(options.directions), site.out_channels, site.kernel_h
        given["w_c"] = random.integers(-3, 4, (o, c, k, k))
        given["w_a"] = exact(random.integers(-3, 4, (o, many * c, k, k)))
        given["w"] = square_weights(exact(given["w_c"]), given["w_a"])
    if form == "xvolution-square-array":
        given["signs"] = np.tile(signs(len(options.directions)), (site.in_channels, 1))[
            :, :, None, None
        ]
    return graph, given


def signs(many):
    """x + S_d x for every d, then x − S_d x, as rows over [x; S_1 x; …]."""
    ones, copies = np.ones((many, 1), int), np.eye(many, dtype=int)
    return np.block([[ones, copies], [ones, -copies]])


def exact(array):
    """The same numbers as fractions."""
    return np.array([Fraction(int(each)) for each in array.reshape(-1)], object).reshape(
        array.shape
    )


movers = st.sampled_from(
    [
        None,
        *(
            Mover(bytes_per_cycle=Fraction(4), shift=how)
            for how in ("copy", "address-offset", "modular-generator")
        ),
    ]
)


@st.composite
def cases(draw, form):
    """Form, site, options, numbers by name, graph and a machine."""
    site = draw(sites(form))
    options = draw(options_of(form, site))
    graph, given = given_of(form, site, options, draw(st.integers(0, 2**32)))
    machine = draw(machines_of_every_kind(200))
    mover = draw(movers)
    return form, site, options, graph, given, replace(machine, mover=mover)
