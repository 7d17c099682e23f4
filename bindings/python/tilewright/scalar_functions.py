"""What the functions of NumPy and torch record of a `Scalar`; see `scalars.py`."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .scalars import ALIASES, FUNCTIONS, WIDTH, Scalar, Type


def _promote(*args: Scalar, at_least: Type = "i1") -> list[Scalar]:
    wide = max([a.type for a in args] + [at_least], key=WIDTH.__getitem__)
    return [a.to(wide) for a in args]


def _fold(op: str, args: list[Scalar], type_: Type, compute: Callable) -> Scalar:
    """The op, or its value where all of its operands are constants."""
    trace = args[0].trace
    if all(a.is_constant for a in args):
        with np.errstate(all="ignore"):
            number = {"i1": np.bool_, "i32": np.int32, "f32": np.float32}[args[0].type]
            value = compute(*(number(a.value) for a in args))
        return trace.constant(type_, value.item())
    return trace.get(type_, op, tuple(args))


def _arithmetic(name: str, compute: Callable) -> Callable:
    def record(a: Scalar, b: Scalar) -> Scalar:
        a, b = _promote(a, b, at_least="i32")
        kind = "f" if a.type == "f32" else "i"
        return _fold(f"arith.{name}{kind}", [a, b], a.type, compute)

    return record


def _extreme(name: str, compute: Callable) -> Callable:
    """NaN where an operand is NaN, as NumPy's and torch's."""

    def record(a: Scalar, b: Scalar) -> Scalar:
        a, b = _promote(a, b, at_least="i32")
        op = f"arith.{name}imumf" if a.type == "f32" else f"arith.{name}si"
        return _fold(op, [a, b], a.type, compute)

    return record


def _compare(predicate: str, a: Scalar, b: Scalar) -> Scalar:
    a, b = _promote(a, b)
    compute = {
        "eq": np.equal, "ne": np.not_equal, "lt": np.less,
        "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    }[predicate]  # fmt: skip
    if a.type == "f32":
        return _fold(f"arith.cmpf {'une' if predicate == 'ne' else 'o' + predicate}", [a, b], "i1",
                     compute)  # fmt: skip
    if a.type == "i1" and predicate not in ("eq", "ne"):
        a, b = a.to("i32"), b.to("i32")
    prefix = "" if predicate in ("eq", "ne") else "s"
    return _fold(f"arith.cmpi {prefix}{predicate}", [a, b], "i1", compute)


def _comparison(predicate: str) -> Callable:
    return lambda a, b: _compare(predicate, a, b)


def _bitwise(name: str, compute: Callable) -> Callable:
    def record(a: Scalar, b: Scalar) -> Scalar:
        _refuse_floats(name, a, b)
        a, b = _promote(a, b)
        return _fold(f"arith.{name}i", [a, b], a.type, compute)

    return record


def _shift(name: str, compute: Callable) -> Callable:
    def record(a: Scalar, b: Scalar) -> Scalar:
        _refuse_floats(name, a, b)
        a, b = _promote(a, b, at_least="i32")
        if b.is_constant and not 0 <= b.value < 32:
            raise a.trace.refuse(f"a shift by {b.value}; expects 0 to 31")
        return _fold(f"arith.{name}", [a, b], "i32", compute)

    return record


def _refuse_floats(name: str, *args: Scalar) -> None:
    for a in args:
        if a.type == "f32":
            raise a.trace.refuse(f"{name} of a float32; expects bool or int32")


def _divide(a: Scalar, b: Scalar) -> Scalar:
    return _fold("arith.divf", [a.to("f32"), b.to("f32")], "f32", np.divide)


def _floor_divide(a: Scalar, b: Scalar) -> Scalar:
    a, b = _promote(a, b, at_least="i32")
    if a.type == "f32":
        return _unary("math.floor", np.floor)(_divide(a, b))
    _refuse_zero(b)
    if a.is_constant and b.is_constant:
        return a.trace.constant("i32", a.value // b.value)
    if _is_power_of_two(b):
        bits = a.trace.constant("i32", b.value.bit_length() - 1)
        return _shift("shrsi", np.right_shift)(a, bits)
    quotient = a.trace.get("i32", "arith.divsi", (a, b))
    return BINARY["subtract"](quotient, _truncated_rest(a, b)[1])


def _remainder(a: Scalar, b: Scalar) -> Scalar:
    a, b = _promote(a, b, at_least="i32")
    if a.type == "f32":
        return BINARY["subtract"](a, BINARY["multiply"](_floor_divide(a, b), b))
    _refuse_zero(b)
    if a.is_constant and b.is_constant:
        return a.trace.constant("i32", a.value % b.value)
    if _is_power_of_two(b):
        return BINARY["bitwise_and"](a, a.trace.constant("i32", b.value - 1))
    rest, is_other_sign = _truncated_rest(a, b)
    return _where(is_other_sign, BINARY["add"](rest, b), rest)


def _is_power_of_two(b: Scalar) -> bool:
    return b.is_constant and b.value > 0 and b.value & (b.value - 1) == 0


def _truncated_rest(a: Scalar, b: Scalar) -> tuple[Scalar, Scalar]:
    """The rest of division towards zero; whether it is not zero and has not b's sign, so
    that division towards minus infinity is one less."""
    rest, zero = a.trace.get("i32", "arith.remsi", (a, b)), a.trace.constant("i32", 0)
    signs = _compare("lt", BINARY["bitwise_xor"](rest, b), zero)
    return rest, BINARY["bitwise_and"](_compare("ne", rest, zero), signs)


def _refuse_zero(b: Scalar) -> None:
    if b.is_constant and b.value == 0:
        raise b.trace.refuse("an integer is divided by zero")


def _power(a: Scalar, b: Scalar) -> Scalar:
    if not b.is_constant or b.value not in (0.5, 1, 2, 3, 4):
        raise a.trace.refuse(
            "a power other than 0.5, 1, 2, 3 and 4; write x ** y as np.exp2(y * np.log2(x))"
        )
    if b.value == 0.5:
        return UNARY["sqrt"](a)
    result = a
    for _ in range(int(b.value) - 1):
        result = BINARY["multiply"](result, a)
    return result


def _unary(op: str, compute: Callable) -> Callable:
    return lambda a: _fold(op, [a.to("f32")], "f32", compute)


def _scaled_unary(name: str, before: float, after: float) -> Callable:
    """exp and log in base 2."""

    def record(a: Scalar) -> Scalar:
        factor = a.trace.lift(before)
        inner = a.to("f32") if before == 1 else BINARY["multiply"](a, factor)
        result = UNARY[name](inner)
        return result if after == 1 else BINARY["multiply"](result, a.trace.lift(after))

    return record


def _absolute(a: Scalar) -> Scalar:
    if a.type == "f32":
        return _unary("math.absf", np.abs)(a)
    a = a.to("i32")
    return BINARY["maximum"](a, _negative(a))


def _negative(a: Scalar) -> Scalar:
    if a.type == "f32":
        return _fold("arith.negf", [a], "f32", np.negative)
    return BINARY["subtract"](a.trace.constant("i32", 0), a.to("i32"))


def _invert(a: Scalar) -> Scalar:
    _refuse_floats("~", a)
    return BINARY["bitwise_xor"](a, a.trace.constant(a.type, True if a.type == "i1" else -1))


def _logical(name: str) -> Callable:
    return lambda a, b: BINARY[name](a.to("i1"), b.to("i1"))


def _sigmoid(a: Scalar) -> Scalar:
    one = a.trace.constant("f32", 1.0)
    return _divide(one, BINARY["add"](one, UNARY["exp"](_negative(a.to("f32")))))


def _where(condition: Scalar, a: Scalar, b: Scalar) -> Scalar:
    condition = condition.to("i1")
    a, b = _promote(a, b)
    if condition.is_constant:
        return a if condition.value else b
    return a if a is b else a.trace.get(a.type, "arith.select", (condition, a, b))


def _clip(a: Scalar, low: Scalar | None, high: Scalar | None) -> Scalar:
    if low is not None:
        a = BINARY["maximum"](a, low)
    return a if high is None else BINARY["minimum"](a, high)


UNARY: dict[str, Callable[[Scalar], Scalar]] = {
    "negative": _negative,
    "absolute": _absolute,
    "invert": _invert,
    "logical_not": lambda a: _invert(a.to("i1")),
    "exp2": _unary("math.exp2", np.exp2),
    "log2": _unary("math.log2", np.log2),
    "exp": _scaled_unary("exp2", math.log2(math.e), 1),
    "log": _scaled_unary("log2", 1, math.log(2)),
    "tanh": _unary("math.tanh", np.tanh),
    "sqrt": _unary("math.sqrt", np.sqrt),
    "floor": _unary("math.floor", np.floor),
    "sin": _unary("math.sin", np.sin),
    "cos": _unary("math.cos", np.cos),
    "sigmoid": _sigmoid,
    "square": lambda a: BINARY["multiply"](a, a),
}
BINARY: dict[str, Callable[[Scalar, Scalar], Scalar]] = {
    "add": _arithmetic("add", np.add),
    "subtract": _arithmetic("sub", np.subtract),
    "multiply": _arithmetic("mul", np.multiply),
    "divide": _divide,
    "floor_divide": _floor_divide,
    "remainder": _remainder,
    "power": _power,
    "minimum": _extreme("min", np.minimum),
    "maximum": _extreme("max", np.maximum),
    "bitwise_and": _bitwise("and", np.bitwise_and),
    "bitwise_or": _bitwise("or", np.bitwise_or),
    "bitwise_xor": _bitwise("xor", np.bitwise_xor),
    "left_shift": _shift("shli", np.left_shift),
    "right_shift": _shift("shrsi", np.right_shift),
    "equal": _comparison("eq"),
    "not_equal": _comparison("ne"),
    "less": _comparison("lt"),
    "less_equal": _comparison("le"),
    "greater": _comparison("gt"),
    "greater_equal": _comparison("ge"),
    "logical_and": _logical("bitwise_and"),
    "logical_or": _logical("bitwise_or"),
    "logical_xor": _logical("bitwise_xor"),
}
FUNCTIONS |= {
    **{name: (f, 1) for name, f in UNARY.items()},
    **{name: (f, 2) for name, f in BINARY.items()},
    "where": (_where, 3),
    "clip": (_clip, 3),
}
ALIASES |= {
    "abs": "absolute", "fabs": "absolute", "neg": "negative", "bitwise_not": "invert",
    "sub": "subtract", "mul": "multiply", "div": "divide", "true_divide": "divide",
    "mod": "remainder", "pow": "power", "float_power": "power", "clamp": "clip",
    "fmin": "minimum", "fmax": "maximum", "eq": "equal", "ne": "not_equal", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    "bitwise_left_shift": "left_shift", "bitwise_right_shift": "right_shift",
}  # fmt: skip
