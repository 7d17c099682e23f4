"""Names of number formats: what weights are stored in and what kernels compute in.

The compiler has its own table (dialects/Support/Format); here is the part of it
that the Python side needs without loading the compiler.
"""

from __future__ import annotations

import dataclasses
import functools
import re

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from .errors import UnsupportedError
from .suggest import nearest

#: Storage types of activations, outputs and scales, by their short names.
FLOATS: dict[str, np.dtype] = {
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f32": np.dtype(np.float32),
}

#: What products can end in.
RESULTS: dict[str, np.dtype] = {
    **FLOATS,
    "e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "e5m2": np.dtype(ml_dtypes.float8_e5m2),
}

#: What the two sides of a dense product can be stored in.
OPERANDS: dict[str, np.dtype] = {**RESULTS, "i8": np.dtype(np.int8)}


#: Floats that weights are stored in, all with a sign: name, exponent and mantissa bits.
_FLOAT_CODES = {
    "e4m3": (4, 3),
    "e5m2": (5, 2),
    "f7e5m1": (5, 1),
    "f7e4m2": (4, 2),
    "f7e3m3": (3, 3),
    "f7e2m4": (2, 4),
    "f6e3m2": (3, 2),
    "f6e2m3": (2, 3),
    "f6e4m1": (4, 1),
    "f5e3m1": (3, 1),
    "f5e2m2": (2, 2),
    "f5e1m3": (1, 3),
    "f4e2m1": (2, 1),
    "f4e1m2": (1, 2),
    "f3e1m1": (1, 1),
}
# Other spellings, those of ml_dtypes among them.
_ALIASES = {
    "e4m3fn": "e4m3",
    "f8e4m3": "e4m3",
    "f8e4m3fn": "e4m3",
    "f8e5m2": "e5m2",
    "float8_e4m3fn": "e4m3",
    "float8_e5m2": "e5m2",
    "float6_e3m2fn": "f6e3m2",
    "float6_e2m3fn": "f6e2m3",
    "float4_e2m1fn": "f4e2m1",
}


@dataclasses.dataclass(frozen=True)
class WeightFormat:
    """What a weight is stored in.

    `u1`..`u8` are plain binary, `i1`..`i8` two's complement: a code is its number. The
    code of a float (`f4e2m1`, ...) is its bits, sign, exponent and mantissa from the top;
    with one exponent bit the bias is 0, else 2^(exponent_bits - 1) - 1. With five they
    are the upper bits of float16, infinity and NaN included; e4m3 has NaN (code 0x7f)
    and the others neither. The code of `lut2`..`lut4` is an index of the codebook, which
    goes with a weight, not with the name: without one a format has no numbers.

    The code of `nested8` stands for an odd number, 2q + 1 - 256, and its top 4 bits,
    `nested8.4`, for the mean of those that begin with them, (2q + 1 - 16) * 16. A
    `stack` is a sum of planes of -1 and 1, each with its scales; `bits` is one plane's.
    """

    name: str
    bits: int
    signed: bool
    exponent_bits: int = 0
    codebook: tuple[float, ...] = ()
    #: Of codes in planes: the bits of a whole one.
    stored_bits: int = 0

    @property
    def is_float(self) -> bool:
        """Whether codes are the bits of floats."""
        return self.exponent_bits > 0

    @property
    def is_index(self) -> bool:
        """Whether codes are indices of a codebook."""
        return self.name.startswith("lut")

    @property
    def is_integer(self) -> bool:
        """Whether a code is its number."""
        return not self.is_float and not self.is_index and not self.is_nested

    @property
    def is_nested(self) -> bool:
        """Whether codes lie in planes of one bit."""
        return self.stored_bits > 0

    @property
    def is_stack(self) -> bool:
        """Whether planes have scales of their own."""
        return self.name == "stack"

    @property
    def storage(self) -> str:
        """How the packer lays codes out: "words", "nested" or "stack"."""
        return "stack" if self.is_stack else "nested" if self.is_nested else "words"

    @property
    def min_code(self) -> int:
        """The smallest code: 0, or -2^(bits-1) for signed integers."""
        return -(1 << (self.bits - 1)) if self.signed and self.is_integer else 0

    @property
    def max_code(self) -> int:
        """The largest code: 2^bits-1, or 2^(bits-1)-1 for signed integers."""
        return self.min_code + (1 << self.bits) - 1

    @functools.cached_property
    def numbers(self) -> NDArray[np.float32]:
        """The number of each code, from `min_code` to `max_code`; NaN and infinity too."""
        if self.is_index:
            return np.array(self.codebook, np.float32)
        codes = np.arange(self.min_code, self.max_code + 1)
        if self.is_integer:
            return codes.astype(np.float32)
        if self.is_nested:
            odd = 2 * codes + 1 - (1 << self.bits)
            return np.ldexp(odd, self.stored_bits - self.bits).astype(np.float32)
        mantissa_bits = self.bits - 1 - self.exponent_bits
        mantissa = codes & ((1 << mantissa_bits) - 1)
        exponent = codes >> mantissa_bits & ((1 << self.exponent_bits) - 1)
        bias = (1 << (self.exponent_bits - 1)) - 1
        significand = np.where(exponent > 0, mantissa + (1 << mantissa_bits), mantissa)
        numbers = np.ldexp(significand, np.maximum(exponent, 1) - bias - mantissa_bits)
        if self.name == "e4m3":
            numbers[(codes & 0x7F) == 0x7F] = np.nan
        if self.exponent_bits == 5:
            numbers[exponent == 31] = np.where(mantissa[exponent == 31], np.nan, np.inf)
        return np.where(codes >> (self.bits - 1), -numbers, numbers).astype(np.float32)

    @property
    def min_number(self) -> float:
        """The most negative finite number."""
        return float(np.min(self.numbers[np.isfinite(self.numbers)]))

    @property
    def max_number(self) -> float:
        """The largest finite number."""
        return float(np.max(self.numbers[np.isfinite(self.numbers)]))

    def nearest(self, values: NDArray[np.float32]) -> NDArray[np.int16]:
        """The codes of the nearest finite numbers, of two the one with the even code.

        Of two entries of a codebook the lower one.
        """
        if self.is_integer:
            return np.clip(np.rint(values), self.min_code, self.max_code).astype(np.int16)
        if self.is_nested:
            steps = values / np.float64(2 << (self.stored_bits - self.bits))
            codes = np.rint(steps + ((1 << self.bits) - 1) / 2)
            return np.clip(codes, 0, self.max_code).astype(np.int16)
        if self.is_index:
            order = np.argsort(self.numbers, kind="stable").astype(np.int16)
            entries = self.numbers[order].astype(np.float64)
            return order[np.searchsorted((entries[1:] + entries[:-1]) / 2, values)]
        half = self.numbers[: 1 << (self.bits - 1)]
        half = half[np.isfinite(half)]
        between = (half[1:] + half[:-1]) / 2  # exact: one bit more than the numbers
        size = np.abs(values)
        codes = np.searchsorted(between, size).astype(np.int16)
        # The lower of the two for what lies just between them: odd ones go up.
        tie = between[np.minimum(codes, len(between) - 1)] == size
        codes += (tie & (codes % 2 == 1)).astype(np.int16)
        return codes + (np.signbit(values) & (codes > 0)) * np.int16(1 << (self.bits - 1))

    def to_stored(self, codes: NDArray, activations: str = "16-bit") -> NDArray[np.uint8]:
        """Codes as they are packed: integers moved up to start at 0, floats as they are.

        Floats with one exponent bit are integers times a constant, and stored as such;
        a negative zero becomes zero. For "8-bit" activations integers are their lowest
        bits, in two's complement.
        """
        codes = np.asarray(codes)
        if activations == "8-bit":
            return (codes & ((1 << self.bits) - 1)).astype(np.uint8)
        if self.exponent_bits == 1:
            middle = 1 << (self.bits - 1)
            return np.where(codes & middle, 2 * middle - codes, middle + codes).astype(np.uint8)
        return (codes - self.min_code).astype(np.uint8)

    def from_stored(
        self, stored: NDArray[np.uint8], activations: str = "16-bit"
    ) -> NDArray[np.int16]:
        """The inverse of `to_stored`."""
        codes = stored.astype(np.int16)
        if activations == "8-bit":
            return codes - ((codes > self.max_code) * np.int16(1 << self.bits))
        if self.exponent_bits == 1:
            middle = 1 << (self.bits - 1)
            return np.where(codes < middle, 2 * middle - codes, codes - middle).astype(np.int16)
        return codes + np.int16(self.min_code)


#: NormalFloat of 4 bits: quantiles of the normal distribution, from QLoRA (Dettmers et al.,
#: 2023, appendix E).
NF4 = (
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
)


def is_weight_dtype(dtype: np.dtype, format: WeightFormat) -> bool:
    """Whether elements of `dtype` (ml_dtypes) are codes of `format`."""
    return _ALIASES.get(dtype.name) == format.name


#: All names of weight formats, for messages.
WEIGHT_FORMATS = f"u1..u8, i1..i8, {', '.join(_FLOAT_CODES)}, lut2..lut4, nested1..nested8"
_NESTED = re.compile(r"nested([1-8])(?:\.([1-8]))?")


def nested_name(stored_bits: int, bits: int) -> str:
    """The name of the top `bits` of nested codes."""
    return f"nested{stored_bits}" + (f".{bits}" if bits < stored_bits else "")


@functools.cache
def parse_weight_format(name: str) -> WeightFormat:
    """The weight format called `name`."""
    if len(name) == 2 and name[0] in "ui" and name[1] in "12345678":
        return WeightFormat(name, int(name[1]), name[0] == "i")
    if name in ("lut2", "lut3", "lut4"):
        return WeightFormat(name, int(name[3]), True)
    if match := _NESTED.fullmatch(name):
        stored = int(match[1])
        bits = int(match[2] or stored)
        if bits <= stored:
            return WeightFormat(nested_name(stored, bits), bits, True, stored_bits=stored)
    if name == "stack":
        return WeightFormat(name, 1, True, stored_bits=1)
    canonical = _ALIASES.get(name, name)
    if canonical in _FLOAT_CODES:
        exponent_bits, mantissa_bits = _FLOAT_CODES[canonical]
        return WeightFormat(canonical, 1 + exponent_bits + mantissa_bits, True, exponent_bits)
    nested = [f"nested{bits}" for bits in range(1, 9)]
    hint = nearest(name, [*_FLOAT_CODES, *_ALIASES, "lut2", "lut3", "lut4", *nested])
    hint = f" {hint}" if hint.startswith("did") else ""
    raise UnsupportedError(f"format is {name!r};{hint} weights are stored as {WEIGHT_FORMATS}")


def float_name(dtype: DTypeLike, argument: str, allowed: tuple[str, ...] = tuple(FLOATS)) -> str:
    """The short name ("f16") of a dtype, floating but for "i8".

    `argument` names in the error what was given. Takes a NumPy dtype or a name,
    short or NumPy's own ("bf16", "bfloat16").
    """
    for name in allowed:
        if dtype == name:
            return name
    try:
        resolved = np.dtype(OPERANDS.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    except TypeError:
        resolved = None
    for name in allowed:
        if OPERANDS[name] == resolved:
            return name
    supported = ", ".join(OPERANDS[name].name for name in allowed)
    shown = getattr(resolved, "name", dtype)
    raise UnsupportedError(f"{argument} is {shown}; supported: {supported}")
