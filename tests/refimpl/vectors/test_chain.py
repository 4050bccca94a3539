"""Chains: a link reads what the one before wrote, with its zero point, in its arithmetic."""

import numpy as np
import pytest

from refimpl.bitexact.formats import integers_of
from refimpl.bitexact.operators import ALL_OPERATORS, INTEGER_ARITHMETICS
from refimpl.bitexact.outputs import OUTPUT
from refimpl.vectors.case import Choices
from refimpl.vectors.chain import chained_cases
from refimpl.vectors.stages import stages
from refimpl.vectors.stimuli import Sizes

SIZES = Sizes(batch=1, channels=2, outputs=2, height=4, width=3)
ZEROS = {
    "shift_product": "t_zero",
    "conv2d_backward": "dx_zero",
    "pssa_backward": "dx_zero",
    "xvolution_backward": "dx_zero",
}  # of an output; y_zero for every other operator: as docs/vectors.md names them


def chain(*operators, arithmetic="int8", **declared):
    choices = Choices(arithmetics=(arithmetic,), declared=declared)
    return chained_cases(operators, SIZES, choices)


def accumulated(x, w, zero):
    """A 3×3 convolution of stride 1 and padding 1 in Python's integers; outside is the zero."""
    channels, height, width = len(x), len(x[0]), len(x[0][0])

    def at(c, i, j):
        return x[c][i][j] - zero if 0 <= i < height and 0 <= j < width else 0

    return [
        [
            [
                sum(
                    kernel[c][u][v] * at(c, i + u - 1, j + v - 1)
                    for c in range(channels)
                    for u in range(3)
                    for v in range(3)
                )
                for j in range(width)
            ]
            for i in range(height)
        ]
        for kernel in w
    ]


@pytest.mark.parametrize("arithmetic", INTEGER_ARITHMETICS)
@pytest.mark.parametrize("operator", ALL_OPERATORS)
def test_a_link_reads_the_output_before_it_with_its_own_zero_point(operator, arithmetic):
    first, second = chain(operator, "conv2d", arithmetic=arithmetic)
    zero = first.attributes[ZEROS.get(operator, "y_zero")]
    output = stages(first)[OUTPUT.get(operator, "output")]
    assert second.attributes["x_zero"] == zero
    np.testing.assert_array_equal(integers_of(second.tensors["x"]), integers_of(output))
    x, w = (integers_of(each).tolist() for each in (output[0], second.tensors["w"]))
    assert stages(second)["accumulator"][0].tolist() == accumulated(x, w, zero)


@pytest.mark.parametrize(
    ("arithmetic", "declared", "expected"),
    [
        ("int8", {"output_format": "int16"}, "int16"),
        ("int16", {"output_format": "int8"}, "int8"),
        ("bf16", {"output": {"format": "fp32"}}, "fp32"),
        ("fp32", {"output": {"format": "fp8_e5m2"}}, "fp8_e5m2"),
        ("bf16", {"output": {"format": "int8"}}, "int8"),
    ],
)
def test_the_arithmetic_of_a_link_is_that_of_what_it_reads(arithmetic, declared, expected):
    first, second, third = chain("conv2d", "pssa", "conv2d", arithmetic=arithmetic, **declared)
    named = [each.arithmetic for each in (first, second, third)]
    assert named == [arithmetic, expected, expected]
    (plain, _) = chain("pssa", "conv2d", arithmetic=expected)
    for name in ("x", "w"):
        assert second.tensors[name].dtype == plain.tensors[name].dtype
    assert f"-pssa-{expected}-" in second.id
    if expected in INTEGER_ARITHMETICS:
        zero = first.attributes.get("y_zero", 0)  # a float that was cast to integers has none
        assert second.attributes["x_zero"] == zero


@pytest.mark.parametrize(
    ("operators", "declared", "said"),
    [
        (("shift_product", "conv2d"), {"product": "wide"}, "not int17: leave product=wide out, or"),
        (("conv2d", "conv2d"), {"output_format": "int32"}, "not int32: declare another format of"),
        (("conv2d", "pssa"), {"output_format": "uint8"}, "not uint8: declare another format of"),
    ],
)
def test_what_no_arithmetic_reads_ends_a_chain(operators, declared, said):
    with pytest.raises(ValueError, match=f"link 0 of the chain, {operators[0]} in int8, must give"):
        chain(*operators, **declared)
    with pytest.raises(ValueError, match=said):
        chain(*operators, **declared)


def test_a_wide_product_may_be_the_end_of_a_chain():
    *_, last = chain("conv2d", "shift_product", product="wide")
    *_, output = stages(last).values()
    assert output.dtype == np.int32
    assert last.attributes["x_zero"] == 3
