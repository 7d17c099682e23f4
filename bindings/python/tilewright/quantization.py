"""Rounds weights to a few bits: scales and zero points first, then codes.

A weight is represented as `w = (q - z) * s` or `w = q * s + z`: `q` its b-bit code (the
number of a float's code), `s` and `z` the scale and zero point of its group. The order of
the steps matters and is the point of this file: the scale is chosen in float64, rounded up
to the format it will be stored in, then the zero point is chosen for the stored scale and
rounded to its own format, and only then are codes chosen, so that every code is the best
one for the stored scale and zero point.

The result is packed for the kernels (see QuantizedTensor). runtime/Quantize does the work,
on all cores and without the interpreter's lock.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._extension import native
from .activation_classes import activation_class
from .arrays import to_numpy
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import FLOATS, NF4, WeightFormat, float_name, parse_weight_format
from .granularity import Granularity, GroupSize
from .group_tables import ZeroPoints
from .quantized_tensor import QuantizedTensor
from .scale_formats import SCALE_FORMATS, ScaleFormat, find_scale_format
from .weight_batch import stack_each
from .weight_parts import check_codebook


def quantize(
    w: ArrayLike | Any,
    format: str,
    *,
    layout: Literal["nk", "kn"],
    group_size: GroupSize = 128,
    zero_point: bool | Literal["float"] | None = None,
    zero_rule: Literal["subtract", "add"] = "subtract",
    scale_dtype: DTypeLike | str | None = None,
    scale_search: Literal["mse"] | None = None,
    codebook: ArrayLike | None = None,
    tensor_scale: bool = False,
    activations: str = "float16",
) -> QuantizedTensor:
    """Quantises a weight matrix by rounding to nearest, group by group.

    Args:
        w: weights, float16, bfloat16, float32 or float64 (read as float32); a NumPy
            array or a CPU torch tensor with two dimensions, or three for a batch.
        format: what a weight is stored in: "u1".."u8" (plain binary), "i1".."i8" (two's
            complement), a float by its exponent and mantissa bits, "f4e2m1", "f6e3m2",
            "e4m3", ... (docs/quantisation.md has them all), "lut2".."lut4" (indices of a
            codebook), "nested1".."nested8" (whose top bits are weights too, `linear(bits=)`),
            "nf4": "lut4" with the codebook of NormalFloat, or "ternary": -1, 0 and 1 as "i2".
        layout: which dimension is which: "nk" for [outputs, inputs] as in
            `torch.nn.Linear.weight`, "kn" for [inputs, outputs]. There is no default.
        group_size: which weights share a scale. A multiple of 16: that many along K of
            one output; "channel": all of an output; a pair (a multiple of 16 along K and of
            8 outputs): a block of both; "tensor": all. An output's last group may be short.
        zero_point: whether each group has a zero point: True for an integer, a code of
            the same format, "float" for a floating-point number, False for none. None:
            an integer for unsigned formats, none for signed ones. Floats have none.
        zero_rule: of "float" zero points. "subtract": w = (code - zero) * scale, "add":
            w = code * scale + zero. They round differently; the second has no trouble
            with groups far from 0.
        scale_dtype: how scales are stored: float16, bfloat16, float32 or by name "f16",
            "bf16", "f32", "e8m0" (powers of two), "e4m3", "ue5m3". None: the dtype of
            `w` when it is one of the first two, float16 otherwise. Kernels decode all
            of them exactly. Floating-point zero points are stored in the same dtype
            when it has 16 or 32 bits, as float16 otherwise.
        scale_search: None takes the smallest scale that keeps a group in range; "mse"
            tries smaller ones too, which clamp a few large weights, and takes that of the
            least squared error: worth its time at 4 bits and less.
        codebook: for "lut2" to "lut4" the 4, 8 or 16 numbers that codes stand for, in any
            order; rounded to `scale_dtype`, so that activations of that dtype hold them.
        tensor_scale: whether all weights are divided by one float32 number first. It
            makes up for a narrow `scale_dtype`: "e4m3" reaches from 2^-9 to 448. The
            largest scale becomes the largest number of "e4m3" or "ue5m3", 1 in others.
        activations: what `linear` multiplies by: "float16" (the same as "bfloat16") or
            "int8", for integer formats and groups of a multiple of 32 along K.

    Returns:
        The packed weights. Each is the nearest number of the format times its group's
        scale, of two equally near ones that with the even code.

    Without a zero point the code 0 means 0.0, so an unsigned format holds no negative
    weight: those become 0. Use "i4" rather than "u4" for weights of both signs, or a
    zero point. Scales are rounded up to `scale_dtype`; in a group of zeros the scale is 0
    (the smallest number in "e8m0").

    Raises:
        ShapeError: `w` is neither a matrix nor a batch.
        UnsupportedError: an option that is not listed above; a zero point of a float format.
        ArgumentError: a weight is NaN or infinite, or a scale is too large for
            `scale_dtype`; the message gives the index.
    """
    target = parse_target(format)
    granularity = Granularity.of(group_size)
    activation_class(activations, target, granularity)
    if layout not in ("nk", "kn"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'nk' (as nn.Linear), 'kn'")
    if scale_search not in ("mse", None):
        raise UnsupportedError(f"scale_search is {scale_search!r}; supported: 'mse', None")
    rule = _choose_rule(zero_point, zero_rule, target)
    weights = to_numpy(w, "w")
    if weights.ndim == 3:
        rules = {"group_size": group_size, "zero_point": zero_point, "zero_rule": zero_rule}
        scales = {"scale_dtype": scale_dtype, "scale_search": scale_search}
        rest = {"layout": layout, "codebook": codebook, "tensor_scale": tensor_scale}
        rest["activations"] = activations
        return stack_each(weights, lambda one: quantize(one, format, **rules, **scales, **rest))
    if weights.ndim != 2:
        raise ShapeError(f"w has shape {weights.shape}; expects two dimensions, or a batch")
    name = float_name(weights.dtype, "dtype of w") if weights.dtype != np.float64 else "f32"
    if scale_dtype is None:
        scale_dtype = name if name != "f32" else "f16"
    scale_format = find_scale_format(scale_dtype, "scale_dtype")
    # Activations have 16 bits, and must hold the numbers of a codebook.
    held = FLOATS[scale_format.name if scale_format.name in ("f16", "bf16") else "f16"]
    target = _with_codebook(target, codebook, held)
    by_column = weights if layout == "nk" else weights.T
    rounding = _Rounding(target, granularity, scale_format, rule, scale_search == "mse", layout)
    scale = rounding.choose_tensor_scale(by_column) if tensor_scale else None
    return rounding.quantize(by_column, scale).for_activations(activations)


@dataclasses.dataclass(frozen=True)
class _Ternary(WeightFormat):
    """The codes -1, 0 and 1 of i2."""

    @property
    def min_code(self) -> int:
        return -1

    @property
    def max_code(self) -> int:
        return 1


def parse_target(name: str) -> WeightFormat:
    """The format that `quantize` rounds to for a name; presets as well as formats."""
    if name == "ternary":
        return _Ternary("ternary", 2, True)
    if name == "nf4":
        return dataclasses.replace(parse_weight_format("lut4"), codebook=NF4)
    if name == "stack":
        raise UnsupportedError("format is 'stack'; quantize_residual makes such weights")
    return parse_weight_format(name)


def _with_codebook(
    target: WeightFormat, codebook: ArrayLike | None, dtype: np.dtype
) -> WeightFormat:
    """`target` with a codebook of numbers of `dtype`, if it is of indices."""
    if target.codebook and codebook is not None:
        raise UnsupportedError("codebook is given; 'nf4' has its own, 'lut4' takes one")
    entries = check_codebook(target.codebook or codebook, target)
    if entries is None:
        return target
    with np.errstate(over="ignore"):
        entries = entries.astype(dtype).astype(np.float32)
    if not np.isfinite(entries).all():
        raise ArgumentError(f"codebook reaches beyond {dtype.name}; scales can make up for size")
    if not entries.any():
        raise ArgumentError("codebook is all zeros; expects a number that is not")
    return dataclasses.replace(target, codebook=tuple(entries.tolist()))


_Rule = Literal["none", "integer", "subtract", "add"]
# The runtime's names of them.
_RULES = {"none": "none", "integer": "integer", "subtract": "float", "add": "offset"}


def _choose_rule(zero_point: object, zero_rule: object, target: WeightFormat) -> _Rule:
    if zero_rule not in ("subtract", "add"):
        raise UnsupportedError(f"zero_rule is {zero_rule!r}; supported: 'subtract', 'add'")
    may_shift = zero_point == "float" and zero_rule == "add" and target.is_nested
    if zero_point and not may_shift and (not target.is_integer or target.name == "ternary"):
        supported = "'float' with zero_rule='add'" if target.is_nested else "False"
        raise UnsupportedError(
            f"zero_point is {zero_point!r}; {target.name} has none with zero_rule {zero_rule!r}, "
            f"supported: {supported}"
        )
    if isinstance(zero_point, str) and zero_point == "float":
        return "add" if zero_rule == "add" else "subtract"
    if zero_point is not None and not isinstance(zero_point, (bool, np.bool_)):
        raise UnsupportedError(
            f"zero_point is {zero_point!r}; supported: True (integer), 'float', False, None"
        )
    if zero_rule == "add":
        raise UnsupportedError(
            f"zero_rule is 'add' with zero_point {zero_point!r}; supported: zero_point='float'"
        )
    has_zeros = not target.signed if zero_point is None else bool(zero_point)
    return "integer" if has_zeros else "none"


@dataclasses.dataclass(frozen=True)
class _Rounding:
    """How weights [N, K] are rounded: to which numbers, with which scales."""

    target: WeightFormat
    granularity: Granularity
    scale: ScaleFormat
    rule: _Rule
    searches: bool
    layout: Literal["nk", "kn"]

    @property
    def format(self) -> str:
        """The format that codes are stored in."""
        return "i2" if self.target.name == "ternary" else self.target.name

    @property
    def zero_format(self) -> ScaleFormat | None:
        """That of floating-point zero points."""
        if self.rule in ("none", "integer"):
            return None
        return SCALE_FORMATS[self.scale.name if self.scale.name in FLOATS else "f16"]

    def quantize(self, weights: NDArray, tensor_scale: np.float32 | None) -> QuantizedTensor:
        """Weights [N, K] in units of `tensor_scale`, packed."""
        n, k = weights.shape
        codes, scales, zeros, refusal = native().quantize(
            **self._arguments(weights),
            zero_format=self.zero_format.name if self.zero_format else "",
            search=self.searches,
            tensor_scale=1.0 if tensor_scale is None else float(tensor_scale),
        )
        if refusal:
            self._refuse(*refusal)
        place = {"k": k, "n": n, "group": str(self.granularity)}
        pack = native().pack_scales
        points = None
        if self.zero_format:
            bits = zeros.astype(self.zero_format.bits_dtype)
            points = ZeroPoints(_RULES[self.rule], pack(bits, **place), self.zero_format)
        elif self.rule == "integer":
            stored = pack(zeros.astype(np.uint8), **place, zero_bits=self.target.bits)
            points = ZeroPoints("integer", stored)
        return QuantizedTensor(
            format=self.format,
            layout=self.layout,
            k=k,
            n=n,
            granularity=self.granularity,
            words=native().pack_codes(codes, self.target.bits, self.target.storage),
            scales=pack(scales.astype(self.scale.bits_dtype), **place),
            scale_format=self.scale.name,
            zeros=points,
            tensor_scale=None if tensor_scale is None else float(tensor_scale),
            codebook=np.float32(self.target.codebook) if self.target.is_index else None,
        )

    def choose_tensor_scale(self, weights: NDArray) -> np.float32:
        """The number in units of which the largest scale is that of a narrow format, or 1."""
        largest, refusal = native().largest_scale(**self._arguments(weights))
        if refusal:
            self._refuse(*refusal)
        limit = self.scale.largest if self.scale.name in ("e4m3", "ue5m3") else 1
        scale = SCALE_FORMATS["f32"].round_up(np.array([largest / limit]))[0]
        return scale if scale > 0 else np.float32(1)

    def _arguments(self, weights: NDArray) -> dict[str, Any]:
        """What the runtime is told of weights and of the numbers they are rounded to."""
        dtype = "f64" if weights.dtype == np.float64 else float_name(weights.dtype, "dtype of w")
        is_whole = all(stride % weights.itemsize == 0 for stride in weights.strides)
        is_regular = weights.flags.aligned and is_whole
        return {
            "w": weights if is_regular else np.ascontiguousarray(weights),
            "dtype": dtype,
            "format": self.format,
            "codebook": np.float32(self.target.codebook),
            "ternary": self.target.name == "ternary",
            "group": str(self.granularity),
            "scale": self.scale.name,
            "zero": _RULES[self.rule],
        }

    def _refuse(self, kind: str, column: int, row: int, value: float) -> NoReturn:
        if kind == "not finite":
            index = (column, row) if self.layout == "nk" else (row, column)
            raise ArgumentError(f"w[{index[0]}, {index[1]}] is {value}; expects finite weights")
        outputs = "output" if self.granularity.columns == 1 else "block of outputs"
        name = FLOATS[self.scale.name].name if self.scale.name in FLOATS else self.scale.name
        hint = {"f16": "; use bfloat16", "bf16": "", "f32": ""}
        raise ArgumentError(
            f"the scale of group {row} of {outputs} {column} is {value:.4g}, too large for {name}"
            f"{hint.get(self.scale.name, '; use tensor_scale=True')}"
        )
