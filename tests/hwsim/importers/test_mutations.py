"""Valid files with something changed: a network, or one sentence; soon, and in little memory."""

import time

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsim import estimate, find_machine, find_network, preset
from hwsim.importers.operators import OPERATORS
from hwsim.io.machines import parse_machine
from tests.hwsim.importers.graphs import detector, encoder
from tests.hwsim.importers.test_listing import TEXT
from tests.hwsim.importers.test_scalesim import CFG, CONVOLUTIONS, PRODUCTS

SECONDS = 5  # ours: for a file that takes milliseconds unchanged
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MODELS = [each.SerializeToString() for each in (detector(), encoder(16))]
MACHINE = (
    'name = "m"\nclock_hz = 1000\ndataflow = "weight-stationary"\noperand_bytes = 1\n'
    "accumulator_bytes = 4\n[array]\nrows = 4\ncols = 4\n[buffers]\nifmap_bytes = 4096\n"
    "filter_bytes = 4096\nofmap_bytes = 4096\ndouble_buffered = true\n"
    '[dram]\nbytes_per_cycle = "3/2"\nlatency_cycles = 3\n[vector]\nlanes = 4\n'
    "[vector.cycles_per_element]\nrelu = 1\n"
)


@st.composite
def changed(draw, wholes):
    """Bytes with a few of them changed, left out, put in, or all from one place on left out."""
    content = bytearray(draw(st.sampled_from(wholes)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["set", "drop", "insert", "cut", "repeat"]))
        if kind == "set":
            content[at] = draw(st.integers(0, 255))
        elif kind == "drop":
            del content[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            content[at:at] = draw(st.binary(max_size=6))
        elif kind == "cut":
            del content[at + 1 :]
        else:
            content[at:at] = content[at : at + draw(st.integers(1, 60))]
        content = content or bytearray(b"\0")
    return bytes(content)


SIZES = [-(2**63), -5, -1, 0, 1, 2, 7, 2**31, 2**62]
NAMES = [*OPERATORS, "Reshape", "Loop", "If", "TopK", "ConstantOfShape", "LSTM", "Unheard"]


@st.composite
def altered(draw):
    """A model with another operator, input, attribute or size somewhere, still well written."""
    model = onnx.ModelProto.FromString(draw(st.sampled_from(MODELS)))
    graph = model.graph
    for _ in range(draw(st.integers(1, 3))):
        node = draw(st.sampled_from(graph.node))
        tensor = draw(st.sampled_from(graph.initializer))
        kind = draw(st.sampled_from(["operator", "input", "fewer", "attribute", "size", "value"]))
        if kind == "operator":
            node.op_type = draw(st.sampled_from(NAMES))
        elif kind == "input" and node.input:
            node.input[0] = draw(st.sampled_from([tensor.name, *graph.node[-1].output, ""]))
        elif kind == "fewer" and node.input:
            del node.input[-1]
        elif kind == "attribute" and node.attribute and node.attribute[0].ints:
            node.attribute[0].ints[0] = draw(st.sampled_from(SIZES))
        elif kind == "size" and tensor.dims:
            tensor.dims[0] = draw(st.sampled_from(SIZES))
        elif kind == "value" and tensor.int64_data:
            tensor.int64_data[0] = draw(st.sampled_from(SIZES))
    return model.SerializeToString()


TOKENS = ["-1", "0", "1e9", "2147483647", "99999999999999999999", "true", '"x"', "", "[]", "{}"]


@st.composite
def rewritten(draw, wholes):
    """A text with a few of its words replaced by others, or by what numbers should not be."""
    text = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 3))):
        words = text.split(" ")
        at = draw(st.integers(0, len(words) - 1))
        words[at] = draw(st.sampled_from([*TOKENS, draw(st.sampled_from(words)), "\n", ","]))
        text = " ".join(words)
    return text


def answer(work):
    """What the work gives, or the one sentence why not."""
    result, sentence = None, "read"
    begun = time.monotonic()
    try:
        result = work()
    except ValueError as error:
        sentence = str(error)
    assert time.monotonic() - begun < SECONDS
    assert sentence
    assert "\n" not in sentence
    return result


@quick
@given(st.one_of(changed(MODELS), altered(), altered()))
def test_a_changed_onnx_file_is_a_network_or_one_sentence(tmp_path, content):
    path = tmp_path / "changed.onnx"
    path.write_bytes(content)
    net = answer(lambda: find_network(str(path), image=(32, 32)))
    if net is not None and net.macs < 10**9:
        answer(lambda: estimate(net, preset("tpu-v1")))


@quick
@given(st.one_of(rewritten([TEXT]), changed([TEXT.encode()])))
def test_a_changed_list_of_layers_is_a_network_or_one_sentence(tmp_path, content):
    path = tmp_path / "changed.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answer(lambda: estimate(find_network(str(path)), preset("tpu-v1")))


@quick
@given(st.one_of(rewritten([CONVOLUTIONS, PRODUCTS]), changed([CONVOLUTIONS.encode()])))
def test_a_changed_topology_is_a_network_or_one_sentence(tmp_path, content):
    path = tmp_path / "changed.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answer(lambda: estimate(find_network(str(path)), preset("scalesim-default")))


@quick
@given(rewritten([CFG]))
def test_a_changed_configuration_is_a_machine_or_one_sentence(tmp_path, text):
    path = tmp_path / "changed.cfg"
    path.write_text(text)
    answer(lambda: find_machine(str(path)))


@quick
@given(rewritten([MACHINE]))
def test_a_changed_machine_is_a_machine_or_one_sentence(text):
    unit = answer(lambda: parse_machine(text, "m.toml"))
    if unit is not None:
        answer(lambda: estimate(find_network("alexnet", image=(67, 67)), unit))


def test_unchanged_they_are_all_read(tmp_path):
    for index, content in enumerate(MODELS):
        path = tmp_path / f"{index}.onnx"
        path.write_bytes(content)
        assert find_network(str(path), image=(32, 32) if not index else None).macs
    assert parse_machine(MACHINE, "m.toml").array.rows == 4


@pytest.mark.parametrize("end", ["onnx", "toml", "csv"])
def test_a_folder_is_no_file(tmp_path, end):
    folder = tmp_path / f"x.{end}"
    folder.mkdir()
    with pytest.raises(ValueError, match=r"must be readable"):
        find_network(str(folder))
