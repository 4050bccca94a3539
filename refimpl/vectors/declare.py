"""A set's arithmetic as its user declares it: records in the attributes, user's own tables.

A declaration is a dotted name and a JSON value, "softmax.exp.kind" and "table". It changes every
case whose operator and arithmetic know its first name and that reads the field (``reads.py``).
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from refimpl.arrays import Array
from refimpl.bitexact.describe import described
from refimpl.bitexact.formats import FORMATS, default_cast, encode, integer_format, to_integers
from refimpl.bitexact.integer_operators import limits_of
from refimpl.bitexact.operators import FLOAT_ARITHMETICS
from refimpl.bitexact.records import ATTENTION, SHIFTED, SUMS, integer_sums
from refimpl.bitexact.requantise import FLOAT_RULE
from refimpl.vectors.case import Case, Choices
from refimpl.vectors.declare_tensors import fitted
from refimpl.vectors.reads import leaves, unread

WORDS = {
    "normalise": ("softmax", "none"),
    "product": ("requantised", "wide"),
    "boundary": ("circular", "zero"),
    "statistics": ("given", "batch"),
}
"""What the names that are no records may be."""


def declarable(operator: str, arithmetic: str) -> tuple[str, ...]:
    """Names that may be declared of an operator in an arithmetic."""
    integer, backward = arithmetic not in FLOAT_ARITHMETICS, operator.endswith("_backward")
    names = list(integer_sums(operator) if integer else SUMS[operator])
    if operator in SHIFTED:
        names += ["boundary", "length", "directions"]
        names += ["product", "product_format"] if integer else ["product_cast"]
    if integer and operator in ("pssa_backward", "xvolution_backward"):
        names += ["dproduct_format"]
    if operator in ATTENTION:
        names += ["softmax", "probabilities", "normalise"]
        names += ["score_scale", "output_factor", "accumulation_context"] if integer else ["scale"]
    if operator == "xvolution_training" or (operator == "batch_norm" and not integer):
        names += ["eps", "rsqrt"]
        names += ["accumulation_statistics", "output_factor"] if integer else []
        names += ["statistics"] if operator == "batch_norm" else []
    if integer and operator not in ("shift_product", *ATTENTION):
        names += ["clip"]
    if integer and not backward and operator not in ("shift_product", "xvolution_training"):
        names += ["output_format"]
    if not integer:
        names += ["dx", "dw"] if backward else []
        names += [] if backward or operator == "shift_product" else ["output"]
    return tuple(dict.fromkeys(names))


def parsed(texts: Iterable[str]) -> dict[str, Any]:
    """Declarations as nested records; what is no JSON is taken as a word.

    Raises
    ------
    ValueError
        If one is not NAME=VALUE, or contradicts another.
    """
    records: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        *outer, last = name.split(".")
        if not sign or not all(step.isidentifier() for step in (*outer, last)):
            raise ValueError(
                f"a declaration must be NAME=VALUE, as in softmax.exp.kind=table, not {text!r}"
            )
        inner = records
        for step in outer:
            if not isinstance(inner.get(step, {}), dict):
                raise ValueError(  # noqa: TRY004 - a value of the user, not of a caller
                    f"{step} must be declared as a value or by its fields, not both"
                )
            inner = inner.setdefault(step, {})
        if last in inner:
            raise ValueError(f"{name} must be declared once")
        inner[last] = _value(value)
    return records


def must_concern(cases: Collection[Case], choices: Choices) -> None:
    """Refuse a declaration that changes none of the cases.

    Raises
    ------
    ValueError
        If there is one: of a record that none has, or of a field that none reads; or a table that
        no declaration names.
    """
    known = dict.fromkeys(
        name for case in cases for name in declarable(case.operator, case.arithmetic)
    )
    for name in choices.declared:
        if name not in known:
            raise ValueError(f"what is declared must be of {', '.join(known)}, not {name!r}")
    for name in choices.tables:
        if not _names(choices.declared, name):
            raise ValueError(f"a declaration must name table {name}, as in softmax.exp.entries")
    must_read_declared(cases, choices)


def must_read_declared(cases: Collection[Case], choices: Choices) -> None:
    """Refuse a declared field that none of the cases reads; a record that none has is passed over.

    Raises
    ------
    ValueError
        If there is one, with the reason.
    """
    for path in leaves(choices.declared):
        reasons = [unread(case, path) for case in cases if path in _own(case, choices)]
        if reasons and all(reasons):
            raise ValueError(reasons[0])


def declared_case(case: Case, choices: Choices) -> Case:
    """One case with what is declared of it and read; the same one where nothing is.

    Raises
    ------
    ValueError
        If a record has no such field or value.
    """
    made = with_records(case, choices)
    idle = {path for path in _own(case, choices) if unread(made, path)}
    if not idle:
        return made
    return declared_case(case, replace(choices, declared=_without(choices.declared, idle)))


def with_records(case: Case, choices: Choices) -> Case:
    """The same with every field that is declared of its records, whether it is read or not."""
    names = declarable(case.operator, case.arithmetic)
    own = {name: value for name, value in choices.declared.items() if name in names}
    if not own and case.attributes.get("rounding") != FLOAT_RULE:
        return case
    tables = {name: table for name, table in choices.tables.items() if _names(own, name)}
    merged = {name: _merged(case.attributes.get(name), value) for name, value in own.items()}
    attributes = {**case.attributes, **merged}
    _must_describe(case, attributes, own)
    integer = case.arithmetic not in FLOAT_ARITHMETICS
    tensors, attributes = fitted(case.operator, case.tensors, attributes, integer=integer)
    return replace(
        case,
        attributes=attributes,
        tensors={**tensors, **_of_branches(case.operator, tables)},
    )


def _own(case: Case, choices: Choices) -> list[str]:
    """Declared fields of records that the case has."""
    names = declarable(case.operator, case.arithmetic)
    return [path for path in leaves(choices.declared) if path.partition(".")[0] in names]


def _without(declared: Mapping[str, Any], paths: Collection[str], above: str = "") -> Any:
    """A declaration without some of its fields, and without records that are left empty."""
    kept = {}
    for name, value in declared.items():
        path = f"{above}{name}"
        inner = _without(value, paths, f"{path}.") if isinstance(value, Mapping) else value
        if path not in paths and inner != {}:
            kept[name] = inner
    return kept


def table_of(text: str, array: Array) -> tuple[str, Array]:
    """A user's table NAME[:FORMAT], its numbers in that format: fp32, or uint16 of integers.

    Raises
    ------
    ValueError
        If it is no row of numbers, or there is no such format.
    """
    name, _, form = text.partition(":")
    whole = array.dtype.kind in "iu"
    form = form or ("uint16" if whole else "fp32")
    if not name.isidentifier() or form not in FORMATS:
        raise ValueError(f"a table must be NAME or NAME:FORMAT, as in mine:bf16, not {text!r}")
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"table {name} must be one row of finite numbers, not {array.shape}")
    if whole:
        return name, to_integers(array.astype(np.int64), form)
    return name, encode(array.astype(np.float64), default_cast(form))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _names(records: Any, name: str) -> bool:
    """Whether a record names a table: of a function, or of an integer softmax."""
    if not isinstance(records, Mapping):
        return False
    here = name in (records.get("entries"), records.get("table"))
    return here or any(_names(each, name) for each in records.values())


def _of_branches(operator: str, tables: Mapping[str, Array]) -> dict[str, Array]:
    """Tables under the names by which the operator reads them: each branch its own."""
    if operator != "xvolution_training":
        return dict(tables)
    return {f"{name}{end}": table for name, table in tables.items() for end in ("_c", "_a")}


def _merged(before: Any, value: Any) -> Any:
    """Declared fields beside those that a record already has."""
    if isinstance(before, Mapping) and isinstance(value, Mapping):
        return {**before, **value}
    return value


def _must_describe(case: Case, attributes: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Every record must be one that there is."""
    for name, words in WORDS.items():
        if name in own and own[name] not in words:
            raise ValueError(f"{name} must be {' or '.join(words)}, not {own[name]!r}")
    if case.arithmetic not in FLOAT_ARITHMETICS:
        limits_of(attributes, case.arithmetic)
        for name in ("product_format", "dproduct_format"):
            integer_format(attributes.get(name, case.arithmetic), name)
    try:
        described(case.operator, case.arithmetic, attributes)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"what is declared of {case.operator} must be fields and values of its records, not "
            f"{json.dumps(own)} ({type(error).__name__}: {error})"
        ) from error
