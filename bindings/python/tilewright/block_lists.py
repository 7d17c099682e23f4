"""Lists of blocks of keys that blocks of rows attend to, as kernels take them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import to_numpy
from .block_mask import BlockMask
from .errors import ArgumentError, ShapeError, UnsupportedError

#: Rows and keys of the blocks that kernels take are multiples of it.
BLOCK_STEP = 16


@dataclass(frozen=True, eq=False)
class BlockList:
    """Blocks of keys by number, for `attention(block_mask=...)`.

    Attributes:
        indices: int32 [B or 1, H or 1, blocks of rows, most]: the blocks of keys that each block
            of rows sees, each at most once; H is that of q or of k.
        counts: int32 [B or 1, H or 1, blocks of rows]: how many of them count.
        block_size: rows and keys of a block, multiples of 16. With one query, or several that
            share a block, any number of rows from theirs on does.
    """

    indices: Any
    counts: Any
    block_size: tuple[int, int] = (128, 128)


def can_list(block_mask: BlockMask) -> bool:
    """Whether kernels take blocks of this size."""
    return all(size % BLOCK_STEP == 0 for size in block_mask.BLOCK_SIZE)


def block_function(
    block_mask: BlockMask | BlockList,
    mask_mod: Callable[..., Any] | None,
    tensors: dict[str, NDArray],
    q_offset: Any,
) -> Callable[..., Any] | None:
    """The function that decides within blocks."""
    if not isinstance(block_mask, BlockMask):
        return mask_mod
    if mask_mod is not None:
        raise ArgumentError(
            "mask_mod and block_mask are given; expects one: a BlockMask has a function"
        )
    queries, keys = tensors["q"].shape[1], tensors["k"].shape[1]
    if block_mask.seq_lengths != (queries, keys):
        raise ShapeError(
            f"block_mask is for {block_mask.seq_lengths} rows and keys; expects {(queries, keys)}"
        )
    offset = np.asarray(0 if q_offset is None else q_offset)
    if (offset != queries - keys).any():
        raise ArgumentError(
            f"q_offset is {q_offset!r} with a block_mask of {queries} rows, {keys} keys; expects "
            f"{queries - keys}, so that rows count from 0"
        )
    return block_mask.mask_mod


def block_operands(
    block_mask: BlockMask | BlockList, q: NDArray, key_heads: int, keys: int
) -> tuple[dict[str, NDArray], str]:
    """Arrays of a kernel for `q` [B, Sq, Hq, D], and its block_size."""
    batch, queries, heads, _ = q.shape
    if isinstance(block_mask, BlockMask):
        size = block_mask.BLOCK_SIZE
        blocks, counts = _join(block_mask)
    elif isinstance(block_mask, BlockList):
        size = _read_size(block_mask.block_size)
        blocks, counts = _read_list(block_mask, -(-keys // size[1]))
    else:
        raise UnsupportedError(
            f"block_mask is of type {type(block_mask).__name__}; supported: tw.BlockList, and what "
            "tw.create_block_mask returns"
        )
    rows = -(-queries // size[0])
    own = blocks.shape[:3]
    wanted = f"[{batch} or 1, {heads}, {key_heads} or 1, {rows}]"
    if own[0] not in (1, batch) or own[1] not in (1, heads, key_heads) or own[2] != rows:
        raise ShapeError(
            f"block_mask has lists for {list(own)} batches, heads and blocks of rows; expects "
            f"{wanted}"
        )
    listed = key_heads if own[1] == 1 else own[1]

    def spread(array: NDArray) -> NDArray:
        return np.ascontiguousarray(np.broadcast_to(array, (batch, listed, *array.shape[2:])))

    return {"blocks": spread(blocks), "block_counts": spread(counts)}, f"{size[0]},{size[1]}"


def _join(mask: BlockMask) -> tuple[NDArray, NDArray]:
    """Blocks in which the function decides before full ones, and how many of each."""
    partial, full = mask.kv_num_blocks, mask.full_kv_num_blocks
    most = max(int((partial + full).max(initial=0)), 1)
    place = np.arange(most)[None, None, None]
    behind = place - partial[..., None]

    def take(indices: NDArray, at: NDArray) -> NDArray:
        at = np.broadcast_to(np.clip(at, 0, max(indices.shape[-1] - 1, 0)), (*partial.shape, most))
        if indices.shape[-1] == 0:
            return np.zeros(at.shape, np.int32)
        return np.take_along_axis(indices, at, -1)

    joined = np.where(behind < 0, take(mask.kv_indices, place), take(mask.full_kv_indices, behind))
    return joined.astype(np.int32), np.stack([partial, full], -1).astype(np.int32)


def _read_size(size: Any) -> tuple[int, int]:
    sizes = (size, size) if isinstance(size, int) else tuple(size)
    if len(sizes) != 2 or any(isinstance(n, bool) or not isinstance(n, int) for n in sizes):
        raise ArgumentError(f"block_size is {size!r}; expects rows and keys")
    for n in sizes:
        if n < BLOCK_STEP or n % BLOCK_STEP:
            near = max(BLOCK_STEP, -(-n // BLOCK_STEP) * BLOCK_STEP)
            raise UnsupportedError(
                f"block_size is {size!r}; supported: multiples of {BLOCK_STEP}, the nearest of {n} "
                f"is {near}"
            )
    return sizes


def _read_list(blocks: BlockList, most: int) -> tuple[NDArray, NDArray]:
    indices, counts = to_numpy(blocks.indices, "indices"), to_numpy(blocks.counts, "counts")
    for name, array, rank in (("indices", indices, 4), ("counts", counts, 3)):
        if array.ndim != rank or array.dtype.kind not in "iu":
            axes = "[B, H, blocks of rows" + (", most]" if rank == 4 else "]")
            raise ShapeError(
                f"{name} of block_mask is {array.dtype.name} {list(array.shape)}; expects int32 "
                f"{axes}"
            )
    if counts.shape != indices.shape[:3]:
        raise ShapeError(
            f"counts of block_mask has shape {counts.shape}; expects that of indices but for its "
            f"last axis, {indices.shape[:3]}"
        )
    if counts.size and not 0 <= counts.min() <= counts.max() <= indices.shape[3]:
        worst = counts.min() if counts.min() < 0 else counts.max()
        raise ArgumentError(
            f"counts of block_mask has {worst}; expects 0 to {indices.shape[3]}, the entries there "
            "are"
        )
    used = np.arange(indices.shape[3]) < counts[..., None]
    wrong = np.argwhere(used & ((indices < 0) | (indices >= most)))
    if wrong.size:
        at = tuple(int(i) for i in wrong[0])
        raise ArgumentError(
            f"indices of block_mask has {indices[at]} at {list(at)}; expects 0 to {most - 1}, the "
            "blocks of keys there are"
        )
    # What is not in use sorts to the front, each different.
    numbers = np.sort(np.where(used, indices.astype(np.int64), -1 - np.arange(indices.shape[3])))
    if (np.diff(numbers, axis=-1) == 0).any():
        at = np.argwhere(np.diff(numbers, axis=-1) == 0)[0]
        number = numbers[tuple(at)]
        raise ArgumentError(
            f"indices of block_mask names block {number} twice for {[int(i) for i in at[:3]]}; "
            "expects each block once"
        )
    pairs = np.stack([np.zeros_like(counts), counts], -1)
    return np.ascontiguousarray(indices, np.int32), np.ascontiguousarray(pairs, np.int32)
