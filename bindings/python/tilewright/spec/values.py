"""What buffers of a launch spec hold: dtypes, initial values, expected ones."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError
from ..npy import read_npy
from .expressions import evaluate, widen

_SHORT_NAMES = {
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f32": np.float32,
    "f64": np.float64,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
    "bool": np.bool_,
    **{
        f"{kind}{bits}": np.dtype(f"{kind}{bits // 8}") for kind in "iu" for bits in (8, 16, 32, 64)
    },
}
#: Element types by the names that specs use: short ones, and NumPy's own.
DTYPES: dict[str, np.dtype] = {name: np.dtype(dtype) for name, dtype in _SHORT_NAMES.items()}
DTYPES |= {dtype.name: dtype for dtype in DTYPES.values()}

#: Initial values that a word names.
WORDS = ("zeros", "ones", "arange", "random", "uninitialised")


@dataclasses.dataclass(frozen=True)
class Filling:
    """Where values come from: a word, or a key of a table and its value."""

    #: One of WORDS, or "constant", "random", "arange", "file", "expression".
    kind: str
    #: Of "constant": a number. Of "random" and "arange": (low, high), (start, step) or
    #: None. Of "file": a path. Of "expression": its text.
    value: Any = None
    #: Of "random": its own seed.
    seed: int | None = None


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What a buffer should hold in the end."""

    filling: Filling
    rtol: float = 0.0
    atol: float = 0.0


def fill(
    filling: Filling,
    name: str,
    shape: tuple[int, ...] | None,
    dtype: np.dtype,
    seed: int,
    names: Mapping[str, NDArray],
) -> NDArray:
    """The values of a buffer, before they are rounded to its dtype.

    Args:
        filling: where they come from; not "uninitialised".
        name: the buffer, for errors and as part of the seed: adding another buffer leaves
            this one's random values as they are.
        shape: of the buffer; None where the file says it.
        dtype: of the buffer.
        seed: of the spec.
        names: what expressions can use.

    Raises:
        ArgumentError: a file that cannot be read or does not fit, an expression that cannot
            be computed.
    """
    if filling.kind == "file":
        return _check_shape(load_array(filling.value, dtype), shape, f"{name} in {filling.value}")
    if filling.kind == "expression":
        value = evaluate(filling.value, names)
        if shape is not None and value.shape == ():
            value = np.broadcast_to(value, shape)
        return _check_shape(value, shape, f"{name} = {filling.value!r}")
    assert shape is not None
    count = int(np.prod(shape, dtype=np.int64))
    if filling.kind == "random":
        return _draw(filling, name, count, dtype, seed).reshape(shape)
    if filling.kind == "arange":
        start, step = filling.value or (0, 1)
        return (start + step * widen(np.arange(count, dtype=np.int64))).reshape(shape)
    constant = {"zeros": 0, "ones": 1}.get(filling.kind, filling.value)
    return np.full(shape, constant)


def _draw(filling: Filling, name: str, count: int, dtype: np.dtype, seed: int) -> NDArray:
    """Normal floats, or integers over the whole range; uniform between given bounds."""
    entropy = (seed if filling.seed is None else filling.seed, zlib.crc32(name.encode()))
    rng = np.random.default_rng(entropy)
    is_integer = dtype.kind in "iub"
    if filling.value is not None:
        low, high = filling.value
        return rng.integers(low, high, count) if is_integer else rng.uniform(low, high, count)
    if dtype.kind == "b":
        return rng.integers(0, 2, count)
    if is_integer:
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, count, dtype, endpoint=True)
    return rng.standard_normal(count)


def cast(values: NDArray, dtype: np.dtype) -> NDArray:
    """Values in the buffer's dtype: floats are rounded, integers wrap."""
    with np.errstate(all="ignore"):
        if dtype.kind in "iu" and values.dtype.kind == "f":
            values = np.rint(values)
        return np.ascontiguousarray(values.astype(dtype))


def load_array(path: str, dtype: np.dtype) -> NDArray:
    """The array of an .npy file, for a buffer of `dtype`."""
    array = read_npy(path)
    # NumPy saves dtypes that are not its own, such as bfloat16, as bytes without a meaning.
    if array.dtype == np.dtype((np.void, dtype.itemsize)) and dtype.type.__module__ == "ml_dtypes":
        return array.view(dtype)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(
            f"{Path(path).name} holds {array.dtype}; expects numbers, or {dtype.name} itself"
        )
    return array


def _check_shape(array: NDArray, shape: tuple[int, ...] | None, what: str) -> NDArray:
    if shape is not None and array.shape != shape:
        raise ArgumentError(f"{what} has shape {list(array.shape)}; expects {list(shape)}")
    return array
