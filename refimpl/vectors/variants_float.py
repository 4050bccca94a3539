"""Known deviations in floats: order, formats of products and accumulators, truncation, flushing."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

from refimpl.arrays import Array
from refimpl.bitexact.accumulation import MOST_LANES, accumulation_of
from refimpl.bitexact.call import groups_of
from refimpl.bitexact.formats import cast_of, decode, default_cast, encode, format_of
from refimpl.bitexact.operators import OPERATORS
from refimpl.bitexact.records import SUMS as RECORDS
from refimpl.vectors.case import Case
from refimpl.vectors.convolutions import Convolution, convolutions_of
from refimpl.vectors.local import Arrays, steps_of
from refimpl.vectors.step import Compute
from refimpl.vectors.sums import accumulated
from refimpl.vectors.variant import (
    FLOATS,
    SUMS,
    Change,
    Otherwise,
    Variant,
    attributes,
    convolving,
    only,
    tensors_named,
)

NARROW = ("fp16", "bf16", "fp8_e4m3", "fp8_e5m2")
CASTS = ("output", "dx")
MOST_WHOLE = 2**20  # ours: products, above it only cases that can be tried in one channel are tried


def float_variants() -> Iterator[Variant]:
    """Every known deviation of a float device."""
    yield _float("other-loop-order", "sums in the other loop order (cuv for uvc)", _other_order)
    yield _float("bias-first", "adds the bias first", attributes(bias_at="first"))
    yield _float("bias-last", "adds the bias last", attributes(bias_at="last"))
    yield Variant(
        name="order-reversed",
        says="sums from the last tap to the first",
        otherwise=convolving("accumulator", _backwards),
        arithmetics=FLOATS,
    )
    yield Variant(
        name="tree-order",
        says="sums all taps in a pairwise tree",
        otherwise=_summed(tree=True),
        arithmetics=FLOATS,
    )
    yield Variant(
        name="products-fused",
        says="does not round products before it adds them",
        otherwise=_summed(product="fused"),
        arithmetics=FLOATS,
    )
    for form in NARROW:
        yield Variant(
            name=f"products-{form.replace('_', '-')}",
            says=f"rounds products to {form}",
            otherwise=_summed(product=form),
            arithmetics=FLOATS,
        )
        yield Variant(
            name=f"accumulator-{form.replace('_', '-')}",
            says=f"has an accumulator of {form}",
            otherwise=_summed(format=form),
            arithmetics=FLOATS,
        )
    yield _float("additions-truncated", "truncates every sum", _every_sum(rounding="toward_zero"))
    yield _float(
        "subnormals-flushed", "flushes subnormals to zero", _every_sum(subnormals="flushed")
    )
    for name, says, field in (
        ("output-truncated", "truncates outputs to their format", {"rounding": "toward_zero"}),
        ("output-saturated", "saturates where an output must overflow", {"overflow": "saturate"}),
        ("output-infinite", "overflows where an output must saturate", {"overflow": "infinity"}),
    ):
        yield _float(name, says, _other_cast(CASTS, field))
    yield _float(
        "product-truncated",
        "truncates shift products to their format",
        _other_cast(("product_cast",), {"rounding": "toward_zero"}),
    )


def _float(name: str, says: str, change: Change) -> Variant:
    return Variant(name=name, says=says, change=change, arithmetics=FLOATS)


def _other_order(case: Case) -> Case | None:
    if "order" not in case.attributes:
        return None
    order = "uvc" if case.attributes["order"] == "cuv" else "cuv"
    return replace(case, attributes={**case.attributes, "order": order})


def _backwards(each: Convolution, case: Case, arrays: Arrays) -> Array:
    source = f"{each.prefix}padded"
    return accumulated(each, case, arrays, source, backwards=True)["accumulator"]


def _other_sums(case: Case, fields: Mapping[str, Any], *, tree: bool) -> Case | None:
    """The case with other fields of every accumulation; None where they are what they are."""
    made = {}
    for key, loops in RECORDS.get(case.operator, {}).items():
        declared = accumulation_of(case.attributes, key, loops=loops)
        chosen = _tree(case) if tree else dict(fields)
        if "product" in fields:
            chosen |= {"product_rounding": "nearest_even", "product_overflow": "infinity"}
        record = {**declared.as_json(), **chosen}
        if "fp64" not in (declared.format, declared.product) and record != declared.as_json():
            made[key] = record
    return replace(case, attributes={**case.attributes, **made}) if made else None


def _summed(*, tree: bool = False, **fields: Any) -> Otherwise:
    """Sums with other fields of their accumulation, in the format declared; a tree of taps only."""
    changed = partial(_other_sums, fields=fields, tree=tree)

    def otherwise(case: Case) -> Mapping[str, Compute]:
        found, own = {}, steps_of(case)
        apart = case.operator in OPERATORS and groups_of(case.attributes) == 1
        if not apart and _work(case) > MOST_WHOLE:
            return {}
        for stages, key in _SUMMED[: 1 if tree else None]:
            if key not in RECORDS.get(case.operator, {}):
                continue
            loops = RECORDS[case.operator][key]
            form = accumulation_of(case.attributes, key, loops=loops).format
            for name, compute in only(stages, changed)(case).items():
                if name in own:
                    found[name] = compute if name == "dx" else _in_format(compute, form)
        return found

    return otherwise


def _work(case: Case) -> int:
    """Products of a case, about: kernels at every pixel, and pairs of tokens."""
    x, w = case.tensors["x"], case.tensors
    pixels = len(x) * prod(x.shape[2:])
    total = pixels * sum(w[name].size for name in tensors_named(case, r"w(_[caqkv])?"))
    if "w_q" not in w:
        return total
    seen = prod(case.attributes.get("kernel", x.shape[2:]))
    return total + pixels * seen * (len(w["w_q"]) + len(w["w_v"]))


_SUMMED = (  # stages that show a sum, and the record that declares it; dx is a cast of its own
    (SUMS, "accumulation"),
    (r"[qkv]_accumulator", "accumulation"),
    (r"scores", "accumulation_scores"),
    (r"context", "accumulation_context"),
    (r"(conv_|attention_)?d[wbst]", "accumulation_dw"),
    (r"(conv_|attention_)?(dx|dproduct)", "accumulation_dx"),
)


def _tree(case: Case) -> dict[str, Any]:
    taps = [case.tensors[each.kernels][0].size for each in convolutions_of(case)]
    lanes = min(max(taps, default=1), MOST_LANES)
    return {"lanes": lanes, "lane_order": "tree", "pass_terms": 0}


def _in_format(compute: Compute, form: str) -> Compute:
    """A narrower accumulator's numbers, which the declared format holds as they are."""

    def wide(arrays: Arrays, attributes: Mapping[str, Any]) -> Array:
        found = compute(arrays, attributes)
        return found if format_of(found).name == form else encode(decode(found), default_cast(form))

    return wide


def _every_sum(**fields: Any) -> Change:
    """Other fields of every sum that a case declares."""

    def change(case: Case) -> Case | None:
        made: dict[str, Any] = {}
        for key, loops in RECORDS.get(case.operator, {}).items():
            declared = accumulation_of(case.attributes, key, loops=loops)
            if "fp64" in (declared.format, declared.product):
                return None
            made[key] = {**declared.as_json(), **fields}
        same = all(
            {**accumulation_of(case.attributes, key, loops=loops).as_json()} == made[key]
            for key, loops in RECORDS.get(case.operator, {}).items()
        )
        if same:
            return None
        return replace(case, attributes={**case.attributes, **made})

    return change


def _other_cast(names: tuple[str, ...], field: Mapping[str, Any]) -> Change:
    """Another rounding or overflow of casts, where those are not what they are."""

    def change(case: Case) -> Case | None:
        x = format_of(case.tensors["x"]).name
        made = {}
        for name in names:
            cast = cast_of(case.attributes.get(name), x)
            other = {**cast.as_json(), **field}
            if other != cast.as_json():
                made[name] = other
        return replace(case, attributes={**case.attributes, **made}) if made else None

    return change
