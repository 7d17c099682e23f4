"""New keys and values into a cache, with the rotary embedding of their positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import hardware
from ._extension import runtime
from .arrays import like
from .attention_arguments import Layout
from .cache_arguments import (
    check_caches,
    check_positions,
    check_tokens,
    read_cache,
    read_lengths,
    read_pages,
    read_tables,
    read_tokens,
)
from .errors import ArgumentError
from .hardware import Device
from .profiling import detail, note_facts


def append_cache(
    k: ArrayLike | Any,
    v: ArrayLike | Any | None,
    k_cache: Any,
    v_cache: Any | None,
    cache_seqlens: ArrayLike | Any,
    *,
    page_table: ArrayLike | Any | None = None,
    k_scales: Any | None = None,
    v_scales: Any | None = None,
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
        k_cache: [B, capacity, Hkv, D], with pages [num_pages, page_size, Hkv, D], contiguous
            along the head: of the dtype of `k`, or of codes (see below): float8_e4m3fn,
            float8_e5m2, int8, or uint8 [..., D / 2] for two of 4 bits in a byte, the
            even column in the low half. It is written in place.
        v_cache: the same with heads of Dv.
        cache_seqlens: int32 [B]: rows of each sequence before this call. They stay as they
            are: a caller who appends to several layers adds S once, after the last.
        page_table: int32 [B, max_pages]: the pages of each sequence in order. Any page
            size; entries that no new token needs may hold anything.
        k_scales, v_scales: float32 or float16 [B, capacity, Hkv], with pages [num_pages,
            page_size, Hkv]: the scales of codes, written in place beside them. Caches of
            integers need them; float8 caches may go without.
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

    Codes: for each new row of a head, rotated in float32,

        scale = max |x| / largest, rounded to the dtype of the scales
        code = x / scale to nearest, ties to even, within -largest and largest

    in float32, with the largest code 448 (e4m3), 57344 (e5m2), 127 (int8) or 7 (4 bits);
    codes of a row whose scale is 0 are 0. A row that holds NaN or infinity has a scale that is
    none of the finite numbers. Float8 without scales is x, saturated.

    Raises:
        ShapeError: the shapes do not fit each other.
        ArgumentError: a position that is beyond the cache, the table of pages or the tables
            of the rotary embedding; a page that the cache does not have; a cache that
            cannot be written in place.
        UnsupportedError: a dtype, head size or device that no kernel handles.
        ResourceError: `schedule` does not fit the device.
        CompileError, DeviceError: the kernel could not be compiled; the device failed.
    """
    tokens = {"k": read_tokens(k, "k", layout)}
    if (v is None) != (v_cache is None):
        raise ArgumentError("v and v_cache come together; expects both or None for both")
    if v is not None:
        tokens["v"] = read_tokens(v, "v", layout)
    if q is not None:
        tokens["q"] = read_tokens(q, "q", layout)
    batch, rows = check_tokens(tokens, layout)
    caches = {"k_cache": read_cache(k_cache, "k_cache", 4)}
    if v_cache is not None:
        caches["v_cache"] = read_cache(v_cache, "v_cache", 4)
    for name, scales in (("k_scales", k_scales), ("v_scales", v_scales)):
        if scales is not None:
            caches[name] = read_cache(scales, name, 3)
    lengths = read_lengths(cache_seqlens, "cache_seqlens", batch)
    pages = None if page_table is None else read_pages(page_table, batch)
    check_caches(tokens, caches, paged=pages is not None)
    tables = read_tables(cos, sin, tokens, rotary_start, interleaved)
    check_positions(lengths, rows, caches["k_cache"], pages, tables)
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
    tokens = {"q": read_tokens(x, "x", layout)}
    batch, rows = check_tokens(tokens, layout)
    lengths = read_lengths(offset, "offset", batch)
    tables = read_tables(cos, sin, tokens, rotary_start, interleaved)
    if not tables:
        raise ArgumentError("cos and sin are None; expects arrays [positions, R / 2]")
    check_positions(lengths, rows, None, None, tables)
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
