"""New keys and values into a cache, with the rotary embedding of their positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import hardware
from ._extension import runtime
from .arrays import like, to_numpy
from .attention import Layout
from .errors import ArgumentError, ShapeError, UnsupportedError
from .formats import float_name
from .hardware import Device
from .profiling import detail, note_facts

#: Head sizes and rotated columns that kernels take.
LARGEST_HEAD = 1024
_HEAD_STEP = 8
_ROTARY_STEP = 16


def append_cache(
    k: ArrayLike | Any,
    v: ArrayLike | Any | None,
    k_cache: Any,
    v_cache: Any | None,
    cache_seqlens: ArrayLike | Any,
    *,
    page_table: ArrayLike | Any | None = None,
    q: ArrayLike | Any | None = None,
    cos: ArrayLike | Any | None = None,
    sin: ArrayLike | Any | None = None,
    interleaved: bool = False,
    rotary_start: int = 0,
    layout: Layout = "bshd",
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """Writes new keys and values behind those of a cache, in place.

    Token i of sequence b has the position `p = cache_seqlens[b] + i`; it becomes row p of b
    in the caches: `cache[b, p]`, or with pages `cache[page_table[b, p // page], p % page]`.

    Args:
        k: float16 or bfloat16 [B, S, Hkv, D], any strides; NumPy or CPU torch.
        v: [B, S, Hkv, Dv], of the dtype of `k`; None (with `v_cache`) where values are a
            part of the keys. D and Dv are multiples of 8, up to 1024.
        k_cache: [B, capacity, Hkv, D], with pages [num_pages, page_size, Hkv, D], of the
            dtype of `k`, contiguous along the head. It is written in place.
        v_cache: the same with heads of Dv.
        cache_seqlens: int32 [B]: rows of each sequence before this call. They stay as they
            are: a caller who appends to several layers adds S once, after the last.
        page_table: int32 [B, max_pages]: the pages of each sequence in order. Any page
            size; entries that no new token needs may hold anything.
        q: [B, S, Hq, Dq], rotated like the keys and returned. Needs `cos` and `sin`.
        cos, sin: float32, or of the dtype of `k`, [positions, R / 2]: the rotary embedding of
            R columns, a multiple of 16, of keys and queries; other columns stay as they are.
        interleaved: False: column d is rotated with column d + R / 2 (GPT-NeoX, Llama);
            True: column 2d with 2d + 1 (GPT-J).
        rotary_start: the first rotated column, a multiple of 8.
        layout: "bshd" as above, or "bhsd": k, v and q are [B, H, S, D], as torch has it.
            Caches are not meant.
        device: where to run; None for the first GPU, else the emulated device.
        schedule: the kernel's schedule as text, "append_cache{...}"; None for the default of
            the device.

    Returns:
        The rotated `q`, in its layout and kind of array; None without `q`.

    Products and their sums are float32, each rounded, and rounded once more to the dtype:
    `x * cos - y * sin`. Rows that are not new keep their values.

    Raises:
        ShapeError: the shapes do not fit each other.
        ArgumentError: a position that is beyond the cache, the table of pages or the tables
            of the rotary embedding; a page that the cache does not have; a cache that
            cannot be written in place.
        UnsupportedError: a dtype, head size or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    tokens = {"k": _tokens(k, "k", layout)}
    if (v is None) != (v_cache is None):
        raise ArgumentError("v and v_cache come together; expects both or None for both")
    if v is not None:
        tokens["v"] = _tokens(v, "v", layout)
    if q is not None:
        tokens["q"] = _tokens(q, "q", layout)
    batch, rows = _check_tokens(tokens, layout)
    caches = {"k_cache": _cache(k_cache, "k_cache")}
    if v_cache is not None:
        caches["v_cache"] = _cache(v_cache, "v_cache")
    lengths = _lengths(cache_seqlens, "cache_seqlens", batch)
    pages = None if page_table is None else _pages(page_table, batch)
    _check_caches(tokens, caches, paged=pages is not None)
    tables = _tables(cos, sin, tokens, rotary_start, interleaved)
    _check_positions(lengths, rows, caches["k_cache"], pages, tables)
    arrays = {**tokens, **caches, **tables, "lengths": lengths, "page_table": pages}
    rotated = _run(arrays, interleaved, rotary_start, layout, device, schedule)
    return None if q is None else like(rotated, q)


def rotary(
    x: ArrayLike | Any,
    cos: ArrayLike | Any,
    sin: ArrayLike | Any,
    *,
    offset: int | ArrayLike | Any = 0,
    interleaved: bool = False,
    rotary_start: int = 0,
    layout: Layout = "bshd",
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """The rotary embedding of the positions of `x`, as `append_cache` makes it.

    Args:
        x: float16 or bfloat16 [B, S, H, D], any strides; NumPy or CPU torch.
        cos, sin: float32, or of the dtype of `x`, [positions, R / 2].
        offset: int, or int32 [B]: row i of batch b has the position `offset[b] + i`.
        interleaved, rotary_start, layout, device, schedule: as for `append_cache`.

    Returns:
        [B, S, H, D] in the layout, dtype and kind of array of `x`.

    Raises: as `append_cache`.
    """
    tokens = {"q": _tokens(x, "x", layout)}
    batch, rows = _check_tokens(tokens, layout)
    lengths = _lengths(offset, "offset", batch)
    tables = _tables(cos, sin, tokens, rotary_start, interleaved)
    if not tables:
        raise ArgumentError("cos and sin are None; expects arrays [positions, R / 2]")
    _check_positions(lengths, rows, None, None, tables)
    arrays = {**tokens, **tables, "lengths": lengths}
    return like(_run(arrays, interleaved, rotary_start, layout, device, schedule), x)


def _run(
    arrays: dict[str, Any],
    interleaved: bool,
    rotary_start: int,
    layout: Layout,
    device: str | Device | None,
    schedule: str | None,
) -> NDArray | None:
    """The rotated queries in `layout`, where there are queries."""
    where = hardware.device(device).name
    queries = arrays.get("q")
    rotated = None
    if queries is not None:
        rotated = np.empty(queries.shape, queries.dtype)
        if layout == "bhsd":
            shape = tuple(queries.shape[axis] for axis in (0, 2, 1, 3))
            rotated = np.empty(shape, queries.dtype).transpose(0, 2, 1, 3)
    constants = {
        "rotary": "interleaved" if interleaved else "halves",
        "rotary_start": str(rotary_start),
    }
    if next(arrays[name] for name in ("k", "q") if name in arrays).size:
        facts = runtime().append_cache(
            {**arrays, "rotated": rotated}, constants, where, schedule, detail()
        )
        note_facts(facts, where)
    return rotated.transpose(0, 2, 1, 3) if layout == "bhsd" and rotated is not None else rotated


def _tokens(value: ArrayLike | Any, name: str, layout: Layout) -> NDArray:
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


def _check_tokens(tokens: dict[str, NDArray], layout: Layout) -> tuple[int, int]:
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


def _cache(value: Any, name: str) -> NDArray:
    """The caller's own memory: nothing may be copied here."""
    if not hasattr(value, "__dlpack__"):
        raise ArgumentError(f"{name} is a {type(value).__name__}; expects an array to write into")
    array = to_numpy(value, name)
    if array.ndim != 4:
        raise ShapeError(
            f"{name} has shape {array.shape}; expects [B, capacity, Hkv, D], or with a page_table "
            "[num_pages, page_size, Hkv, D]"
        )
    if not array.flags.writeable:
        raise ArgumentError(f"{name} is read-only; expects an array to write into")
    if not _is_regular(array):
        raise ArgumentError(
            f"{name} has strides of {array.strides} bytes; expects elements of a head behind each "
            "other and no negative strides, since it is written in place"
        )
    return array


def _check_caches(tokens: dict[str, NDArray], caches: dict[str, NDArray], paged: bool) -> None:
    batch, _, heads, _ = tokens["k"].shape
    outer, inner = caches["k_cache"].shape[:2]
    for name, cache in caches.items():
        rows = tokens[name[0]]
        if cache.dtype != rows.dtype:
            raise UnsupportedError(
                f"{name} is {cache.dtype.name}; supported: the dtype of {name[0]}, "
                f"{rows.dtype.name}"
            )
        wanted = (outer if paged else batch, inner, heads, rows.shape[3])
        if cache.shape != wanted:
            raise ShapeError(f"{name} has shape {cache.shape}; expects {wanted}")


def _integers(value: ArrayLike | Any, name: str) -> NDArray:
    array = to_numpy(value, name)
    if array.dtype.kind not in "iu":
        raise ArgumentError(f"{name} is of {array.dtype.name}; expects integers")
    if array.size and (array.max() > np.iinfo(np.int32).max or array.min() < -(2**31)):
        raise ArgumentError(f"{name} has {array.max()}; expects 32-bit integers")
    return array.astype(np.int32)


def _lengths(value: ArrayLike | Any, name: str, batch: int) -> NDArray:
    lengths = _integers(value, name)
    if lengths.shape not in ((batch,),) + (((),) if name == "offset" else ()):
        raise ShapeError(f"{name} has shape {lengths.shape}; expects [{batch}]")
    lengths = np.ascontiguousarray(np.broadcast_to(lengths, (batch,)))
    bad = np.flatnonzero(lengths < 0)
    if bad.size:
        b = int(bad[0])
        raise ArgumentError(f"{name} is {lengths[b]} for sequence {b}; expects 0 or more")
    return lengths


def _pages(value: ArrayLike | Any, batch: int) -> NDArray:
    pages = _integers(value, "page_table")
    if pages.ndim != 2 or pages.shape[0] != batch:
        raise ShapeError(f"page_table has shape {pages.shape}; expects [{batch}, max_pages]")
    return np.ascontiguousarray(pages)


def _tables(
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


def _check_positions(
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
