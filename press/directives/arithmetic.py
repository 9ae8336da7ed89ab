"""Arithmetic and comparisons of printed numbers, without eval.

Numbers are decimals, so that what is computed is what a reader with a pencil gets. A fact of an
experiment over seeds is one number a seed. Arithmetic goes seed by seed, so that a difference of
two such facts is paired; mean, least, greatest and error make one number of them again.
"""

import ast
import copy
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from press.directives import numerals
from recorder.errors import BookError

QUALIFIED = re.compile(r"\b([a-z]\w*):([a-z]\w*)")  # microgpt:loss, a fact of another chapter
DIGITS, MOST_DIGITS = 3, 28  # of a claim's computed numbers: as many as show whether it is true

Printed = str | Mapping[int, str]  # a fact as its run printed it, or as the run of each seed did
Number = Decimal | dict[int, Decimal]

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
COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Decimal, Decimal], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("≤", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: ("≥", operator.ge),
    ast.Eq: ("=", operator.eq),
    ast.NotEq: ("≠", operator.ne),
}
FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda number, digits=Decimal(0): round(number, int(digits)),
}


def mean(numbers: Sequence[Decimal]) -> Decimal:
    return sum(numbers, Decimal(0)) / len(numbers)


def error(numbers: Sequence[Decimal]) -> Decimal:
    """The standard error of the mean: s / sqrt(n), where s divides by n - 1."""
    middle, n = mean(numbers), len(numbers)
    return (sum(((x - middle) ** 2 for x in numbers), Decimal(0)) / (n - 1) / n).sqrt()


REDUCTIONS: dict[str, Callable[[Sequence[Decimal]], Decimal]] = {
    "mean": mean,
    "least": min,
    "greatest": max,
    "error": error,
}


class FalseClaimError(BookError):
    """A claim that is false, with its `numbers`."""

    def __init__(self, claim: str, numbers: str) -> None:
        super().__init__(f"the claim {claim} is false: {numbers}")
        self.numbers = numbers


@dataclass(frozen=True)
class Checked:
    """A true claim: as it is written, with its numbers, and with each side computed.

    `seeds` are those of the facts that it names, none where all are of one run.
    """

    claim: str
    numbers: str
    brief: str
    seeds: tuple[int, ...]


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


def shown(text: str, printed: Callable[[str], Printed]) -> str:
    """What the role {fact}`text` shows; `printed` gives the value of a fact by its name."""
    expression, bar, form = text.rpartition("|")
    if not bar:
        return numerals.printed(_as_printed(text, printed))
    tree = parse(expression)
    value = single(tree, {name: printed(name) for name in names(tree)})
    try:
        return numerals.formatted(value, form.strip())
    except (ValueError, ArithmeticError) as error:
        raise BookError(
            f"'{form.strip()}' in {{fact}}`{text}` formats no number; {error}"
        ) from error


def checked(text: str, printed: Callable[[str], Printed]) -> Checked:
    """The role {claim}`text` with its numbers; raises FalseClaimError when it is false."""
    tree = parse(text)
    facts = {name: printed(name) for name in names(tree)}
    compared = [(tree, _sides(tree, facts)) for tree in _comparisons(tree)]
    true = all(_true(comparison, sides) for comparison, sides in compared)
    enough = (n for n in range(DIGITS, MOST_DIGITS) if _shows(compared, n) == true)
    digits = next(enough, MOST_DIGITS)
    numbers = with_numbers(tree, facts, digits)
    if not true:
        raise FalseClaimError(text, numbers)
    brief = "; ".join(_brief(comparison, sides, digits) for comparison, sides in compared)
    seeds = next((tuple(fact) for fact in facts.values() if not isinstance(fact, str)), ())
    return Checked(text, numbers, brief, seeds)


def number(tree: ast.expr, printed: Mapping[str, Printed]) -> Number:
    """The value of an arithmetic expression over printed numbers; one a seed where facts are."""
    match tree:
        case ast.Name() | ast.Attribute():
            return _printed_number(_name(tree), printed)
        case ast.Constant(value=int() | float()) if not isinstance(tree.value, bool):
            return Decimal(repr(tree.value))
        case ast.UnaryOp() if type(tree.op) in SIGNS:
            return _each_seed(tree, SIGNS[type(tree.op)], number(tree.operand, printed))
        case ast.BinOp() if type(tree.op) in BINARY:
            left, right = number(tree.left, printed), number(tree.right, printed)
            return _each_seed(tree, BINARY[type(tree.op)], left, right)
        case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
            arguments = [number(argument, printed) for argument in tree.args]
            return _each_seed(tree, FUNCTIONS[name], *arguments)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in REDUCTIONS:
            values = number(argument, printed)
            if isinstance(values, Decimal):
                raise BookError(
                    f"'{ast.unparse(argument)}' in '{ast.unparse(tree)}' is one number; "
                    f"{name} takes a fact of an experiment with seeds"
                )
            return _compute(tree, lambda: REDUCTIONS[name](list(values.values())))
    raise BookError(
        f"'{ast.unparse(tree)}' is no arithmetic on facts; use + - * / ** parentheses "
        "abs min max round and numbers, and over seeds mean least greatest error"
    )


def single(tree: ast.expr, printed: Mapping[str, Printed]) -> Decimal:
    """The value of an arithmetic expression that is one number."""
    value = number(tree, printed)
    if isinstance(value, Decimal):
        return value
    text, seeds = ast.unparse(tree), ", ".join(map(str, value))
    raise BookError(
        f"'{text}' is a number for each of the seeds {seeds}; "
        f"say mean({text}), least({text}), greatest({text}) or error({text})"
    )


def holds(tree: ast.expr, printed: Mapping[str, Printed]) -> bool:
    """Whether a comparison of printed numbers, or several joined by `and`, is true."""
    return all(_true(comparison, _sides(comparison, printed)) for comparison in _comparisons(tree))


def with_numbers(tree: ast.expr, printed: Mapping[str, Printed], digits: int = DIGITS) -> str:
    """An expression with its facts replaced by the numbers as printed, and set for a page.

    What mean, least, greatest and error make of several numbers stands in their place.
    """
    return numerals.code(ast.unparse(_Replace(printed, digits).visit(copy.deepcopy(tree))))


def _comparisons(tree: ast.expr) -> list[ast.Compare]:
    """The comparisons that `and` joins."""
    match tree:
        case ast.BoolOp(op=ast.And()):
            return [comparison for part in tree.values for comparison in _comparisons(part)]
        case ast.Compare() if all(type(op) in COMPARISONS for op in tree.ops):
            return [tree]
    raise BookError(f"'{ast.unparse(tree)}' is no comparison; write a < b, or several with 'and'")


def _sides(tree: ast.Compare, printed: Mapping[str, Printed]) -> list[Decimal]:
    return [single(side, printed) for side in (tree.left, *tree.comparators)]


def _true(tree: ast.Compare, sides: Sequence[Decimal]) -> bool:
    triples = zip(tree.ops, sides[:-1], sides[1:], strict=True)
    return all(COMPARISONS[type(op)][1](left, right) for op, left, right in triples)


def _shows(compared: Sequence[tuple[ast.Compare, Sequence[Decimal]]], digits: int) -> bool:
    """Whether comparisons are seen to be true with so many digits."""
    return all(
        _true(tree, [numerals.rounded(side, digits) for side in sides]) for tree, sides in compared
    )


def _brief(tree: ast.Compare, sides: Sequence[Decimal], digits: int) -> str:
    """A comparison with each of its sides computed."""
    first, *others = (numerals.brief(side, digits) for side in sides)
    signs = (COMPARISONS[type(op)][0] for op in tree.ops)
    return " ".join([first, *(f"{sign} {side}" for sign, side in zip(signs, others, strict=True))])


def _as_printed(text: str, printed: Callable[[str], Printed]) -> str:
    if names(parse(text)) != [text.strip()]:
        raise BookError(
            f"{{fact}}`{text}` computes a number; say how to print it, as in {{fact}}`{text} | .1f`"
        )
    value = printed(text.strip())
    if not isinstance(value, str):
        raise BookError(
            f"{{fact}}`{text}` is a number for each of the seeds {', '.join(map(str, value))}; "
            f"print one, as in {{fact}}`mean({text}) | .1f`"
        )
    return value


class _Names(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names: list[str] = []

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: N802
        self.names.append(_name(node))

    def visit_Call(self, node: ast.Call) -> None:  # noqa: N802
        if not isinstance(node.func, ast.Name):
            self.visit(node.func)
        for argument in (*node.args, *node.keywords):
            self.visit(argument)

    def visit_Name(self, node: ast.Name) -> None:  # noqa: N802
        self.names.append(node.id)


class _Replace(ast.NodeTransformer):
    def __init__(self, printed: Mapping[str, Printed], digits: int) -> None:
        self.printed, self.digits = printed, digits

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:  # noqa: N802
        return self._fact(_name(node))

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: N802
        return self._fact(node.id) if node.id in self.printed else node

    def visit_Call(self, node: ast.Call) -> ast.expr:  # noqa: N802
        if isinstance(node.func, ast.Name) and node.func.id in REDUCTIONS:
            return ast.Name(numerals.brief(single(node, self.printed), self.digits))
        node.args = [self.visit(argument) for argument in node.args]
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:  # noqa: N802
        return ast.Name(numerals.printed(repr(node.value)))

    def _fact(self, name: str) -> ast.expr:
        value = self.printed[name]
        return ast.Name(numerals.printed(value) if isinstance(value, str) else name)


def _name(node: ast.expr) -> str:
    return ast.unparse(node).replace(".", ":")


def _printed_number(name: str, printed: Mapping[str, Printed]) -> Number:
    value = printed[name]
    if isinstance(value, str):
        return _decimal(name, value)
    return {seed: _decimal(name, text) for seed, text in value.items()}


def _decimal(name: str, text: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", ""))
    except ArithmeticError:
        value = Decimal("nan")
    if not value.is_finite():
        raise BookError(f"the fact '{name}' is '{text}', which is no number to compute with")
    return value


def _each_seed(tree: ast.expr, function: Callable[..., Decimal], *values: Number) -> Number:
    """A function of numbers, for each seed where some of them are one a seed."""
    seeded = [value for value in values if not isinstance(value, Decimal)]
    if not seeded:
        return _compute(tree, lambda: function(*values))
    seeds = seeded[0].keys()
    for other in seeded[1:]:
        if other.keys() != seeds:
            raise BookError(
                f"'{ast.unparse(tree)}' pairs facts of other seeds, {', '.join(map(str, seeds))} "
                f"and {', '.join(map(str, other))}; give both experiments the same"
            )
    return {
        seed: _compute(
            tree,
            lambda: function(*(v if isinstance(v, Decimal) else v[seed] for v in values)),  # noqa: B023
        )
        for seed in seeds
    }


def _compute(tree: ast.expr, result: Callable[[], Decimal]) -> Decimal:
    try:
        return result()
    except (ArithmeticError, TypeError, ValueError) as error:
        raise BookError(f"'{ast.unparse(tree)}' cannot be computed: {error!r}") from error
