"""Attention of new queries to a key-value cache, contiguous or in pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import like, to_numpy
from .attention_arguments import (
    attention_constants,
    attention_operands,
    check_head_sizes,
    count_columns,
    cumulative_lengths,
    factor_tensors,
    head_tensor,
    run_attention,
)
from .block_lists import BlockList, block_operands
from .cache_arguments import CODES, read_codes, read_scales
from .errors import ArgumentError, ShapeError, UnsupportedError
from .hardware import Device

#: Parts of the keys that a launch takes.
MOST_SPLITS = 65535


def attention_decode(
    q: ArrayLike | Any,
    k_cache: ArrayLike | Any,
    v_cache: ArrayLike | Any,
    *,
    cache_seqlens: int | ArrayLike | Any,
    page_table: ArrayLike | Any | None = None,
    k_scales: ArrayLike | Any | None = None,
    v_scales: ArrayLike | Any | None = None,
    cu_seqlens_q: ArrayLike | Any | None = None,
    num_splits: int | None = None,
    scale: float | None = None,
    causal: bool = True,
    window: tuple[int, int] = (-1, -1),
    softcap: float = 0.0,
    alibi_slopes: ArrayLike | Any | None = None,
    sinks: ArrayLike | Any | None = None,
    score_mod: Callable[..., Any] | None = None,
    mask_mod: Callable[..., Any] | None = None,
    block_mask: BlockList | None = None,
    k_factors: ArrayLike | Any | None = None,
    v_factors: ArrayLike | Any | None = None,
    q_offset: int | ArrayLike | Any | None = None,
    return_lse: bool = False,
    deterministic: bool = False,
    device: str | Device | None = None,
    schedule: str | None = None,
) -> Any:
    """Attends from the last tokens of each sequence to all that its cache holds.

    Query i of Sq has the position `p = cache_seqlens - Sq + i`, so the cache already holds
    the keys and values of the queries (`append_cache` writes them). Sq is 1 when tokens come
    one by one, and more to verify several at once or to fill a cache in chunks.

    Args:
        q: float16 or bfloat16 [B, Sq, Hq, D]; with `cu_seqlens_q` [T, Hq, D].
        k_cache: [B, room, Hkv, D], or with `page_table` [pages, page_size, Hkv, D] with pages
            of any size; any strides but along a head, and from page to page a multiple of
            that from key to key. Hkv divides Hq. Of the dtype of `q`, or of codes as
            `append_cache` leaves them: float8_e4m3fn, float8_e5m2, int8, or uint8 [..., D / 2]
            for two of 4 bits.
        v_cache: the same with a head size of Dv.
        cache_seqlens: int, or int32 [B]: keys that each sequence has, 0 up to the room.
        page_table: int32 [B, most pages of a sequence]: key j of sequence b is in page
            `page_table[b, j // page_size]`. Entries behind the last key are not read.
        k_scales, v_scales: float32 or float16 [B, room, Hkv], or [pages, page_size, Hkv]: what
            codes are multiplied by. Integers need them; float8 may go without.
        cu_seqlens_q: int32 [B + 1]: sequence b has rows `cu_seqlens_q[b]` up to
            `cu_seqlens_q[b + 1]` of `q`.
        num_splits: parts that the keys of a sequence are cut into, for blocks of their own;
            None for as many as fill the device.
        causal: only keys with `j <= p` are visible, which hides none from a single query.
        block_mask: a `BlockList` of the blocks of keys, by position, that rows of `q` see;
            others are not read. Not with `cu_seqlens_q`.
        k_factors, v_factors: as for `attention`, [B, room, Hkv, ranks]; caches are [B, room,
            ranks, D] then. Not with `page_table`.
        deterministic: results of a schedule have the same bits whatever `num_splits` and the
            batch: keys are summed up in chunks of a fixed length. Without, they have in each
            run of one `num_splits` and batch.
        scale, window, softcap, alibi_slopes, sinks, score_mod, mask_mod, q_offset, return_lse,
            device, schedule: as for `attention`.

    Returns:
        [B, Sq, Hq, Dv] or [T, Hq, Dv], the kind of array `q` is; with `return_lse` also
        float32 [B, Hq, Sq] or [Hq, T]. A row without keys is 0, its logarithm -inf.

    Query heads that read one head of the cache share a tile, so that it is read once. What
    the cache holds behind the last key, or in pages that no entry names, has no effect, NaN
    or not. Splits leave partial results in a workspace; the last block to finish adds them
    up, in order.

    Codes are exact in the dtype of `q`, in which they are multiplied. The scale of a key
    multiplies the float32 sum of its products; the scale of a value its weight, which is
    rounded to the dtype of `q` after that.

    Raises: as `attention`; ArgumentError for lengths beyond the room and for entries in use
    that name no page.
    """
    scales = {"k_scales": k_scales, "v_scales": v_scales}
    starts = None if cu_seqlens_q is None else to_numpy(cu_seqlens_q, "cu_seqlens_q")
    tensors = _tensors(q, k_cache, v_cache, (k_factors, v_factors), is_varlen=starts is not None)
    batch = tensors["q"].shape[0]
    if starts is not None:
        tensors["q_starts"] = cumulative_lengths(starts, "cu_seqlens_q", tensors["q"].shape[1])
        batch = len(tensors["q_starts"]) - 1
    room = tensors["k"].shape[1]
    if page_table is not None and k_factors is not None:
        raise UnsupportedError("page_table and k_factors are given; supported: one of them")
    if page_table is not None:
        tensors["page_table"] = _table(page_table, batch)
        room *= tensors["page_table"].shape[1]
    elif tensors["k"].shape[0] != batch:
        raise ShapeError(
            f"k_cache has shape {tensors['k'].shape}; expects a batch of {batch}, the sequences "
            "there are, or a page_table"
        )
    tensors["k_lengths"] = _lengths(cache_seqlens, batch, room)
    if page_table is not None:
        _check_pages(tensors)
    for name, value in scales.items():
        read = read_scales(value, name, tensors[name[0]])
        if read is not None:
            tensors[name] = read
    _, _, heads, size = tensors["q"].shape
    constants = attention_constants(size, scale, causal, window, softcap, deterministic)
    if num_splits is not None:
        constants["splits"] = _splits(num_splits)
    if block_mask is not None:
        lists, constants["block_size"] = _blocks(block_mask, tensors, room)
        tensors |= lists
    operands = tensors | attention_operands(
        constants,
        tensors["k_lengths"],
        heads,
        q_offset,
        alibi_slopes,
        sinks,
        score_mod,
        mask_mod,
    )
    out, lse = run_attention(operands, constants, "bshd", return_lse, device, schedule)
    if starts is not None:
        out, lse = out[0], None if lse is None else lse[0]
    result = like(out, q)
    return result if lse is None else (result, like(lse, q))


def _tensors(
    q: Any, k: Any, v: Any, factors: tuple[Any, Any], *, is_varlen: bool
) -> dict[str, NDArray]:
    """q [B, S, H, D] and the caches, which fit each other but for the batch."""
    queries = to_numpy(q, "q")
    if is_varlen:
        if queries.ndim != 3:
            raise ShapeError(f"q has shape {queries.shape}; expects [T, H, D] with cu_seqlens_q")
        queries = queries[None]
    arrays = {
        "q": head_tensor(queries, "q", "bshd"),
        "k": read_codes(k, "k_cache"),
        "v": read_codes(v, "v_cache"),
    }
    q, k, v = arrays.values()
    for name, array in (("k_cache", k), ("v_cache", v)):
        if array.dtype != q.dtype and array.dtype not in CODES:
            raise UnsupportedError(
                f"{name} is {array.dtype.name} and q {q.dtype.name}; supported: one dtype, or "
                f"{', '.join(code.name for code in CODES)}"
            )
    if count_columns(k) != q.shape[3]:
        raise ShapeError(f"k_cache has shape {k.shape}; expects the head size of q, {q.shape[3]}")
    arrays |= factor_tensors(*factors, arrays, "bshd")
    if v.shape[:2] != k.shape[:2] or (factors[0] is None and v.shape[2] != k.shape[2]):
        raise ShapeError(
            f"v_cache has shape {v.shape}; expects all but the head size of k_cache {k.shape}"
        )
    check_head_sizes(arrays)
    return arrays


def _blocks(
    block_mask: Any, tensors: dict[str, NDArray], room: int
) -> tuple[dict[str, NDArray], str]:
    if not isinstance(block_mask, BlockList):
        raise UnsupportedError(
            f"block_mask is of type {type(block_mask).__name__}; supported: tw.BlockList"
        )
    if "q_starts" in tensors:
        raise UnsupportedError("block_mask and cu_seqlens_q are given; supported: one of them")
    heads = tensors.get("k_factors", tensors["k"]).shape[2]
    return block_operands(block_mask, tensors["q"], heads, room)


def _table(value: Any, batch: int) -> NDArray:
    table = to_numpy(value, "page_table")
    if table.ndim != 2 or table.shape[0] != batch or table.dtype.kind not in "iu":
        raise ShapeError(
            f"page_table is {table.dtype.name} {list(table.shape)}; expects int32 [{batch}, pages]"
        )
    return np.ascontiguousarray(table, np.int32)


def _lengths(value: Any, batch: int, room: int) -> NDArray:
    lengths = to_numpy(value, "cache_seqlens")
    if lengths.dtype.kind not in "iu" or lengths.shape not in ((), (batch,)):
        raise ShapeError(
            f"cache_seqlens is {lengths.dtype.name} {list(lengths.shape)}; expects an integer or "
            f"int32 [{batch}]"
        )
    lengths = np.broadcast_to(lengths, (batch,))
    wrong = np.flatnonzero((lengths < 0) | (lengths > room))
    if wrong.size:
        n = int(wrong[0])
        raise ArgumentError(
            f"cache_seqlens is {lengths[n]} at sequence {n}; expects 0 to {room}, the room of the "
            "cache"
        )
    return np.ascontiguousarray(lengths, np.int32)


def _check_pages(tensors: dict[str, NDArray]) -> None:
    """Fails on an entry that is in use and names no page."""
    pages, size = tensors["k"].shape[:2]
    table, lengths = tensors["page_table"], tensors["k_lengths"]
    used = np.arange(table.shape[1])[None] * size < lengths[:, None]
    wrong = np.argwhere(used & ((table < 0) | (table >= pages)))
    if wrong.size:
        row, entry = (int(index) for index in wrong[0])
        raise ArgumentError(
            f"page_table is {table[row, entry]} at [{row}, {entry}], which sequence {row} of "
            f"{lengths[row]} keys uses; expects 0 to {pages - 1}"
        )


def _splits(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ArgumentError(f"num_splits is {value!r}; expects an integer or None")
    if not 1 <= value <= MOST_SPLITS:
        raise ArgumentError(f"num_splits is {value}; expects 1 to {MOST_SPLITS}")
    return str(int(value))
