"""Names of number formats: what weights are stored in and what kernels compute in.

The compiler has its own table (dialects/Support/Format); here is the part of it
that the Python side needs without loading the compiler.
"""

from __future__ import annotations

import dataclasses
import functools

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike

from .errors import UnsupportedError

#: Storage types of activations, outputs and scales, by their short names.
FLOATS: dict[str, np.dtype] = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
}


@dataclasses.dataclass(frozen=True)
class IntegerFormat:
    """A weight format: `u1`..`u8` plain binary, `i1`..`i8` two's complement."""

    name: str
    bits: int
    signed: bool

    @property
    def min_code(self) -> int:
        """The smallest code as a number: 0, or -2^(bits-1)."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max_code(self) -> int:
        """The largest code as a number: 2^bits-1, or 2^(bits-1)-1."""
        return (1 << (self.bits - self.signed)) - 1


@functools.cache
def parse_integer_format(name: str) -> IntegerFormat:
    """The integer format called `name`."""
    if len(name) == 2 and name[0] in "ui" and name[1] in "12345678":
        return IntegerFormat(name, int(name[1]), name[0] == "i")
    raise UnsupportedError(f"format is {name!r}; weights are stored as u1..u8 or i1..i8")


def float_name(dtype: DTypeLike, argument: str, allowed: tuple[str, ...] = tuple(FLOATS)) -> str:
    """The short name ("f16") of a floating dtype.

    `argument` names in the error what was given. Takes a NumPy dtype or a name,
    short or NumPy's own ("bf16", "bfloat16").
    """
    for name in allowed:
        if dtype == name:
            return name
    try:
        resolved = np.dtype(FLOATS.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    except TypeError:
        resolved = None
    for name in allowed:
        if FLOATS[name] == resolved:
            return name
    supported = ", ".join(FLOATS[name].name for name in allowed)
    shown = getattr(resolved, "name", dtype)
    raise UnsupportedError(f"{argument} is {shown}; supported: {supported}")
