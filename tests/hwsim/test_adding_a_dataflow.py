"""The page on adding a dataflow: what it names exists, and every kind has been through it."""

import re
from pathlib import Path

import pytest

from hwsim.cycles.tile import Tile, tile_cycles
from hwsim.evidence import evidence_of
from hwsim.io import preset, preset_names
from hwsim.machine import ARRAY_KINDS
from hwsim.onchip import accesses
from hwsim.report.machines import array_words
from hwsim.workload import Convolution

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-dataflow.md").read_text("utf-8")
BY_DATAFLOW = {preset(name).dataflow: preset(name) for name in preset_names()}


def test_the_files_that_the_page_names_exist():
    named = re.findall(r"`((?:hwsim|tests)/[\w/.]+)`", PAGE)
    assert len(named) > 8
    for each in named:
        assert (ROOT / each).exists(), each


@pytest.mark.parametrize("dataflow", [name for name in ARRAY_KINDS if name in BY_DATAFLOW])
def test_every_kind_of_array_has_been_through_every_step(dataflow):
    unit = BY_DATAFLOW[dataflow]
    assert isinstance(unit.array, ARRAY_KINDS[dataflow])
    tile = Tile(1, 2, 5, 8, 6, 3, 3, 1)
    assert tile_cycles(tile, unit).total >= tile.gemm.macs // unit.array.macs_per_cycle
    assert min(accesses(tile, unit)) > 0
    conv = Convolution(in_channels=8, height=12, width=12, out_channels=8, kernel_h=3, kernel_w=3)
    assert evidence_of([conv], unit, ()).cycles.startswith("equal to hwsim.")
    assert array_words(unit.array)


def test_every_kind_of_array_has_a_preset():
    kinds = {type(each.array) for each in BY_DATAFLOW.values()}
    assert kinds == set(ARRAY_KINDS.values())
