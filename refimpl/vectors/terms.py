"""The terms of one element of any sum: where each factor stands, in the declared order.

Data movement decides it: whatever arranges a sum's operands arranges their places instead. A place
of 0 is padding; places of elements count from 1.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import Accumulation, accumulation_of, term_order
from refimpl.bitexact.attention_integer import sums_of
from refimpl.bitexact.backward_integer import accumulator_of
from refimpl.bitexact.call import geometry_of, groups_of, reached
from refimpl.bitexact.float_operators import operand
from refimpl.bitexact.formats import decode, format_of, to_integers
from refimpl.bitexact.gradients import input_columns, input_rows, weight_columns, weight_rows
from refimpl.bitexact.integer_sum import IntegerAccumulator, integer_accumulator, sum_integers
from refimpl.bitexact.mac import accumulate
from refimpl.bitexact.tokens import Tokens, strided
from refimpl.ops.shift import shift
from refimpl.vectors.case import Case
from refimpl.vectors.softmax_steps import ARRANGE, QKV
from refimpl.vectors.sums import Arrays, is_integer

Index: TypeAlias = tuple[int, ...]
Declared: TypeAlias = Accumulation | IntegerAccumulator


class Factor(NamedTuple):
    """One factor of each term: its tensor, places (k,) counted from 1, and the zero point."""

    name: str
    places: Array
    zero: int = 0


class Terms(NamedTuple):
    """Factors of the products that one element sums, and how; ``right`` may be no tensor: ones."""

    left: Factor
    right: Factor | None
    declared: Declared


def terms_of(case: Case, arrays: Arrays, stage: str, index: Index) -> Terms | None:
    """The terms of ``stage[index]``; None where it is no such sum."""
    for pattern, make in _SUMS:
        found = re.fullmatch(pattern, stage)
        if found and (own := make(case, arrays, stage, index)) is not None:
            return own
    return None


def places(arrays: Arrays, name: str) -> Array:
    """An array that holds each element's own place, counted from 1."""
    shape = arrays[name].shape
    return np.arange(1, int(np.prod(shape)) + 1).reshape(shape)


def _own(arrays: Arrays, name: str, channel: int, channels: int, case: Case) -> Array:
    """Places of an image's channels in the group that ``channel`` of ``channels`` belongs to."""
    groups = groups_of(case.attributes)
    return np.split(places(arrays, name), groups, axis=1)[channel * groups // channels]


def _zero(case: Case, name: str) -> int:
    keys = {"x": "x_zero", "dy": "dy_zero", "q": "q_zero", "k": "k_zero", "v": "v_zero"}
    keys |= {f"{of}_upstream": "upstream_zero" for of in ("conv", "attention")}
    keys |= {f"{of}product": "t_zero" for of in ("", "attention_")}
    return int(case.attributes.get(keys.get(name, ""), 0)) if is_integer(case) else 0


def _declared(case: Case, key: str, loops: str) -> Declared:
    if not is_integer(case):
        return accumulation_of(case.attributes, f"accumulation_{key}", loops=loops)
    if key in ("dx", "dw"):
        return accumulator_of(case.attributes, key)
    return sums_of(case.attributes, key)


def _ordered(sizes: dict[str, int], of: Declared) -> Array:
    return term_order(sizes, of.order, dict(of.tiles))


def _tokens(case: Case, arrays: Arrays) -> Tokens:
    q, k, v = (places(arrays, name) for name in QKV)
    return ARRANGE[case.operator](q, k, v, case.attributes)


def _projection(case: Case, arrays: Arrays, stage: str, index: Index) -> Terms | None:
    which = stage[0]
    if f"w_{which}" not in case.tensors:
        return None
    n, o, i, j = index
    x = places(arrays, "x")
    seen = strided(x, case.attributes) if which == "q" else x
    of = (
        integer_accumulator(case.attributes.get("accumulator"))
        if is_integer(case)
        else accumulation_of({k: v for k, v in case.attributes.items() if k == "accumulation"})
    )
    kernels = places(arrays, f"w_{which}")[o, :, 0, 0]
    return Terms(Factor(f"w_{which}", kernels), Factor("x", seen[n, :, i, j], _zero(case, "x")), of)


def _scores(case: Case, arrays: Arrays, _: str, index: Index) -> Terms | None:
    if case.operator not in ARRANGE:
        return None
    tokens = _tokens(case, arrays)
    b, t = divmod(int(np.ravel_multi_index(index, tokens.scores)), tokens.keys.shape[2])
    b, p = divmod(b, tokens.queries.shape[1])
    return Terms(
        Factor("q", tokens.queries[b, p], _zero(case, "q")),
        Factor("k", tokens.keys[b, :, t], _zero(case, "k")),
        _declared(case, "scores", "d"),
    )


def _context(case: Case, arrays: Arrays, _: str, index: Index) -> Terms | None:
    if case.operator not in ARRANGE:
        return None
    tokens = _tokens(case, arrays)
    shape = (len(tokens.queries), tokens.queries.shape[1], tokens.values.shape[2])
    at = tokens.image(np.arange(int(np.prod(shape))).reshape(shape))[index]
    b, p, v = (int(each) for each in np.unravel_index(int(at), shape))
    name = "probabilities" if "probabilities" in arrays else "weights"
    rows = places(arrays, name).reshape(*shape[:2], -1)
    in_floats = not is_integer(case) or format_of(arrays["context"]).kind == "float"
    of = (
        accumulation_of(case.attributes, "accumulation_context", loops="t")
        if in_floats
        else _declared(case, "context", "t")
    )
    return Terms(
        Factor(name, rows[b, p]), Factor("v", tokens.values[b, :, v], _zero(case, "v")), of
    )


def _row_sum(case: Case, arrays: Arrays, _: str, index: Index) -> Terms | None:
    rows = places(arrays, "exp_output")[index[:-1]]
    if is_integer(case) and np.issubdtype(arrays["row_sum"].dtype, np.integer):
        return Terms(Factor("exp_output", rows), None, IntegerAccumulator(bits=48, order="t"))
    softmax = case.attributes.get("softmax", {})
    return Terms(Factor("exp_output", rows), None, accumulation_of(softmax, "sum", loops="t"))


def _branch(stage: str) -> tuple[str, str]:
    """Prefix of a stage, and suffix of its branch's tensors."""
    for prefix, suffix in (("conv_", "_c"), ("attention_", "_a")):
        if stage.startswith(prefix):
            return prefix, suffix
    return "", ""


def _convolved(case: Case, prefix: str) -> str:
    """What the convolution of a gradient read."""
    if prefix == "attention_" or (not prefix and case.operator == "pssa_backward"):
        wide = is_integer(case) and case.attributes.get("product") == "wide"
        return f"{prefix}wide_product" if wide else f"{prefix}product"
    return "x"


def _upstream(prefix: str) -> str:
    return f"{prefix}upstream" if prefix else "dy"


def _dw(case: Case, arrays: Arrays, stage: str, index: Index) -> Terms | None:
    prefix, suffix = _branch(stage)
    seen, dy, w = _convolved(case, prefix), _upstream(prefix), arrays[f"w{suffix}"]
    of = _declared(case, "dw", "nij")
    geometry = geometry_of(arrays[seen], w, case.attributes)
    order = _ordered(dict(zip("nij", (len(arrays[seen]), *geometry.output), strict=True)), of)
    columns = weight_columns(_own(arrays, seen, index[0], len(w), case), geometry)[0]
    tap = int(np.ravel_multi_index(index[1:], w.shape[1:]))
    return Terms(
        Factor(dy, weight_rows(places(arrays, dy))[index[0]][order], _zero(case, dy)),
        Factor(seen, columns[:, tap][order], _zero(case, seen)),
        of,
    )


def _channel(case: Case, arrays: Arrays, stage: str, index: Index) -> Terms | None:
    """db, dt: of the upstream gradient alone; ds: with the branch's output."""
    prefix, _ = _branch(stage)
    dy = "dy" if stage.endswith(("ds", "dt")) else _upstream(prefix)
    of = _declared(case, "dw", "nij")
    image = arrays[dy]
    order = _ordered(dict(zip("nij", (len(image), *image.shape[2:]), strict=True)), of)
    left = Factor(dy, weight_rows(places(arrays, dy))[index[0]][order], _zero(case, dy))
    if not stage.endswith("ds"):
        return Terms(left, None, of)
    other = f"{prefix}output"
    return Terms(left, Factor(other, weight_rows(places(arrays, other))[index[0]][order]), of)


def _image(case: Case, arrays: Arrays, stage: str, index: Index) -> Terms | None:
    """Dx of a convolution, or the gradient of what it read."""
    if is_integer(case) and not stage.endswith("_accumulator"):
        return None  # requantised: of its accumulator
    prefix, suffix = _branch(stage)
    through = "dproduct" in stage
    if not through and _convolved(case, prefix) != "x":
        return _shares(case, arrays, prefix, index)
    if not prefix and case.operator == "xvolution_backward":
        return None  # the sum of both branches
    seen, dy, w = _convolved(case, prefix), _upstream(prefix), arrays[f"w{suffix}"]
    of = _declared(case, "dx", "ouv")
    n, c, row, column = index
    channels, groups = arrays[seen].shape[1], groups_of(case.attributes)
    group, own = c * groups // channels, c % (channels // groups)
    kernels = np.split(places(arrays, f"w{suffix}"), groups)[group]
    order = _ordered(dict(zip("ouv", (len(kernels), *w.shape[2:]), strict=True)), of)
    geometry = geometry_of(arrays[seen], w, case.attributes)
    size = (arrays[seen].shape[2], arrays[seen].shape[3])
    columns = input_columns(_own(arrays, dy, c, channels, case), geometry, size)[n]
    return Terms(
        Factor(f"w{suffix}", input_rows(kernels)[own][order]),
        Factor(dy, columns[order, row * size[1] + column], _zero(case, dy)),
        of,
    )


def _shares(case: Case, arrays: Arrays, prefix: str, index: Index) -> Terms | None:
    """A pixel's two shares of every product, direction by direction; floats only."""
    if is_integer(case):
        return None
    boundary, offsets = case.attributes["boundary"], reached(case.attributes)
    x = places(arrays, "x")
    left, right = [], []
    for (down, along), part in zip(
        offsets, np.split(places(arrays, f"{prefix}dproduct"), len(offsets), axis=1), strict=True
    ):
        back = (-down, -along)
        left += [part[index], shift(part, offset=back, boundary=boundary)[index]]
        right += [
            shift(x, offset=(down, along), boundary=boundary)[index],
            shift(x, offset=back, boundary=boundary)[index],
        ]
    of = accumulation_of(case.attributes, "accumulation_dx", loops="ouv")
    simple = Accumulation(
        order="ouv",
        product=of.format,
        format=of.format,
        rounding=of.rounding,
        overflow=of.overflow,
        subnormals=of.subnormals,
    )
    return Terms(Factor(f"{prefix}dproduct", np.array(left)), Factor("x", np.array(right)), simple)


Make: TypeAlias = Callable[[Case, Arrays, str, Index], Terms | None]
_SUMS: tuple[tuple[str, Make], ...] = (
    (r"[qkv]_accumulator", _projection),
    (r"scores", _scores),
    (r"context", _context),
    (r"row_sum", _row_sum),
    (r"(conv_|attention_)?dw", _dw),
    (r"(conv_|attention_)?(db|ds|dt)", _channel),
    (r"(conv_|attention_)?(dx|dproduct)(_accumulator)?", _image),
)


def numbers(terms: Terms, factor: Factor | None, arrays: Arrays) -> Array:
    """What a sum reads of a factor, zero points taken off: 0 in padding, 1 where there is none."""
    if factor is None:
        return np.ones(len(terms.left.places))
    stored = arrays[factor.name].reshape(-1)[np.maximum(factor.places - 1, 0)]
    of = terms.declared
    seen = decode(stored) if isinstance(of, IntegerAccumulator) else operand(stored, of)
    return np.where(factor.places > 0, seen - factor.zero, 0.0)


def partial_sums(terms: Terms, arrays: Arrays) -> Array:
    """The sum after each term; terms that are added to each other first all have their group's."""
    count, of = len(terms.left.places), terms.declared
    rows = numbers(terms, terms.left, arrays)[None]
    columns = numbers(terms, terms.right, arrays)[None, :, None]
    if isinstance(of, IntegerAccumulator):
        whole = (rows.astype(np.int64), columns.astype(np.int64))
        found = sum_integers(*whole, replace(of, pass_terms=1)).passes.reshape(-1)
        return to_integers(found, of.carrier)
    size = of.pass_terms or of.lanes
    passes = accumulate(rows, columns, replace(of, pass_terms=size)).passes.reshape(-1)
    return passes[np.arange(count) // size]
