"""Every operator as an expression in PyTorch, from its equation, not from our code.

``EXPRESSIONS`` maps the name of an operator to a function of the same arguments, on tensors;
autograd supplies the gradients. An operator that is missing fails the tests.
"""

import torch
from torch.nn import functional

from tests.oracles.dense import displacements, inside, pair

EPS = 1e-5


def same(kernel, dilation):
    return tuple(d * (k // 2) for k, d in zip(kernel, pair(dilation), strict=True))


def same_conv2d(x, w, b=None, *, stride=1, dilation=1, groups=1):
    padding = same(w.shape[2:], dilation)
    return functional.conv2d(x, w, b, stride, padding, dilation, groups)


def project(x, w):
    return x if w is None else torch.einsum("nchw,oc->nohw", x, w)


def conv2d(x, w, b=None, *, stride, padding, dilation, groups):
    return functional.conv2d(x, w, b, stride, padding, dilation, groups)


def batch_norm(x, gamma, beta, mean, var):
    """Written out: PyTorch gives running statistics no gradient."""
    wide = [each[:, None, None] for each in (gamma, beta, mean, var)]
    return (x - wide[2]) / torch.sqrt(wide[3] + EPS) * wide[0] + wide[1]


def batch_norm_training(x, gamma, beta):
    return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=EPS)


def relu(x):
    return functional.relu(x)


def max_pool2d(x, *, kernel, stride, padding):
    return functional.max_pool2d(x, kernel, stride, padding)


def global_avg_pool(x):
    return x.mean((2, 3))


def linear(x, w, b=None):
    return functional.linear(x, w, b)


def local_response_norm(x, *, size, alpha, beta, k):
    """PyTorch divides α by the number of channels in the window."""
    return functional.local_response_norm(x, size, alpha * size, beta, k)


def upsample_nearest(x, *, size):
    return functional.interpolate(x, size=size, mode="nearest")


def softmax(x, *, axis):
    return functional.softmax(x, axis)


def cross_entropy(logits, labels):
    return functional.cross_entropy(logits, torch.tensor(labels))


def shift(x, *, offset, boundary):
    """Row by row and column by column, by index; zero outside is an index into added zeros."""
    for axis, step in zip((2, 3), offset, strict=True):
        size = x.shape[axis]
        read = torch.arange(size) + step
        if boundary == "zero":
            x = torch.cat([x, torch.zeros_like(x.narrow(axis, 0, 1))], axis)
            read[(read < 0) | (read >= size)] = size
        x = x.index_select(axis, read if boundary == "zero" else read % size)
    return x


def shift_product(q, k=None, *, directions, length, boundary):
    key = q if k is None else k
    far = [(length * down, length * right) for down, right in directions]
    return torch.cat([q * shift(key, offset=each, boundary=boundary) for each in far], 1)


def pssa(
    x,
    w,
    b=None,
    w_q=None,
    w_k=None,
    *,
    directions,
    length,
    boundary,
    stride=1,
    dilation=1,
    groups=1,
):
    shifts = {"directions": directions, "length": length, "boundary": boundary}
    products = shift_product(project(x, w_q), project(x, w_k), **shifts)
    return same_conv2d(products, w, b, stride=stride, dilation=dilation, groups=groups)


def pssa_stack(x, w, b, levels=(), *, lengths, directions, boundary, stride):
    *before, last = lengths
    shifts = {"directions": directions, "boundary": boundary}
    for number, length in enumerate(before):
        if levels:
            weighted = pssa(x, levels[number].w, length=length, **shifts)
            x = batch_norm(weighted, *levels[number].bn)
        else:
            products = shift_product(x, length=length, **shifts)
            x = products.unflatten(1, (len(directions), -1)).sum(1)
    return pssa(x, w, b, length=last, stride=stride, **shifts)


def xvolution_branches(x, w_c, w_a, b_c, b_a, shifts, steps):
    return same_conv2d(x, w_c, b_c, **steps), pssa(x, w_a, b_a, **shifts, **steps)


def xvolution(
    x, w_c, w_a, bn_c, bn_a, b_c=None, b_a=None, *, directions, length, boundary, stride, dilation
):
    shifts = {"directions": directions, "length": length, "boundary": boundary}
    steps = {"stride": stride, "dilation": dilation}
    conv, attention = xvolution_branches(x, w_c, w_a, b_c, b_a, shifts, steps)
    return batch_norm(conv, *bn_c) + batch_norm(attention, *bn_a)


def xvolution_training(
    x, w_c, w_a, gamma_c, beta_c, gamma_a, beta_a, b_c=None, b_a=None, *,
    directions, length, boundary, stride, dilation,
):  # fmt: skip
    shifts = {"directions": directions, "length": length, "boundary": boundary}
    steps = {"stride": stride, "dilation": dilation}
    conv, attention = xvolution_branches(x, w_c, w_a, b_c, b_a, shifts, steps)
    normal = batch_norm_training(conv, gamma_c, beta_c)
    return normal + batch_norm_training(attention, gamma_a, beta_a)


def xvolution_fused(x, w, b, *, directions, length, boundary, stride, dilation):
    products = shift_product(x, directions=directions, length=length, boundary=boundary)
    return same_conv2d(torch.cat([x, products], 1), w, b, stride=stride, dilation=dilation)


def attention(x, w_q, w_k, w_v, *, heads, normalise, scale, stride, window, tables=()):
    """Every query beside every pixel; those outside ``window`` are masked."""
    down, right = pair(stride)
    strided = x[:, :, ::down, ::right]
    q, k, v = (
        project(image, w).flatten(2).unflatten(1, (heads, len(w) // heads))
        for image, w in ((strided, w_q), (x, w_k), (x, w_v))
    )
    scores = torch.einsum("nhdp,nhdt->nhpt", q, k)
    if tables:
        rows, cols = displacements(x.shape[2:], stride)
        rel_h, rel_w = tables
        table = rel_h[rows + x.shape[2] - 1] + rel_w[cols + x.shape[3] - 1]
        scores = scores + torch.einsum("nhdp,ptd->nhpt", q, table)
    default = q.shape[2] ** -0.5 if normalise == "softmax" else 1
    scores = scores * (default if scale is None else scale)
    seen = torch.tensor(window)
    if normalise == "softmax":
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    else:
        weights = scores * seen
    out = torch.einsum("nhvt,nhpt->nhvp", v, weights)
    return out.flatten(1, 2).unflatten(2, strided.shape[2:])


def global_attention(x, w_q, w_k, w_v, w_o=None, *, heads=1, normalise, order=None, scale, stride):
    options = {"heads": heads, "normalise": normalise, "scale": scale, "stride": stride}
    window = inside(x.shape[2:], stride)
    return project(attention(x, w_q, w_k, w_v, window=window, **options), w_o)


def local_attention(x, w_q, w_k, w_v, *, kernel, normalise, scale, stride, dilation):
    options = {"heads": 1, "normalise": normalise, "scale": scale, "stride": stride}
    window = inside(x.shape[2:], stride, kernel, dilation)
    return attention(x, w_q, w_k, w_v, window=window, **options)


def aa_conv2d(
    x, w_c, w_q, w_k, w_v, w_o, b_c=None, rel_h=None, rel_w=None, *, heads, scale, stride
):
    options = {"heads": heads, "normalise": "softmax", "scale": scale, "stride": stride}
    tables = () if rel_h is None else (rel_h, rel_w)
    window = inside(x.shape[2:], stride)
    attended = attention(x, w_q, w_k, w_v, window=window, tables=tables, **options)
    return torch.cat([same_conv2d(x, w_c, b_c, stride=stride), project(attended, w_o)], 1)


def xvolution_global(x, w_c, w_q, w_k, w_v, bn_c, bn_a, b_c=None, *, normalise, scale, stride):
    conv = same_conv2d(x, w_c, b_c, stride=stride)
    options = {"normalise": normalise, "scale": scale, "stride": stride}
    branch = global_attention(x, w_q, w_k, w_v, **options)
    return batch_norm(conv, *bn_c) + batch_norm(branch, *bn_a)


def xvolution_local(
    x, w_c, w_q, w_k, w_v, bn_c, bn_a, b_c=None, *, kernel, normalise, scale, stride, dilation
):
    conv = same_conv2d(x, w_c, b_c, stride=stride, dilation=dilation)
    steps = {"stride": stride, "dilation": dilation}
    options = {"kernel": kernel, "normalise": normalise, "scale": scale}
    branch = local_attention(x, w_q, w_k, w_v, **options, **steps)
    return batch_norm(conv, *bn_c) + batch_norm(branch, *bn_a)


EXPRESSIONS = {
    each.__name__: each
    for each in (
        aa_conv2d, batch_norm, batch_norm_training, conv2d, cross_entropy, global_attention,
        global_avg_pool, linear, local_attention, local_response_norm, max_pool2d, pssa, pssa_stack,
        relu, shift, shift_product, softmax, upsample_nearest, xvolution, xvolution_fused,
        xvolution_global, xvolution_local, xvolution_training,
    )
}  # fmt: skip
"""From the name of an operator to its expression."""
