import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwsim.heuristic import fewest_rows, heuristic_tiling, largest_divisor, room_of
from hwsim.machine import Buffers
from hwsim.tiling import ORDERS, bands_of, fits, tile_bytes
from hwsim.traffic import traffic
from hwsim.workload import Convolution
from tests.hwsim.strategies import buffers, convolutions, machine, machines, workloads


@settings(max_examples=300, deadline=None)
@given(workloads, machines)
def test_every_size_divides_its_axis_and_the_tile_fits(conv, unit):
    tiling = heuristic_tiling(conv, unit)
    assume(tiling is not None)
    assert conv.batch % tiling.images == 0 == conv.out_height % tiling.rows
    assert conv.out_channels // conv.groups % tiling.out_channels == 0
    assert conv.in_channels // conv.groups % tiling.in_channels == 0
    assert fits(tile_bytes(conv, tiling, unit), unit.buffers)


@settings(max_examples=200, deadline=None)
@given(convolutions())
def test_padding_is_left_to_the_outermost_bands(conv):
    sizes = bands_of(conv, 1, fewest_rows(conv))[: conv.out_height // fewest_rows(conv)]
    assert len({band.in_rows for band in sizes[1:-1]}) <= 1


@settings(max_examples=200, deadline=None)
@given(workloads, machines)
def test_the_order_is_the_one_that_reads_less_but_for_padding(conv, unit):
    assume(conv.padding == 0)
    tiling = heuristic_tiling(conv, unit)
    assume(tiling is not None)
    moved = {o: traffic(conv, tiling._replace(order=o), unit).total_bytes for o in ORDERS}
    assert moved[tiling.order] == min(moved.values())


def test_nothing_fits_where_a_row_of_one_channel_does_not():
    conv = Convolution(in_channels=3, height=8, width=50, out_channels=4)
    assert heuristic_tiling(conv, machine(buffers=buffers(99))) is None
    assert heuristic_tiling(conv, machine(buffers=buffers(2000))) is not None
    assert (
        heuristic_tiling(
            conv,
            machine(
                buffers=Buffers(
                    ifmap_bytes=2000, filter_bytes=2000, ofmap_bytes=100, double_buffered=True
                )
            ),
        )
        is None
    )


def test_a_shared_buffer_is_cut_into_equal_parts():
    shared = Buffers(
        ifmap_bytes=1000,
        filter_bytes=300,
        ofmap_bytes=100,
        double_buffered=True,
        shared=("ifmap", "ofmap"),
        shared_bytes=1000,
    )
    assert room_of(machine(buffers=shared)) == (500 // 2, 300 // 2, 100 // 2 // 4)


@given(st.integers(1, 500), st.integers(-3, 600))
def test_the_largest_divisor_is_one(whole, most):
    size = largest_divisor(whole, most)
    if most < 1:
        assert size == 0
    else:
        assert whole % size == 0
        assert not any(whole % other == 0 for other in range(size + 1, min(whole, most) + 1))


def test_a_layer_by_hand():
    """3 x 3, 64 to 64 channels of 56 x 56; room for 8192 inputs, 36864 weights, 4096 sums.

    Two rows reach all padding: 1 row touches 3 lines of 56. All 64 channels: 64 * 3 * 56 > 8192, so
    32; a square of sums is 64 wide, 64 * 32 * 9 = 18432 weights fit. Rows: 8192 / (56 * 32) = 4
    lines, so 2; 4096 / (56 * 64) = 1 row of sums. One row of one image.
    """
    conv = Convolution(
        in_channels=64,
        height=56,
        width=56,
        out_channels=64,
        kernel_h=3,
        kernel_w=3,
        padding=1,
    )
    room = Buffers(
        ifmap_bytes=8192 * 2,
        filter_bytes=36864 * 2,
        ofmap_bytes=4096 * 4 * 2,
        double_buffered=True,
    )
    tiling = heuristic_tiling(conv, machine(buffers=room))
    assert tiling[:4] == (1, 1, 64, 32)


@pytest.mark.parametrize(("padding", "rows"), [(0, 1), (1, 1), (2, 3)])
def test_the_fewest_rows_by_hand(padding, rows):
    """27 rows of output: a padding of 2 needs 2, and 3 is the next divisor."""
    conv = Convolution(
        in_channels=1,
        height=27 + 4 - 2 * padding,
        width=9,
        out_channels=1,
        kernel_h=5,
        padding=padding,
    )
    assert conv.out_height == 27
    assert fewest_rows(conv) == rows
