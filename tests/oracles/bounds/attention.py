"""Bounds of attention with softmax: see refimpl/ops/global_attention.py and local_attention.py."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

import refimpl as ref
from refimpl.ops.conv2d import same_padding
from tests.oracles.bounds.slack import EPS, SLACK, TINY
from tests.oracles.dense import displacements, inside, pair


@dataclass(frozen=True)
class Attention:
    """Softmax attention in its dense form, with the magnitudes of everything in it."""

    inputs: dict
    heads: int
    scale: float | None
    stride: object
    window: np.ndarray

    def tokens(self, change):
        """Queries, keys and values (n, heads, d, places), each matrix and image changed."""
        down, right = pair(self.stride)
        x = change(self.inputs["x"])
        images = {"w_q": x[:, :, ::down, ::right], "w_k": x, "w_v": x}
        for name, image in images.items():
            w = change(self.inputs[name])
            mixed = np.einsum("nchw,oc->nohw", image, w)
            places = mixed.shape[2] * mixed.shape[3]
            yield mixed.reshape(len(x), self.heads, len(w) // self.heads, places)

    def table(self, change):
        """r^H + r^W for each query and pixel, (queries, pixels, d); 0 without tables."""
        if "rel_h" not in self.inputs:
            return np.zeros((1, 1, 1))
        (rows, cols), (_, _, h, w) = self.displacements, self.inputs["x"].shape
        rel_h, rel_w = change(self.inputs["rel_h"]), change(self.inputs["rel_w"])
        return rel_h[rows + h - 1] + rel_w[cols + w - 1]

    @cached_property
    def displacements(self):
        return displacements(self.inputs["x"].shape[2:], self.stride)

    @cached_property
    def factor(self):
        per_head = len(self.inputs["w_q"]) // self.heads
        return per_head**-0.5 if self.scale is None else abs(self.scale)

    def scores(self, change):
        q, k, _ = self.tokens(change)
        biased = k[:, :, None].swapaxes(3, 4) + self.table(change)
        return self.factor * np.einsum(
            "nhdp,nhptd->nhpt",
            q,
            np.broadcast_to(biased, (*biased.shape[:2], *self.window.shape, q.shape[2])),
        )

    @cached_property
    def weights(self):
        z = np.where(self.window, self.scores(np.asarray), -np.inf)
        raised = np.exp(z - z.max(axis=-1, keepdims=True))
        return raised / raised.sum(axis=-1, keepdims=True) + TINY

    @cached_property
    def r(self):
        """Each query's weights are off by a factor within e^{±r}."""
        largest = np.where(self.window, self.scores(np.abs), 0).max(axis=-1, keepdims=True)
        return 2 * SLACK * largest + SLACK

    def output(self):
        """Σ_t a_pt |v_t| as an image, and by how much the output may be off."""
        *_, v = self.tokens(np.abs)
        parts = (self.weights, np.expm1(self.r + 4 * SLACK) * self.weights)
        return [self.image(np.einsum("nhvt,nhpt->nhvp", v, each)) for each in parts]

    def image(self, tokens):
        n, heads, d, _ = tokens.shape
        sides = self.inputs["x"].shape[2:]
        steps = pair(self.stride)
        return tokens.reshape(
            n, heads * d, *(-(-a // b) for a, b in zip(sides, steps, strict=True))
        )

    def gradients(self, upstream):
        """By how much the gradients may be off, given the magnitude of the upstream gradient."""
        q, k, v = self.tokens(np.abs)
        dy = upstream.reshape(*q.shape[:2], v.shape[2], q.shape[3])
        pulled = np.einsum("nhvp,nhvt->nhpt", dy, v)
        terms = self.weights * (pulled + (self.weights * pulled).sum(axis=-1, keepdims=True))
        off = self.factor * np.expm1(2 * self.r + 8 * SLACK) * terms
        off_a = np.expm1(self.r + 8 * SLACK) * self.weights
        tokens = {
            "w_q": np.einsum("nhpt,nhdt->nhdp", off, k)
            + np.einsum("nhpt,ptd->nhdp", off, self.widened(q.shape[2])),
            "w_k": np.einsum("nhpt,nhdp->nhdt", off, q),
            "w_v": np.einsum("nhpt,nhvp->nhvt", off_a, dy),
        }
        grads = dict(self.through_projections(tokens))
        if "rel_h" in self.inputs:
            grads |= self.through_tables(np.einsum("nhpt,nhdp->ptd", off, q))
        return grads

    def widened(self, channels):
        return np.broadcast_to(self.table(np.abs), (*self.window.shape, channels))

    def through_projections(self, tokens):
        x = np.abs(self.inputs["x"])
        down, right = pair(self.stride)
        dx = np.zeros_like(x)
        for name, off in tokens.items():
            at = (slice(None),) * 2
            at += (slice(None, None, down), slice(None, None, right)) if name == "w_q" else ()
            image = off.reshape(len(x), len(self.inputs[name]), *x[at].shape[2:])
            yield name, np.einsum("nohw,nchw->oc", image, x[at])
            dx[at] += np.einsum("nohw,oc->nchw", image, np.abs(self.inputs[name]))
        yield "x", dx

    def through_tables(self, off):
        grads = {name: np.zeros_like(self.inputs[name]) for name in ("rel_h", "rel_w")}
        for name, away, side in zip(
            grads, self.displacements, self.inputs["x"].shape[2:], strict=True
        ):
            np.add.at(grads[name], away + side - 1, off)
        return grads


def attention(case):
    """The attention inside an operator, whatever else is around it."""
    options = case.options
    window = inside(
        case.inputs["x"].shape[2:],
        options.get("stride", 1),
        options.get("kernel", 3) if "local" in case.name else None,
        options.get("dilation", 1),
    )
    return Attention(
        inputs=case.inputs,
        heads=options.get("heads", 1),
        scale=options.get("scale"),
        stride=options.get("stride", 1),
        window=window,
    )


def global_attention(case, dy):
    inner, w_o = attention(case), case.inputs.get("w_o")
    _, off = inner.output()
    if w_o is None:
        return off, inner.gradients(dy)
    grads = inner.gradients(np.einsum("nohw,ov->nvhw", dy, np.abs(w_o)))
    grads["w_o"] = np.einsum("nohw,nvhw->ov", dy, off)
    return np.einsum("nvhw,ov->nohw", off, np.abs(w_o)), grads


def local_attention(case, dy):
    return global_attention(case, dy)


def aa_conv2d(case, dy):
    conv, convs = convolution(case, dy[:, : len(case.inputs["w_c"])])
    out, grads = global_attention(case, dy[:, len(case.inputs["w_c"]) :])
    return np.concatenate([conv, out], axis=1), joined(grads, convs)


def xvolution_global(case, dy):
    inner = attention(case)
    size, off = inner.output()
    y_a, below, bn_a = affine(dy, size, off, case.inputs["bn_a"])
    size, off = convolution(case, dy, relative=1)[0], convolution(case, dy)[0]
    y_c, upstream, bn_c = affine(dy, size, off, case.inputs["bn_c"])
    grads = joined(inner.gradients(below), convolution(case, upstream)[1])
    return y_a + y_c, grads | {"bn_c": bn_c, "bn_a": bn_a}


def xvolution_local(case, dy):
    return xvolution_global(case, dy)


def affine(dy, size, off, bn):
    """Running statistics: bounds of the output, |∂x|, and bounds of the parameters' gradients."""
    size = off + 3 * SLACK * (size + np.abs(bn.mean)[:, None, None])
    zero, gamma = np.zeros_like(bn.mean), np.abs(bn.gamma)
    y = ref.batch_norm(size, gamma, SLACK * np.abs(bn.beta), zero, bn.var, eps=EPS)
    grads = ref.batch_norm_backward(dy, size, gamma, zero, bn.var, eps=EPS)
    grads = ref.BatchNorm(*(np.abs(each) for each in grads[1:]))
    exact = grads._replace(beta=SLACK * grads.beta, mean=SLACK * grads.mean)
    return y, dy * (gamma / np.sqrt(bn.var + EPS))[:, None, None], exact


def convolution(case, dy, relative=SLACK):
    """ω·M of the convolution branch: its output and its gradients."""
    x, w = np.abs(case.inputs["x"]), np.abs(case.inputs["w_c"])
    steps = {"stride": case.options.get("stride", 1)}
    if "local" in case.name:
        steps["dilation"] = case.options.get("dilation", 1)
    steps["padding"] = same_padding(w.shape[2:], steps.get("dilation", 1))
    biased = "b_c" in case.inputs
    y = relative * ref.conv2d(x, w, np.abs(case.inputs["b_c"]) if biased else None, **steps)
    grads = ref.conv2d_backward(dy, x, w, **steps)
    grads = {"x": grads.x, "w_c": grads.w} | ({"b_c": grads.b} if biased else {})
    return y, {name: relative * grad for name, grad in grads.items()}


def joined(left, right):
    return left | right | {"x": left["x"] + right["x"]}
