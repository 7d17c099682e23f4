"""Codes, scales and zero points in the form that is stored, checked on the way.

The tables of scales and zero points are those of dialects/Support/Layout/ScaleStorage.h;
the packer brings them into the order that kernels read.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._extension import native
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import WeightFormat, float_name
from .scale_formats import SCALE_FORMATS, ScaleFormat
from .weight_parts import check_codes

#: The runtime's names of the rules of floating-point zero points, by `zero_rule`.
FLOAT_RULES = {"subtract": "float", "add": "offset"}

#: How integer zero points are packed: two of up to 4 bits in a byte. 1 was a byte each.
ZERO_PACKING = 2


@dataclasses.dataclass(frozen=True)
class ZeroPoints:
    """Packed zero points and their rule: "integer", "float" or "offset"."""

    rule: str
    packed: NDArray
    #: Of floating-point ones.
    format: ScaleFormat | None = None

    @classmethod
    def of(cls, rule: str, packed: NDArray) -> ZeroPoints:
        """From what `as_numbers` gives; ValueError for an unknown rule or another dtype."""
        if rule == "integer" and packed.dtype == np.uint8:
            return cls(rule, packed)
        if rule not in FLOAT_RULES.values():
            raise ValueError(f"zero is {rule!r} of {packed.dtype}")
        format = SCALE_FORMATS[float_name(packed.dtype, "dtype of zeros")]
        return cls(rule, format.as_bits(packed), format)

    def as_numbers(self) -> NDArray:
        """The packed array, of the dtype of its numbers."""
        return self.format.as_numbers(self.packed) if self.format else self.packed


def pack_scales(scales: NDArray, format: ScaleFormat, place: dict[str, Any]) -> NDArray:
    """Packs scales in `format`; ArgumentError where it cannot hold one."""
    if scales.dtype != format.dtype:
        with np.errstate(over="ignore", invalid="ignore"):
            converted = scales.astype(format.dtype)
        wide = scales.astype(np.float64)
        wrong = (converted.astype(np.float64) != wide) & ~np.isnan(wide)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ArgumentError(
                f"scales[{row}, {column}] is {wide[row, column]:.9g}, no number of {format.name}"
            )
        scales = converted
    return native().pack_scales(format.to_bits(scales), **place)


def pack_zeros(
    zeros: ArrayLike | None,
    grid: tuple[int, int],
    weight: WeightFormat,
    rule: str,
    place: dict[str, Any],
) -> ZeroPoints | None:
    """Packs zero points of either kind; `grid` is the shape of the scales."""
    if zeros is None:
        return None
    zeros = np.asarray(zeros)
    if zeros.shape != grid:
        raise ShapeError(f"zeros have shape {zeros.shape}; expects {grid}")
    pack = native().pack_scales
    if zeros.dtype.kind in "iu":
        if rule == "add":
            raise UnsupportedError(
                "zero_rule is 'add' with integer zeros; supported: float16, bfloat16, float32 zeros"
            )
        stored = weight.to_stored(check_codes(zeros, "zeros", weight))
        return ZeroPoints("integer", pack(stored, **place, zero_bits=weight.bits))
    format = SCALE_FORMATS[float_name(zeros.dtype, "dtype of zeros")]
    return ZeroPoints(FLOAT_RULES[rule], pack(format.to_bits(zeros), **place), format)


def pack_bytes(zeros: NDArray, bits: int, place: dict[str, Any]) -> NDArray:
    """Integer zero points that were packed as a byte each, as they are packed now."""
    pack = native()
    return pack.pack_scales(pack.unpack_scales(zeros, **place), **place, zero_bits=bits)


def check_tensor_scale(value: float) -> float:
    """The number as float32 holds it, if that is finite."""
    with np.errstate(over="ignore"):
        stored = float(np.float32(value))
    if not np.isfinite(stored):
        raise ArgumentError(f"tensor_scale is {value}; expects a finite float32")
    return stored
