"""SCALE-Sim's topologies and configurations, and lists of layers in TOML."""

import pytest

from hwsim import estimate, find_machine, find_network, matrix_product, preset
from hwsim.importers.scalesim import configuration, topology

CONVOLUTIONS = """Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 224, 224, 11, 11, 3, 96, 4,
Conv2, 31, 31, 5, 5, 96, 256, 1,

FC6, 1, 1, 1, 1, 9216, 4096, 1,
"""  # noqa: E501  as its files are
PRODUCTS = "Layer,M,N,K,\nGEMM0,128,64,1024,\nGEMM1,1,1,1,\n"
CFG = """[general]
run_name = mine

[architecture_presets]
ArrayHeight:    16
ArrayWidth:     8
IfmapSramSzkB:    64
FilterSramSzkB:   32
OfmapSramSzkB:    16
IfmapOffset:    0
FilterOffset:   10000000
OfmapOffset:    20000000
Bandwidth : 10
Dataflow : ws
MemoryBanks:   1

[run_presets]
InterfaceBandwidth: CALC
"""


def test_a_topology_is_its_convolutions_with_one_more_window_where_the_stride_leaves_a_rest():
    net = topology(CONVOLUTIONS, "alexnet")
    assert [layer.name for layer in net.layers] == ["Conv1", "Conv2", "FC6"]
    first, second, last = (layer.primitives[0] for layer in net.layers)
    assert (first.out_height, first.out_width) == (55, 55)  # ⌈(224 − 11 + 4) / 4⌉
    assert (first.height, first.stride, first.padding) == (54 * 4 + 11, 4, 0)
    assert (second.out_height, second.macs) == (27, 27 * 27 * 256 * 2400)
    assert last.macs == 9216 * 4096


def test_a_topology_of_products_is_told_by_its_header():
    net = topology(PRODUCTS, "gemm", batch=2)
    assert net.layers[0].primitives == (matrix_product(256, 64, 1024),)
    assert net.macs == 2 * (128 * 64 * 1024 + 1)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("224, 224, 11", "224, -224, 11", "line 2: IFMAP width must be an integer of at least 1, "),
        ("224, 224, 11", "224, many, 11", "line 2: IFMAP width must be an integer of at least 1, "),
        ("224, 224, 11", "224, 2.5, 11", "line 2: IFMAP width must be an integer of at least 1, "),
        ("96, 256, 1,", "96, 256,", "line 3: a layer must have a name and 7 numbers (IFMAP heig"),
        ("96, 256, 1,", "96, 256, 0,", "line 3: stride must be an integer of at least 1, not 0"),
        ("31, 31, 5", "3, 31, 5", "line 3: filter 5x5 must fit in the ifmap, not exceed 3x31"),
        ("9216", "9" * 12, "line 5: channels must be at most 2147483647, not 999999999999"),
        ("9216", "9" * 5000, "line 5: channels must be an integer of at least 1, not '999"),
        (
            "96, 256, 1,",
            "96, 256, 1, 2:4,",
            "line 3: what follows the stride must repeat it",
        ),
    ],
)
def test_a_wrong_field_is_told_by_file_line_and_name(tmp_path, old, new, sentence):
    assert old in CONVOLUTIONS
    path = tmp_path / "net.csv"
    path.write_text(CONVOLUTIONS.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"^in .*net\.csv, ") as error:
        find_network(str(path))
    assert f", {sentence}" in str(error.value)
    assert "\n" not in str(error.value)


def test_layers_of_one_name_are_told_apart():
    net = topology("L,M,N,K\na,1,1,1\na,2,2,2\nb,1,1,1\na,3,3,3\n", "x")
    assert [layer.name for layer in net.layers] == ["a", "a #2", "b", "a #3"]


@pytest.mark.parametrize("text", ["", "\n\n", "name, M, N, K\n"])
def test_a_topology_without_layers_is_refused(text):
    with pytest.raises(ValueError, match=r"^a topology must have a "):
        topology(text, "x")


def test_a_configuration_is_the_default_machine_with_its_numbers(tmp_path):
    path = tmp_path / "mine.cfg"
    path.write_text(CFG)
    unit = find_machine(str(path))
    assert (unit.name, unit.dataflow) == ("mine", "weight-stationary")
    assert (unit.array.rows, unit.array.cols) == (16, 8)
    held = unit.buffers
    sizes = (held.ifmap_bytes, held.filter_bytes, held.ofmap_bytes)
    assert sizes == (64 * 1024, 32 * 1024, 16 * 1024)
    assert unit.dram.bytes_per_cycle == 10
    topology_path = tmp_path / "net.csv"
    topology_path.write_text(CONVOLUTIONS)
    result = estimate(find_network(str(topology_path)), unit)
    assert result.coverage.sentence.startswith("costed 3 of 3 nodes, 100.0% of the MACs; not exec")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ArrayHeight:    16", "", "there must be an entry ArrayHeight in"),
        (
            "ArrayHeight:    16",
            "ArrayHeight: 0",
            "ArrayHeight must be an integer of at least 1",
        ),
        (
            "ArrayHeight:",
            "ArrayHight:",
            "entry arrayhight of [architecture_presets] must be on",
        ),
        ("Dataflow : ws", "Dataflow : wss", "Dataflow must be one of os, ws, is, not 'wss' (did y"),
        ("Bandwidth : 10", "Bandwidth : 10, 20", "Bandwidth must be one number for all operands"),
        ("[architecture_presets]", "[architecture]", "there must be a section [architecture_pres"),
        ("[general]", "general", "a configuration must be sections of entries: File contains no"),
        ("[run_presets]", "[sparsity]\nSparsitySupport = true\n[x]", "SparsitySupport must be fal"),
    ],
)
def test_a_wrong_configuration_gets_one_sentence(tmp_path, old, new, sentence):
    assert old in CFG
    path = tmp_path / "wrong.cfg"
    path.write_text(CFG.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"^in .*wrong\.cfg, ") as error:
        find_machine(str(path))
    assert f", {sentence}" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_empty_bandwidth_is_the_default_one():
    text = CFG.replace("Bandwidth : 10\n", "")
    default = preset("scalesim-default")
    assert configuration(text, "x", default).dram == default.dram
