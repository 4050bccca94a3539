"""Small expressions over named numbers, the language of coverage points.

Python's syntax, of which: names, integers, truth values, + − * % //, comparisons, ``and or not``,
``abs``. They are evaluated elementwise on arrays, and written out in SystemVerilog, so that a point
counts the same events in the model and in a simulator.
"""

import ast
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from refimpl.arrays import Array

OPERATIONS: dict[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", np.add),
    ast.Sub: ("-", np.subtract),
    ast.Mult: ("*", np.multiply),
    ast.Mod: ("%", np.remainder),
}
COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("==", np.equal),
    ast.NotEq: ("!=", np.not_equal),
    ast.Lt: ("<", np.less),
    ast.LtE: ("<=", np.less_equal),
    ast.Gt: (">", np.greater),
    ast.GtE: (">=", np.greater_equal),
}


def names_in(text: str) -> frozenset[str]:
    """Names that an expression reads."""
    names = {node.id for node in ast.walk(_parsed(text)) if isinstance(node, ast.Name)}
    return frozenset(names - {"abs"})


def evaluate(text: str, values: Mapping[str, Any]) -> Array:
    """Truth of the expression, elementwise; integers are 64 bits wide.

    Raises
    ------
    ValueError
        If it uses what is not part of the language, or a name without a value.
    """
    return np.asarray(_value(_parsed(text), values), bool)


def conjuncts(text: str) -> list[str]:
    """The parts of a conjunction, or the whole."""
    body = _parsed(text)
    if isinstance(body, ast.BoolOp) and isinstance(body.op, ast.And):
        return [ast.unparse(part) for part in body.values]
    return [text]


def system_verilog(text: str) -> str:
    """The same expression in SystemVerilog (IEEE 1800-2017, clause 11).

    ``%`` there keeps the sign of the dividend; it is written so that the remainder is not negative.
    """
    return _verilog(_parsed(text))


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"a coverage point must be an expression, not {text!r}") from error


def _value(  # noqa: C901, PLR0911 - one arm per kind of node
    node: ast.expr, values: Mapping[str, Any]
) -> Any:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.Name(id=name):
            if name not in values:
                raise ValueError(f"{name} must be one of {', '.join(sorted(values))}")
            return values[name]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return np.logical_not(_value(operand, values))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return OPERATIONS[type(op)][1](_value(left, values), _value(right, values))
        case ast.BoolOp(op=op, values=parts):
            join = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = _value(parts[0], values)
            for part in parts[1:]:
                result = join(result, _value(part, values))
            return result
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return COMPARISONS[type(op)][1](_value(left, values), _value(right, values))
        case ast.Call(func=ast.Name(id="abs"), args=[only]):
            return np.abs(_value(only, values))
    raise ValueError(f"a coverage point must not use {ast.unparse(node)!r}")


def _verilog(node: ast.expr) -> str:  # noqa: PLR0911 - one arm per kind of node
    match node:
        case ast.Constant(value=int() as number):
            return str(int(number))
        case ast.Name(id=name):
            return name
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return f"(!{_verilog(operand)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_verilog(operand)})"
        case ast.BinOp(left=left, op=ast.Mod(), right=right):
            a, m = _verilog(left), _verilog(right)
            return f"((({a} % {m}) + {m}) % {m})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
            return f"({_verilog(left)} {OPERATIONS[type(op)][0]} {_verilog(right)})"
        case ast.BoolOp(op=op, values=parts):
            join = " && " if isinstance(op, ast.And) else " || "
            return f"({join.join(map(_verilog, parts))})"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            return f"({_verilog(left)} {COMPARISONS[type(op)][0]} {_verilog(right)})"
        case ast.Call(func=ast.Name(id="abs"), args=[only]):
            a = _verilog(only)
            return f"(({a} < 0) ? (-{a}) : {a})"
    raise ValueError(f"a coverage point must not use {ast.unparse(node)!r}")
