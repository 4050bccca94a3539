"""What is measured: our function and a peer's on the same numbers, binary32, and the target.

Peers: PyTorch on the CPU (its convolution is oneDNN's), PSSA and X-volution composed of its calls
as one would write them, and the reference evaluator of ONNX. A case counts the floating-point
operations of its products, where the machine's rate for matrix products is a limit to compare with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from torch.nn import functional

from refimpl import fast
from refimpl.nets.resnet import resnet

SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))  # of torch.roll, for reading left, right, up, down


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two functions on the same numbers, and how many times as fast ours is to be."""

    group: str
    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    target: float
    flops: int = 0


def comparisons() -> Iterator[Comparison]:
    """All of them, made one at a time: each holds its arrays."""
    yield from convolutions()
    yield from attentions()
    yield from dynamic_convolutions()
    yield from shift_products()
    yield from pixel_shift_attentions()
    yield from fused_xvolutions()
    yield from onnx_convolutions()


def normal(*shape: int) -> np.ndarray:
    """Numbers of about unit size, the same in every run."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def tensors(*arrays: np.ndarray, grad: bool = False) -> list[Any]:
    """The same numbers for PyTorch."""
    return [torch.tensor(each, requires_grad=grad) for each in arrays]


def resnet_shapes() -> list[tuple[int, int, int, int, int]]:
    """(input channels, output channels, input side, kernel side, stride), each once."""
    sides, seen = {"image": 224}, []
    for node in resnet(50, stage=None).nodes:
        side = sides[node.inputs[0]]
        stride = node.attributes.get("stride", (1, 1))
        step = stride if isinstance(stride, int) else stride[0]
        sides[node.name] = -(-side // step)
        if node.kind == "conv2d":
            outputs, inputs, kernel, _ = node.shapes["w"]
            shape = (inputs, outputs, side, kernel, step)
            if shape not in seen:
                seen.append(shape)
    return seen


def convolutions() -> Iterator[Comparison]:
    """Every convolution of ResNet-50, forward, and backward to images, kernels and bias."""
    for batch in (1, 8):
        for inputs, outputs, side, kernel, stride in resnet_shapes():
            x, w, b = (
                normal(batch, inputs, side, side),
                normal(outputs, inputs, kernel, kernel),
                normal(outputs),
            )
            options: dict[str, Any] = {"stride": stride, "padding": kernel // 2}
            tx, tw, tb = tensors(x, w, b)
            name = f"{inputs}→{outputs}, {side}², {kernel}×{kernel}/{stride}"
            flops = 2 * batch * outputs * (-(-side // stride)) ** 2 * inputs * kernel**2
            yield Comparison(
                group=f"convolution, N = {batch}, forward", name=name, target=0.8, flops=flops,
                ours=lambda x=x, w=w, b=b, o=options: fast.conv2d(x, w, b, **o),
                peer=lambda x=tx, w=tw, b=tb, o=options: functional.conv2d(x, w, b, **o),
            )  # fmt: skip
            rx, rw, rb = tensors(x, w, b, grad=True)
            y = functional.conv2d(rx, rw, rb, **options)
            dy = normal(*y.shape)
            yield Comparison(
                group=f"convolution, N = {batch}, backward", name=name, target=0.8, flops=2 * flops,
                ours=lambda x=x, w=w, dy=dy, o=options: fast.conv2d_backward(dy, x, w, **o),
                peer=_pull(y, (rx, rw, rb), torch.tensor(dy)),
            )  # fmt: skip


def _pull(y: Any, inputs: tuple[Any, ...], dy: Any) -> Callable[[], object]:
    return lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True)


def attentions() -> Iterator[Comparison]:
    """Global attention with projections, one head of 64 channels, on 28² and 56² pixels."""
    for side in (28, 56):
        x, w_q, w_k, w_v = normal(1, 64, side, side), *(normal(64, 64) / 8 for _ in range(3))
        tx, tq, tk, tv = tensors(x, w_q, w_k, w_v)

        def composed(x: Any = tx, weights: Any = (tq, tk, tv)) -> Any:
            q, k, v = ((w @ x.flatten(2)).transpose(1, 2) for w in weights)
            return functional.scaled_dot_product_attention(q, k, v)

        yield Comparison(
            group="global attention, softmax", name=f"64 channels, {side}²", target=0.0,
            ours=lambda x=x, q=w_q, k=w_k, v=w_v: fast.global_attention(x, q, k, v),
            peer=composed, flops=4 * 64 * side**4 + 6 * 64 * 64 * side**2,
        )  # fmt: skip


def dynamic_convolutions() -> Iterator[Comparison]:
    """Kernels of its own at every pixel: local attention, against unfolding keys and values."""
    for channels, side in ((64, 56), (128, 28)):
        x = normal(1, channels, side, side)
        w_q, w_k, w_v = (normal(channels, channels) / channels for _ in range(3))
        tx, *weights = tensors(x, w_q, w_k, w_v)

        def unfolded(x: Any = tx, weights: Any = weights, c: int = channels) -> Any:
            q, k, v = (functional.conv2d(x, w[:, :, None, None]) for w in weights)
            keys, values = (
                functional.unfold(each, 3, padding=1).view(1, c, 9, -1) for each in (k, v)
            )
            scores = (q.view(1, c, 1, -1) * keys).sum(1, keepdim=True)
            return (scores * values).sum(2).view_as(x)

        yield Comparison(
            group="unfold-based dynamic convolution", target=5.0,
            name=f"local attention 3×3, {channels} channels, {side}²",
            ours=lambda x=x, q=w_q, k=w_k, v=w_v: fast.local_attention(x, q, k, v), peer=unfolded,
        )  # fmt: skip
    for channels, side in ((16, 28), (32, 14)):
        x, kernels = (
            normal(1, channels, side, side),
            normal(1, channels, channels, 3, 3, side, side),
        )
        tx, tk = tensors(x, kernels)

        def stored(x: Any = tx, k: Any = tk, c: int = channels, side: int = side) -> Any:
            columns = functional.unfold(x, 3, padding=1).view(1, 1, c * 9, -1)
            return (k.view(1, c, c * 9, -1) * columns).sum(2).view(1, c, side, side)

        yield Comparison(
            group="unfold-based dynamic convolution", target=5.0,
            name=f"stored kernels 3×3, {channels}→{channels}, {side}²",
            ours=lambda x=x, k=kernels: fast.dynamic_conv2d(x, k), peer=stored,
        )  # fmt: skip


def rolled(x: Any) -> Any:
    """Shift products of the four neighbours, circular, as one would write them in PyTorch."""
    return torch.cat([x * torch.roll(x, shift, (2, 3)) for shift in SHIFTS], 1)


def shift_products() -> Iterator[Comparison]:
    """Four directions, forward and backward."""
    for batch, channels, side in ((1, 64, 56), (8, 128, 28)):
        x = normal(batch, channels, side, side)
        (tx,), (rx,) = tensors(x), tensors(x, grad=True)
        y = rolled(rx)
        dy, name = normal(*y.shape), f"N = {batch}, {channels} channels, {side}²"
        yield Comparison(
            group="shift products, forward", name=name, target=3.0,
            ours=lambda x=x: fast.shift_product(x), peer=lambda x=tx: rolled(x),
        )  # fmt: skip
        yield Comparison(
            group="shift products, backward", name=name, target=3.0,
            ours=lambda dy=dy, x=x: fast.shift_product_backward(dy, x),
            peer=_pull(y, (rx,), torch.tensor(dy)),
        )  # fmt: skip


def pixel_shift_attentions() -> Iterator[Comparison]:
    """PSSA 3×3, four directions: depthwise, and dense."""
    for batch, channels, side in ((1, 64, 56), (8, 128, 28)):
        x, w = normal(batch, channels, side, side), normal(4 * channels, 1, 3, 3)
        tx, tw = tensors(x, w)
        yield Comparison(
            group="depthwise PSSA", name=f"N = {batch}, {channels} channels, {side}²", target=5.0,
            ours=lambda x=x, w=w, g=4 * channels: fast.pssa(x, w, groups=g),
            peer=lambda x=tx, w=tw, g=4 * channels: functional.conv2d(
                rolled(x), w, padding=1, groups=g
            ),
        )  # fmt: skip
        x, w = normal(batch, channels, side, side), normal(channels, 4 * channels, 3, 3)
        yield from _dense("dense PSSA", x, w, fast.pssa, fast.pssa_backward, rolled)


def fused_xvolutions() -> Iterator[Comparison]:
    """Fused X-volution 3×3, four directions."""
    for batch, channels, side in ((1, 64, 56), (8, 128, 28)):
        x, w = normal(batch, channels, side, side), normal(channels, 5 * channels, 3, 3)
        yield from _dense(
            "fused X-volution", x, w, fast.xvolution_fused, fast.xvolution_fused_backward,
            lambda x: torch.cat([x, rolled(x)], 1),
        )  # fmt: skip


def _dense(
    group: str, x: np.ndarray, w: np.ndarray, forward: Any, backward: Any, features: Any
) -> Iterator[Comparison]:
    (tx, tw), (rx, rw) = tensors(x, w), tensors(x, w, grad=True)
    y = functional.conv2d(features(rx), rw, padding=1)
    dy, name = normal(*y.shape), f"N = {len(x)}, {x.shape[1]} channels, {x.shape[2]}²"
    flops = 2 * x.shape[0] * x.shape[2] ** 2 * w.size

    def pull() -> object:
        back = functional.conv2d(features(rx), rw, padding=1)
        return torch.autograd.grad(back, (rx, rw), torch.tensor(dy))

    yield Comparison(
        group=f"{group}, forward", name=name, target=1.0, flops=flops,
        ours=lambda: forward(x, w), peer=lambda: functional.conv2d(features(tx), tw, padding=1),
    )  # fmt: skip
    yield Comparison(
        group=f"{group}, backward", name=name, target=1.0, flops=2 * flops,
        ours=lambda: backward(dy, x, w), peer=_pull(y, (rx, rw), torch.tensor(dy)),
    )  # fmt: skip


def onnx_convolutions() -> Iterator[Comparison]:
    """The Conv of ONNX's own reference evaluator."""
    for inputs, outputs, side, kernel, stride in ((64, 64, 56, 3, 1), (256, 512, 56, 1, 2)):
        x, w = normal(1, inputs, side, side), normal(outputs, inputs, kernel, kernel)
        pads = [kernel // 2] * 4
        node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[stride] * 2, pads=pads)
        kinds = [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in "xwy"]
        graph = helper.make_graph([node], "conv", kinds[:2], kinds[2:])
        evaluator = ReferenceEvaluator(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        )
        yield Comparison(
            group="ONNX reference Conv", target=3.0,
            name=f"{inputs}→{outputs}, {side}², {kernel}×{kernel}/{stride}",
            ours=lambda x=x, w=w, s=stride, p=kernel // 2: fast.conv2d(x, w, stride=s, padding=p),
            peer=lambda e=evaluator, x=x, w=w: e.run(None, {"x": x, "w": w}),
        )  # fmt: skip
