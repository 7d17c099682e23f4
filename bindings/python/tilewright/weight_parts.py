"""What the parts of packed weights must be: codes, a codebook, an order of inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import FLOATS, WeightFormat, is_weight_dtype


def check_codes(codes: NDArray, name: str, format: WeightFormat) -> NDArray:
    """`codes` as integers, once they are known to be codes of finite numbers."""
    codes = np.asarray(codes)
    if format.is_float and is_weight_dtype(codes.dtype, format):
        codes = codes.view(np.uint8)
    if codes.dtype.kind not in "iu":
        raise UnsupportedError(
            f"{name} are {codes.dtype.name}; expects integers, codes of {format.name}"
        )
    if codes.size == 0:
        return codes
    low, high = int(np.min(codes)), int(np.max(codes))
    if low < format.min_code or high > format.max_code:
        raise ArgumentError(
            f"{name} reach from {low} to {high}; {format.name} holds "
            f"{format.min_code} to {format.max_code}"
        )
    special = ~np.isfinite(format.numbers) if format.is_float else np.zeros(0, bool)
    if special.any() and special[codes].any():
        at = tuple(int(i) for i in np.argwhere(special[codes])[0])
        raise ArgumentError(
            f"{name}{list(at)} is {codes[at]:#x}, {format.numbers[codes[at]]} in {format.name}; "
            f"weights are finite, at most {format.max_number:g}"
        )
    return codes


def check_finite(w: NDArray[np.floating], first: int, layout: str) -> None:
    """Fails unless weights, columns from `first` on of a matrix, are finite."""
    if np.isfinite(w).all():
        return
    row, k = np.argwhere(~np.isfinite(w))[0]
    index = (first + int(row), int(k)) if layout == "nk" else (int(k), first + int(row))
    raise ArgumentError(f"w[{index[0]}, {index[1]}] is {w[row, k]}; expects finite weights")


def check_codebook(codebook: NDArray | None, format: WeightFormat) -> NDArray[np.float32] | None:
    """A copy of `codebook` as float32, once it is known to belong to `format`."""
    if not format.is_index:
        if codebook is not None:
            raise UnsupportedError(f"codebook is given; codes of {format.name} have none")
        return None
    if codebook is None:
        raise ArgumentError(f"codebook is None; {format.name} needs {1 << format.bits} numbers")
    entries = np.asarray(codebook)
    if entries.shape != (1 << format.bits,):
        raise ShapeError(
            f"codebook has shape {entries.shape}; {format.name} expects ({1 << format.bits},)"
        )
    entries = entries.astype(np.float32)
    if not np.isfinite(entries).all():
        index = int(np.argmin(np.isfinite(entries)))
        raise ArgumentError(f"codebook[{index}] is {entries[index]}; expects finite numbers")
    return entries


def check_permutation(order: NDArray, k: int) -> NDArray[np.int32]:
    """A copy of `order` as int32, once it is known to hold 0..k-1."""
    order = np.asarray(order)
    if order.shape != (k,):
        raise ShapeError(f"input_permutation has shape {order.shape}; expects ({k},)")
    if not np.array_equal(np.sort(order), np.arange(k)):
        raise ArgumentError(f"input_permutation does not hold each of 0..{k - 1} once")
    return order.astype(np.int32)


def codebook_words(codebook: NDArray[np.float32], activations: str) -> NDArray[np.uint32]:
    """A codebook as kernels take it: all low bytes of its numbers in the dtype of the
    activations, then all high ones."""
    dtype = FLOATS[activations]
    with np.errstate(over="ignore"):
        entries = codebook.astype(dtype)
    inexact = entries.astype(np.float32) != codebook
    if inexact.any():
        index = int(np.argmax(inexact))
        raise UnsupportedError(
            f"x is {dtype.name}, which holds codebook[{index}] only as "
            f"{float(entries[index])!r} and not as {float(codebook[index])!r}; round "
            f"the codebook to {dtype.name} (quantize does with this scale_dtype)"
        )
    bytes_of_entries = entries.view(np.uint8).reshape(-1, 2)
    return np.ascontiguousarray(bytes_of_entries.T).reshape(-1).view(np.uint32)
