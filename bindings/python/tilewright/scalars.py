"""Typed scalar expressions, recorded while a Python function runs.

A function of `tracing.py` is called once with `Scalar`s in place of numbers. Python's
operators and the functions of NumPy and torch that `scalar_functions.py` has record what
they would compute; nothing else can be done with a `Scalar`, and the error says what to write
instead. Equal expressions are one object, constants are folded (in float32).

Types and promotion: bool, int32, float32; of two operands the wider counts, a Python number
takes part as bool, int or float. `/` is always float32, `//` and `%` of integers round
towards minus infinity, as in Python.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from .arrays import to_numpy
from .errors import UnsupportedError
from .suggest import nearest

Type = Literal["i1", "i32", "f32"]
WIDTH: dict[str, int] = {"i1": 0, "i32": 1, "f32": 2}
PYTHON_NAME = {"i1": "bool", "i32": "int32", "f32": "float32"}
POSITIONS = ("batch", "head", "query", "key")
_OPERAND_DTYPES = ("int32", "float32", "float16", "bfloat16")
# By NumPy's name: what records the function, and the number of its arguments. Filled by
# scalar_functions.py.
FUNCTIONS: dict[str, tuple[Callable[..., Scalar], int]] = {}
# Other names of the same functions, mostly torch's.
ALIASES: dict[str, str] = {}


class Trace:
    """The expressions of one function, each once."""

    def __init__(self, what: str, operands: list[Operand]) -> None:
        self.what = what
        self.operands = operands
        self._known: dict[tuple, Scalar] = {}

    def refuse(self, why: str) -> UnsupportedError:
        """An error that says which function, and where in the user's code."""
        return UnsupportedError(f"{self.what}{_caller()}: {why}")

    def get(self, type_: Type, op: str, args: tuple[Scalar, ...] = (), value: Any = None) -> Scalar:
        """The expression `op` of `args`; `value` is that of constants and names."""
        # Zeros of either sign are equal in Python, but not the same constant.
        key = (type_, op, tuple(map(id, args)), repr(value))
        if key not in self._known:
            self._known[key] = Scalar(self, type_, op, args, value)
        return self._known[key]

    def constant(self, type_: Type, value: Any) -> Scalar:
        """A bool, int32 or float32 that is known now."""
        return self.get(type_, "constant", (), value)

    def lift(self, value: Any) -> Scalar | None:
        """A Scalar of this trace; None if `value` is neither that nor a number."""
        if isinstance(value, Scalar):
            if value.trace is not self:
                raise self.refuse(
                    "a value of another function is used here; pass what both need "
                    "through the arguments"
                )
            return value
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            value = value.item()
        if isinstance(value, bool):
            return self.constant("i1", value)
        if isinstance(value, int):
            if not -(2**31) <= value < 2**31:
                raise self.refuse(
                    f"the integer {value} does not fit int32; the nearest is "
                    f"{min(max(value, -(2**31)), 2**31 - 1)}"
                )
            return self.constant("i32", value)
        if isinstance(value, float):
            with np.errstate(over="ignore"):
                rounded = float(np.float32(value))
            if math.isinf(rounded) and not math.isinf(value):
                raise self.refuse(
                    f"the number {value} is beyond float32; the nearest is "
                    f"{math.copysign(float(np.finfo(np.float32).max), value)}"
                )
            return self.constant("f32", rounded)
        return None


class Operand:
    """An array that a score or mask function reads: `tw.operand(slopes)[head]`.

    Indices are the function's own arguments batch, head, query and key, as they are, in
    this order, each at most once, one for each dimension; elements outside of the array
    are zero. With NumPy's integers as indices it is the array itself.
    """

    def __init__(self, array: Any) -> None:
        values = to_numpy(array, "operand")
        if values.dtype == np.bool_:
            values = values.astype(np.int32)
        if values.dtype.name not in _OPERAND_DTYPES:
            raise UnsupportedError(
                f"operand is {values.dtype}; expects bool, {', '.join(_OPERAND_DTYPES)}"
            )
        if not 1 <= values.ndim <= len(POSITIONS):
            raise UnsupportedError(
                f"operand has {values.ndim} dimensions; expects 1 to {len(POSITIONS)}"
            )
        self.array = values
        self.is_boolean = np.asarray(array).dtype == np.bool_

    def __getitem__(self, index: Any) -> Any:
        indices = index if isinstance(index, tuple) else (index,)
        traced = [i for i in indices if isinstance(i, Scalar)]
        if not traced:
            elements = self.array[index]
            return elements != 0 if self.is_boolean else elements
        trace = traced[0].trace
        self._check(trace, indices)
        if self not in trace.operands:
            trace.operands.append(self)
        type_ = "i32" if self.array.dtype == np.int32 else "f32"
        element = trace.get(type_, "nn.element", indices, trace.operands.index(self))
        return element.to("i1") if self.is_boolean else element

    def _check(self, trace: Trace, indices: tuple) -> None:
        if len(indices) != self.array.ndim:
            raise trace.refuse(
                f"{len(indices)} indices of an operand of {self.array.ndim} dimensions"
            )
        last = -1
        for index in indices:
            name = index.value if isinstance(index, Scalar) and index.op == "argument" else ""
            if name not in POSITIONS or POSITIONS.index(name) <= last:
                raise trace.refuse(
                    f"an operand is indexed by {', '.join(map(_describe, indices))}; expects "
                    f"arguments of the function, in the order {', '.join(POSITIONS)}"
                )
            last = POSITIONS.index(name)


def _describe(index: Any) -> str:
    if not isinstance(index, Scalar):
        return repr(index)
    return index.value if index.op == "argument" else f"a computed {PYTHON_NAME[index.type]}"


class Scalar:
    """A number that only a kernel knows."""

    __slots__ = ("args", "op", "trace", "type", "value")
    # NumPy's scalars leave operators with a Scalar to the Scalar.
    __array_priority__ = 1000

    def __init__(
        self, trace: Trace, type_: Type, op: str, args: tuple[Scalar, ...], value: Any
    ) -> None:
        self.trace, self.type, self.op, self.args, self.value = trace, type_, op, args, value

    @property
    def is_constant(self) -> bool:
        """Whether `value` is the number."""
        return self.op == "constant"

    def to(self, type_: Type) -> Scalar:
        """Converted, which widening never rounds but for integers beyond 2^24."""
        if self.type == type_:
            return self
        if self.is_constant:
            convert = {"i1": bool, "i32": int, "f32": lambda v: float(np.float32(v))}[type_]
            return self.trace.constant(type_, convert(self.value))
        if type_ == "i1":
            return _call(self.trace, "not_equal", (self, self.trace.constant(self.type, 0)))
        if self.type == "i1" and type_ == "f32":
            return self.trace.get("f32", "arith.uitofp", (self,))
        return self.trace.get(type_, {"i32": "arith.extui", "f32": "arith.sitofp"}[type_], (self,))

    # What Python would need the number for.

    def _refuse(self, wanted: str, instead: str) -> UnsupportedError:
        return self.trace.refuse(f"{wanted} needs a value that only the kernel knows; {instead}")

    def __bool__(self) -> bool:
        raise self._refuse(
            "`if`, `and`, `or`, `not` or a chained comparison",
            "use np.where(condition, a, b) and the operators & | ~",
        )

    def __float__(self) -> float:
        raise self._refuse("float() or a function of math", "use NumPy's function, as np.tanh")

    def __int__(self) -> int:
        raise self._refuse("int()", "use the value as it is; // and % round down")

    def __index__(self) -> int:
        raise self._refuse("an index or a range", "index a tw.operand(array), or compute with it")

    def __iter__(self):
        raise self._refuse("iteration", "it is one number")

    __hash__ = object.__hash__

    # NumPy and torch look for these before they look at the values.

    def __array_ufunc__(self, function, method, *inputs, **options):
        if method != "__call__" or options:
            raise self._refuse(f"np.{function.__name__}.{method} with options", "call it plainly")
        return _call(self.trace, function.__name__, inputs)

    def __array_function__(self, function, types, args, options):
        return _call(self.trace, function.__name__, (*args, *options.values()))

    @classmethod
    def __torch_function__(cls, function, types, args=(), options=None):
        scalar = next(a for a in args if isinstance(a, Scalar))
        options = options or {}
        if function.__name__ in ("clamp", "clip"):
            args = (*args, *(None,) * (3 - len(args)))[:3]
            args = (args[0], options.pop("min", args[1]), options.pop("max", args[2]))
        return _call(scalar.trace, function.__name__, (*args, *options.values()))


def _caller() -> str:
    """` at file:line` of the innermost frame outside of this package and NumPy."""
    frame = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in ("tilewright", "numpy"):
        frame = frame.f_back
    return f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""


def _call(trace: Trace, name: str, args: tuple) -> Scalar:
    """Records a function of NumPy or torch."""
    function, count = FUNCTIONS.get(ALIASES.get(name, name), (None, 0))
    if function is None:
        raise trace.refuse(f"no kernel computes {name}; {nearest(name, [*FUNCTIONS, *ALIASES])}")
    if len(args) != count:
        raise trace.refuse(f"{name} has {len(args)} arguments; expects {count}")
    scalars = [trace.lift(value) for value in args]
    for scalar, value in zip(scalars, args, strict=True):
        # A bound that is not given.
        if scalar is None and (value is not None or name not in ("clip", "clamp")):
            raise trace.refuse(f"{name} of a {type(value).__name__}; expects a number")
    return function(*scalars)


def _add_operators() -> None:
    """Python's operators, as the functions of the same meaning."""
    binary = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
        "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
        "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
    }  # fmt: skip
    compared = {
        "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
        "ge": "greater_equal",
    }  # fmt: skip
    for method, name in {**binary, **compared}.items():
        setattr(Scalar, f"__{method}__", lambda a, b, name=name: _call(a.trace, name, (a, b)))
    for method, name in binary.items():
        setattr(Scalar, f"__r{method}__", lambda a, b, name=name: _call(a.trace, name, (b, a)))
    for method, name in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
        setattr(Scalar, f"__{method}__", lambda a, name=name: _call(a.trace, name, (a,)))
    Scalar.__pos__ = lambda a: a


_add_operators()
