from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from hwsim import Layer, estimate, network, preset
from hwsim.evaluate import cost_layers
from hwsim.im2col import windows_written
from hwsim.workload import Copy
from tests.hwsim.strategies import buffers, convolutions, machine


def gathered(conv):
    """Numbers in the matrix of windows, gathered one by one from a padded image."""
    height, width = conv.height + 2 * conv.padding, conv.width + 2 * conv.padding
    image = np.arange(conv.in_channels * height * width).reshape(conv.in_channels, height, width)
    rows = [
        image[:, y + i * conv.dilation, x + j * conv.dilation].ravel()
        for y in range(0, conv.out_height * conv.stride, conv.stride)
        for x in range(0, conv.out_width * conv.stride_across, conv.stride_across)
        for i in range(conv.kernel_h)
        for j in range(conv.kernel_w)
    ]
    return conv.batch * sum(map(len, rows))


def layer(conv):
    return Layer(name="x", form="convolution", primitives=(conv,))


@settings(max_examples=60, deadline=None)
@given(convolutions())
def test_windows_through_dram_are_all_written_and_the_product_is_the_same(conv):
    unit = machine(im2col="dram")
    written = windows_written(layer(conv), unit)
    assert written.macs == conv.macs
    assert windows_written(layer(conv), machine()) == layer(conv)
    if conv.taps > 1:
        copy, product = written.primitives
        assert isinstance(copy, Copy)
        assert copy.write_elements == gathered(conv)
        assert product.out_elements == conv.out_elements
    else:
        assert written == layer(conv)


@settings(max_examples=30, deadline=None)
@given(convolutions())
def test_windows_through_dram_cost_their_writing_and_reading(conv):
    unit = machine(buffers=buffers(9999))
    (plain,) = cost_layers([layer(conv)], unit)
    (written,) = cost_layers([layer(conv)], replace(unit, im2col="dram"))
    assert written.cost.macs == plain.cost.macs
    if conv.taps > 1:
        assert written.cost.dram_write_bytes == plain.cost.dram_write_bytes + gathered(conv)
        assert written.cost.dram_read_bytes >= gathered(conv)


def test_a_network_is_slower_with_its_windows_in_dram():
    unit = preset("gemmini-default")
    asked = network("resnet34").only("conv2_1.conv1", "conv2_1.conv2")
    fast, slow = (estimate(asked, replace(unit, im2col=each)) for each in ("on-load", "dram"))
    assert fast.cost.macs == slow.cost.macs
    assert fast.cost.cycles < slow.cost.cycles
    assert fast.cost.dram_bytes < slow.cost.dram_bytes
