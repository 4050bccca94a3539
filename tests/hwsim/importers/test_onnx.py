"""ONNX files as networks: what they cost, what is named, and what is refused."""

import tracemalloc
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import hwsim
from hwsim import Convolution, Copy, Elementwise, estimate, matrix_product, network, preset
from hwsim.io import find_network
from hwsim.io.onnx_model import read_onnx
from hwsim.io.onnx_wire import without_weights
from hwsim.machine import with_vector_unit
from tests.hwsim.importers.graphs import Builder, detector, encoder, resnet50


def saved(model, folder, name="net.onnx"):
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return str(path)


def layer_of(net, folder, inputs, out):
    """The primitives of a graph's only layer."""
    (layer,) = read_onnx(saved(net.model(inputs, [out]), folder)).layers
    return layer.primitives


@pytest.mark.parametrize("machine_name", ["tpu-v1", "gemmini-default"])
def test_an_exported_resnet50_costs_what_the_built_in_one_does(tmp_path, machine_name):
    unit = preset(machine_name)
    path = saved(resnet50(), tmp_path)
    read, ours = find_network(path, batch=2), network("resnet50", batch=2)
    assert [layer.primitives for layer in read.layers] == [
        layer.primitives for layer in sorted_as(ours, read)
    ]
    assert estimate(read, unit).cost == estimate(ours, unit).cost


def sorted_as(ours, read):
    """Our layers in the file's order: it has a block's projection where we have its third part."""
    rest = list(ours.layers)
    for layer in read.layers:
        match = next(each for each in rest if each.primitives == layer.primitives)
        rest.remove(match)
        yield match
    assert rest == []


def test_a_dynamic_batch_is_one_unless_told_and_a_fixed_one_cannot_be_changed(tmp_path):
    path = saved(resnet50(), tmp_path)
    assert find_network(path).inputs == {"image": (1, 3, 224, 224)}
    assert find_network(path, batch=8).macs == 8 * find_network(path).macs
    net = Builder()
    fixed = saved(net.model({"x": [4, 3, 8, 8]}, [net.conv("x", 3, 4, 3)]), tmp_path, "4.onnx")
    assert find_network(fixed).batch == 4
    with pytest.raises(ValueError, match=r"size 1 of input x must be the 4 it was exported with, "):
        find_network(fixed, batch=2)


def test_a_detector_is_costed_up_to_what_depends_on_data_and_that_is_named(tmp_path):
    read = find_network(saved(detector(), tmp_path), image=(64, 96))
    found = estimate(read, with_vector_unit(preset("tpu-v1"), 8)).coverage
    pixels = [48 * 32, 24 * 16, 12 * 8]
    expected = (
        sum(
            p * (9 * i * o + o * 16)
            for p, i, o in zip(pixels, (3, 16, 32), (16, 32, 64), strict=True)
        )
        + (pixels[0] + pixels[1]) * 16 * 5 * 9
    )
    assert read.macs == expected
    assert found.asked - found.costed == 2
    chosen, kept = found.not_executable
    assert chosen == "1 x choose: operator NonMaxSuppression has no primitive"
    assert kept.startswith("1 x keep: the shape of ")
    assert kept.endswith(" depends on data")
    assert found.sentence.startswith(f"costed {found.asked - 2} of {found.asked} nodes, 100.0% of")
    assert "of the known MACs" in found.sentence


def test_the_coverage_of_the_page_is_the_detectors_on_davinci(tmp_path):
    read = find_network(saved(detector(), tmp_path), image=(64, 96))
    page = (Path(__file__).parents[3] / "docs" / "workloads.md").read_text("utf-8")
    assert estimate(read, preset("davinci-310p")).coverage.sentence in " ".join(page.split())


def test_an_encoder_with_arithmetic_on_its_sizes_is_read_at_any_size(tmp_path):
    path = saved(encoder(), tmp_path)
    for batch, length in ((1, 7), (2, 50)):
        read = find_network(path, batch=batch, sizes={"sequence": length})
        rows = batch * length
        projections = 4 * rows * 32 * 32 + 2 * rows * 32 * 128
        assert read.macs == projections + 2 * batch * 4 * length * length * 8
    full = estimate(read, with_vector_unit(preset("scalesim-default"), 8))
    assert full.coverage.is_complete
    bare = estimate(read, preset("scalesim-default")).coverage
    assert any("Softmax" in each for each in bare.not_executable)


def test_weights_are_never_read(tmp_path):
    """64 MB of weights in the file: reading it takes a hundredth of that."""
    net = Builder()
    big = TensorProto(name="big", data_type=TensorProto.FLOAT, dims=(4096, 4096, 1, 1))
    big.raw_data = bytes(4 * 4096 * 4096)
    net.weights.append(big)
    out = net.node("Conv", "x", "big")
    path = saved(net.model({"x": [1, 4096, 4, 4]}, [out]), tmp_path)
    assert len(without_weights(path)) < 1000
    read_onnx(path)
    tracemalloc.start()
    read = read_onnx(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read.macs == 16 * 4096 * 4096
    assert most < 640_000


def test_what_is_left_of_a_file_is_the_same_model_without_its_numbers(tmp_path):
    model = encoder()
    small = helper.make_tensor("w", TensorProto.FLOAT, (2000,), [0.0] * 2000)
    model.graph.initializer.append(small)
    left = onnx.ModelProto.FromString(without_weights(saved(model, tmp_path)))
    del model.graph.initializer[-1].float_data[:]
    assert left == model


def test_external_data_is_not_opened_and_must_be_said_to_lie_in_the_folder(tmp_path):
    net = Builder()
    out = net.conv("x", 3, 4, 3)
    tensor = net.weights[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add(key="location", value="weights.bin")
    model = net.model({"x": [1, 3, 8, 8]}, [out])
    assert find_network(saved(model, tmp_path)).macs == 6 * 6 * 4 * 27
    for outside in ("../weights.bin", "/etc/passwd", "a/../../b"):
        entry.value = outside
        model = net.model({"x": [1, 3, 8, 8]}, [out])
        with pytest.raises(ValueError, match=r"tensor w0 must have its data in the file's folder"):
            find_network(saved(model, tmp_path))


@pytest.mark.parametrize(
    ("attributes", "kernel", "shape", "expected"),
    [
        ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, (3, 3), (9, 8), {"padding": 1, "stride": 2}),
        ({"pads": [0, 1, 2, 1]}, (3, 3), (9, 8), {"height": 11, "width": 10}),
        ({"auto_pad": "SAME_UPPER"}, (3, 3), (9, 8), {"padding": 1}),
        (
            {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
            (3, 3),
            (9, 8),
            {"height": 11, "width": 9, "stride": 2},
        ),
        ({"auto_pad": "VALID", "dilations": [2, 2]}, (3, 3), (9, 8), {"dilation": 2}),
        ({"pads": [0, 3, 0, 3]}, (1, 7), (9, 8), {"width": 14, "kernel_w": 7}),
        ({"strides": [2, 1]}, (1, 1), (9, 1), {"stride": 2}),
        ({"strides": [2, 3]}, (3, 3), (9, 8), {"stride": 2, "stride_w": 3}),
    ],
)
def test_windows_become_convolutions_of_the_same_size(
    tmp_path, attributes, kernel, shape, expected
):
    net = Builder()
    if "stride" in expected:
        expected = {"height": shape[0], "width": shape[1]} | expected
    out = net.node("Conv", "x", net.weight(5, 4, *kernel), **attributes)
    (conv,) = layer_of(net, tmp_path, {"x": [2, 4, *shape]}, out)
    base = {"height": shape[0], "width": shape[1], "kernel_h": kernel[0], "kernel_w": kernel[1]}
    assert conv == Convolution(batch=2, in_channels=4, out_channels=5, **(base | expected))


def test_a_convolution_along_a_line_is_one_of_width_one(tmp_path):
    net = Builder()
    out = net.node("Conv", "x", net.weight(6, 4, 3), pads=[1, 1], strides=[2], group=1)
    (conv,) = layer_of(net, tmp_path, {"x": [1, 4, 9]}, out)
    assert (conv.out_height, conv.out_width, conv.macs) == (5, 1, 5 * 6 * 12)


def test_depthwise_and_grouped_convolutions_keep_their_groups(tmp_path):
    net = Builder()
    (conv,) = layer_of(net, tmp_path, {"x": [1, 8, 6, 6]}, net.conv("x", 8, 8, 3, group=8))
    assert (conv.groups, conv.kind, conv.macs) == (8, "depthwise", 4 * 4 * 8 * 9)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([5, 6], [6, 7], matrix_product(5, 7, 6)),
        ([2, 5, 6], [6, 7], matrix_product(10, 7, 6)),
        ([2, 5, 6], [2, 6, 7], matrix_product(5, 7, 6, count=2)),
        ([2, 3, 5, 6], [3, 6, 7], matrix_product(5, 7, 6, count=6)),
        ([6], [6, 7], matrix_product(1, 7, 6)),
    ],
)
def test_matrix_products_share_what_is_broadcast(tmp_path, a, b, expected):
    net = Builder()
    out = net.node("MatMul", "a", "b")
    assert layer_of(net, tmp_path, {"a": a, "b": b}, out) == (expected,)


def test_an_einsum_of_two_tensors_is_a_matrix_product(tmp_path):
    net = Builder()
    out = net.node("Einsum", "q", "k", equation="bhid,bhjd->bhij")
    primitives = layer_of(net, tmp_path, {"q": [2, 4, 5, 8], "k": [2, 4, 6, 8]}, out)
    assert primitives == (matrix_product(5, 6, 8, count=8),)


def test_a_transposed_convolution_is_one_product_and_a_sum_of_its_parts(tmp_path):
    net = Builder()
    out = net.node("ConvTranspose", "x", net.weight(4, 6, 3, 3), strides=[2, 2])
    product, total = layer_of(net, tmp_path, {"x": [1, 4, 5, 5]}, out)
    assert product == matrix_product(25, 6 * 9, 4)
    assert total == Elementwise(kind="add", elements=25 * 6 * 9)


def test_a_rectification_that_somebody_else_reads_past_stands_alone(tmp_path):
    net = Builder()
    y = net.conv("x", 3, 4, 1)
    out = net.node("Add", net.node("Relu", y), y)
    read = read_onnx(saved(net.model({"x": [1, 3, 5, 5]}, [out]), tmp_path))
    assert [layer.form for layer in read.layers] == ["Conv", "Relu", "Add"]
    assert read.layers[1].primitives == (Elementwise(kind="relu", elements=100),)


def test_views_and_constants_take_nothing_and_are_counted_and_copies_are_not_free(tmp_path):
    net = Builder()
    weights = net.node("Transpose", net.weight(6, 4), perm=[1, 0])
    y = net.node("MatMul", net.node("Reshape", "x", net.integers(10, 4)), weights)
    out = net.node("Transpose", y, perm=[1, 0])
    read = read_onnx(saved(net.model({"x": [5, 8]}, [out]), tmp_path))
    assert sorted(read.free.values()) == [
        "computed beforehand from constants",
        "the same numbers under another shape",
    ]
    assert [layer.primitives for layer in read.layers] == [
        (matrix_product(10, 6, 4),),
        (Copy(read_elements=60, write_elements=60),),
    ]
    sentence = estimate(read, preset("scalesim-default")).coverage.sentence
    assert sentence.startswith("costed 4 of 4 nodes, 100.0% of the MACs; not executable: nothing; ")
    assert "2 take nothing: 1 computed beforehand" in sentence


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (
            lambda n: n.node("Spin", "x", domain="custom"),
            "operator Spin of custom has no primitive",
        ),
        (lambda n: n.node("Loopy", "x"), "operator Loopy has no primitive"),
        (lambda n: n.node("STFT", "x", n.integers(1)), "operator STFT has no primitive"),
        (
            lambda n: n.conv("x", 3, 4, 3, dilations=[1, 2]),
            "dilations 1x2 that differ have no primitive",
        ),
    ],
)
def test_what_has_no_primitive_is_named_with_its_reason_and_not_refused(tmp_path, make, reason):
    net = Builder()
    read = read_onnx(saved(net.model({"x": [1, 3, 8, 8]}, [make(net)]), tmp_path))
    (line,) = estimate(read, preset("tpu-v1")).coverage.not_executable
    assert line.startswith(f"1 x {net.nodes[-1].name}: {reason}")


def looped():
    net = Builder()
    net.nodes = [
        helper.make_node("Relu", ["b"], ["a"], name="first"),
        helper.make_node("Relu", ["a"], ["b"], name="second"),
    ]
    return net.model({"x": [1]}, ["b"])


def early():
    net = Builder()
    net.nodes = [
        helper.make_node("Relu", ["b"], ["a"], name="first"),
        helper.make_node("Relu", ["x"], ["b"], name="second"),
    ]
    return net.model({"x": [1]}, ["a"])


def twice():
    net = Builder()
    net.nodes = [helper.make_node("Relu", ["x"], ["a"], name=name) for name in ("one", "two")]
    return net.model({"x": [1]}, ["a"])


def unknown():
    net = Builder()
    return net.model({"x": [1]}, [net.node("Relu", "nowhere", name="lost")])


def mismatched():
    net = Builder()
    return net.model({"x": [1, 5, 8, 8]}, [net.conv("x", 3, 4, 3, name="wrong")])


def enormous():
    net = Builder()
    return net.model({"x": [1, 3, 2**31, 2**31]}, [net.conv("x", 3, 4, 3)])


def reshaped():
    net = Builder()
    out = net.node("Reshape", "x", net.integers(1, 25), name="flat")
    return net.model({"x": ["batch", 5, 5, 2]}, [out])


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (looped(), "nodes must not depend on themselves, as second -> first -> second do"),
        (early(), "node first must come after second, which writes the b that it reads"),
        (twice(), "tensor a must be written by one node, not by one and two"),
        (unknown(), "tensor nowhere, which node lost reads, must be an input, a constant or writ"),
        (mismatched(), "node wrong"),
        (
            enormous(),
            "tensor x must have sizes of at least 1 and at most 1099511627776 numbers",
        ),
        (reshaped(), "node flat"),
        (detector(), "size 3 of input image must be a number, not 'height'; give --input HxW"),
        (encoder(), "size 2 of input x must be a number, not 'sequence'; give --size sequence=NU"),
    ],
)
def test_what_cannot_be_costed_gets_one_sentence_with_file_and_place(tmp_path, model, sentence):
    path = saved(model, tmp_path)
    with pytest.raises(ValueError, match=r"^in ") as error:
        find_network(path)
    assert str(error.value).startswith(f"in {path}, {sentence}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 1, 10, 200, -1])
def test_a_truncated_file_is_refused_in_one_sentence(tmp_path, keep):
    whole = encoder().SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r"^(ONNX file|in) .*cut\.onnx") as error:
        find_network(str(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_something_else_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^ONNX file .*none\.onnx must be readable: No such"):
        find_network(str(tmp_path / "none.onnx"))
    path = tmp_path / "text.onnx"
    path.write_text("this is no protobuf message, but a text")
    with pytest.raises(ValueError, match=r"^ONNX file .*text\.onnx must be"):
        find_network(str(path))
    with pytest.raises(ValueError, match=r"^ONNX file .* must be readable"):
        find_network(str(tmp_path / "folder.onnx"))


def test_three_lines_estimate_a_file(tmp_path):
    path = saved(resnet50(), tmp_path)
    asked = hwsim.find_network(path, batch=4)
    result = hwsim.estimate(asked, hwsim.find_machine("tpu-v1"))
    assert result.cost.cycles > 0
