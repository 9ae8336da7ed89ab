"""Arithmetic and comparisons of printed numbers, without eval.

Numbers are decimals, so that what is computed is what a reader with a pencil gets.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from recorder.errors import BookError

QUALIFIED = re.compile(r"\b([a-z]\w*):([a-z]\w*)")  # microgpt:loss, a fact of another chapter

BINARY: dict[type[ast.operator], Callable[[Any, Any], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
SIGNS: dict[type[ast.unaryop], Callable[[Decimal], Decimal]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Decimal, Decimal], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda number, digits=Decimal(0): round(number, int(digits)),
}


def parse(text: str) -> ast.expr:
    """The tree of an expression; a fact `microgpt:loss` becomes Python's `microgpt.loss`."""
    try:
        return ast.parse(QUALIFIED.sub(r"\1.\2", text.strip()), mode="eval").body
    except SyntaxError as error:
        raise BookError(f"{error.msg} in '{text}'") from error


def names(tree: ast.expr) -> list[str]:
    """The facts that an expression names, each as it was written."""
    found = _Names()
    found.visit(tree)
    return found.names


def shown(text: str, printed: Callable[[str], str]) -> str:
    """What the role {fact}`text` shows; `printed` gives the value of a fact by its name."""
    expression, bar, form = text.rpartition("|")
    if not bar:
        return _as_printed(text, printed)
    tree = parse(expression)
    value = number(tree, {name: printed(name) for name in names(tree)})
    try:
        return format(value, form.strip())
    except ValueError as error:
        raise BookError(
            f"'{form.strip()}' in {{fact}}`{text}` formats no number; write .1f or ,.0f"
        ) from error


def checked(text: str, printed: Callable[[str], str]) -> str:
    """The role {claim}`text` with its numbers; raises BookError when it is false."""
    tree = parse(text)
    facts = {name: printed(name) for name in names(tree)}
    true = holds(tree, facts)
    numbers = with_numbers(tree, facts)
    if not true:
        raise BookError(f"the claim {text} is false: {numbers}")
    return numbers


def number(tree: ast.expr, printed: Mapping[str, str]) -> Decimal:
    """The value of an arithmetic expression over printed numbers."""
    match tree:
        case ast.Name() | ast.Attribute():
            return _printed_number(_name(tree), printed)
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            return Decimal(repr(tree.value))
        case ast.UnaryOp() if type(tree.op) in SIGNS:
            return SIGNS[type(tree.op)](number(tree.operand, printed))
        case ast.BinOp() if type(tree.op) in BINARY:
            left, right = number(tree.left, printed), number(tree.right, printed)
            return _compute(tree, lambda: BINARY[type(tree.op)](left, right))
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            arguments = [number(argument, printed) for argument in tree.args]
            return _compute(tree, lambda: FUNCTIONS[name](*arguments))
    raise BookError(
        f"'{ast.unparse(tree)}' is no arithmetic on facts; "
        "use + - * / ** parentheses abs min max round and numbers"
    )


def holds(tree: ast.expr, printed: Mapping[str, str]) -> bool:
    """Whether a comparison of printed numbers, or several joined by `and`, is true."""
    match tree:
        case ast.BoolOp(op=ast.And()):
            return all(holds(part, printed) for part in tree.values)
        case ast.Compare() if all(type(op) in COMPARISONS for op in tree.ops):
            sides = [number(side, printed) for side in (tree.left, *tree.comparators)]
            return all(
                COMPARISONS[type(op)](left, right)
                for op, left, right in zip(tree.ops, sides, sides[1:], strict=False)
            )
    raise BookError(f"'{ast.unparse(tree)}' is no comparison; write a < b, or several with 'and'")


def with_numbers(tree: ast.expr, printed: Mapping[str, str]) -> str:
    """An expression with its facts replaced by the numbers as printed."""
    return ast.unparse(_Replace(printed).visit(tree))


def _as_printed(text: str, printed: Callable[[str], str]) -> str:
    if names(parse(text)) != [text.strip()]:
        raise BookError(
            f"{{fact}}`{text}` computes a number; say how to print it, as in {{fact}}`{text} | .1f`"
        )
    return printed(text.strip())


class _Names(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        self.names.append(_name(node))

    def visit_Name(self, node: ast.Name) -> None:  # noqa: N802
        if node.id not in FUNCTIONS:
            self.names.append(node.id)


class _Replace(ast.NodeTransformer):
    def __init__(self, printed: Mapping[str, str]) -> None:
        self.printed = printed

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # noqa: N802
        return ast.Name(self.printed[_name(node)])

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        return ast.Name(self.printed.get(node.id, node.id))


def _name(node: ast.expr) -> str:
    return ast.unparse(node).replace(".", ":")


def _printed_number(name: str, printed: Mapping[str, str]) -> Decimal:
    try:
        value = Decimal(printed[name].replace(",", ""))
    except ArithmeticError:
        value = Decimal("nan")
    if not value.is_finite():
        raise BookError(
            f"the fact '{name}' is '{printed[name]}', which is no number to compute with"
        )
    return value


def _compute(tree: ast.expr, result: Callable[[], Decimal]) -> Decimal:
    try:
        return result()
    except (ArithmeticError, TypeError, ValueError) as error:
        raise BookError(f"'{ast.unparse(tree)}' cannot be computed: {error!r}") from error
