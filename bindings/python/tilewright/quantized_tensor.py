"""Packed weights: what `quantize` returns and `linear` multiplies by.

The bytes are those kernels read (dialects/Support/Layout/Packing.h gives the map);
they are the same for every GPU and every schedule, so files can be moved. Codes,
scales and zero points come back out bit for bit.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._extension import native
from .errors import ShapeError, UnsupportedError
from .formats import FLOATS, WeightFormat, float_name, parse_weight_format
from .weight_parts import check_codebook, check_codes, check_permutation


def group_starts(k: int, group: int | None) -> NDArray[np.intp]:
    """Where along K each group begins; `group` None is one group."""
    return np.arange(0, k, group or max(k, 1))


class QuantizedTensor:
    """A weight matrix of K inputs x N outputs, quantised and packed.

    The value of a weight is `(code - zero_point) * scale`, with one scale and zero
    point for each `group_size` consecutive inputs of one output; `code` stands for the
    number of a float's code, or for an entry of the codebook. Made by `quantize`,
    `from_codes` and `load`; never changes afterwards.

    Attributes:
        format: name of the weights' format, "u4".
        layout: "nk" or "kn": the order of the two dimensions of `shape`.
        shape: the shape of the matrix that was quantised, in that order.
        group_size: inputs that share a scale, or "channel" for all of them.
        scale_dtype: dtype of the stored scales.
        input_permutation: None, or int32 [K]: packed row i belongs to input
            `input_permutation[i]`. Rows are stored in another order where the weights of
            a group do not follow each other (GPTQ's act-order); `codes` and groups are
            in the stored order, `dequantize` and `linear` in that of the inputs.
        codebook: None, or float32 [2^bits]: the numbers that codes are indices of.
    """

    def __init__(
        self,
        *,
        format: str,
        layout: Literal["nk", "kn"],
        k: int,
        n: int,
        group_size: int | Literal["channel"],
        words: NDArray[np.uint32],
        scales: NDArray,
        zeros: NDArray[np.uint8] | None,
        input_permutation: NDArray[np.int32] | None = None,
        codebook: NDArray[np.float32] | None = None,
    ) -> None:
        self.format = format
        self.layout = layout
        self.k, self.n = k, n
        self.shape = (n, k) if layout == "nk" else (k, n)
        self.group_size = group_size
        self.scale_dtype = scales.dtype
        self._words, self._scales, self._zeros = words, scales, zeros
        if input_permutation is not None:
            input_permutation = check_permutation(input_permutation, k)
        self.input_permutation = input_permutation
        self.codebook = check_codebook(codebook, parse_weight_format(format))
        self._packed: dict[str, Any] = {}
        for array in (words, scales, zeros, input_permutation, self.codebook):
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
        group_size: int | Literal["channel"],
        input_permutation: NDArray | None = None,
        codebook: NDArray | None = None,
    ) -> QuantizedTensor:
        """Packs weights that somebody else quantised.

        Args:
            codes: integers [N, K] within the format's range; for floats their bits, or
                an array of such floats (ml_dtypes). Finite numbers only. The negative zero
                of formats with one exponent bit is stored as zero.
            scales: float16 or bfloat16 [N, ceil(K / group_size)].
            zeros: integers within the format's range, shaped as `scales`, or None;
                None for floats.
            format, layout, group_size: as for `quantize`. `codes` is [N, K] whatever
                the layout says; the layout is that of `shape` and `dequantize`.
            input_permutation: integers [K]: code column i belongs to input
                `input_permutation[i]`. None: to input i.
            codebook: for "lut2" to "lut4" the 4, 8 or 16 numbers of the codes. `linear`
                takes them in the dtype of its activations, which must hold them.

        Raises:
            ShapeError: the shapes do not belong together.
            UnsupportedError: an unknown format; zero points of floats.
            ArgumentError: a code or zero point is outside the format's range, or the code
                of a NaN or infinity;
                `input_permutation` is no permutation.
        """
        weight = parse_weight_format(format)
        codes, scales = np.asarray(codes), np.asarray(scales)
        float_name(scales.dtype, "dtype of scales", ("f16", "bf16"))
        if codes.ndim != 2:
            raise ShapeError(f"codes have shape {codes.shape}; expects [N, K]")
        n, k = codes.shape
        group = None if group_size == "channel" else group_size
        expected = (n, len(group_starts(k, group)))
        if scales.shape != expected:
            raise ShapeError(f"scales have shape {scales.shape}; expects {expected}")
        if zeros is not None and np.shape(zeros) != expected:
            raise ShapeError(f"zeros have shape {np.shape(zeros)}; expects {expected}")
        codes = check_codes(codes, "codes", weight)
        if zeros is not None:
            if not weight.is_integer:
                raise UnsupportedError(f"zeros are given; codes of {weight.name} have none")
            zeros = check_codes(zeros, "zeros", weight)
        pack = native()
        return cls(
            format=weight.name,
            layout=layout,
            k=k,
            n=n,
            group_size=group_size,
            words=pack.pack_codes(weight.to_stored(codes), weight.bits),
            scales=pack.pack_scales(scales.view(np.uint16)).view(scales.dtype),
            zeros=None if zeros is None else pack.pack_zeros(weight.to_stored(zeros)),
            input_permutation=input_permutation,
            codebook=codebook,
        )

    @property
    def bits(self) -> int:
        """Bits of one weight's code."""
        return self._weight.bits

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
    def nbytes(self) -> int:
        """Bytes of `parts`: codes, scales and what else there is, padding included."""
        return sum(part.nbytes for part in self.parts().values())

    @property
    def group(self) -> int:
        """Inputs that share a scale, as a number: K for "channel"."""
        return self.k if self.group_size == "channel" else self.group_size

    def packed(self, activations: str = "f16") -> Any:
        """What the runtime is handed for activations of "f16" or "bf16".

        It keeps a copy on each device that used it; the dtype makes a difference to
        codebooks only.

        Raises:
            UnsupportedError: the dtype does not hold a number of the codebook.
        """
        key = activations if self._weight.is_index else ""
        if key not in self._packed:
            self._packed[key] = native().PackedWeights(
                self._words,
                self._scales.view(np.uint16),
                self._zeros,
                self._codebook_words(activations),
                k=self.k,
                n=self.n,
                format=self.format,
                group=str(self.group_size),
                scale=float_name(self.scale_dtype, "scales"),
            )
        return self._packed[key]

    def _codebook_words(self, activations: str) -> NDArray[np.uint32] | None:
        """The codebook as kernels take it: all low bytes of its words, then all high ones."""
        if self.codebook is None:
            return None
        dtype = FLOATS[activations]
        with np.errstate(over="ignore"):
            entries = self.codebook.astype(dtype)
        inexact = entries.astype(np.float32) != self.codebook
        if inexact.any():
            index = int(np.argmax(inexact))
            raise UnsupportedError(
                f"x is {dtype.name}, which holds codebook[{index}] only as "
                f"{float(entries[index])!r} and not as {float(self.codebook[index])!r}; round "
                f"the codebook to {dtype.name} (quantize does with this scale_dtype)"
            )
        bytes_of_entries = entries.view(np.uint8).reshape(-1, 2)
        return np.ascontiguousarray(bytes_of_entries.T).reshape(-1).view(np.uint32)

    def words(self) -> NDArray[np.uint32]:
        """The packed codes: 32-bit words as kernels read them, read-only."""
        return self._words

    def codes(self) -> NDArray[np.int16]:
        """The codes, [N, K], in the stored order of inputs: integers or bits of floats."""
        stored = native().unpack_codes(self._words, self.bits, self.n, self.k)
        return self._weight.from_stored(stored)

    def scales(self) -> NDArray:
        """The scales, [N, groups], in `scale_dtype`."""
        packed = self._scales.view(np.uint16)
        return native().unpack_scales(packed, *self._grid()).view(self.scale_dtype)

    def zeros(self) -> NDArray[np.int16] | None:
        """The zero points, [N, groups], or None."""
        if self._zeros is None:
            return None
        return self._weight.from_stored(native().unpack_zeros(self._zeros, *self._grid()))

    def dequantize(self, dtype: DTypeLike = np.float32) -> NDArray:
        """The weights as numbers, shaped as `shape`.

        float32 holds `(code - zero_point) * scale` exactly, as a kernel does.
        """
        codes = self._weight.numbers[self.codes() - self._weight.min_code]
        lengths = np.diff([*group_starts(self.k, self.group), self.k])
        zeros = self.zeros()
        if zeros is not None:
            codes -= np.repeat(zeros, lengths, axis=1)
        codes *= np.repeat(self.scales().astype(np.float32), lengths, axis=1)
        values = codes.astype(dtype, copy=False)
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
        return {
            "packing": native().PACKING_VERSION,
            "format": self.format,
            "layout": self.layout,
            "k": self.k,
            "n": self.n,
            "group_size": self.group_size,
        }

    def parts(self) -> dict[str, NDArray]:
        """The arrays that files hold: `words`, `scales` and what else there is."""
        parts = {
            "words": self._words,
            "scales": self._scales,
            "zeros": self._zeros,
            "input_permutation": self.input_permutation,
            "codebook": self.codebook,
        }
        return {name: array for name, array in parts.items() if array is not None}

    @classmethod
    def from_parts(cls, description: dict[str, Any], parts: dict[str, NDArray]) -> QuantizedTensor:
        """The inverse of `description` and `parts`.

        Raises:
            UnsupportedError: the packing version is not this build's.
            KeyError, ValueError: they do not belong together.
        """
        version = native().PACKING_VERSION
        if description["packing"] != version:
            raise UnsupportedError(
                f"weights have packing version {description['packing']}; supported: {version}"
            )
        parts = dict(parts)
        if description["layout"] not in ("nk", "kn"):
            raise ValueError(f"layout is {description['layout']!r}")
        group = description["group_size"]
        result = cls(
            format=parse_weight_format(description["format"]).name,
            layout=cast(Literal["nk", "kn"], description["layout"]),
            k=int(description["k"]),
            n=int(description["n"]),
            group_size="channel" if group == "channel" else int(group),
            words=parts.pop("words"),
            scales=parts.pop("scales"),
            zeros=parts.pop("zeros", None),
            input_permutation=parts.pop("input_permutation", None),
            codebook=parts.pop("codebook", None),
        )
        float_name(result.scale_dtype, "dtype of scales", ("f16", "bf16"))
        if parts:
            raise ValueError(f"'{min(parts)}' is no part of a weight")
        # Unpacking checks every size against the description.
        result.codes(), result.scales(), result.zeros()
        return result

    def _grid(self) -> tuple[int, int]:
        """The shape of scales and zero points, [N, groups]."""
        return self.n, len(group_starts(self.k, self.group))

    def __repr__(self) -> str:
        zero = ", zero points" if self.has_zero_point else ""
        order = ", permuted inputs" if self.input_permutation is not None else ""
        return (
            f"QuantizedTensor({self.format}, {self.layout} {self.shape[0]}x{self.shape[1]}, "
            f"group {self.group_size}, {self.scale_dtype.name} scales{zero}{order}, "
            f"{self.nbytes} bytes)"
        )
