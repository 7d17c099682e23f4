"""Expressions of launch specs: NumPy arithmetic over named arrays, and nothing else.

    x * 2 + 1
    reshape(cumsum(x), (64, 32)) @ w

A spec comes from anybody, so an expression is no Python that is run: its syntax tree is
walked, and only arithmetic, comparisons, indexing and the functions below exist.
Floating-point values are computed in float64, integers in 64 bits.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError
from ..suggest import nearest

#: Elements that an expression may make at a time.
_MOST_ELEMENTS = 1 << 28
_MOST_NODES = 1000


class ExpressionError(ArgumentError):
    """An expression that cannot be read or computed."""


def evaluate(text: str, names: Mapping[str, NDArray]) -> NDArray:
    """The value of an expression over arrays.

    Raises:
        ExpressionError: a syntax error, a name or function that is not known, or operands
            that do not fit.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is too long or deep"
        raise ExpressionError(f"{text!r} is no expression: {reason}") from None
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise ExpressionError(f"an expression of more than {_MOST_NODES} parts")
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(_Evaluator(names).visit(tree))
    except ExpressionError as error:
        raise ExpressionError(f"{error} in {text!r}") from None
    except (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError) as error:
        raise ExpressionError(f"{error} in {text!r}") from None
    except (MemoryError, RecursionError):
        raise ExpressionError(f"{text!r} needs too much memory") from None
    if result.dtype.kind not in "biuf":
        raise ExpressionError(f"{text!r} is no array of numbers")
    return result


def widen(array: NDArray) -> NDArray:
    """An array as expressions see it: float64, or integers of 64 bits."""
    kind = array.dtype.kind
    if kind == "b":
        return array
    if kind in "iu":
        return array.astype(np.uint64 if array.dtype == np.uint64 else np.int64)
    return array.astype(np.float64)


_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.MatMult: operator.matmul,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _astype(value: Any, dtype: str) -> NDArray:
    from .values import DTYPES

    if dtype not in DTYPES:
        raise ExpressionError(f"astype to {dtype!r}; " + nearest(dtype, DTYPES))
    return np.asarray(value).astype(DTYPES[dtype])


def _sized(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    """A function whose first argument is the size of the result."""

    def checked(extent: Any, *rest: Any, **settings: Any) -> NDArray:
        if np.prod(np.asarray(extent, np.float64)) > _MOST_ELEMENTS:
            raise ExpressionError(f"an array of more than {_MOST_ELEMENTS} elements")
        return function(extent, *rest, **settings)

    return checked


def _arange(*bounds: Any) -> NDArray:
    if not 1 <= len(bounds) <= 3:
        raise ExpressionError("arange expects (stop), (start, stop) or (start, stop, step)")
    start, stop, step = ((0, *bounds) if len(bounds) == 1 else bounds) + (1,) * (len(bounds) < 3)
    if not step or abs((stop - start) / step) > _MOST_ELEMENTS:
        raise ExpressionError(f"arange of more than {_MOST_ELEMENTS} elements")
    return np.arange(start, stop, step)


def _repeated(function: Callable[..., NDArray]) -> Callable[..., NDArray]:
    """repeat and tile: the result is as many times as large."""

    def checked(value: Any, times: Any, *rest: Any, **settings: Any) -> NDArray:
        if np.size(value) * np.prod(np.asarray(times, np.float64)) > _MOST_ELEMENTS:
            raise ExpressionError(f"an array of more than {_MOST_ELEMENTS} elements")
        return function(value, times, *rest, **settings)

    return checked


def _bincount(values: Any, minlength: int = 0) -> NDArray:
    if (np.size(values) and np.max(values) > _MOST_ELEMENTS) or minlength > _MOST_ELEMENTS:
        raise ExpressionError(f"bincount of more than {_MOST_ELEMENTS} bins")
    return np.bincount(np.ravel(values), minlength=minlength)


def _outer(a: Any, b: Any) -> NDArray:
    if np.size(a) * np.size(b) > _MOST_ELEMENTS:
        raise ExpressionError(f"outer of more than {_MOST_ELEMENTS} elements")
    return np.outer(a, b)


#: NumPy's functions that exist as they are.
_NUMPY = (
    "abs", "all", "any", "argmax", "argmin", "argsort", "arccos", "arcsin", "arctan",
    "arctan2", "ceil", "clip", "concatenate", "cos", "cosh", "cumprod", "cumsum", "diff",
    "dot", "exp", "exp2", "expm1", "flip", "floor", "fmod", "hypot", "isfinite", "isinf",
    "isnan", "log", "log10", "log1p", "log2", "matmul", "max", "maximum", "mean", "min",
    "minimum", "mod", "power", "prod", "ravel", "reshape", "rint", "roll", "round", "sign",
    "sin", "sinh", "sort", "sqrt", "square", "stack", "std", "sum", "tan", "tanh", "transpose",
    "trunc", "var", "where",
)  # fmt: skip
#: What can be called, by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in _NUMPY},
    "arange": _arange,
    "astype": _astype,
    "bincount": _bincount,
    "full": _sized(np.full),
    "ones": _sized(np.ones),
    "outer": _outer,
    "repeat": _repeated(np.repeat),
    "tile": _repeated(np.tile),
    "zeros": _sized(np.zeros),
}
_CONSTANTS = {"pi": np.float64(np.pi), "e": np.float64(np.e), "inf": np.inf, "nan": np.nan}


def _check_size(name: str, operands: Sequence[Any]) -> None:
    """Refuses what would make too large an array of operands that are not: two vectors that
    broadcast to a matrix, or their product. Shapes that do not fit are left to NumPy.
    """
    shapes = [
        operand.shape for operand in operands if isinstance(operand, (np.ndarray, np.generic))
    ]
    try:
        if name in ("dot", "matmul") and len(shapes) == 2 and all(shapes):
            # A vector is a row on the left and a column on the right.
            a = shapes[0] if len(shapes[0]) > 1 else (1, *shapes[0])
            b = shapes[1] if len(shapes[1]) > 1 else (*shapes[1], 1)
            batch = (*a[:-2], *b[:-2]) if name == "dot" else np.broadcast_shapes(a[:-2], b[:-2])
            shape = (*batch, a[-2], b[-1])
        else:
            shape = np.broadcast_shapes(*shapes)
    except ValueError:
        return
    if np.prod(np.asarray(shape, np.float64)) > _MOST_ELEMENTS:
        raise ExpressionError(f"an array of more than {_MOST_ELEMENTS} elements")


class _Evaluator(ast.NodeVisitor):
    """Values of syntax trees; each kind of node that exists has a method."""

    def __init__(self, names: Mapping[str, NDArray]) -> None:
        self._names = names

    def generic_visit(self, node: ast.AST) -> Any:
        raise ExpressionError(f"{type(node).__name__} is nothing that expressions have")

    def visit_Constant(self, node: ast.Constant) -> Any:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ExpressionError(f"{value!r} is no number")
        # NumPy integers: 9**9**9 of Python's own would not end.
        if isinstance(value, int):
            if value >= 1 << 64:
                raise ExpressionError(f"{value} has more than 64 bits")
            return np.int64(value) if value < 1 << 63 else np.uint64(value)
        return np.float64(value) if isinstance(value, float) else value

    def visit_Name(self, node: ast.Name) -> Any:
        if node.id in self._names:
            return widen(self._names[node.id])
        if node.id in _CONSTANTS:
            return _CONSTANTS[node.id]
        raise ExpressionError(f"no array is called {node.id!r}; " + nearest(node.id, self._names))

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = self.visit(node.left), self.visit(node.right)
        _check_size("matmul" if isinstance(node.op, ast.MatMult) else "", (left, right))
        return self._apply(node.op, left, right)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        return self._apply(node.op, self.visit(node.operand))

    def visit_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1:
            raise ExpressionError("a chain of comparisons; expects one, joined by '&'")
        return self._apply(node.ops[0], self.visit(node.left), self.visit(node.comparators[0]))

    def visit_Call(self, node: ast.Call) -> Any:
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in FUNCTIONS:
            raise ExpressionError(f"no function is called {name!r}; " + nearest(name, FUNCTIONS))
        settings = {}
        for keyword in node.keywords:
            if keyword.arg not in ("axis", "keepdims", "minlength"):
                raise ExpressionError(f"{name} takes no {keyword.arg!r}; axis=, keepdims=")
            settings[keyword.arg] = self.visit(keyword.value)
        operands = [self.visit(argument) for argument in node.args]
        _check_size(name, operands)
        return FUNCTIONS[name](*operands, **settings)

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        return self.visit(node.value)[self.visit(node.slice)]

    def visit_Slice(self, node: ast.Slice) -> slice:
        parts = (node.lower, node.upper, node.step)
        return slice(*(None if part is None else int(self.visit(part)) for part in parts))

    def visit_Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.visit(part) for part in node.elts)

    visit_List = visit_Tuple

    def _apply(self, node: ast.AST, *operands: Any) -> Any:
        function = _OPERATORS.get(type(node))
        if function is None:
            raise ExpressionError(f"the operator {type(node).__name__} does not exist here")
        if any(isinstance(operand, (str, tuple)) for operand in operands):
            raise ExpressionError("an operand is no array")
        return function(*operands)
