"""Packed weights: what `quantize` returns and `linear` multiplies by.

The bytes are those kernels read (dialects/Support/Layout/Packing.h gives the map);
they are the same for every GPU and every schedule, so files can be moved. Codes,
scales and zero points come back out bit for bit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._extension import native
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import FLOATS, IntegerFormat, float_name, parse_integer_format

_FILE_KIND = "tilewright.quantized"


def group_starts(k: int, group: int | None) -> NDArray[np.intp]:
    """Where along K each group begins; `group` None is one group."""
    return np.arange(0, k, group or max(k, 1))


def _stored(numbers: NDArray, integer: IntegerFormat) -> NDArray[np.uint8]:
    """Codes as they are stored: signed ones moved up to start at 0."""
    return (np.asarray(numbers) - integer.min_code).astype(np.uint8)


class QuantizedTensor:
    """A weight matrix of K inputs x N outputs, quantised and packed.

    The value of a weight is `(code - zero_point) * scale`, with one scale and zero
    point for each `group_size` consecutive inputs of one output. Made by `quantize`,
    `from_codes` and `load`; never changes afterwards.

    Attributes:
        format: name of the weights' format, "u4".
        layout: "nk" or "kn": the order of the two dimensions of `shape`.
        shape: the shape of the matrix that was quantised, in that order.
        group_size: inputs that share a scale, or "channel" for all of them.
        scale_dtype: dtype of the stored scales.
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
    ) -> None:
        self.format = format
        self.layout = layout
        self.k, self.n = k, n
        self.shape = (n, k) if layout == "nk" else (k, n)
        self.group_size = group_size
        self.scale_dtype = scales.dtype
        self._words, self._scales, self._zeros = words, scales, zeros
        self._packed: Any = None
        for array in (words, scales, zeros):
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
    ) -> QuantizedTensor:
        """Packs weights that somebody else quantised.

        Args:
            codes: integers [N, K] within the format's range.
            scales: float16 or bfloat16 [N, ceil(K / group_size)].
            zeros: integers within the format's range, shaped as `scales`, or None.
            format, layout, group_size: as for `quantize`. `codes` is [N, K] whatever
                the layout says; the layout is that of `shape` and `dequantize`.

        Raises:
            ShapeError: the shapes do not belong together.
            ArgumentError: a code or zero point is outside the format's range.
        """
        integer = parse_integer_format(format)
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
        for name, values in (("codes", codes), ("zeros", zeros)):
            if values is not None and np.size(values):
                low, high = int(np.min(values)), int(np.max(values))
                if low < integer.min_code or high > integer.max_code:
                    raise ArgumentError(
                        f"{name} reach from {low} to {high}; {format} holds "
                        f"{integer.min_code} to {integer.max_code}"
                    )
        pack = native()
        return cls(
            format=format,
            layout=layout,
            k=k,
            n=n,
            group_size=group_size,
            words=pack.pack_codes(_stored(codes, integer), integer.bits),
            scales=pack.pack_scales(scales.view(np.uint16)).view(scales.dtype),
            zeros=None if zeros is None else pack.pack_zeros(_stored(zeros, integer)),
        )

    @property
    def bits(self) -> int:
        """Bits of one weight's code."""
        return parse_integer_format(self.format).bits

    @property
    def has_zero_point(self) -> bool:
        """Whether groups have zero points."""
        return self._zeros is not None

    @property
    def nbytes(self) -> int:
        """Bytes of the packed codes, scales and zero points, padding included."""
        parts = (self._words, self._scales, self._zeros)
        return sum(part.nbytes for part in parts if part is not None)

    @property
    def group(self) -> int:
        """Inputs that share a scale, as a number: K for "channel"."""
        return self.k if self.group_size == "channel" else self.group_size

    def packed(self) -> Any:
        """What the runtime is handed; it keeps a copy on each device that used it."""
        if self._packed is None:
            self._packed = native().PackedWeights(
                self._words,
                self._scales.view(np.uint16),
                self._zeros,
                k=self.k,
                n=self.n,
                format=self.format,
                group=str(self.group_size),
                scale=float_name(self.scale_dtype, "scales"),
            )
        return self._packed

    def words(self) -> NDArray[np.uint32]:
        """The packed codes: 32-bit words as kernels read them, read-only."""
        return self._words

    def codes(self) -> NDArray[np.int16]:
        """The codes as numbers, [N, K]."""
        return self._numbers(native().unpack_codes(self._words, self.bits, self.n, self.k))

    def scales(self) -> NDArray:
        """The scales, [N, groups], in `scale_dtype`."""
        packed = self._scales.view(np.uint16)
        return native().unpack_scales(packed, *self._grid()).view(self.scale_dtype)

    def zeros(self) -> NDArray[np.int16] | None:
        """The zero points, [N, groups], or None."""
        if self._zeros is None:
            return None
        return self._numbers(native().unpack_zeros(self._zeros, *self._grid()))

    def dequantize(self, dtype: DTypeLike = np.float32) -> NDArray:
        """The weights as numbers, shaped as `shape`.

        float32 holds `(code - zero_point) * scale` exactly. A kernel multiplies by
        these values rounded once to the dtype of its activations: ask for that dtype
        to see them.
        """
        codes = self.codes().astype(np.float32)
        lengths = np.diff([*group_starts(self.k, self.group), self.k])
        zeros = self.zeros()
        if zeros is not None:
            codes -= np.repeat(zeros, lengths, axis=1)
        codes *= np.repeat(self.scales().astype(np.float32), lengths, axis=1)
        values = codes.astype(dtype, copy=False)
        return values if self.layout == "nk" else np.ascontiguousarray(values.T)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the packed weights to a safetensors file."""
        from safetensors.numpy import save_file

        tensors = {"words": self._words, "scales": self._scales.view(np.uint16)}
        if self._zeros is not None:
            tensors["zeros"] = self._zeros
        metadata = {
            "kind": _FILE_KIND,
            "packing": str(native().PACKING_VERSION),
            "format": self.format,
            "layout": self.layout,
            "k": str(self.k),
            "n": str(self.n),
            "group_size": str(self.group_size),
            "scale": float_name(self.scale_dtype, "scales"),
        }
        save_file(tensors, path, metadata=metadata)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> QuantizedTensor:
        """Reads what `save` wrote.

        Raises:
            UnsupportedError: the file is of another kind or packing version.
            ArgumentError: the file is damaged: sizes do not fit its description.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(Path(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ArgumentError(f"{path} is not a safetensors file: {error}") from None
        if metadata.get("kind") != _FILE_KIND:
            raise UnsupportedError(f"{path} holds no quantised tensor of tilewright")
        version = str(native().PACKING_VERSION)
        if metadata.get("packing") != version:
            raise UnsupportedError(
                f"{path} has packing version {metadata.get('packing')}; supported: {version}"
            )
        try:
            return cls._from_file(metadata, tensors)
        except (KeyError, ValueError) as error:
            raise ArgumentError(f"{path} is damaged: {error}") from None

    @classmethod
    def _from_file(cls, metadata: dict[str, str], tensors: dict[str, NDArray]) -> QuantizedTensor:
        group = metadata["group_size"]
        if metadata["layout"] not in ("nk", "kn"):
            raise ValueError(f"layout is {metadata['layout']!r}")
        result = cls(
            format=parse_integer_format(metadata["format"]).name,
            layout=cast(Literal["nk", "kn"], metadata["layout"]),
            k=int(metadata["k"]),
            n=int(metadata["n"]),
            group_size="channel" if group == "channel" else int(group),
            words=tensors["words"],
            scales=tensors["scales"].view(FLOATS[metadata["scale"]]),
            zeros=tensors.get("zeros"),
        )
        # Unpacking checks every size against the description.
        result.codes(), result.scales(), result.zeros()
        return result

    def _numbers(self, stored: NDArray[np.uint8]) -> NDArray[np.int16]:
        """Codes as numbers; the inverse of `_stored`."""
        return stored.astype(np.int16) + np.int16(parse_integer_format(self.format).min_code)

    def _grid(self) -> tuple[int, int]:
        """The shape of scales and zero points, [N, groups]."""
        return self.n, len(group_starts(self.k, self.group))

    def __repr__(self) -> str:
        zero = ", zero points" if self.has_zero_point else ""
        return (
            f"QuantizedTensor({self.format}, {self.layout} {self.shape[0]}x{self.shape[1]}, "
            f"group {self.group_size}, {self.scale_dtype.name} scales{zero}, {self.nbytes} bytes)"
        )
