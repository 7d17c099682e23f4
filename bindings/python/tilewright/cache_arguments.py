"""Arguments of calls that write to caches: arrays as kernels take them, or an error.

Each error names the argument, its value and what is supported.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import to_numpy
from .attention_arguments import Layout, head_tensor
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
#: What low-bit caches hold; uint8 is two integers of 4 bits.
CODES = (
    np.dtype(ml_dtypes.float8_e4m3fn),
    np.dtype(ml_dtypes.float8_e5m2),
    np.dtype(np.int8),
    np.dtype(np.uint8),
)
#: Head sizes and rotated columns that kernels take.
LARGEST_HEAD = 1024
_HEAD_STEP = 8
_ROTARY_STEP = 16


def read_tokens(value: ArrayLike | Any, name: str, layout: Layout) -> NDArray:
    """[B, S, H, D] with contiguous heads, whatever the layout of `value`."""
    if layout not in ("bshd", "bhsd"):
        raise UnsupportedError(f"layout is {layout!r}; supported: 'bshd', 'bhsd' (as torch)")
    array = to_numpy(value, name)
    float_name(array.dtype, f"dtype of {name}", ("f16", "bf16"))
    if array.ndim != 4:
        axes = "B, S, H, D" if layout == "bshd" else "B, H, S, D"
        raise ShapeError(f"{name} has shape {array.shape}; expects [{axes}]")
    array = array if layout == "bshd" else array.transpose(0, 2, 1, 3)
    return array if _is_regular(array) else np.ascontiguousarray(array)


def _is_regular(array: NDArray) -> bool:
    """Strides that kernels take: whole elements, none negative, 1 along the last axis."""
    steps = array.strides
    is_whole = all(step % array.itemsize == 0 and step >= 0 for step in steps)
    return is_whole and (steps[-1] == array.itemsize or array.shape[-1] <= 1)


def check_tokens(tokens: dict[str, NDArray], layout: Layout) -> tuple[int, int]:
    """The batch and the number of tokens."""
    first_name, first = next(iter(tokens.items()))
    for name, array in tokens.items():
        if array.dtype != first.dtype:
            raise UnsupportedError(
                f"{name} is {array.dtype.name} and {first_name} {first.dtype.name}; "
                "supported: one dtype"
            )
        if array.shape[:2] != first.shape[:2]:
            raise ShapeError(
                f"{name} has {array.shape[0]} sequences of {array.shape[1]} tokens; expects those "
                f"of {first_name}, {first.shape[0]} of {first.shape[1]}"
            )
        size = array.shape[3]
        if size % _HEAD_STEP or not 0 < size <= LARGEST_HEAD:
            near = min(max(_HEAD_STEP, -(-size // _HEAD_STEP) * _HEAD_STEP), LARGEST_HEAD)
            raise UnsupportedError(
                f"head size of {name} is {size}; supported: multiples of {_HEAD_STEP} up to "
                f"{LARGEST_HEAD}, the nearest is {near}"
            )
    if "v" in tokens and tokens["v"].shape[2] != tokens["k"].shape[2]:
        raise ShapeError(
            f"v has {tokens['v'].shape[2]} heads; expects those of k, {tokens['k'].shape[2]}"
        )
    return first.shape[0], first.shape[1]


def read_cache(value: Any, name: str, rank: int) -> NDArray:
    """The caller's own memory: nothing may be copied here."""
    if not hasattr(value, "__dlpack__"):
        raise ArgumentError(f"{name} is a {type(value).__name__}; expects an array to write into")
    array = to_numpy(value, name)
    if array.ndim != rank:
        columns = ", D" if rank == 4 else ""
        raise ShapeError(
            f"{name} has shape {array.shape}; expects [B, capacity, Hkv{columns}], or with a "
            f"page_table [num_pages, page_size, Hkv{columns}]"
        )
    if not array.flags.writeable:
        raise ArgumentError(f"{name} is read-only; expects an array to write into")
    if not _is_regular(array):
        raise ArgumentError(
            f"{name} has strides of {array.strides} bytes; expects elements of a head behind each "
            "other and no negative strides, since it is written in place"
        )
    return array


def check_caches(tokens: dict[str, NDArray], caches: dict[str, NDArray], paged: bool) -> None:
    """Fails unless caches and their scales belong to these tokens."""
    batch, _, heads, _ = tokens["k"].shape
    outer, inner = caches["k_cache"].shape[:2]
    rows_of = (outer if paged else batch, inner, heads)
    for which in ("k", "v"):
        cache, scales = caches.get(f"{which}_cache"), caches.get(f"{which}_scales")
        if cache is not None:
            _check_format(which, cache, tokens[which], scales is not None)
            size = tokens[which].shape[3] // (2 if cache.dtype == np.uint8 else 1)
            _check_shape(cache, f"{which}_cache", (*rows_of, size))
        if scales is None:
            continue
        if cache is None:
            raise ArgumentError(f"{which}_scales are given without {which}_cache")
        float_name(scales.dtype, f"dtype of {which}_scales", ("f32", "f16"))
        _check_shape(scales, f"{which}_scales", rows_of)


def _check_shape(array: NDArray, name: str, wanted: tuple[int, ...]) -> None:
    if array.shape != wanted:
        raise ShapeError(f"{name} has shape {array.shape}; expects {wanted}")


def _check_format(which: str, cache: NDArray, rows: NDArray, scaled: bool) -> None:
    """Whether the cache takes rows of this dtype."""
    name, dtype = f"{which}_cache", cache.dtype
    if dtype != rows.dtype and dtype not in CODES:
        raise UnsupportedError(
            f"{name} is {dtype.name}; supported: the dtype of {which}, {rows.dtype.name}, or "
            f"{', '.join(code.name for code in CODES)}"
        )
    if dtype.kind in "iu" and not scaled:
        raise ArgumentError(f"{name} holds {dtype.name} codes; expects {which}_scales beside it")
    if dtype == rows.dtype and scaled:
        raise ArgumentError(
            f"{which}_scales are given, but {name} is {dtype.name}; expects a cache of codes"
        )


def _integers(value: ArrayLike | Any, name: str) -> NDArray:
    array = to_numpy(value, name)
    if array.dtype.kind not in "iu":
        raise ArgumentError(f"{name} is of {array.dtype.name}; expects integers")
    if array.size and (array.max() > np.iinfo(np.int32).max or array.min() < -(2**31)):
        raise ArgumentError(f"{name} has {array.max()}; expects 32-bit integers")
    return array.astype(np.int32)


def read_lengths(value: ArrayLike | Any, name: str, batch: int) -> NDArray:
    """int32 [B], none negative; an offset may be one number."""
    lengths = _integers(value, name)
    if lengths.shape not in ((batch,),) + (((),) if name == "offset" else ()):
        raise ShapeError(f"{name} has shape {lengths.shape}; expects [{batch}]")
    lengths = np.ascontiguousarray(np.broadcast_to(lengths, (batch,)))
    bad = np.flatnonzero(lengths < 0)
    if bad.size:
        b = int(bad[0])
        raise ArgumentError(f"{name} is {lengths[b]} for sequence {b}; expects 0 or more")
    return lengths


def read_pages(value: ArrayLike | Any, batch: int) -> NDArray:
    """int32 [B, max_pages]."""
    pages = _integers(value, "page_table")
    if pages.ndim != 2 or pages.shape[0] != batch:
        raise ShapeError(f"page_table has shape {pages.shape}; expects [{batch}, max_pages]")
    return np.ascontiguousarray(pages)


def read_tables(
    cos: Any, sin: Any, tokens: dict[str, NDArray], start: Any, interleaved: Any
) -> dict[str, NDArray]:
    """cos and sin, or nothing."""
    if (cos is None) != (sin is None):
        raise ArgumentError("cos and sin come together; expects both or neither")
    if cos is None:
        if "q" in tokens:
            raise ArgumentError("q is given without cos and sin, which it would be rotated by")
        return {}
    if not isinstance(interleaved, (bool, np.bool_)):
        raise ArgumentError(f"interleaved is {interleaved!r}; expects True or False")
    dtype = next(iter(tokens.values())).dtype
    own = float_name(dtype, "dtype", ("f16", "bf16"))
    tables = {}
    for name, value in (("cos", cos), ("sin", sin)):
        array = to_numpy(value, name)
        float_name(array.dtype, f"dtype of {name}", ("f32", own))
        if array.ndim != 2:
            raise ShapeError(f"{name} has shape {array.shape}; expects [positions, R / 2]")
        tables[name] = array if _is_regular(array) else np.ascontiguousarray(array)
    if tables["sin"].shape != tables["cos"].shape or tables["sin"].dtype != tables["cos"].dtype:
        raise ShapeError(
            f"sin is {tables['sin'].dtype} {tables['sin'].shape}; expects that of cos, "
            f"{tables['cos'].dtype} {tables['cos'].shape}"
        )
    _check_columns(2 * tables["cos"].shape[1], start, tokens)
    return tables


def _check_columns(size: int, start: Any, tokens: dict[str, NDArray]) -> None:
    if size == 0 or size % _ROTARY_STEP:
        near = max(_ROTARY_STEP, round(size / _ROTARY_STEP) * _ROTARY_STEP)
        raise UnsupportedError(
            f"cos and sin rotate {size} columns; supported: multiples of {_ROTARY_STEP}, the "
            f"nearest is {near}"
        )
    if isinstance(start, bool) or not isinstance(start, (int, np.integer)) or start < 0:
        raise ArgumentError(f"rotary_start is {start!r}; expects a column, 0 or more")
    if start % _HEAD_STEP:
        near = start - start % _HEAD_STEP
        raise UnsupportedError(
            f"rotary_start is {start}; supported: multiples of {_HEAD_STEP}, the nearest is {near}"
        )
    for name, array in tokens.items():
        if name != "v" and start + size > array.shape[3]:
            raise ShapeError(
                f"columns {start} to {start + size} are rotated, but heads of {name} have "
                f"{array.shape[3]}; expects rotary_start and R to lie within"
            )


def check_positions(
    lengths: NDArray,
    rows: int,
    cache: NDArray | None,
    pages: NDArray | None,
    tables: dict[str, NDArray],
) -> None:
    """Raises where a new token has no row in the cache or the tables."""
    if rows == 0 or lengths.size == 0:
        return
    ends = lengths.astype(np.int64) + rows
    limits = []
    if cache is not None and pages is None:
        limits.append((cache.shape[1], "the capacity of the caches"))
    if cache is not None and pages is not None:
        limits.append((pages.shape[1] * cache.shape[1], "the rows of a sequence's pages"))
    if tables:
        limits.append((tables["cos"].shape[0], "the positions of cos and sin"))
    for limit, what in limits:
        if ends.max() > limit:
            b = int(ends.argmax())
            raise ArgumentError(
                f"sequence {b} has {lengths[b]} rows and gets {rows}; expects at most {limit}, "
                f"{what}"
            )
    if cache is not None and pages is not None:
        _check_pages(lengths, rows, cache, pages)


def _check_pages(lengths: NDArray, rows: int, cache: NDArray, pages: NDArray) -> None:
    count, size = cache.shape[:2]
    entries = np.arange(pages.shape[1])
    first, last = lengths // size, (lengths + rows - 1) // size
    needed = (entries >= first[:, None]) & (entries <= last[:, None])
    bad = np.argwhere(needed & ((pages < 0) | (pages >= count)))
    if bad.size:
        b, entry = (int(i) for i in bad[0])
        raise ArgumentError(
            f"page_table has {pages[b, entry]} for page {entry} of sequence {b}, which gets new "
            f"rows; expects 0 to {count - 1}"
        )


def read_codes(value: ArrayLike | Any, name: str) -> NDArray:
    """A cache to read from [..., ..., H, D]: numbers of 16 bits or codes."""
    array = to_numpy(value, name)
    if array.dtype not in CODES:
        if array.dtype not in _HALVES:
            supported = ", ".join(dtype.name for dtype in (*_HALVES, *CODES))
            raise UnsupportedError(f"dtype of {name} is {array.dtype.name}; supported: {supported}")
        return head_tensor(array, name, "bshd")
    if array.ndim != 4:
        raise ShapeError(f"{name} has shape {array.shape}; expects [B, S, H, D]")
    return array if _is_regular(array) else np.ascontiguousarray(array)


def read_scales(value: Any, name: str, cache: NDArray) -> NDArray | None:
    """The scales of a cache to read from, where there are such."""
    if value is None:
        if cache.dtype.kind in "iu":
            raise ArgumentError(
                f"{name[0]}_cache holds {cache.dtype.name} codes; expects {name} beside it"
            )
        return None
    if cache.dtype not in CODES:
        raise ArgumentError(
            f"{name} are given, but {name[0]}_cache is {cache.dtype.name}; expects a cache of codes"
        )
    scales = to_numpy(value, name)
    float_name(scales.dtype, f"dtype of {name}", ("f32", "f16"))
    _check_shape(scales, name, cache.shape[:3])
    return scales if _is_regular(scales) else np.ascontiguousarray(scales)
