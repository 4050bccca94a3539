"""Every operator against PyTorch's autograd, in float64: `make test-oracles` installs it.

Polynomial operators agree to 1e-12·M, where M is the same expression on absolute values. With
softmax or batch normalisation there is no such M; those agree to 1e-9 of the largest magnitude, on
inputs of unit scale.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import refimpl as ref

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-oracles does it")
functional = torch.nn.functional

sizes = st.integers(1, 5)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
odd = st.sampled_from([1, 3, 5])
seeds = st.integers(0, 2**32 - 1)
quickly = settings(deadline=None, max_examples=60)


def check(
    operator: str,
    arrays: dict[str, np.ndarray],
    oracle: Callable[..., Any],
    *,
    polynomial: bool,
    **options: Any,
) -> None:
    """Forward and every gradient of ``operator`` against ``oracle`` under autograd."""
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    expected = oracle(**tensors)
    forward, backward = getattr(ref, operator), getattr(ref, f"{operator}_backward")
    y = forward(**arrays, **options)
    y = y if isinstance(y, np.ndarray) else y[0]
    dy = np.random.default_rng(1).standard_normal(y.shape)
    needed = _arguments(backward)
    grads = backward(
        dy, **{name: array for name, array in arrays.items() if name in needed}, **options
    )
    if expected.numel():
        expected.backward(torch.tensor(dy))
    magnitude = {name: np.abs(array) for name, array in arrays.items()}
    limits: dict[str, Any] = {}
    if polynomial:
        limits = {"y": forward(**magnitude, **options)}
        scale = backward(
            np.abs(dy), **{name: magnitude[name] for name in arrays if name in needed}, **options
        )
        limits |= scale._asdict()
    _agree(y, expected.detach().numpy(), limits.get("y"))
    for name, tensor in tensors.items():
        wanted = np.zeros(tensor.shape) if tensor.grad is None else tensor.grad.numpy()
        _agree(getattr(grads, name), wanted, limits.get(name))


def _arguments(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def _agree(ours: np.ndarray, theirs: np.ndarray, magnitude: np.ndarray | None) -> None:
    assert ours.shape == theirs.shape
    limit = (
        1e-9 * max(1.0, float(np.abs(theirs).max(initial=0)))
        if magnitude is None
        else 1e-12 * magnitude
    )
    assert (np.abs(ours - theirs) <= limit).all()


def normal(seed: int, **shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def shifted_products(q: Any, k: Any, directions: Any, length: int, boundary: str) -> Any:
    products = []
    for down, right in directions:
        moved = torch.roll(k, (-length * down, -length * right), (2, 3))
        if boundary == "zero":
            ones = np.ones((1, 1, *k.shape[2:]))
            inside = ref.shift(ones, offset=(length * down, length * right), boundary="zero")
            moved = moved * torch.tensor(inside)
        products.append(q * moved)
    return torch.cat(products, 1)


@given(
    n=st.integers(0, 2), g=st.integers(1, 2), c=sizes, o=sizes, h=sizes, w=sizes,
    kernel=pairs, stride=pairs, dilation=pairs, seed=seeds,
)  # fmt: skip
@quickly
def test_conv2d(n, g, c, o, h, w, kernel, stride, dilation, seed):
    padding = tuple(d * (k - 1) for d, k in zip(dilation, kernel, strict=True))
    arrays = normal(seed, x=(n, g * c, h, w), w=(g * o, c, *kernel), b=(g * o,))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": g}

    def oracle(x, w, b):
        return functional.conv2d(x, w, b, **options)

    check("conv2d", arrays, oracle, polynomial=True, **options)


@given(
    c=sizes, h=sizes, w=sizes, offset=st.tuples(st.integers(-6, 6), st.integers(-6, 6)), seed=seeds
)
@quickly
def test_shift_and_shift_product(c, h, w, offset, seed):
    assume(any(offset))
    for boundary in ("circular", "zero"):
        options = {"directions": [offset], "length": 1, "boundary": boundary}
        check(
            "shift_product",
            normal(seed, q=(2, c, h, w), k=(2, c, h, w)),
            lambda q, k, options=options: shifted_products(q, k, **options),
            polynomial=True,
            **options,
        )


@given(
    c=st.integers(1, 3), o=sizes, h=sizes, w=sizes, k=odd, stride=pairs, length=st.integers(1, 3),
    boundary=st.sampled_from(["circular", "zero"]), projected=st.booleans(), seed=seeds,
)  # fmt: skip
@quickly
def test_pssa(c, o, h, w, k, stride, length, boundary, projected, seed):
    shapes = {"x": (2, c, h, w), "w": (o, 4 * c, k, k), "b": (o,)}
    if projected:
        shapes |= {"w_q": (c, c), "w_k": (c, c)}

    def oracle(x, w, b, w_q=None, w_k=None):
        q, key = (x if m is None else functional.conv2d(x, m[:, :, None, None]) for m in (w_q, w_k))
        products = shifted_products(q, key, ref.FOUR_DIRECTIONS, length, boundary)
        return functional.conv2d(products, w, b, stride=stride, padding=k // 2)

    options = {"length": length, "boundary": boundary, "stride": stride}
    check("pssa", normal(seed, **shapes), oracle, polynomial=True, **options)


@given(
    heads=st.integers(1, 2), d=st.integers(1, 3), v=st.integers(1, 3), c=st.integers(1, 3),
    h=sizes, w=sizes, stride=pairs,
    kind=st.sampled_from([("softmax", "scores"), ("none", "scores"), ("none", "context")]),
    seed=seeds,
)  # fmt: skip
@quickly
def test_global_attention(heads, d, v, c, h, w, stride, kind, seed):
    normalise, order = kind
    arrays = normal(
        seed,
        x=(2, c, h, w),
        w_q=(heads * d, c),
        w_k=(heads * d, c),
        w_v=(heads * v, c),
        w_o=(3, heads * v),
    )

    def oracle(x, w_q, w_k, w_v, w_o):
        q, k, val = (
            functional.conv2d(image, m[:, :, None, None]).flatten(2).unflatten(1, (heads, -1))
            for image, m in ((x[:, :, :: stride[0], :: stride[1]], w_q), (x, w_k), (x, w_v))
        )
        scores = q.transpose(2, 3) @ k * (d**-0.5 if normalise == "softmax" else 1)
        weights = scores.softmax(-1) if normalise == "softmax" else scores
        out = (val @ weights.transpose(2, 3)).flatten(1, 2)
        side = x[:, :, :: stride[0], :: stride[1]].shape[2:]
        return functional.conv2d(out.unflatten(2, side), w_o[:, :, None, None])

    options = {"heads": heads, "normalise": normalise, "order": order, "stride": stride}
    check("global_attention", arrays, oracle, polynomial=normalise == "none", **options)


@given(
    d=st.integers(1, 3), o=st.integers(1, 3), c=st.integers(1, 3), h=sizes, w=sizes, k=odd,
    stride=pairs, dilation=st.integers(1, 2), normalise=st.sampled_from(["softmax", "none"]),
    seed=seeds,
)  # fmt: skip
@quickly
def test_local_attention(d, o, c, h, w, k, stride, dilation, normalise, seed):
    window = {"kernel_size": k, "padding": dilation * (k // 2), "stride": stride}
    window["dilation"] = dilation

    def oracle(x, w_q, w_k, w_v):
        q = functional.conv2d(x[:, :, :: stride[0], :: stride[1]], w_q[:, :, None, None]).flatten(2)
        key, val = (functional.conv2d(x, m[:, :, None, None]) for m in (w_k, w_v))
        keys, vals = (
            functional.unfold(each, **window).unflatten(1, (each.shape[1], k * k))
            for each in (key, val)
        )
        inside = functional.unfold(torch.ones_like(x[:, :1]), **window)
        scores = (q[:, :, None] * keys).sum(1)
        if normalise == "softmax":
            masked = (scores * d**-0.5).masked_fill(inside == 0, -torch.inf)
            scores = masked.softmax(1)
        out = (scores[:, None] * vals).sum(2)
        return out.unflatten(2, x[:, :, :: stride[0], :: stride[1]].shape[2:])

    arrays = normal(seed, x=(2, c, h, w), w_q=(d, c), w_k=(d, c), w_v=(o, c))
    options = {"kernel": k, "normalise": normalise, "stride": stride, "dilation": dilation}
    check("local_attention", arrays, oracle, polynomial=normalise == "none", **options)


@given(n=st.integers(1, 3), c=sizes, h=sizes, w=st.integers(2, 5), seed=seeds)
@quickly
def test_batch_norm_running_and_training(n, c, h, w, seed):
    arrays = normal(seed, x=(n, c, h, w), gamma=(c,), beta=(c,))

    def training(x, gamma, beta):
        return functional.batch_norm(x, None, None, gamma, beta, training=True)

    check("batch_norm_training", arrays, training, polynomial=False)
    arrays |= {"mean": np.ones(c), "var": np.random.default_rng(seed).uniform(0.5, 2, c)}

    def running(x, gamma, beta, mean, var):
        scale = gamma / torch.sqrt(var + 1e-5)
        return (x - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]

    check("batch_norm", arrays, running, polynomial=False)


@given(c=sizes, h=st.integers(3, 7), w=st.integers(3, 7), stride=pairs, seed=seeds)
@quickly
def test_relu_pooling_and_linear(c, h, w, stride, seed):
    image = normal(seed, x=(2, c, h, w))
    check("relu", image, lambda x: functional.relu(x), polynomial=False)  # noqa: PLW0108 - by name
    options = {"kernel": 3, "stride": stride, "padding": 1}

    def pool(x):
        return functional.max_pool2d(x, 3, stride=stride, padding=1)

    check("max_pool2d", image, pool, polynomial=False, **options)
    check("global_avg_pool", image, lambda x: x.mean((2, 3)), polynomial=True)
    arrays = normal(seed, x=(h, c), w=(w, c), b=(w,))
    check("linear", arrays, lambda x, w, b: functional.linear(x, w, b), polynomial=True)  # noqa: PLW0108


@given(
    heads=st.integers(1, 2), c=st.integers(1, 3), h=sizes, w=sizes, rel=st.booleans(), seed=seeds
)
@quickly
def test_aa_conv2d(heads, c, h, w, rel, seed):
    d, v = 2, 3
    shapes = {
        "x": (2, c, h, w), "w_c": (2, c, 3, 3), "w_q": (heads * d, c), "w_k": (heads * d, c),
        "w_v": (heads * v, c), "w_o": (heads * v, heads * v),
    }  # fmt: skip
    if rel:
        shapes |= {"rel_h": (2 * h - 1, d), "rel_w": (2 * w - 1, d)}

    def oracle(x, w_c, w_q, w_k, w_v, w_o, rel_h=None, rel_w=None):
        q, k, val = (
            functional.conv2d(x, m[:, :, None, None]).flatten(2).unflatten(1, (heads, -1))
            for m in (w_q, w_k, w_v)
        )
        scores = torch.einsum("nhdp,nhdt->nhpt", q, k)
        if rel_h is not None:
            row = torch.arange(h).repeat_interleave(w)
            col = torch.arange(w).repeat(h)
            table = (
                rel_h[row[None] - row[:, None] + h - 1] + rel_w[col[None] - col[:, None] + w - 1]
            )
            scores = scores + torch.einsum("nhdp,ptd->nhpt", q, table)
        out = torch.einsum("nhvt,nhpt->nhvp", val, (scores * d**-0.5).softmax(-1))
        attended = functional.conv2d(out.flatten(1, 2).unflatten(2, (h, w)), w_o[:, :, None, None])
        return torch.cat([functional.conv2d(x, w_c, padding=1), attended], 1)

    check("aa_conv2d", normal(seed, **shapes), oracle, polynomial=False, heads=heads)
