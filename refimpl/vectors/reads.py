"""Which declared fields a case reads: data, one rule a line, with its condition and its words.

A declaration that no case reads would change nothing but an id, and is refused in a sentence. What
no rule names is read by every case that has the record.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from refimpl.bitexact.accumulation import Accumulation
from refimpl.bitexact.formats import format_named
from refimpl.bitexact.integer_sum import IntegerAccumulator
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.records import ATTENTION, INTEGER_SUMS, PASSES, SUMS, sums_floats
from refimpl.bitexact.softmax import denominator_of
from refimpl.bitexact.transcendental import Function
from refimpl.vectors.case import Case

FLOAT_SUMS = (*dict.fromkeys(key for sums in SUMS.values() for key in sums), "softmax.sum")
WHOLE_SUMS = tuple(dict.fromkeys(key for sums in INTEGER_SUMS.values() for key in sums))
FUNCTIONS = ("softmax.exp", "softmax.reciprocal", "rsqrt")
CASTS = ("output", "dx", "dw", "product_cast", "probabilities")
RECORDS: dict[str, type] = {
    **dict.fromkeys(FLOAT_SUMS, Accumulation),
    **dict.fromkeys(WHOLE_SUMS, IntegerAccumulator),
    **dict.fromkeys(FUNCTIONS, Function),
}
"""Records whose fields have defaults of their own."""
ONE_LOOP = {
    "accumulation_scores": "d", "accumulation_context": "t", "softmax.sum": "t",
    "accumulator_scores": "d", "accumulator_context": "t", "accumulator_shares": "d",
}  # fmt: skip
"""Sums over a single loop, which has no order, in tiles neither."""
DEFAULTS = {
    "normalise": "softmax", "softmax.kind": "float", "softmax.normalise": "reciprocal",
    "softmax.format": "fp32", "product": "requantised", "statistics": "given",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A declared field of a case: ``record`` and ``field`` are its dotted name."""

    case: Case
    record: str
    field: str

    @property
    def integer(self) -> bool:
        """Whether the case is of integers."""
        return self.case.arithmetic not in FLOAT_ARITHMETICS

    @property
    def attends(self) -> bool:
        """Whether the case's operator attends."""
        return self.case.operator in ATTENTION

    def full(self, path: str) -> str:
        """A path from the attributes on; ".kind" is a field of the same record."""
        return f"{self.record}{path}" if path.startswith(".") else path

    def value(self, path: str) -> Any:
        """What the case holds under a path, or the default."""
        found: Any = self.case.attributes
        for step in self.full(path).split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
        return self._default(*_split(self.full(path))) if found is None else found

    def _default(self, record: str, name: str) -> Any:
        if record in RECORDS:
            return RECORDS[record].__dataclass_fields__[name].default  # type: ignore[attr-defined]
        if record == "dw":
            return self.value("accumulation_dw.format")
        if record in CASTS:
            return "uint8" if self.integer else self.case.arithmetic
        return DEFAULTS[f"{record}.{name}" if record else name]


Condition: TypeAlias = Callable[[Seen], str]  # "" where the field is read, or why it is not


def among(path: str, *values: Any) -> Condition:
    """Read where another field is one of some values."""

    def why(seen: Seen) -> str:
        value = seen.value(path)
        return "" if value in values else f"{seen.full(path)} is {value}"

    return why


def above(path: str, number: int) -> Condition:
    """Read where another field is above a number."""

    def why(seen: Seen) -> str:
        value = seen.value(path)
        return "" if value > number else f"{seen.full(path)} is {value}"

    return why


def either(*conditions: Condition) -> Condition:
    """Read where one of several conditions holds."""

    def why(seen: Seen) -> str:
        reasons = [each(seen) for each in conditions]
        return "" if "" in reasons else " and ".join(dict.fromkeys(reasons))

    return why


def both(*conditions: Condition) -> Condition:
    """Read where all of several conditions hold."""
    return lambda seen: next(filter(None, (each(seen) for each in conditions)), "")


def unless(fails: Callable[[Seen], bool], reason: str) -> Condition:
    """Not read by cases of some kind, whatever else they declare."""
    return lambda seen: reason if fails(seen) else ""


def _tiled(seen: Seen) -> str:
    order = seen.value(".order")
    default = isinstance(order, str) and seen.field.rpartition(".")[2].upper() in order
    return "" if default else f"{seen.record}.order is {order}"


def _form(*without: str) -> Condition:
    def why(seen: Seen) -> str:
        form = format_named(seen.value(".format"))
        unread = form.name in without or form.kind in without
        return f"{seen.record}.format is {form.name}" if unread else ""

    return why


def _narrows(seen: Seen) -> str:
    """A cast of numbers that its format has already rounds nothing."""
    source = _source(seen)
    if not source:
        return ""
    before, after = format_named(seen.value(source)), format_named(seen.value(".format"))
    same = (
        before.kind == after.kind and before.digits <= after.digits and before.least >= after.least
    )
    within = same and before.largest <= after.largest
    return (
        f"{seen.full('.format')} is {after.name}, and {source} is {before.name}" if within else ""
    )


def _source(seen: Seen) -> str:
    """The format of what is cast; "" where that is an exact number."""
    operator = seen.case.operator
    if seen.record == "output":
        sums = {"batch_norm": "accumulation_statistics"} | dict.fromkeys(
            ATTENTION, "accumulation_context"
        )
        return f"{sums.get(operator, 'accumulation')}.format"
    if seen.record in ("dx", "dw"):
        return f"accumulation_{seen.record}.format"
    if seen.record == "probabilities" and not seen.integer:
        if seen.value("normalise") == "none":
            return "accumulation_scores.format"
        declared = seen.case.attributes.get("probabilities", {})
        return (
            ""
            if denominator_of({"format": seen.case.arithmetic, **declared}) != 1
            else "softmax.format"
        )
    return ""


def _has_no_bias(seen: Seen) -> bool:
    main = seen.record == "accumulation" and not seen.attends
    return not main or not any(name in seen.case.tensors for name in ("b", "b_c", "b_a"))


def _hides_passes(seen: Seen) -> bool:
    """Whether what a sum holds after each pass is no stage."""
    return seen.case.operator not in PASSES.get(seen.record, ())


def _sums_integers(seen: Seen) -> bool:
    return seen.integer and seen.attends and not sums_floats(seen.case.attributes)


def _sums_floats(seen: Seen) -> bool:
    return seen.integer and seen.attends and sums_floats(seen.case.attributes)


def of(records: Iterable[str], *names: str) -> tuple[str, ...]:
    """Dotted names of the same fields of several records."""
    return tuple(f"{record}.{name}" for record in records for name in names)


SHOWN = unless(_hides_passes, "its passes are no stages")
LOOPS = both(
    unless(lambda seen: seen.record in ONE_LOOP, "its sum has one loop"),
    unless(
        lambda seen: seen.attends and seen.record in ("accumulation", "accumulator"),
        "q, k and v are 1x1 convolutions",
    ),
)
IN_FLOATS = unless(_sums_integers, "the probabilities are integers")
IN_INTEGERS = unless(_sums_floats, "the probabilities are floats")
TABLES = ("table", "piecewise", "user_table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Patterns of dotted names, what they are read by, and the condition."""

    fields: tuple[str, ...]
    by: str
    where: Condition


def _rules() -> Iterator[Rule]:
    def rule(fields: Iterable[str], by: str, where: Condition) -> Rule:
        return Rule(fields=tuple(fields), by=by, where=where)

    softmax, whole = among("normalise", "softmax"), among("softmax.kind", "float")
    yield rule(["softmax.*"], "by a softmax", softmax)
    yield rule(["score_scale"], "by a softmax in floats", both(softmax, whole))
    yield rule(
        ["probabilities.*"],
        "by a softmax in floats",
        lambda seen: both(softmax, whole)(seen) if seen.integer else "",
    )
    yield rule(["probabilities.denominator"], "by a softmax", softmax)
    yield rule(
        ["softmax.reciprocal.*"],
        "by a multiplication with it",
        among("softmax.normalise", "reciprocal"),
    )
    yield rule(["accumulation_context.*"], "by a context in floats", IN_FLOATS)
    yield rule(["output_factor"], "by a context in floats", IN_FLOATS)
    yield rule(["accumulator_context.*"], "by a context in integers", IN_INTEGERS)
    yield rule(["product_format"], "by a requantised product", among("product", "requantised"))

    yield rule(of(FUNCTIONS, "name"), "as what it is", unless(lambda _: True, "its place names it"))
    yield rule(
        of(FUNCTIONS, "index_bits", "low", "high"),
        "by a table or by pieces",
        among(".kind", *TABLES),
    )
    yield rule(
        of(FUNCTIONS, "rounding"), "by entries that are computed", among(".kind", *TABLES[:2])
    )
    yield rule(of(FUNCTIONS, "interpolation"), "by a table", among(".kind", "table", "user_table"))

    yield rule(of(CASTS, "rounding"), "by a narrower format", both(_form("fp64"), _narrows))
    yield rule(of(CASTS, "overflow", "subnormals"), "by a float", _form("fp64", "int", "uint"))

    given = unless(
        lambda seen: seen.case.operator == "batch_norm" and seen.value("statistics") == "given",
        "statistics is given",
    )
    summing = [
        name
        for name in Accumulation.__dataclass_fields__
        if name not in ("format", "rounding", "overflow", "subnormals")
    ]
    yield rule(
        of(["accumulation_statistics"], *summing, "tiles.*"), "by statistics of a batch", given
    )
    yield rule(of(FLOAT_SUMS, "order", "tiles.*"), "by a sum over several loops", LOOPS)
    yield rule(of(FLOAT_SUMS, "between"), "between passes", above(".pass_terms", 0))
    yield rule(
        of(FLOAT_SUMS, "pass_terms"),
        "where a pass can be seen",
        either(SHOWN, above(".lanes", 1), among(".between", "added")),
    )
    yield rule(
        of(FLOAT_SUMS, "lane_order"),
        "by several lanes, or where it is aligned",
        either(above(".lanes", 1), among(".lane_order", "aligned")),
    )
    yield rule(
        of(FLOAT_SUMS, "product_rounding", "product_overflow"),
        "by products that are rounded",
        lambda seen: (
            f"{seen.full('.product')} is fused" if seen.value(".product") == "fused" else ""
        ),
    )
    yield rule(of(FLOAT_SUMS, "aligned_bits"), "by an aligned sum", among(".lane_order", "aligned"))
    yield rule(
        of(FLOAT_SUMS, "bias"), "by a sum with a bias", unless(_has_no_bias, "this one has none")
    )

    term = unless(lambda seen: seen.case.operator == "batch_norm", "a normalisation has one term")
    yield rule(of(WHOLE_SUMS, "order", "tiles.*", "pass_terms"), "by a sum", term)
    yield rule(of(WHOLE_SUMS, "order", "tiles.*"), "by a sum over several loops", LOOPS)
    yield rule(of(WHOLE_SUMS, "pass_terms"), "where a pass can be seen", SHOWN)
    yield rule(
        of(WHOLE_SUMS, "order", "tiles.*"),
        "where it saturates, or in passes that are seen",
        either(among(".overflow", "saturate"), both(SHOWN, above(".pass_terms", 0))),
    )
    yield rule(of((*FLOAT_SUMS, *WHOLE_SUMS), "tiles.*"), "by a loop over tiles", _tiled)


RULES: tuple[Rule, ...] = tuple(_rules())


def leaves(declared: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted names of all fields that a declaration holds."""
    for name, value in declared.items():
        path = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping):
            yield from leaves(value, path)
        else:
            yield path


def unread(case: Case, path: str) -> str:
    """Why a case with the record does not read a declared field, in a sentence; "" if it does."""
    record, field = _split(path)
    seen = Seen(case=case, record=record, field=field)
    for rule in RULES:
        if any(fnmatchcase(path, pattern) for pattern in rule.fields):
            reason = rule.where(seen)
            if reason:
                return f"{path} is read only {rule.by}; {reason}"
    return ""


def _split(path: str) -> tuple[str, str]:
    """A dotted name as its record and its field, "tiles.c" of a sum."""
    known = (*RECORDS, *CASTS, "softmax")
    found = max((each for each in known if path.startswith(f"{each}.")), key=len, default="")
    return found, path[len(found) + 1 :] if found else path
