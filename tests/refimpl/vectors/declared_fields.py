"""Every field that may be declared of every operator, legal values of it, and what decides it.

Fields come from the records themselves: a new one has no values here until somebody gives it some.
"""

from dataclasses import fields as fields_of
from fnmatch import fnmatchcase

import numpy as np

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.formats import Cast, decode, default_cast, encode, format_of
from refimpl.bitexact.integer_sum import IntegerAccumulator
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.records import ATTENTION, SUMS, integer_sums
from refimpl.bitexact.softmax import FIELDS
from refimpl.bitexact.transcendental import Function
from refimpl.vectors.declare import declarable, table_of

LOOPS = {"softmax.sum": "t", "accumulation_statistics": "nij"}
CASTS = ("output", "dx", "dw", "product_cast", "probabilities")
FUNCTIONS = ("softmax.exp", "softmax.reciprocal", "rsqrt")
TABLES = dict(
    [
        table_of("mine", np.linspace(0.1, 1, 257) ** 3),
        table_of("other", np.linspace(0.2, 1, 257)),
        table_of("huge", np.full(257, 3e38)),
        table_of("tiny", np.full(257, 1e-40)),
        table_of("row", np.arange(256)[::-1] * 257),
        table_of("short", np.linspace(0.1, 1, 17)),
    ]
)


def is_integer(arithmetic):
    return arithmetic not in FLOAT_ARITHMETICS


def loops_of(operator, arithmetic, record):
    sums = integer_sums(operator) if is_integer(arithmetic) else SUMS[operator]
    return {**LOOPS, **sums, "accumulation_context": "t"}[record]


def names(record):
    return [each.name for each in fields_of(record)]


def fields(operator, arithmetic, name):
    """Dotted names of every field under a name that may be declared."""
    if name.startswith("accumulation"):
        return [f"{name}.{each}" for each in names(Accumulation)]
    if name.startswith("accumulator"):
        return [f"{name}.{each}" for each in names(IntegerAccumulator)]
    if name == "rsqrt":
        return [f"{name}.{each}" for each in names(Function)]
    if name in CASTS:
        more = ["denominator"] if name == "probabilities" else []
        return [f"{name}.{each}" for each in [*names(Cast), *more]]
    if name != "softmax":
        return [name]
    found = [f"softmax.{each}" for each in FIELDS["float"]]
    if is_integer(arithmetic):
        found += [f"softmax.{each}" for each in FIELDS["integer"]]
    inner = {"softmax.exp": Function, "softmax.reciprocal": Function, "softmax.sum": Accumulation}
    for record, of in inner.items():
        found.remove(record)
        found += [f"{record}.{each}" for each in names(of)]
    return list(dict.fromkeys(found))


def split(path):
    """A field's record and its own name."""
    record, _, name = path.rpartition(".")
    return record, name


FORMATS = ["bf16", "fp16", "fp8_e4m3", "fp32"]
SUM_VALUES = {
    "pass_terms": [2, 5],
    "between": ["added", "carried"],
    "lanes": [2, 3],
    "lane_order": ["tree", "exact", "aligned", "sequential"],
    "aligned_bits": [3, 9],
    "product": ["fused", "bf16", "fp8_e4m3"],
    "product_rounding": ["toward_zero", "nearest_away"],
    "product_overflow": ["saturate", "nan"],
    "format": FORMATS,
    "rounding": ["toward_zero", "nearest_away"],
    "overflow": ["saturate", "nan"],
    "subnormals": ["flushed"],
    "bias": ["first", "last"],
}
FUNCTION_VALUES = {
    "name": [],
    "kind": ["table", "piecewise", "correct"],
    "format": FORMATS,
    "index_bits": [2, 4, 9],
    "interpolation": ["linear", "truncated", "nearest"],
    "rounding": ["toward_zero", "nearest_away"],
    "low": [-4],
    "high": [16],
    "entries": ["other"],
}
CAST_VALUES = {
    "format": [*FORMATS, "int8", "uint8"],
    "rounding": ["toward_zero", "nearest_away"],
    "overflow": ["saturate", "nan"],
    "subnormals": ["flushed"],
    "denominator": [256, 100, 10000],
}
SOFTMAX_VALUES = {
    "kind": ["integer", "float"],
    "format": [*FORMATS, "int8", "int16"],
    "normalise": ["divide", "reciprocal"],
    "table": ["row"],
    "index_bits": [5, 7],
    "rounding": ["floor", "toward_zero"],
    "reciprocal_bits": [9, 12],
    "denominator": [100, 256],
}
WHOLE_SUM_VALUES = {
    "bits": [8, 12, 24],
    "overflow": ["saturate", "wrap"],
    "pass_terms": [2, 5],
}
OTHER_VALUES = {
    "boundary": ["zero"],
    "length": [2],
    "directions": [[[0, 1], [1, 0], [0, -1], [1, 1]]],
    "product": ["wide", "requantised"],
    "product_format": ["int4", "int8", "int16"],
    "dproduct_format": ["int4", "int8", "int16"],
    "normalise": ["none", "softmax"],
    "score_scale": [0.001, 0.02],
    "scale": [0.3, 2.0],
    "output_factor": [0.25, 3.0],
    "eps": [0.5],
    "statistics": ["batch", "given"],
    "clip": [[-3, 3]],
    "output_format": ["int4", "int8", "int16"],
}


def values(operator, arithmetic, path):
    """Legal values to declare, at least one other than what stands without."""
    record, name = split(path)
    if name in ("order", "tiles"):
        loops = loops_of(operator, arithmetic, record)
        return [loops[::-1], loops[1:] + loops[0]] if name == "order" else [{loops[0]: 1}]
    return _values_of(record)[name]


def _values_of(record):
    if record in FUNCTIONS:
        more = ["pow2_shift"] if record == "softmax.exp" else []
        return {**FUNCTION_VALUES, "kind": [*FUNCTION_VALUES["kind"], *more]}
    if record in CASTS:
        return CAST_VALUES
    if record == "softmax":
        return SOFTMAX_VALUES
    if not record:
        return OTHER_VALUES
    return WHOLE_SUM_VALUES if record.startswith("accumulator") else SUM_VALUES


def contexts(operator, arithmetic, path):
    """What else is declared: in each, the field is read and seen, or refused."""
    record, name = split(path)
    return [
        {**outer, **inner}
        for outer in _of_operator(operator, arithmetic, record)
        for inner in _of_record(operator, arithmetic, record, name)
    ]


def _of_operator(operator, arithmetic, record):
    if operator == "conv2d_backward" and record == "accumulation_dx":
        return [{"dx.format": "fp32"}]  # the accumulator is no stage
    if arithmetic not in ("int8", "fp32") or operator == "local_attention":
        return [{}]
    if operator == "batch_norm" and not is_integer(arithmetic):
        return [{}, {"statistics": "batch"}]
    if operator not in ATTENTION or record in ("accumulation", "accumulator"):
        return [{}]
    softmax = [{}, {"normalise": "none"}, {"softmax.normalise": "divide"}]
    if is_integer(arithmetic):
        softmax += [{"softmax.kind": "integer"}, {"probabilities.format": "bf16"}]
    return softmax


def _of_record(operator, arithmetic, record, name):
    if record in FUNCTIONS:
        return _of_function(record, name)
    if record in CASTS:
        return _of_cast(arithmetic, record, name)
    if record == "softmax":
        return [{}, {"softmax.kind": "integer"}]
    if record:
        make = _of_whole_sum if record.startswith("accumulator") else _of_sum
        return make(operator, arithmetic, record, name)
    return [{}, {"product": "wide"}] if name == "product_format" else [{}]


def _of_function(record, name):
    kinds = [{}, {f"{record}.kind": "table"}, {f"{record}.kind": "piecewise"}]
    mine = {f"{record}.kind": "user_table", f"{record}.entries": "mine"}
    if name == "index_bits":  # as many as the table has
        mine = {**mine, f"{record}.entries": "short", f"{record}.index_bits": 4}
    shift = [{f"{record}.kind": "pow2_shift"}] if record == "softmax.exp" else []
    return [*kinds, mine, *shift]


def _of_cast(arithmetic, record, name):
    if record == "probabilities" and name == "overflow":  # a probability is at most 1
        return [{}, {f"{record}.format": "fp8_e5m2", f"{record}.denominator": 10**6}]
    some = [{}, *({f"{record}.format": each} for each in ("fp8_e5m2", "int8", "fp64"))]
    sharp = record == "probabilities" and is_integer(arithmetic) and name == "subnormals"
    if not sharp:
        return some
    scales = (8 * SHARP[arithmetic], *[SHARP[arithmetic]] * 3)
    return [{**each, "score_scale": own} for each, own in zip(some, scales, strict=True)]


def _of_whole_sum(operator, arithmetic, record, name):
    bits = _reached(operator, arithmetic)
    if record == "accumulator_context":  # probabilities of 8 bits
        bits = {"int4": 8, "int8": 15, "int16": 22}[arithmetic]
    own = {f"{record}.bits": bits, f"{record}.overflow": "saturate"}
    some = [{}, own, {f"{record}.pass_terms": 3}, {**own, f"{record}.pass_terms": 3}]
    if name == "tiles":
        some += [{**each, **_tiled(operator, arithmetic, record)} for each in some]
    return [{f"{record}.bits": bits}] if name == "overflow" else some


def _reached(operator, arithmetic):
    """Bits of an accumulator that some sums leave, and come back to."""
    narrow = operator in ("conv2d", "pssa", "xvolution", "xvolution_fused")
    if operator == "batch_norm":
        return {"int4": 6, "int8": 12, "int16": 24}[arithmetic]
    return {"int4": 8, "int8": 15, "int16": 24 if narrow else 31}[arithmetic]


def _of_sum(operator, arithmetic, record, name):
    if record == "softmax.sum" and name in EXTREME:
        own = {f"{record}.product": "fp8_e5m2"} if name == "product_overflow" else {}
        table = "tiny" if name == "subnormals" else "huge"
        return [{"softmax.exp.kind": "user_table", "softmax.exp.entries": table, **own}]
    wide, narrow = {}, {f"{record}.format": "fp8_e5m2"}
    if record == "softmax.sum":
        narrow = {f"{record}.format": "fp8_e4m3"}
    if record == "accumulation_context" and is_integer(arithmetic) and name in EXTREME:
        more = {"score_scale": SHARP[arithmetic]}
        more = {"probabilities.denominator": 10**4} if "over" in name else more
        return [{**narrow, **more, f"{record}.product": "fp8_e5m2"}]
    if name in ("overflow", "subnormals", "rounding"):
        return [wide, narrow] if arithmetic == "fp32" else [narrow]
    if name.startswith("product_"):
        return [{f"{record}.product": each} for each in ("fused", "fp8_e5m2")]
    # what is narrow adds up exactly in fp32, in any order
    alone = wide if arithmetic == "fp32" else narrow
    lanes, aligned = {f"{record}.lanes": 4}, {f"{record}.lane_order": "aligned"}
    added = {
        "tiles": [{}, _tiled(operator, arithmetic, record)],
        "between": [{}, {f"{record}.pass_terms": 3}],
        "pass_terms": [{}, lanes, {f"{record}.between": "added"}],
        "lane_order": [*([{}] if arithmetic == "fp32" else []), lanes],
        "aligned_bits": [{}, {**lanes, f"{record}.lane_order": "tree"}, {**lanes, **aligned}],
        "format": [{}, {**lanes, f"{record}.lane_order": "exact"}],
    }.get(name, [{}])
    return added if name in ("format", "product") else [{**alone, **each} for each in added]


def _tiled(operator, arithmetic, record):
    loops = loops_of(operator, arithmetic, record)
    return {
        f"{record}.order": loops[0].upper() + loops[1:] + loops[0],
        f"{record}.tiles": {loops[0]: 3},
    }


def every(operator, arithmetic):
    return [
        path
        for name in declarable(operator, arithmetic)
        for path in fields(operator, arithmetic, name)
    ]


def nested(flat):
    """Dotted names as records."""
    records = {}
    for path, value in flat.items():
        inner = records
        *outer, last = path.split(".")
        for step in outer:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return records


EXTREME = ("overflow", "product_overflow", "subnormals")
SHARP = {"int4": 0.15, "int8": 6e-4, "int16": 1e-8}  # score scales: some probabilities are small
POWERS = (9, 13, 6, 4, 2, 1, 21, 32, 42, 63, 65)  # the most telling first
ALONE = (("w_v",), ("gamma",), ("gamma_c", "gamma_a"))  # what nothing divides by again


def is_extreme(path):
    """Whether a field is of the ends of a format."""
    return split(path)[1] in EXTREME


def stimuli(tensors, path):
    """Inputs on which a field can be seen: as drawn; for the ends of formats, large and small."""
    yield dict(tensors)
    if not is_extreme(path):
        return
    floats = any(format_of(each).kind == "float" for each in tensors.values())
    likely = 1 if "overflow" in path else -1  # what is sooner seen comes first
    for power in (each * sign for sign in (likely, -likely) for each in POWERS if floats):
        yield {name: _scaled(name, array, power) for name, array in tensors.items()}
    if "shift_v" in tensors:  # most values 0, so that what few probabilities give is not lost
        for more in (6, 7, 8):
            yield {**tensors, "shift_v": tensors["shift_v"] + np.int8(more)}
    for names in (each for each in ALONE if each[0] in tensors):
        own = [name for name in tensors if name in names or name.startswith("beta")]
        for power in (14, 15, -16, 125, 126, 127, 128, -126):
            yield {**tensors, **{name: _scaled(name, tensors[name], power) for name in own}}


def _scaled(name, array, power):
    """What is multiplied, times 2^power; what is only added, 0."""
    of = format_of(array)
    if of.kind != "float" or name == "var":
        return array
    factor = 0.0 if name[0] in "bmt" else 2.0**power
    return encode(decode(array) * factor, default_cast(of.name))


EXCEPTIONS = [  # operator, arithmetic, field, context, and why no value can be seen there
    ("*attention", "*", "probabilities.overflow", "{}", "a probability is at most 1"),
    ("*attention", "*", "probabilities.overflow", "{'softmax.normalise': 'divide'}", "the same"),
    (
        "*attention",
        "int8",
        "probabilities.overflow",
        "{'probabilities.format': 'bf16'}",
        "the same",
    ),
    ("*attention", "int4", "softmax.rounding", "*", "the factor that is drawn is 1"),
    (
        "*attention",
        "fp8_e4m3",
        "output.*",
        "*",
        "a mean of coarse values up to 448",
    ),
    ("*attention", "fp8_e4m3", "accumulation_context.*overflow", "*", "the same"),
    (
        "*attention",
        "int8",
        "softmax.sum.subnormals",
        "{'softmax.normalise': 'divide'*",
        "flushed, the sum is 0, and its quotients are no numbers",
    ),
    ("batch_norm", "int4", "accumulator.bits", "{}", "eight bits hold every sum"),
    ("xvolution_training", "fp8_e4m3", "output.overflow", "*", "a gain is at most 448"),
    ("*_backward", "fp16", "dw.*", "{}", "fp32 holds every sum of products of fp16"),
    ("*_backward", "fp8*", "dw.*", "{}", "fp32 holds every sum of products of fp8"),
]


def excepted(operator, arithmetic, path, context):
    """Whether nothing can be seen by design."""
    said = (operator, arithmetic, path, str(context))
    return any(
        all(fnmatchcase(own, pattern) for own, pattern in zip(said, each[:4], strict=True))
        for each in EXCEPTIONS
    )
