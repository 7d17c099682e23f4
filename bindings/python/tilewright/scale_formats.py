"""The number formats of scales: f16, bf16, f32, e8m0, e4m3, ue5m3.

The last three have 8 bits: powers of two; the E4M3 of the OCP 8-bit floating point
specification (codes 0x7f and 0xff are NaN, no infinity); and five exponent bits with
bias 15, three mantissa bits and no sign (code 0xff is NaN).
"""

from __future__ import annotations

import dataclasses
import functools

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .errors import ArgumentError, UnsupportedError
from .formats import FLOATS

_BITS = {1: np.dtype(np.uint8), 2: np.dtype(np.uint16), 4: np.dtype(np.uint32)}


def _decode_ue5m3() -> NDArray[np.float32]:
    codes = np.arange(256)
    exponents, mantissas = codes >> 3, codes & 7
    normal = np.ldexp(1 + mantissas / 8, exponents - 15)
    values = np.where(exponents == 0, np.ldexp(mantissas / 8, -14), normal)
    values[0xFF] = np.nan
    return values.astype(np.float32)


@dataclasses.dataclass(frozen=True)
class ScaleFormat:
    """A number format of scales. `dtype` is what holds its numbers in NumPy."""

    name: str
    dtype: np.dtype
    #: Whether the bits of `dtype` are stored; otherwise codes are, and `table` has their numbers.
    is_native: bool = True

    @property
    def bits_dtype(self) -> np.dtype:
        """The unsigned integers that are stored."""
        return _BITS[self.dtype.itemsize] if self.is_native else _BITS[1]

    @functools.cached_property
    def table(self) -> NDArray[np.float32]:
        """The number of each code of an 8-bit format."""
        codes = np.arange(256, dtype=np.uint8)
        return codes.view(self.dtype).astype(np.float32) if self.is_native else _decode_ue5m3()

    def to_bits(self, numbers: ArrayLike) -> NDArray:
        """The bits of numbers of `dtype`; ArgumentError for one that the format lacks."""
        numbers = np.ascontiguousarray(numbers, self.dtype)
        if self.is_native:
            return numbers.view(self.bits_dtype)
        codes = np.minimum(np.searchsorted(self.table[:-1], numbers), 0xFE).astype(np.uint8)
        codes[np.isnan(numbers)] = 0xFF
        wrong = ~((self.table[codes] == numbers) | np.isnan(numbers))
        if wrong.any():
            raise ArgumentError(f"scale {numbers[wrong].flat[0]} is no number of {self.name}")
        return codes

    def from_bits(self, bits: NDArray) -> NDArray:
        """The numbers, of `dtype`, of stored bits."""
        return bits.view(self.dtype) if self.is_native else self.table[bits]

    def as_numbers(self, bits: NDArray) -> NDArray:
        """Stored bits as an array that says what they are; as they are where NumPy lacks a
        dtype. The inverse of `as_bits`."""
        return bits.view(self.dtype) if self.is_native else bits

    def as_bits(self, array: NDArray) -> NDArray:
        """The bits of what `as_numbers` gives; ValueError for another dtype."""
        expected = self.dtype if self.is_native else self.bits_dtype
        if array.dtype != expected:
            raise ValueError(f"{self.name} numbers are stored as {expected}, not {array.dtype}")
        return array.view(self.bits_dtype)

    def round_up(self, values: NDArray[np.float64]) -> NDArray:
        """The smallest numbers that are not below `values` (all >= 0), of `dtype`; infinity
        or NaN where there is none."""
        if self.bits_dtype.itemsize > 1:
            with np.errstate(over="ignore"):
                rounded = values.astype(self.dtype)
            # The encodings of non-negative numbers are ordered as the numbers are.
            below = rounded.astype(np.float64) < values
            bits = rounded.view(self.bits_dtype)
            return (bits + below.astype(bits.dtype)).view(self.dtype)
        positive = self.table[:128] if self.name == "e4m3" else self.table
        finite = positive[np.isfinite(positive)].astype(np.float64)
        codes = np.searchsorted(finite, values).astype(np.uint8)  # len(finite): the code of NaN
        return self.from_bits(codes)

    @property
    def largest(self) -> float:
        """The largest finite number."""
        if self.bits_dtype.itemsize > 1:
            return float(ml_dtypes.finfo(self.dtype).max)
        return float(np.nanmax(self.table))


SCALE_FORMATS = {
    **{name: ScaleFormat(name, dtype) for name, dtype in FLOATS.items()},
    "e8m0": ScaleFormat("e8m0", np.dtype(ml_dtypes.float8_e8m0fnu)),
    "e4m3": ScaleFormat("e4m3", np.dtype(ml_dtypes.float8_e4m3fn)),
    "ue5m3": ScaleFormat("ue5m3", FLOATS["f32"], is_native=False),
}


def find_scale_format(dtype: DTypeLike | str, argument: str) -> ScaleFormat:
    """The format that a name ("bf16", "e8m0", "float16") or a NumPy dtype means.

    `argument` names in the error what was given.
    """
    if isinstance(dtype, str) and dtype in SCALE_FORMATS:
        return SCALE_FORMATS[dtype]
    try:
        resolved = np.dtype(dtype)
    except TypeError:
        resolved = None
    for format in SCALE_FORMATS.values():
        if format.is_native and format.dtype == resolved:
            return format
    names = [f.dtype.name if f.name in FLOATS else f.name for f in SCALE_FORMATS.values()]
    shown = getattr(resolved, "name", dtype)
    raise UnsupportedError(f"{argument} is {shown}; supported: {', '.join(names)}")


def dtype_name(scale_format: str) -> str:
    """NumPy's name of a scale format, where it has one of its own."""
    return FLOATS[scale_format].name if scale_format in FLOATS else scale_format
