"""Mutants of a Python module: copies with one small mistake each, made on the syntax tree.

    arithmetic   − for +, + for −, + for *, * for /
    comparison   < for ≤, == for !=, is not for is
    logic        and for or, a lost not, a lost minus
    constant     n + 1 for n, True for False
    choice       the other branch of a conditional expression
    guard        an if that never holds
    keyword      an argument by name that is left out

Docstrings, annotations, decorators, type aliases, f-strings and the text of errors are left alone:
they do not compute.

Source: DeMillo, Lipton and Sayward, "Hints on test data selection", Computer 11 (1978); the choice
of mistakes is ours.
"""

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Mutant(NamedTuple):
    """One mistake: its number in the module, where it is, what it is, and the whole text."""

    number: int
    line: int
    kind: str
    was: str
    now: str
    source: str

    @property
    def place(self) -> str:
        """Line and change in a few words."""
        return f"line {self.line}, {self.kind}: `{self.was}` → `{self.now}`"


Change = Callable[[Any], None]


def mutants(source: str) -> list[Mutant]:
    """Every mutant of a module's source, in reading order."""
    tree = ast.parse(source)
    found = []
    for node in _computing(tree):
        for kind, change in _changes(node):
            found.append(_mutant(tree, node, kind, change, len(found)))
    return found


def _mutant(tree: ast.Module, node: ast.AST, kind: str, change: Change, number: int) -> Mutant:
    """Make the change in a copy of the tree: the same node is found by its place in the walk."""
    copy = deepcopy(tree)
    place = next(i for i, each in enumerate(ast.walk(tree)) if each is node)
    twin: Any = next(each for i, each in enumerate(ast.walk(copy)) if i == place)
    shown: Any = twin.test if kind == "guard" else twin
    was = ast.unparse(shown)
    change(twin)
    shown = twin.test if kind == "guard" else twin
    line: Any = node
    return Mutant(number, line.lineno, kind, was, ast.unparse(shown), ast.unparse(copy))


def _computing(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that compute, in reading order."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.JoinedStr | ast.Raise | ast.AnnAssign | ast.arg):
            if isinstance(child, ast.AnnAssign) and child.value is not None:
                yield from _whole(child.value)
            continue
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from _of_definition(child)
        else:
            yield from _whole(child)


def _of_definition(node: Any) -> Iterator[ast.AST]:
    """A function's or class's body and defaults, without decorators, bases and annotations."""
    if isinstance(node, ast.FunctionDef):
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                yield from _whole(default)
    for statement in node.body:
        block = ast.Module(body=[statement], type_ignores=[])
        yield from _computing(block)


def _whole(node: ast.AST) -> Iterator[ast.AST]:
    if not isinstance(node, ast.JoinedStr | ast.Raise):
        yield node
        yield from _computing(node)


def _changes(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """Every mistake that can be made at one node."""
    yield from _other_operator(node)
    yield from _other_value(node)
    if isinstance(node, ast.IfExp):
        yield "choice", _other_branch
    if isinstance(node, ast.If):
        yield "guard", _set("test", ast.Constant(value=False))
    if isinstance(node, ast.Call):
        named = [number for number, each in enumerate(node.keywords) if each.arg is not None]
        yield from (("keyword", _without_keyword(number)) for number in named)


def _other_operator(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in ARITHMETIC:
        yield "arithmetic", _set("op", ARITHMETIC[type(node.op)]())
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISON:
        yield "comparison", _set("ops", [COMPARISON[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "logic", _set("op", other)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield "logic", _drop_sign


def _other_value(node: ast.AST) -> Iterator[tuple[str, Change]]:
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield "constant", _set("value", not node.value)
    elif isinstance(node.value, int | float):
        yield "constant", _set("value", node.value + 1)


def _set(name: str, value: Any) -> Change:
    return lambda node: setattr(node, name, value)


def _drop_sign(node: Any) -> None:
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
    if isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(op=ast.Not(), operand=node.operand)


def _other_branch(node: Any) -> None:
    node.body, node.orelse = node.orelse, node.body


def _without_keyword(number: int) -> Change:
    return lambda node: node.keywords.pop(number)
