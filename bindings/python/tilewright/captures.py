"""Arrays that score and mask functions read.

A kernel reads `array[batch, head, query, key]`, or an array with some of these axes, in
this order. All other ways of indexing are brought to this form while the function is
traced: constant indices are taken, axes reordered, and what is indexed by something that is
computed is looked up on the host, once for each position that the index depends on.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import is_torch, to_numpy
from .errors import UnsupportedError
from .scalar_evaluation import evaluate, take
from .scalars import POSITIONS, PYTHON_NAME, Scalar, Trace, in_order

_DTYPES = ("int32", "float32", "float16", "bfloat16")
#: Elements that a table made on the host may have.
_MOST_ELEMENTS = 1 << 28


class Captures:
    """The arrays of a kernel's functions, each once.

    Attributes:
        arrays: by their numbers, as kernels read them.
        extents: how many positions there are, by name; None where nobody knows.
    """

    def __init__(self, extents: Mapping[str, int] | None = None) -> None:
        self.arrays: list[NDArray] = []
        self.extents = extents
        self._known: dict[tuple, int] = {}
        self._kept: list[Any] = []

    def number(self, key: tuple, make: Callable[[], NDArray], keep: Any) -> int:
        """The number of the array that `key` names; `keep` is what makes the key unique."""
        if key not in self._known:
            self.arrays.append(make())
            self._kept.append(keep)
            self._known[key] = len(self.arrays) - 1
        return self._known[key]


class Operand:
    """An array that a score or mask function reads: `tw.operand(slopes)[head]`.

    The same as an array that a variable of the function holds, for those that lie elsewhere:
    `tw.operand(self.slopes)[head]`. Indices are integers: the function's arguments, numbers,
    and what is computed from them. Elements outside of the array are zero where the index
    is an argument; an index that is computed counts from the end where it is negative. With
    NumPy's integers as indices it is the array itself.
    """

    def __init__(self, array: Any) -> None:
        self.array = readable(array, "operand")
        self.is_boolean = np.asarray(array).dtype == np.bool_

    def __getitem__(self, index: Any) -> Any:
        if has_scalars(index):
            return read(self.array, self.is_boolean, index)
        elements = self.array[index]
        return elements != 0 if self.is_boolean else elements


class CapturedArray(np.ndarray):
    """An array that traced functions may index; NumPy's in every other way."""

    def __getitem__(self, index: Any) -> Any:
        if has_scalars(index):
            return read(self.view(np.ndarray), self.dtype == np.bool_, index)
        return super().__getitem__(index)


class Part:
    """An array of which some indices are given: `array[head]` of two axes."""

    def __init__(self, array: NDArray, is_boolean: bool, indices: tuple) -> None:
        self.array, self.is_boolean, self.indices = array, is_boolean, indices

    def __getitem__(self, index: Any) -> Any:
        return read(self.array, self.is_boolean, (*self.indices, *_as_tuple(index)))


def readable(value: Any, name: str) -> NDArray:
    """`value` with a dtype that kernels read: bool and integers as int32, float64 as float32.

    Raises:
        UnsupportedError: another dtype, integers that int32 does not hold, or a rank that is
            not 1 to 4.
    """
    array = to_numpy(value, name)
    if not 1 <= array.ndim <= len(POSITIONS):
        raise UnsupportedError(f"{name} has {array.ndim} dimensions; expects 1 to {len(POSITIONS)}")
    if array.dtype.name in _DTYPES:
        return array
    if array.dtype == np.float64:
        with np.errstate(over="ignore"):
            return array.astype(np.float32)
    if array.dtype.kind not in "biu":
        raise UnsupportedError(
            f"{name} is {array.dtype}; expects bool, integers, float64 or {', '.join(_DTYPES[1:])}"
        )
    for most in (array.max(initial=0), array.min(initial=0)) if array.dtype.kind != "b" else ():
        if not -(2**31) <= most < 2**31:
            raise UnsupportedError(f"{name} holds {most}, which does not fit int32")
    return array.astype(np.int32)


def has_scalars(index: Any) -> bool:
    """Whether an index is one that only the kernel knows."""
    return any(isinstance(i, Scalar) for i in _as_tuple(index))


def read(array: NDArray, is_boolean: bool, index: Any) -> Any:
    """The element that a kernel reads; a `Part` where indices are missing."""
    indices = _as_tuple(index)
    trace = next(i.trace for i in indices if isinstance(i, Scalar))
    if len(indices) > array.ndim:
        raise trace.refuse(f"{len(indices)} indices of an array of {array.ndim} dimensions")
    scalars = [_lift_index(trace, i) for i in indices]
    if len(indices) < array.ndim:
        return Part(array, is_boolean, indices)
    constant = tuple(
        _check_constant(s, extent) if s.is_constant else slice(None)
        for s, extent in zip(scalars, array.shape, strict=True)
    )
    scalars = [s for s in scalars if not s.is_constant]
    if not scalars:
        return array[constant]
    names = [s.value if s.op == "argument" else None for s in scalars]
    is_direct = len(set(names)) == len(names) and set(names) <= set(POSITIONS)
    used = names if is_direct else _used_positions(trace, scalars)
    order = [name for name in POSITIONS if name in used]
    axes = [names.index(name) for name in order] if is_direct else []

    def make() -> NDArray:
        try:
            whole = readable(array, "an array that is read")
        except UnsupportedError as error:
            raise trace.refuse(str(error)) from None
        rest = whole[constant] if len(scalars) < whole.ndim else whole
        if not is_direct:
            return _look_up(trace, rest, scalars, order)
        return rest if axes == sorted(axes) else rest.transpose(axes)

    address = array.__array_interface__["data"][0]
    how = tuple(axes) if is_direct else tuple(map(id, scalars))
    key = (address, array.shape, array.strides, array.dtype.str, repr(constant), how)
    number = trace.captures.number(key, make, (array, trace))
    type_ = "i32" if trace.captures.arrays[number].dtype == np.int32 else "f32"
    arguments = tuple(trace.get("i32", "argument", (), name) for name in order)
    element = trace.get(type_, "nn.element", arguments, number)
    return element.to("i1") if is_boolean else element


def _as_tuple(index: Any) -> tuple:
    return index if isinstance(index, tuple) else (index,)


def _lift_index(trace: Trace, index: Any) -> Scalar:
    scalar = None if isinstance(index, (bool, np.bool_)) else trace.lift(index)
    if scalar is None or scalar.type != "i32":
        what = type(index).__name__ if scalar is None else f"a {PYTHON_NAME[scalar.type]}"
        raise trace.refuse(
            f"an array is indexed by {what}; expects integers: arguments of the function, "
            "numbers, and what is computed from them"
        )
    return scalar


def _check_constant(index: Scalar, extent: int) -> int:
    if not -extent <= index.value < extent:
        raise index.trace.refuse(
            f"the index {index.value} of {extent} elements; expects {-extent} to {extent - 1}"
        )
    return index.value


def _used_positions(trace: Trace, indices: list[Scalar]) -> set[str]:
    """The arguments that computed indices depend on."""
    used = {s.value for index in indices for s in in_order(index) if s.op == "argument"}
    if "score" in used:
        raise trace.refuse("an array is indexed by something that depends on the score")
    return used


def _look_up(trace: Trace, array: NDArray, indices: list[Scalar], order: list[str]) -> NDArray:
    """The elements for all positions of `order`."""
    extents = trace.captures.extents
    if extents is None:
        raise trace.refuse(
            "an array is indexed by something that is computed, for which the lengths must be "
            "known; expects arguments of the function, each at most once"
        )
    shape = [extents[name] for name in order]
    if math.prod(shape) > _MOST_ELEMENTS:
        raise trace.refuse(
            f"an array is looked up for {' x '.join(order)} = {' x '.join(map(str, shape))} "
            f"positions; expects at most {_MOST_ELEMENTS}: compute it from the positions"
        )
    grid = np.meshgrid(*(np.arange(n, dtype=np.int32) for n in shape), indexing="ij", sparse=True)
    positions = dict(zip(order, grid, strict=True))
    found = [evaluate(index, positions, trace.captures.arrays) for index in indices]
    # As NumPy counts: negative ones from the end.
    found = [np.where(i < 0, i + n, i) for i, n in zip(found, array.shape, strict=True)]
    return np.broadcast_to(take(array, found), shape)


def with_captures(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with the NumPy arrays that its variables hold, and those of functions that
    it calls by name, made into `CapturedArray`s. It shares their memory."""
    return _wrap(function, {})


def _wrap(value: Any, known: dict[int, Any]) -> Any:
    """`value` itself where nothing in it changes."""
    if isinstance(value, np.ndarray):
        is_plain = type(value) is np.ndarray and value.ndim > 0
        return value.view(CapturedArray) if is_plain else value
    if id(value) in known:
        return known[id(value)]
    known[id(value)] = value  # a list may hold itself
    result = value
    if isinstance(value, types.FunctionType):
        result = _wrap_function(value, known)
    elif isinstance(value, functools.partial):
        function, args = _wrap(value.func, known), _wrap(value.args, known)
        options = _wrap(value.keywords, known)
        if not (function is value.func and args is value.args and options is value.keywords):
            result = functools.partial(function, *args, **options)
    elif isinstance(value, types.MethodType):
        result = types.MethodType(_wrap(value.__func__, known), value.__self__)
    elif type(value) in (list, tuple):
        parts = [_wrap(part, known) for part in value]
        if any(a is not b for a, b in zip(parts, value, strict=True)):
            result = type(value)(parts)
    elif type(value) is dict:
        parts = {name: _wrap(part, known) for name, part in value.items()}
        if any(parts[name] is not value[name] for name in value):
            result = parts
    known[id(value)] = result
    return result


def _wrap_function(function: types.FunctionType, known: dict[int, Any]) -> types.FunctionType:
    package = (function.__module__ or "").split(".")[0]
    if package in ("numpy", "torch"):
        return function
    globals_ = dict(function.__globals__)
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    wrapped = types.FunctionType(
        function.__code__, globals_, function.__name__, None, cells or None
    )
    known[id(function)] = wrapped  # it may call itself
    is_changed = False

    def wrap(value: Any) -> Any:
        nonlocal is_changed
        result = _wrap(value, known)
        is_changed |= result is not value and result is not wrapped
        return result

    for name in _names(function.__code__) & globals_.keys():
        globals_[name] = wrap(globals_[name])
    for cell, own in zip(cells, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # a variable that has no value yet
            cell.cell_contents = wrap(own.cell_contents)
    wrapped.__defaults__ = wrap(function.__defaults__)
    wrapped.__kwdefaults__ = wrap(function.__kwdefaults__)
    return wrapped if is_changed else function


def _names(code: types.CodeType) -> set[str]:
    """What the code and functions within it refer to."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, types.CodeType))
    return set(code.co_names).union(*inner)


def reading_tensors() -> AbstractContextManager[Any]:
    """Within it torch tensors, wherever they lie, may be indexed by traced functions."""
    import sys

    torch = sys.modules.get("torch")
    if torch is None:
        return nullcontext()

    class Reads(torch.overrides.TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: tuple = (), options: dict | None = None
        ) -> Any:
            if function is torch.Tensor.__getitem__ and has_scalars(args[1]) and is_torch(args[0]):
                array = to_numpy(args[0], "an array that is read")
                return read(array, array.dtype == np.bool_, args[1])
            return function(*args, **(options or {}))

    return Reads()
