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

from .arrays import is_torch
from .errors import UnsupportedError
from .suggest import nearest

Type = Literal["i1", "i32", "f32"]
WIDTH: dict[str, int] = {"i1": 0, "i32": 1, "f32": 2}
PYTHON_NAME = {"i1": "bool", "i32": "int32", "f32": "float32"}
POSITIONS = ("batch", "head", "query", "key")
# By NumPy's name: what records the function, and the number of its arguments. Filled by
# scalar_functions.py.
FUNCTIONS: dict[str, tuple[Callable[..., Scalar], int]] = {}
# Other names of the same functions, mostly torch's.
ALIASES: dict[str, str] = {}
# Dtypes that numbers may be converted to, by their names.
_DTYPES: dict[str, Type] = {
    "bool": "i1", "int": "i32", "int32": "i32", "long": "i32", "int64": "i32", "float": "f32",
    "float32": "f32",
}  # fmt: skip
_READ_ARRAYS = "arrays that are read must be variables of the function, or tw.operand(array)"


class _MissingAttribute(UnsupportedError, AttributeError):
    """Also what hasattr() understands."""


class Trace:
    """The expressions of one function, each once.

    Attributes:
        what: what errors call the function.
        captures: the arrays that it reads, see `captures.py`.
    """

    def __init__(self, what: str, captures: Any) -> None:
        self.what = what
        self.captures = captures
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
        is_array = isinstance(value, np.ndarray) or is_torch(value)
        if isinstance(value, np.generic) or (is_array and value.ndim == 0):
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

    def to(self, type_: Any) -> Scalar:
        """Converted, which widening never rounds but for integers beyond 2^24.

        `type_`: a Type, or a dtype of NumPy or torch.
        """
        if not isinstance(type_, str) or type_ not in WIDTH:
            name = str(getattr(type_, "__name__", type_)).removeprefix("torch.")
            if name not in _DTYPES:
                raise self.trace.refuse(f"a conversion to {name}; {nearest(name, _DTYPES)}")
            type_ = _DTYPES[name]
        if self.type == type_:
            return self
        if self.type == "f32" and type_ == "i32":
            raise self.trace.refuse("a float32 as an integer; np.floor rounds, and stays float32")
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
        raise self._refuse("an index or a range", _READ_ARRAYS)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self._refuse("an index or an array", _READ_ARRAYS)

    def __iter__(self):
        raise self._refuse("iteration", "it is one number")

    def __getattr__(self, name: str) -> Any:
        """Methods as torch's tensors have them: `score.tanh()`, `query.float()`."""
        if name in _DTYPES:
            return lambda: self.to(_DTYPES[name])
        known = [*FUNCTIONS, *ALIASES]
        if name in known:
            return lambda *args, **options: _call_named(self.trace, name, (self, *args), options)
        if name.startswith("_"):
            raise AttributeError(name)
        raise _MissingAttribute(str(self.trace.refuse(f"no .{name} here; {nearest(name, known)}")))

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
        scalar = next(a for a in (*args, *(options or {}).values()) if isinstance(a, Scalar))
        return _call_named(scalar.trace, function.__name__, args, options or {})


_PACKAGES = ("tilewright", "numpy", "torch")


def _caller() -> str:
    """` at file:line` of the innermost frame outside of this package, NumPy and torch."""
    frame = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in _PACKAGES:
        frame = frame.f_back
    return f" at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""


def in_order(result: Scalar) -> list[Scalar]:
    """What `result` is computed from, operands first, itself last. Depth may exceed the
    interpreter's recursion limit."""
    done: dict[int, Scalar] = {}
    pending: list[tuple[Scalar, bool]] = [(result, False)]
    while pending:
        scalar, has_operands = pending.pop()
        if id(scalar) in done:
            continue
        if has_operands:
            done[id(scalar)] = scalar
            continue
        pending.append((scalar, True))
        pending.extend((a, False) for a in reversed(scalar.args))
    return list(done.values())


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
            what = f"a {type(value).__name__}"
            if isinstance(value, np.ndarray) or is_torch(value):
                what = f"an array of shape {tuple(value.shape)}"
            raise trace.refuse(f"{name} of {what}; expects a number, as an element")
    return function(*scalars)


def _call_named(trace: Trace, name: str, args: tuple, options: dict[str, Any]) -> Scalar:
    """A call as torch's are: `clamp` has bounds that are left out, or named."""
    options = dict(options)
    if name in ("clamp", "clip"):
        args = (*args, *(None,) * (3 - len(args)))[:3]
        args = (args[0], options.pop("min", args[1]), options.pop("max", args[2]))
    return _call(trace, name, (*args, *options.values()))


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
