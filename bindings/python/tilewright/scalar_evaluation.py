"""Recorded expressions (`scalars.py`) on whole arrays of positions, by NumPy on the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scalars import Scalar, in_order

_DTYPES = {"i1": np.bool_, "i32": np.int32, "f32": np.float32}


def _divide(a: NDArray, b: NDArray) -> NDArray:
    """Towards zero, as the kernel does; by zero is zero."""
    quotient = np.abs(a.astype(np.int64)) // np.where(b == 0, 1, np.abs(b.astype(np.int64)))
    return np.where(b == 0, 0, np.sign(a) * np.sign(b) * quotient).astype(np.int32)


_COMPARE = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
_OPS = {
    "arith.addi": np.add, "arith.addf": np.add, "arith.subi": np.subtract,
    "arith.subf": np.subtract, "arith.muli": np.multiply, "arith.mulf": np.multiply,
    "arith.divf": np.divide, "arith.negf": np.negative, "arith.minsi": np.minimum,
    "arith.maxsi": np.maximum, "arith.minimumf": np.minimum, "arith.maximumf": np.maximum,
    "arith.andi": np.bitwise_and, "arith.ori": np.bitwise_or, "arith.xori": np.bitwise_xor,
    "arith.shli": np.left_shift, "arith.shrsi": np.right_shift, "arith.divsi": _divide,
    "arith.remsi": lambda a, b: a - b * _divide(a, b), "arith.select": np.where,
    "math.exp2": np.exp2, "math.log2": np.log2, "math.tanh": np.tanh, "math.sqrt": np.sqrt,
    "math.absf": np.abs, "math.floor": np.floor, "math.sin": np.sin, "math.cos": np.cos,
    "arith.uitofp": np.asarray, "arith.sitofp": np.asarray, "arith.extui": np.asarray,
    **{f"arith.cmpi {name}": compare for name, compare in _COMPARE.items()},
    **{f"arith.cmpi s{name}": compare for name, compare in _COMPARE.items()},
    **{f"arith.cmpf o{name}": compare for name, compare in _COMPARE.items()},
    "arith.cmpf une": np.not_equal,
}  # fmt: skip


def evaluate(
    result: Scalar, arguments: Mapping[str, NDArray], arrays: Sequence[NDArray]
) -> NDArray[Any]:
    """What `result` is for each of the positions.

    Args:
        result: an expression.
        arguments: the positions by name, arrays that broadcast.
        arrays: what the function reads, by the numbers of its captures; elements outside of
            them are zero.
    """
    values: dict[int, NDArray] = {}
    with np.errstate(all="ignore"):
        for scalar in in_order(result):
            inputs = [values[id(argument)] for argument in scalar.args]
            if scalar.op == "argument":
                value = arguments[scalar.value]
            elif scalar.op == "constant":
                value = scalar.value
            elif scalar.op == "nn.element":
                value = take(arrays[scalar.value], inputs)
            else:
                value = _OPS[scalar.op](*inputs)
            values[id(scalar)] = np.asarray(value).astype(_DTYPES[scalar.type], copy=False)
    return values[id(result)]


def take(array: NDArray, indices: Sequence[NDArray]) -> NDArray:
    """`array[indices]`, the indices broadcast; elements outside of it are zero."""
    extents = array.shape
    inside = np.asarray(True)
    for index, extent in zip(indices, extents, strict=True):
        inside = inside & (index >= 0) & (index < extent)
    if not array.size:
        return np.zeros(inside.shape, array.dtype)
    nearest = [np.clip(i, 0, extent - 1) for i, extent in zip(indices, extents, strict=True)]
    return np.where(inside, array[tuple(nearest)], np.zeros((), array.dtype))
