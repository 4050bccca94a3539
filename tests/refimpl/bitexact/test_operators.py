"""Every pipeline, every stage, against the literal pixel loops of ``literal.py``."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import refimpl as ref
from refimpl.bitexact.operators import OPERATORS, PIPELINES, geometry_of
from refimpl.bitexact.requantise import RULES
from tests.refimpl.bitexact import literal

FOUR = [[0, -1], [0, 1], [-1, 0], [1, 0]]
operators = pytest.mark.parametrize("operator", OPERATORS)
NARROW = {"shifted", "product", "output"}


def shapes_of(operator, outputs, channels, kernel, directions):
    inputs = {
        "conv2d": {"": channels},
        "shift_product": {},
        "pssa": {"": directions * channels},
        "xvolution": {"_c": channels, "_a": directions * channels},
        "xvolution_fused": {"": (1 + directions) * channels},
    }[operator]
    return {suffix: (outputs, many, *kernel) for suffix, many in inputs.items()}


@st.composite
def geometries(draw, operator):
    """Attributes and an image shape: also images smaller than the kernel, oblong ones, strides."""
    image = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    image += (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    kernel = (draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 3])))
    stride = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    dilation = [draw(st.sampled_from([1, 1, 2])), 1]
    attributes = {}
    if operator != "shift_product":
        attributes = {"stride": stride, "dilation": dilation}
        if draw(st.booleans()):
            pads = [dilation[0] * (kernel[0] // 2), dilation[1] * (kernel[1] // 2)]
            attributes["padding"] = [pad + draw(st.integers(0, 1)) for pad in pads]
    if operator != "conv2d":
        some = st.lists(
            st.sampled_from([*FOUR, [1, -1], [2, 0]]), min_size=1, max_size=3, unique_by=tuple
        )
        attributes |= {
            "directions": draw(some),
            "length": draw(st.integers(1, 2)),
            "boundary": draw(st.sampled_from(["circular", "zero"])),
        }
    return image, kernel, attributes


@st.composite
def int8_calls(draw, operator):
    image, kernel, attributes = draw(geometries(operator))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rails = draw(st.booleans())

    def int8(shape):
        values = rng.choice([-128, 127], shape) if rails else rng.integers(-128, 128, shape)
        return values.astype(np.int8)

    tensors = {"x": int8(image)}
    attributes |= {"x_zero": draw(st.integers(-128, 127))}
    attributes["rounding"] = draw(st.sampled_from(list(RULES)))
    if operator != "conv2d":
        attributes["t_zero"] = draw(st.integers(-128, 127))
        tensors["t_multiplier"] = rng.integers(2**30, 2**31, 1).astype(np.int32)
        tensors["t_shift"] = np.array([draw(st.integers(31, 42))], np.int8)
    outputs = draw(st.integers(1, 2))
    directions = len(attributes.get("directions", ()))
    for suffix, shape in shapes_of(operator, outputs, image[1], kernel, directions).items():
        attributes["y_zero"] = draw(st.integers(-128, 127))
        wide = draw(st.sampled_from([2**31, 2**12]))
        tensors |= {
            f"w{suffix}": int8(shape),
            f"b{suffix}": rng.integers(-wide, wide, outputs).astype(np.int32),
            f"multiplier{suffix}": rng.integers(2**30, 2**31, outputs).astype(np.int32),
            f"shift{suffix}": rng.integers(31, 62, outputs).astype(np.int8),
        }
    return tensors, attributes


def assert_same_stages(got, expected):
    assert list(got) == list(expected)
    for name, array in got.items():
        expected_array = np.asarray(expected[name].tolist()).reshape(expected[name].shape)
        np.testing.assert_array_equal(array.astype(np.int64), expected_array, err_msg=name)


@operators
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_every_int8_stage_is_what_python_integers_say(operator, data):
    tensors, attributes = data.draw(int8_calls(operator))
    got = PIPELINES[operator, "int8"](tensors, attributes)
    assert_same_stages(got, literal.JUDGES[operator, "int8"](tensors, attributes))
    for name, array in got.items():
        narrow = name.removeprefix("conv_").removeprefix("attention_") in NARROW
        assert array.dtype == (np.int8 if narrow else np.int32), name


@pytest.mark.small
@pytest.mark.parametrize("boundary", ["circular", "zero"])
@operators
def test_a_small_int8_case_agrees_compiled_and_interpreted(operator, boundary):
    image, kernel = (1, 1, 2, 3), (3, 3)
    rng = np.random.default_rng(11)
    attributes = {"x_zero": 3, "t_zero": -5, "y_zero": 7, "rounding": "half_even"}
    attributes |= {"directions": [[0, 1], [-1, 0]], "length": 1, "boundary": boundary}
    tensors = {"x": rng.integers(-128, 128, image).astype(np.int8)}
    tensors |= {"t_multiplier": np.array([2**30], np.int32), "t_shift": np.array([38], np.int8)}
    for suffix, shape in shapes_of(operator, 2, 1, kernel, 2).items():
        tensors |= {
            f"w{suffix}": rng.integers(-127, 128, shape).astype(np.int8),
            f"b{suffix}": np.array([2**31 - 1, -9], np.int32),  # the first wraps or nearly so
            f"multiplier{suffix}": np.array([2**30, 2**31 - 1], np.int32),
            f"shift{suffix}": np.array([54, 40], np.int8),
        }
    got = PIPELINES[operator, "int8"](tensors, attributes)
    assert_same_stages(got, literal.JUDGES[operator, "int8"](tensors, attributes))


@pytest.mark.small
def test_a_biased_accumulator_wraps_and_an_output_saturates_at_both_rails():
    tensors = {
        "x": np.array([[[[127, -128]]]], np.int8),
        "w": np.array([[[[1]]], [[[127]]]], np.int8),
        "b": np.array([2**31 - 100, 0], np.int32),
        "multiplier": np.array([2**30, 2**30], np.int32),
        "shift": np.array([31, 31], np.int8),
    }
    attributes = {"x_zero": 0, "y_zero": 0, "rounding": "floor"}
    stages = PIPELINES["conv2d", "int8"](tensors, attributes)
    assert stages["biased"][0, 0].tolist() == [[-(2**31) + 27, 2**31 - 228]]
    assert stages["output"][0].tolist() == [[[-128, 127]], [[127, -128]]]


@st.composite
def fp32_calls(draw, operator):
    image, kernel, attributes = draw(geometries(operator))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    power = draw(st.sampled_from([0, 0, -60, -70, 20]))  # −70: products are subnormal or vanish

    def numbers(shape):
        scale = 2.0 ** (power + rng.integers(-3, 4, shape))
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    if operator != "shift_product":
        attributes["order"] = draw(st.sampled_from(["cuv", "uvc"]))
        attributes["bias_at"] = draw(st.sampled_from(["first", "last"]))
    tensors = {"x": numbers(image)}
    outputs = draw(st.integers(1, 2))
    directions = len(attributes.get("directions", ()))
    for suffix, shape in shapes_of(operator, outputs, image[1], kernel, directions).items():
        tensors[f"w{suffix}"] = numbers(shape)
        if draw(st.booleans()):
            tensors[f"b{suffix}"] = numbers(outputs)
        if operator == "xvolution":
            tensors |= {f"{each}{suffix}": numbers(outputs) for each in "st"}
    return tensors, attributes


@operators
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_every_fp32_stage_is_what_scalar_operations_say_bit_for_bit(operator, data):
    tensors, attributes = data.draw(fp32_calls(operator))
    got = PIPELINES[operator, "fp32"](tensors, attributes)
    expected = literal.JUDGES[operator, "fp32"](tensors, attributes)
    assert list(got) == list(expected)
    for name, array in got.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(
            np.ascontiguousarray(array).view(np.uint32), expected[name].view(np.uint32), name
        )


def definition(operator, tensors, attributes):
    """The same operator by its float64 definition."""
    wide = {name: array.astype(np.float64) for name, array in tensors.items()}
    shifts = {key: attributes[key] for key in ("length", "boundary") if key in attributes}
    if "directions" in attributes:
        shifts["directions"] = [tuple(each) for each in attributes["directions"]]
    steps = {key: tuple(attributes[key]) for key in ("stride", "dilation") if key in attributes}
    x, same = wide["x"], {"padding": geometry_of_padding(tensors, attributes)}
    if operator == "conv2d":
        return ref.conv2d(x, wide["w"], wide.get("b"), **steps, **same)
    products = ref.shift_product(x, **shifts)
    if operator == "shift_product":
        return products
    if operator == "pssa":
        return ref.conv2d(products, wide["w"], wide.get("b"), **steps, **same)
    if operator == "xvolution_fused":
        both = np.concatenate([x, products], axis=1)
        return ref.conv2d(both, wide["w"], wide.get("b"), **steps, **same)
    branches = [
        ref.conv2d(seen, wide[f"w{of}"], wide.get(f"b{of}"), **steps, **same)
        * wide[f"s{of}"][:, None, None]
        + wide[f"t{of}"][:, None, None]
        for of, seen in (("_c", x), ("_a", products))
    ]
    return sum(branches)


def geometry_of_padding(tensors, attributes):
    w = next((array for name, array in tensors.items() if name.startswith("w")), None)
    if w is None or "padding" in attributes:
        return tuple(attributes.get("padding", (0, 0)))
    apart = attributes["dilation"]
    return apart[0] * (w.shape[2] // 2), apart[1] * (w.shape[3] // 2)


@operators
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_binary32_pipelines_are_close_to_the_definitions(operator, data):
    tensors, attributes = data.draw(
        fp32_calls(operator).filter(lambda call: np.abs(call[0]["x"]).max() > 2.0**-9)
    )
    *_, output = PIPELINES[operator, "fp32"](tensors, attributes).values()
    magnitudes = {name: np.abs(array) for name, array in tensors.items()}
    largest = definition(operator, magnitudes, attributes).max()
    expected = definition(operator, tensors, attributes)
    np.testing.assert_allclose(output, expected, rtol=0, atol=2.0**-18 * largest)


@pytest.mark.small
def test_a_padding_of_none_is_same_and_an_even_kernel_is_refused_there():
    x = np.zeros((1, 1, 5, 4), np.float32)
    geometry = geometry_of(x, np.zeros((1, 1, 3, 5)), {"dilation": [2, 1]})
    assert geometry.padding == (2, 2)
    assert geometry.output == (5, 4)
    with pytest.raises(ValueError, match="kernel sides must be odd"):
        geometry_of(x, np.zeros((1, 1, 2, 3)), {})


@pytest.mark.parametrize("direction", [[0, 0], [1], [0.5, 1], "ab"])
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
@pytest.mark.small
def test_a_direction_that_is_no_pair_of_integers_or_is_zero_is_refused(arithmetic, direction):
    tensors = {"x": np.zeros((1, 1, 2, 2), np.int8 if arithmetic == "int8" else np.float32)}
    attributes = {"directions": [direction], "length": 1, "boundary": "circular", "x_zero": 0}
    with pytest.raises(ValueError, match="a direction must be a pair of integers"):
        PIPELINES["shift_product", arithmetic](tensors, attributes)


@pytest.mark.small
@pytest.mark.parametrize("arithmetic", ["int8", "fp32"])
def test_channels_that_do_not_fit_are_refused_in_a_sentence(arithmetic):
    dtype = np.int8 if arithmetic == "int8" else np.float32
    tensors = {"x": np.zeros((1, 2, 3, 3), dtype), "w": np.zeros((1, 3, 1, 1), dtype)}
    with pytest.raises(ValueError, match=r"x must have 3 channels, which w \(1, 3, 1, 1\)"):
        PIPELINES["conv2d", arithmetic](tensors, {"x_zero": 0})
