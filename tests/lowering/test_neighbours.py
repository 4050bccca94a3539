"""The neighbours, run as lowered, are what their definitions say, pixel by pixel in loops."""

import numpy as np
import pytest

from hwsim.execute import execute
from hwsim.execute.dynamic import WAYS
from hwsim.lowering import Options, write
from hwsim.workload import Convolution
from refimpl import conv2d, softmax
from tests.hwsim.strategies import buffers, machine
from tests.lowering.cases import numbers

OPTIONS = Options(
    wide_window=3,
    acmix_heads=2,
    acmix_kernel=3,
    involution_group=2,
    involution_reduction=2,
    neighbourhood_head=2,
)


def site(stride):
    return Convolution(
        batch=2,
        in_channels=4,
        out_channels=4,
        height=5,
        width=4,
        kernel_h=3,
        kernel_w=3,
        padding=1,
        stride=stride,
    )


def project(x, w):
    return conv2d(x, w[:, :, None, None])


def window(i, j, stride, size, *, clamp):
    """Places that output pixel (i, j) sees, row by row: inside only, or moved inwards."""
    starts = [stride * at - 1 for at in (i, j)]
    if clamp:
        starts = [min(max(at, 0), side - 3) for at, side in zip(starts, size, strict=True)]
    places = [(starts[0] + u, starts[1] + v) for u, v in np.ndindex(3, 3)]
    return [
        (place, at)
        for place, at in enumerate(places)
        if 0 <= at[0] < size[0] and 0 <= at[1] < size[1]
    ]


def attend(q, k, v, heads, stride, *, clamp, bias=None):
    """Softmax attention of strided pixels to their windows, one query after another."""
    n, channels, height, width = k.shape
    down, right = -(-height // stride), -(-width // stride)
    y = np.zeros((n, channels, down, right))
    inner = channels // heads
    for b, head, i, j in np.ndindex(n, heads, down, right):
        own = slice(head * inner, (head + 1) * inner)
        seen = window(i, j, stride, (height, width), clamp=clamp)
        query = q[b, own, i * stride, j * stride]
        scores = np.array(
            [
                query @ k[b, own, row, col] + (0 if bias is None else bias[head * 9 + place])
                for place, (row, col) in seen
            ]
        )
        values = np.array([v[b, own, row, col] for _, (row, col) in seen])
        y[b, own, i, j] = softmax(scores) @ values
    return y


def neighbourhood(given, stride):
    x = given["x"]
    q, k, v = (project(x, given[name]) for name in ("w_q", "w_k", "w_v"))
    attended = attend(q, k, v, 2, stride, clamp=True, bias=given["bias"])
    return project(attended, given["w_o"])


def involution(given, stride):
    x = given["x"]
    reduced = np.maximum(conv2d(x, given["w_reduce"], stride=stride), 0)
    kernels = conv2d(reduced, given["w_span"])
    y = np.zeros((2, 4, *kernels.shape[2:]))
    for b, c, i, j in np.ndindex(y.shape):
        for place, (row, col) in window(i, j, stride, x.shape[2:], clamp=False):
            y[b, c, i, j] += kernels[b, (c // 2) * 9 + place, i, j] * x[b, c, row, col]
    return y


def acmix(given, stride):
    """Head h, inner channel e: map number h·2 + e of q, k and v; outputs are e·2 + h."""
    x, heads, inner = given["x"], 2, 2
    q, k, v = (project(x, given[name]) for name in ("w_q", "w_k", "w_v"))
    many = np.concatenate([q, k, v], axis=1).reshape(2, 3 * heads, inner, *x.shape[2:])
    maps = np.einsum("tm,bmeij->betij", given["w_fc"], many).reshape(2, inner * 9, *x.shape[2:])
    convolved = conv2d(maps, given["w_shift"], stride=stride, padding=1, groups=inner)
    attended = attend(q, k, v, heads, stride, clamp=False)
    return given["alpha"].item() * attended + given["beta"].item() * convolved


DEFINED = {"acmix": acmix, "involution": involution, "neighbourhood-attention": neighbourhood}


@pytest.mark.parametrize("form", DEFINED)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("way", WAYS)
def test_a_neighbour_is_what_its_definition_says(form, stride, way):
    """In float64, within 10⁻¹² of the largest number: sums in other orders."""
    graph = write(form, site(stride), OPTIONS)
    given = {name: 0.25 * each for name, each in numbers(graph, stride).items()}
    found = execute(graph, given, machine(buffers=buffers(300)), way=way).results["y"]
    expected = DEFINED[form](given, stride)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-12 * max(1, np.abs(expected).max())


def test_a_window_that_is_not_moved_inwards_is_seen_to_differ():
    graph = write("neighbourhood-attention", site(1), OPTIONS)
    given = {name: 0.25 * each for name, each in numbers(graph, 1).items()}
    x = given["x"]
    q, k, v = (project(x, given[name]) for name in ("w_q", "w_k", "w_v"))
    masked = project(attend(q, k, v, 2, 1, clamp=False, bias=given["bias"]), given["w_o"])
    found = execute(graph, given, machine()).results["y"]
    assert np.abs(found - masked).max() > 1e-3
