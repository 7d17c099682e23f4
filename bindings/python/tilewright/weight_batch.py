"""Batches of packed weights: matrices of one shape and format, one behind the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError, ShapeError, UnsupportedError

if TYPE_CHECKING:
    from .quantized_tensor import QuantizedTensor

T = TypeVar("T")

#: What the matrices of a batch have in common, by the names of attributes.
_COMMON = ("format", "layout", "shape", "group_size", "scale_format", "zero_rule", "activations")


def stack(cls: type[QuantizedTensor], matrices: Sequence[QuantizedTensor]) -> QuantizedTensor:
    """What QuantizedTensor.stack documents."""
    matrices = list(matrices)
    if not matrices:
        raise ShapeError("matrices are none; expects at least one")
    first = matrices[0]
    for index, matrix in enumerate(matrices):
        _check(matrix, first, index)
    zeros = first._zeros
    if zeros is not None:
        packed = np.concatenate([m._zeros.packed for m in matrices if m._zeros])
        zeros = dataclasses.replace(zeros, packed=packed)
    scales = [matrix.tensor_scale for matrix in matrices]
    return cls(
        format=first.format,
        layout=first.layout,
        k=first.k,
        n=first.n,
        batch=len(matrices),
        granularity=first._granularity,
        words=np.concatenate([matrix._words for matrix in matrices]),
        scales=np.concatenate([matrix._scales for matrix in matrices]),
        scale_format=first.scale_format,
        zeros=zeros,
        tensor_scale=None if scales[0] is None else np.array(scales, np.float32),
        codebook=first.codebook,
        activations=first.activations,
    )


def _check(matrix: QuantizedTensor, first: QuantizedTensor, index: int) -> None:
    """Fails unless `matrix` may follow `first`."""
    if matrix.batch is not None:
        raise ShapeError(f"matrices[{index}] is a batch itself; expects one matrix")
    if matrix._weight.is_nested:
        raise UnsupportedError(f"matrices[{index}] is {matrix.format}; batches have no planes")
    if matrix.input_permutation is not None:
        raise UnsupportedError(f"matrices[{index}] has permuted inputs; batches have none")
    for name in _COMMON:
        if getattr(matrix, name) != getattr(first, name):
            raise ArgumentError(
                f"matrices[{index}] has {name} {getattr(matrix, name)!r}, "
                f"matrices[0] {getattr(first, name)!r}; expects the same"
            )
    kinds = [(m._zeros and m._zeros.packed.dtype, m.tensor_scale is None) for m in (matrix, first)]
    if kinds[0] != kinds[1]:
        raise ArgumentError(
            f"matrices[{index}] has other zero points or no tensor scale where matrices[0] has; "
            "expects the same"
        )
    if not np.array_equal(matrix.codebook, first.codebook):
        raise ArgumentError(f"matrices[{index}] has a codebook of its own; a batch has one")


def take(batch: QuantizedTensor, index: int) -> QuantizedTensor:
    """What QuantizedTensor.matrix documents."""
    count = batch.batch
    if count is None:
        raise ShapeError(f"{batch!r} is one matrix; expects a batch")
    if not 0 <= index < count:
        raise ArgumentError(f"index is {index}; the batch has matrices 0 to {count - 1}")
    part = lambda array: array.reshape(count, -1)[index]  # noqa: E731
    zeros, scale = batch._zeros, batch.tensor_scale
    return type(batch)(
        format=batch.format,
        layout=batch.layout,
        k=batch.k,
        n=batch.n,
        granularity=batch._granularity,
        words=part(batch._words),
        scales=part(batch._scales),
        scale_format=batch.scale_format,
        zeros=zeros and dataclasses.replace(zeros, packed=part(zeros.packed)),
        tensor_scale=None if scale is None else float(np.asarray(scale)[index]),
        codebook=batch.codebook,
        activations=batch.activations,
    )


def each(batch: QuantizedTensor, read: Callable[[QuantizedTensor], NDArray]) -> NDArray:
    """`read` of each matrix, as one array."""
    return np.stack([read(take(batch, index)) for index in range(batch.batch or 0)])


def stack_each(w: NDArray, make: Callable[[NDArray], QuantizedTensor]) -> QuantizedTensor:
    """The batch of what `make` makes of each matrix of `w`."""
    matrices = of_each(len(w), "w", lambda index: make(w[index]))
    if not matrices:
        raise ShapeError(f"w has shape {w.shape}, no matrices; expects at least one")
    return matrices[0].stack(matrices)


def of_each(count: int, name: str, make: Callable[[int], T]) -> list[T]:
    """What `make` makes of each index; its errors say which matrix of `name` it was."""
    made = []
    for index in range(count):
        try:
            made.append(make(index))
        except (ArgumentError, ShapeError) as error:
            raise type(error)(f"{name}[{index}]: {error}") from None
    return made


def from_codes(
    cls: type[QuantizedTensor],
    codes: NDArray,
    scales: NDArray,
    zeros: NDArray | None,
    tensor_scale: Any,
    **options: Any,
) -> QuantizedTensor:
    """What QuantizedTensor.from_codes documents, of codes [B, N, K]."""
    count = len(codes)
    for name, array in (("scales", scales), ("zeros", zeros)):
        if array is not None and np.shape(array)[:1] != (count,):
            raise ShapeError(
                f"{name} have shape {np.shape(array)}; expects {count} matrices like codes"
            )
    scale = [tensor_scale] * count if np.ndim(tensor_scale) == 0 else tensor_scale
    if len(scale) != count:
        raise ShapeError(f"tensor_scale has {len(scale)} numbers; expects 1 or {count}")
    make = lambda i: cls.from_codes(  # noqa: E731
        codes[i],
        scales[i],
        None if zeros is None else zeros[i],
        tensor_scale=scale[i],
        **options,
    )
    return stack(cls, of_each(count, "codes", make))
