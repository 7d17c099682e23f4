"""Which blocks of the scores a mask leaves empty, partly visible and full.

The data of torch's `BlockMask` for the forward pass, in NumPy arrays: lists of blocks of keys
for each block of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .captures import Captures
from .errors import ArgumentError, UnsupportedError
from .scalar_evaluation import evaluate
from .scalars import in_order
from .tracing import record


@dataclass(frozen=True, eq=False)
class BlockMask:
    """The blocks that a mask leaves visible; made by `create_block_mask`.

    Attributes:
        seq_lengths: (Q_LEN, KV_LEN), which `flex_attention` must be called with.
        BLOCK_SIZE: rows and keys of a block.
        mask_mod: the function that decides within blocks.
        kv_num_blocks: int32 [B, H, blocks of rows]: how many blocks of keys are partly
            visible to some row of a block.
        kv_indices: int32 [B, H, blocks of rows, blocks of keys]: which ones, in order; after
            `kv_num_blocks` entries come the others.
        full_kv_num_blocks, full_kv_indices: the same of blocks that are visible altogether. One
            that reaches beyond the last row or key counts as partly visible.
    """

    seq_lengths: tuple[int, int]
    BLOCK_SIZE: tuple[int, int]
    mask_mod: Callable[..., Any] = field(repr=False)
    kv_num_blocks: NDArray[np.int32] = field(repr=False)
    kv_indices: NDArray[np.int32] = field(repr=False)
    full_kv_num_blocks: NDArray[np.int32] = field(repr=False)
    full_kv_indices: NDArray[np.int32] = field(repr=False)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(B, H, Q_LEN, KV_LEN), B and H 1 where the mask is the same for all."""
        batch, heads, _ = self.kv_num_blocks.shape
        return batch, heads, *self.seq_lengths

    def to_dense(self) -> NDArray[np.int32]:
        """[B, H, blocks of rows, blocks of keys]: 1 where something is visible."""
        partial = _scatter(self.kv_num_blocks, self.kv_indices)
        return partial | _scatter(self.full_kv_num_blocks, self.full_kv_indices)

    def sparsity(self) -> float:
        """How many percent of the blocks' elements are in empty blocks, against the number
        of scores: less than the truth where lengths are no multiples of blocks."""
        visible = int(self.to_dense().sum()) * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1]
        scores = int(np.prod(self.shape, dtype=np.int64))
        return 100 * (1 - visible / scores) if scores else 0.0


def create_block_mask(
    mask_mod: Callable[..., Any],
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    *,
    device: Literal["cpu"] | None = None,
    BLOCK_SIZE: int | tuple[int, int] = 128,
) -> BlockMask:
    """Finds the empty, partly visible and full blocks of a mask, on the host.

    Args:
        mask_mod: `f(batch, head, query, key) -> bool` as of `flex_attention`: rows and keys
            count from 0.
        B, H: for how many batches and query heads it differs; None for a mask that is the
            same for all.
        Q_LEN, KV_LEN: rows and keys.
        device: None or "cpu", for code that says it: block masks lie in host memory.
        BLOCK_SIZE: rows and keys of a block, or one number for both.

    The function is evaluated for each score of a batch and head that it depends on, a block of
    rows at a time.

    Raises:
        ArgumentError: a number that has no meaning; `mask_mod` is no such function.
        UnsupportedError: `mask_mod` does what no kernel can; another device.
    """
    if device is not None and str(device) != "cpu":
        raise UnsupportedError(f"device is {str(device)!r}; supported: None, 'cpu'")
    sizes = tuple(BLOCK_SIZE) if isinstance(BLOCK_SIZE, (tuple, list)) else (BLOCK_SIZE,) * 2
    if len(sizes) != 2:
        raise ArgumentError(f"BLOCK_SIZE is {BLOCK_SIZE!r}; expects a number, or two")
    rows, keys = (_count(size, "BLOCK_SIZE", least=1) for size in sizes)
    lengths = _count(Q_LEN, "Q_LEN"), _count(KV_LEN, "KV_LEN")
    batch, heads = (1 if n is None else _count(n, name) for n, name in ((B, "B"), (H, "H")))
    visible = _count_visible(mask_mod, (batch, heads, *lengths), (rows, keys))
    full = visible == rows * keys
    lists = [*_list_blocks((visible > 0) & ~full), *_list_blocks(full)]
    lists = [np.broadcast_to(part, (batch, heads, *part.shape[2:])) for part in lists]
    return BlockMask(lengths, (rows, keys), mask_mod, *map(np.ascontiguousarray, lists))


def _count(value: Any, name: str, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ArgumentError(f"{name} is {value!r}; expects a whole number, at least {least}")
    return int(value)


def _count_visible(
    mask_mod: Callable[..., Any], shape: tuple[int, ...], block: tuple[int, int]
) -> NDArray[np.int64]:
    """How many scores of each block are visible, [B or 1, H or 1, blocks of rows, of keys]."""
    batch, heads, queries, keys = shape
    captures = Captures(dict(zip(("batch", "head", "query", "key"), shape, strict=True)))
    result = record("mask_mod", mask_mod, captures).result
    used = {scalar.value for scalar in in_order(result) if scalar.op == "argument"}
    batches = batch if "batch" in used else min(batch, 1)
    columns = np.arange(0, keys, block[1])
    row_blocks = -(-queries // block[0])
    counts = np.zeros((batches, heads if "head" in used else min(heads, 1), row_blocks,
                       len(columns)), np.int64)  # fmt: skip
    for b, h, i in np.ndindex(counts.shape[:3]) if keys else ():
        first = i * block[0]
        positions = {
            "batch": np.int32(b),
            "head": np.int32(h),
            "query": np.arange(first, min(first + block[0], queries), dtype=np.int32)[:, None],
            "key": np.arange(keys, dtype=np.int32)[None],
        }
        seen = evaluate(result, positions, captures.arrays)
        seen = np.broadcast_to(seen, (len(positions["query"]), keys))
        counts[b, h, i] = np.add.reduceat(seen.sum(0), columns)
    return counts


def _list_blocks(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How many blocks are chosen, and all blocks with those in front."""
    order = np.argsort(~chosen, axis=-1, kind="stable")
    return chosen.sum(-1, dtype=np.int32), order.astype(np.int32)


def _scatter(count: NDArray[np.int32], indices: NDArray[np.int32]) -> NDArray[np.int32]:
    dense = np.zeros(indices.shape, np.int32)
    listed = np.arange(indices.shape[-1]) < count[..., None]
    np.put_along_axis(dense, indices.astype(np.int64), listed.astype(np.int32), -1)
    return dense
