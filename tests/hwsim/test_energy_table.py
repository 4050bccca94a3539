from dataclasses import replace

import pytest

from hwsim.io.machines import energy_names, energy_table

HOROWITZ = energy_table("horowitz-45nm")


@pytest.mark.parametrize("name", energy_names())
def test_every_table_names_its_node_and_its_source(name):
    table = energy_table(name)
    assert table.name == name
    assert f"{table.node_nm} nm" in table.title
    assert "20" in table.source or "nn_dataflow" in table.source


def test_memories_take_what_the_source_lists_and_between_two_sizes_what_lies_between():
    """Horowitz: 10, 20 and 100 pJ per 64 bits at 8 KB, 32 KB and 1 MB."""
    listed = {8: 10, 32: 20, 1024: 100}
    for kilobytes, per_word in listed.items():
        assert HOROWITZ.buffer_pj(kilobytes * 1024) * 8 == pytest.approx(per_word)
    assert HOROWITZ.buffer_pj(16 * 1024) * 8 == pytest.approx(200**0.5)  # midway in both logarithms
    sizes = [HOROWITZ.buffer_pj(size) for size in (1, 8192, 9000, 32768, 10**5, 2**20, 2**30)]
    assert sizes == sorted(sizes)


def test_the_normalised_table_is_relative_to_a_mac_of_16_bits():
    table = energy_table("eyeriss-normalised")
    word = (table.register_pj_per_byte, table.array_pj_per_byte, table.buffer_pj(1))
    assert [each * 2 for each in (*word, table.dram_pj_per_byte)] == [1, 2, 6, 200]
    assert table.mac_pj == {"int16": 1}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"node_nm": 0}, r"energy\.node_nm must be an integer of at least 1, not 0"),
        ({"dram_pj_per_byte": -1}, r"energy\.dram_pj_per_byte must be a number above 0, not -1"),
        ({"mac_pj": {}}, r"energy\.mac_pj must have an entry, not be empty"),
        ({"mac_pj": {"int9": 1.0}}, r"each key of energy\.mac_pj must be one of .*mean int8"),
        ({"mac_pj": {"int8": "x"}}, r"energy\.mac_pj\.int8 must be a number above 0, not 'x'"),
        ({"buffer_pj_per_byte": {0: 1.0}}, r"each size in energy\.buffer_pj_per_byte must be an"),
        ({"register_pj_per_byte": float("inf")}, r"energy\.register_pj_per_byte must be a number"),
    ],
)
def test_an_impossible_table_is_refused_in_one_sentence(change, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        replace(HOROWITZ, **change)
