"""Packed weights: what `quantize` returns and `linear` multiplies by.

The bytes are those kernels read (dialects/Support/Layout/Packing.h gives the map);
they are the same for every GPU and every schedule, so files can be moved. Codes,
scales and zero points come back out bit for bit.

Size: one class, most of it documentation; what it does is in modules of its own.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import planes as planes_
from ._extension import native
from .activation_classes import ActivationClass, activation_class
from .code_packing import pack_codes
from .dequantization import to_numbers
from .errors import ShapeError, UnsupportedError
from .formats import WeightFormat, parse_weight_format
from .granularity import Granularity, GroupSize
from .group_tables import (
    FLOAT_RULES,
    ZeroPoints,
    check_tensor_scale,
    pack_scales,
    pack_zeros,
)
from .hardware import Device
from .scale_formats import SCALE_FORMATS, dtype_name, find_scale_format
from .tensor_parts import build, describe, take_apart
from .weight_batch import each, from_codes, stack, take
from .weight_parts import check_codebook, check_codes, check_permutation, codebook_words


class QuantizedTensor:
    """A weight matrix of K inputs x N outputs, or a batch of them, quantised and packed.

    Groups of weights share a scale s and, where there are any, a zero point z. With q
    the code of a weight (the number that a float's code or an index stands for) and t the
    tensor's scale (1 where there is none), the weight is

        t * (q * s)           without zero points
        t * ((q - z) * s)     zero_rule "subtract"; z is a code or floating point
        t * (q * s + z)       zero_rule "add"; z is floating point

    Made by `quantize`, `from_codes`, `stack` and `load`; never changes afterwards. Arrays of
    a batch, those of `codes`, `scales`, `zeros` and `dequantize`, have its matrices along
    one more axis, the first.

    Attributes:
        format: name of the weights' format, "u4".
        layout: "nk" or "kn": the order of the last two dimensions of `shape`.
        batch: the number of matrices; None for one that is no batch.
        shape: the shape of what was quantised, in that order.
        group_size: which weights share a scale, as `quantize` takes it.
        scale_format: name of the stored scales' format, "f16", "e8m0".
        scale_dtype: dtype of `scales()`: that of the format; float32 for ue5m3.
        tensor_scale: t, or None; of a batch float32 [batch], one for each matrix.
        input_permutation: None, or int32 [K]: packed row i belongs to input
            `input_permutation[i]`. Rows are stored in another order where the weights of
            a group do not follow each other (GPTQ's act-order); `codes` and groups are
            in the stored order, `dequantize` and `linear` in that of the inputs.
        codebook: None, or float32 [2^bits]: the numbers that codes are indices of.
        activations: what words are packed for, "16-bit" or "8-bit".
    """

    def __init__(
        self,
        *,
        format: str,
        layout: Literal["nk", "kn"],
        k: int,
        n: int,
        granularity: Granularity,
        words: NDArray[np.uint32],
        scales: NDArray,
        scale_format: str,
        zeros: ZeroPoints | None,
        tensor_scale: float | NDArray[np.float32] | None,
        batch: int | None = None,
        input_permutation: NDArray[np.int32] | None = None,
        codebook: NDArray[np.float32] | None = None,
        fitted: dict[int, tuple[NDArray, ZeroPoints | None]] | None = None,
        whole: QuantizedTensor | None = None,
        activations: ActivationClass = "16-bit",
    ) -> None:
        self.format = format
        self.layout = layout
        self.k, self.n = k, n
        self.batch = batch
        matrix = (n, k) if layout == "nk" else (k, n)
        self.shape = matrix if batch is None else (batch, *matrix)
        self.group_size = granularity.group_size
        self.scale_format = scale_format
        self.scale_dtype = SCALE_FORMATS[scale_format].dtype
        self.tensor_scale = tensor_scale
        self.activations = activations
        self._granularity = granularity
        self._words, self._scales, self._zeros = words, scales, zeros
        if input_permutation is not None:
            input_permutation = check_permutation(input_permutation, k)
        self.input_permutation = input_permutation
        self.codebook = check_codebook(codebook, parse_weight_format(format))
        self._packed: dict[str, Any] = {}
        # Of weights in planes: tables fitted to narrower widths; what this is a part of.
        self.fitted, self._whole = fitted or {}, whole
        for array in (words, scales, zeros and zeros.packed, input_permutation, self.codebook):
            if array is not None:
                array.flags.writeable = False

    @classmethod
    def from_codes(
        cls,
        codes: NDArray,
        scales: NDArray,
        zeros: NDArray | None,
        *,
        format: str,
        layout: Literal["nk", "kn"],
        group_size: GroupSize,
        scale_dtype: DTypeLike | str | None = None,
        zero_rule: Literal["subtract", "add"] = "subtract",
        tensor_scale: float | None = None,
        input_permutation: NDArray | None = None,
        codebook: NDArray | None = None,
        activations: str = "16-bit",
        device: str | Device | None = None,
    ) -> QuantizedTensor:
        """Packs weights that somebody else quantised.

        Args:
            codes: integers [N, K] within the format's range; for floats their bits, or
                an array of such floats (ml_dtypes). Finite numbers only. The negative zero
                of formats with one exponent bit is stored as zero. [B, N, K] is a batch:
                scales and zeros then have B as their first extent too, and tensor_scale is
                one number or B.
            scales: [groups along N, groups along K]; with one scale a column that is
                [N, ceil(K / group_size)], for "tensor" [1, 1]. float16, bfloat16,
                float32, float8_e8m0fnu or float8_e4m3fn (of ml_dtypes).
            zeros: zero points, shaped as `scales`, or None. Integers within the
                format's range, or float16, bfloat16 or float32. None for floats.
            format, layout, group_size: as for `quantize`. `codes` is [N, K] whatever
                the layout says; the layout is that of `shape` and `dequantize`.
            scale_dtype: how scales are stored; None: as they are given. "ue5m3" has no
                dtype: give float32 scales that it can hold.
            zero_rule: "subtract": weights are (code - zero) * scale; "add": they are
                code * scale + zero, for floating-point zero points only.
            tensor_scale: a number that multiplies every weight, stored as float32.
            input_permutation: integers [K]: code column i belongs to input
                `input_permutation[i]`. None: to input i.
            codebook: for "lut2" to "lut4" the 4, 8 or 16 numbers of the codes. `linear`
                takes them in the dtype of its activations, which must hold them.
            activations: as for `quantize`.
            device: where a kernel packs the codes; None for the host. The bytes are the same.

        Raises:
            ShapeError: the shapes do not belong together.
            UnsupportedError: an unknown format, dtype, group size or zero rule; zero points
                of floats.
            ArgumentError: a code or zero point is outside the format's range, or the code
                of a NaN or infinity; a scale is no number of `scale_dtype`;
                `input_permutation` is no permutation.
        """
        weight = parse_weight_format(format)
        if weight.is_stack:
            raise UnsupportedError("format is 'stack'; from_planes packs such weights")
        granularity = Granularity.of(group_size)
        kind = activation_class(activations, weight, granularity)
        codes, scales = np.asarray(codes), np.asarray(scales)
        if codes.ndim == 3:
            return from_codes(
                cls, codes, scales, zeros, tensor_scale, format=format, layout=layout,
                group_size=group_size, scale_dtype=scale_dtype, zero_rule=zero_rule,
                input_permutation=input_permutation, codebook=codebook, activations=kind,
                device=device,
            )  # fmt: skip
        scale_format = find_scale_format(scales.dtype, "dtype of scales")
        if scale_dtype is not None:
            scale_format = find_scale_format(scale_dtype, "scale_dtype")
        if codes.ndim != 2:
            raise ShapeError(f"codes have shape {codes.shape}; expects [N, K] or [B, N, K]")
        n, k = codes.shape
        codes = check_codes(codes, "codes", weight)
        grid = granularity.grid(n, k)
        if scales.shape != grid:
            raise ShapeError(f"scales have shape {scales.shape}; expects {grid}")
        if zero_rule not in FLOAT_RULES:
            raise UnsupportedError(f"zero_rule is {zero_rule!r}; supported: 'subtract', 'add'")
        may_shift = weight.is_nested and zero_rule == "add"
        if zeros is not None and not (weight.is_integer or may_shift):
            hint = " with zero_rule 'subtract'; supported: 'add'" if weight.is_nested else ""
            raise UnsupportedError(f"zeros are given; codes of {weight.name} have none{hint}")
        place = {"k": k, "n": n, "group": str(granularity)}
        return cls(
            format=weight.name,
            layout=layout,
            k=k,
            n=n,
            granularity=granularity,
            words=pack_codes(
                weight.to_stored(codes, kind), weight.bits, weight.storage, kind, device
            ),
            scales=pack_scales(scales, scale_format, place),
            scale_format=scale_format.name,
            zeros=pack_zeros(zeros, grid, weight, zero_rule, place),
            tensor_scale=None if tensor_scale is None else check_tensor_scale(tensor_scale),
            input_permutation=input_permutation,
            codebook=codebook,
            activations=kind,
        )

    @classmethod
    def stack(cls, matrices: Sequence[QuantizedTensor]) -> QuantizedTensor:
        """A batch of matrices of one shape and format, for `linear` of a batch of rows.

        Raises:
            ShapeError: there are none, or one is a batch itself.
            ArgumentError: they differ in shape, format, group size, scales, zero points or
                codebook.
            UnsupportedError: one has permuted inputs.
        """
        return stack(cls, matrices)

    def matrix(self, index: int) -> QuantizedTensor:
        """Matrix `index` of a batch; its arrays are views.

        Raises:
            ShapeError: this is no batch.
            ArgumentError: it has no such matrix.
        """
        return take(self, index)

    def for_activations(self, activations: str) -> QuantizedTensor:
        """The same weights, packed for `activations` as `quantize` takes them; itself where
        they are already. UnsupportedError for weights that have no kernels with those."""
        from .tensor_parts import repack

        kind = activation_class(activations, self._weight, self._granularity)
        return self if kind == self.activations else repack(self, kind)

    @property
    def bits(self) -> int:
        """Bits of one weight's code; of a stack, planes."""
        return len(self._scales) if self._weight.is_stack else self._weight.bits

    @property
    def _weight(self) -> WeightFormat:
        format = parse_weight_format(self.format)
        if self.codebook is None:
            return format
        return dataclasses.replace(format, codebook=tuple(self.codebook.tolist()))

    @property
    def has_zero_point(self) -> bool:
        """Whether groups have zero points."""
        return self._zeros is not None

    @property
    def has_float_zero_point(self) -> bool:
        """Whether groups have zero points that are floating-point numbers."""
        return self._zeros is not None and self._zeros.format is not None

    @property
    def zero_rule(self) -> Literal["subtract", "add"] | None:
        """How zero points enter a weight; None without any."""
        if self._zeros is None:
            return None
        return "add" if self._zeros.rule == "offset" else "subtract"

    @property
    def nbytes(self) -> int:
        """Bytes of `parts`: codes, scales and what else there is, padding included."""
        return sum(part.nbytes for part in self.parts().values())

    @property
    def group(self) -> int:
        """Inputs that share a scale, as a number: K for "channel" and "tensor"."""
        return self._granularity.rows or self.k

    def packed(self, activations: str = "f16") -> Any:
        """What the runtime is handed for activations of "f16", "bf16" or "i8".

        It keeps a copy on each device that used it; the dtype makes a difference to
        codebooks only.

        Raises:
            UnsupportedError: the dtype does not hold a number of the codebook.
        """
        key = activations if self._weight.is_index else ""
        if self._whole is not None:
            return planes_.take_packed(self._whole, self)
        if key not in self._packed:
            zeros = self._zeros
            self._packed[key] = native().PackedWeights(
                self._words,
                self._scales,
                zeros and zeros.packed,
                self._tensor_scales(),
                None if self.codebook is None else codebook_words(self.codebook, activations),
                batch=self.batch or 0,
                k=self.k,
                n=self.n,
                format=self.format,
                group=str(self._granularity),
                scale=self.scale_format,
                zero=zeros.rule if zeros else "none",
                zero_dtype=zeros.format.name if zeros and zeros.format else "u8",
                activations=self.activations,
            )
        return self._packed[key]

    def _tensor_scales(self) -> NDArray[np.float32] | None:
        """The scales of the tensor, one for each matrix."""
        if self.tensor_scale is None:
            return None
        return np.atleast_1d(np.asarray(self.tensor_scale, np.float32))

    def words(self) -> NDArray[np.uint32]:
        """The packed codes: 32-bit words as kernels read them, read-only."""
        return self._words

    def codes(self) -> NDArray[np.int16]:
        """The codes, [N, K], in the stored order of inputs: integers or bits of floats."""
        if self.batch is not None:
            return each(self, QuantizedTensor.codes)
        storage = self._weight.storage, self.activations
        stored = native().unpack_codes(self._words, self.bits, self.n, self.k, *storage)
        return self._weight.from_stored(stored, self.activations)

    def scales(self) -> NDArray:
        """The scales, [groups along N, groups along K], in `scale_dtype`; of a stack, planes
        first."""
        if self.batch is not None:
            return each(self, QuantizedTensor.scales)
        place = self._place()
        if self._weight.is_stack:
            bits = np.stack([native().unpack_scales(table, **place) for table in self._scales])
        else:
            bits = native().unpack_scales(self._scales, **place)
        return SCALE_FORMATS[self.scale_format].from_bits(bits)

    def zeros(self) -> NDArray | None:
        """The zero points, shaped as the scales, int16 or floating point, or None."""
        zeros = self._zeros
        if zeros is None:
            return None
        if self.batch is not None:
            return each(self, lambda matrix: np.asarray(matrix.zeros()))
        if zeros.format:
            bits = native().unpack_scales(zeros.packed, **self._place())
            return zeros.format.from_bits(bits)
        stored = native().unpack_scales(zeros.packed, **self._place(), zero_bits=self.bits)
        return self._weight.from_stored(stored)

    def code_numbers(self) -> NDArray[np.float32]:
        """The numbers that the codes stand for, [N, K], in the stored order of inputs."""
        return self._weight.numbers[self.codes() - self._weight.min_code]

    def spread(self, numbers: NDArray) -> NDArray:
        """Numbers of groups, shaped as the scales, as numbers of weights [N, K]."""
        return self._granularity.spread(numbers, self.n, self.k)

    def truncate(self, width: int) -> QuantizedTensor:
        """The top `width` bits of nested weights, or the first `width` planes of a stack.

        It shares the memory of this tensor, here and on devices.
        """
        return planes_.take(self, width)

    def dequantize(
        self,
        dtype: DTypeLike = np.float32,
        *,
        bits: int | None = None,
        planes: int | None = None,
    ) -> NDArray:
        """The weights as numbers, shaped as `shape`; of `bits` of nested weights or of `planes`
        of a stack only, as `linear` takes them.

        With scales of 16 bits or less, integer zero points or none and no tensor scale,
        float32 holds them exactly. Otherwise they are computed in float64 and rounded
        once. A kernel never rounds a weight: it multiplies sums by scales.
        """
        if self.batch is not None:
            return each(self, lambda matrix: matrix.dequantize(dtype, bits=bits, planes=planes))
        if bits is not None or planes is not None:
            return planes_.choose(self, bits, planes).dequantize(dtype)
        values = to_numbers(self, dtype)
        if self.input_permutation is not None:
            stored, values = values, np.empty_like(values)
            values[:, self.input_permutation] = stored
        return values if self.layout == "nk" else np.ascontiguousarray(values.T)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> None:
        """Writes the packed weights to a safetensors file, which appears when it is whole.

        `save_packed` writes several to one file.
        """
        from .packed_file import save_packed

        save_packed(path, {"": self}, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], name: str | None = None) -> QuantizedTensor:
        """Reads what `save`, `save_packed` or `tw pack` wrote.

        Args:
            path: the file.
            name: of the weight in a file of several; None for the only one.

        Raises:
            OSError: the file cannot be read.
            UnsupportedError: the file is of another kind or packing version.
            ArgumentError: the file is damaged; there is no such weight.
        """
        from .packed_file import PackedFile

        with PackedFile(path) as file:
            return file.read_weight(name)

    def description(self) -> dict[str, Any]:
        """What `parts` mean, as JSON can hold it; `from_parts` needs both."""

        return describe(self)

    def parts(self) -> dict[str, NDArray]:
        """The arrays that files hold: `words`, `scales` and what else there is."""
        return take_apart(self)

    @classmethod
    def from_parts(cls, description: dict[str, Any], parts: dict[str, NDArray]) -> QuantizedTensor:
        """The inverse of `description` and `parts`.

        Raises:
            UnsupportedError: the packing version is not this build's.
            KeyError, ValueError: they do not belong together.
        """
        return build(cls, description, parts)

    def _place(self) -> dict[str, Any]:
        """What the packer is told of scales and zero points."""
        return {"k": self.k, "n": self.n, "group": str(self._granularity)}

    def __repr__(self) -> str:
        zero = {None: "", "integer": ", zero points"}.get(
            self._zeros and self._zeros.rule, f", float zero points ({self.zero_rule})"
        )
        tensor = "" if self.tensor_scale is None else ", tensor scale"
        order = ", permuted inputs" if self.input_permutation is not None else ""
        order += ", for 8-bit activations" if self.activations == "8-bit" else ""
        return (
            f"QuantizedTensor({self.format}, {self.layout} {'x'.join(map(str, self.shape))}, "
            f"group {self._granularity}, {dtype_name(self.scale_format)} scales{zero}{tensor}"
            f"{order}, {self.nbytes} bytes)"
        )
