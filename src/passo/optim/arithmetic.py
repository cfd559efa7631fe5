"""A line of arithmetic, parsed into a function: what a schedule's `lr_lambda` may say in a text file.

The text is read by Python's own parser and then walked against a short list of what is allowed; nothing is
ever handed to `eval`, so a study file can compute a number and can do nothing else.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from passo.errors import ConfigError

Value = Callable[[Mapping[str, float]], float]

CONSTANTS = {"pi": math.pi, "e": math.e}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "sin": math.sin,
    "cos": math.cos,
    "floor": math.floor,
}
BINARY: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
UNARY: dict[type[ast.AST], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
COMPARE: dict[type[ast.AST], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
TROUBLES = {
    ZeroDivisionError: "it divides by zero",
    OverflowError: "a number becomes too large",
    ValueError: "a function is not defined there",
}
LONGEST = 500  # characters; also keeps the parser and the walk far from their recursion limits


def arithmetic(text: str, names: Iterable[str]) -> Callable[..., float]:
    """The function that a line of arithmetic describes; its arguments are `names`, in that order.

    Allowed are numbers, + - * / // % **, parentheses, comparisons, `a if b else c`, the names given, pi, e,
    and min max abs sqrt exp log sin cos floor. All numbers are floats, so no power can grow without end.

    >>> halving = arithmetic("0.5 ** floor(epoch / 2)", ["epoch"])
    >>> [halving(epoch) for epoch in range(4)]
    [1.0, 1.0, 0.5, 0.5]

    Raises ConfigError here for what is not allowed, naming it and its column; and when called, for a result
    that is not a finite real number.
    """
    names = tuple(names)
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"expected a line of arithmetic such as '1/(1+0.1*{names[0]})', got {text!r}")
    if len(text) > LONGEST:
        raise ConfigError(f"a line of arithmetic may have {LONGEST} characters, got {len(text)}")
    value = _Parser(text.strip(), names).parse()

    def function(*given: float) -> float:
        where = dict(zip(names, (float(number) for number in given), strict=True))
        return _finite(value, where, text)

    function.__name__ = function.__qualname__ = text
    return function


def _finite(value: Value, where: Mapping[str, float], text: str) -> float:
    at = ", ".join(f"{name}={number:g}" for name, number in where.items())
    try:
        result = value(where)
    except (ZeroDivisionError, ValueError, OverflowError) as error:
        why = next(words for kind, words in TROUBLES.items() if isinstance(error, kind))
        raise ConfigError(f"{text!r} cannot be computed at {at}: {why}") from None
    if isinstance(result, complex) or not math.isfinite(result):
        raise ConfigError(f"{text!r} gives {result} at {at}, which is not a finite real number")
    return float(result)


@dataclass(frozen=True)
class _Parser:
    """One text and the names it may use; each method turns one kind of node into a function of the names."""

    text: str
    names: tuple[str, ...]

    def parse(self) -> Value:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)  # such as `x is 3`, which gets its own sentence
                tree = ast.parse(self.text, mode="eval")
            return self.node(tree.body)
        except SyntaxError as error:
            where = error.offset or 1
            raise ConfigError(f"{self.text!r} is not arithmetic: it cannot be read from column {where} on") from None
        except ConfigError:
            raise
        except (RecursionError, MemoryError, ValueError):
            raise ConfigError(f"{self.text!r} is not arithmetic: it is nested too deeply, or no text") from None

    def node(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant(value=number) if isinstance(number, int | float) and not isinstance(number, bool):
                return self.number(node, number)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                a, b, binary = self.node(left), self.node(right), BINARY[type(op)]
                return lambda where: binary(a(where), b(where))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                inner, unary = self.node(operand), UNARY[type(op)]
                return lambda where: unary(inner(where))
            case ast.Compare() if all(type(op) in COMPARE for op in node.ops):
                return self.comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                condition, yes, no = self.node(test), self.node(body), self.node(orelse)
                return lambda where: yes(where) if condition(where) else no(where)
            case ast.Call(func=ast.Name(id=name), keywords=[]) if name in FUNCTIONS:
                return self.call(FUNCTIONS[name], [self.node(argument) for argument in node.args], node)
        raise self.refuse(node)

    def number(self, node: ast.expr, number: float) -> Value:
        try:
            constant = float(number)
        except OverflowError:
            raise self.refuse(node) from None
        return lambda where: constant

    def name(self, node: ast.expr, name: str) -> Value:
        if name in self.names:
            return lambda where: where[name]
        if name in CONSTANTS:
            return lambda where: CONSTANTS[name]
        raise self.refuse(node)

    def comparison(self, node: ast.Compare) -> Value:
        """A chain such as `1 <= epoch < 3`; true is 1.0 and false is 0.0."""
        values = [self.node(part) for part in (node.left, *node.comparators)]
        tests = [COMPARE[type(op)] for op in node.ops]

        def chain(where: Mapping[str, float]) -> float:
            numbers = [value(where) for value in values]
            return float(all(test(a, b) for test, a, b in zip(tests, numbers, numbers[1:], strict=False)))

        return chain

    def call(self, function: Callable[..., Any], arguments: list[Value], node: ast.expr) -> Value:
        most = {min: None, max: None, math.log: 2}.get(function, 1)
        least = 2 if function in (min, max) else 1
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise self.refuse(node)
        return lambda where: float(function(*(argument(where) for argument in arguments)))

    def refuse(self, node: ast.expr) -> ConfigError:
        piece = ast.get_source_segment(self.text, node) or self.text
        return ConfigError(
            f"{piece!r} is not allowed at column {node.col_offset + 1} of {self.text!r}. Allowed are "
            "numbers, + - * / // % **, comparisons, 'a if b else c', "
            f"the names {', '.join((*self.names, *CONSTANTS))} and the functions {' '.join(FUNCTIONS)}"
        )
