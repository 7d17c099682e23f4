"""Attention to listed blocks of keys: nothing else is visited, and nothing else counts."""

import numpy as np
import pytest
import tilewright as tw
from tilewright import testing
from tilewright.attention_reference import attention_reference

rng = np.random.default_rng(11)


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float16)


def check(q, k, v, seen, result, **features):
    out, lse = result
    reference = attention_reference(q, k, v, mask_mod=seen, **features)
    testing.assert_within_bound(out, reference.ref, reference.low)
    hidden = ~reference.visible.any(3)
    assert np.isneginf(lse[hidden]).all()
    assert (out.transpose(0, 2, 1, 3)[hidden] == 0).all()


def near(b, h, i, j):
    return (i >= j) & (i - j < 70 + b * 30)


@pytest.mark.parametrize("size", [128, 64, (32, 16), (16, 48), (256, 512)])
def test_partial_and_full_blocks(size):
    q, k, v = normal(2, 300, 4, 64), normal(2, 300, 2, 64), normal(2, 300, 2, 64)
    mask = tw.create_block_mask(near, 2, None, 300, 300, BLOCK_SIZE=size)
    check(q, k, v, near, tw.attention(q, k, v, block_mask=mask, return_lse=True))


def test_lists_of_heads_and_structured_masks():
    """A list a head of q; causal and a window cut listed blocks, and a score function moves."""
    q, k, v = normal(1, 200, 4, 40), normal(1, 200, 2, 40), normal(1, 200, 2, 24)

    def mask(b, h, i, j):
        return (j // 64 + h) % 2 == 0

    def score(s, b, h, i, j):
        return s + (h + 1) * (j - i) / 32

    blocks = tw.create_block_mask(mask, None, 4, 200, 200, BLOCK_SIZE=64)
    features = {"causal": True, "window": (100, -1), "score_mod": score}
    result = tw.attention(q, k, v, block_mask=blocks, return_lse=True, **features)
    check(q, k, v, mask, result, **features)


def test_only_listed_blocks_are_visited():
    """128 of 1024 keys before each row: the products of two or three blocks of 64 for each of 16,
    and values of other blocks may be anything."""
    q, k, v = normal(1, 1024, 1, 64), normal(1, 1024, 1, 64), normal(1, 1024, 1, 64)
    mask = tw.create_block_mask(lambda b, h, i, j: (i >= j) & (i - j <= 128), None, None, 1024,
                                1024, BLOCK_SIZE=64)  # fmt: skip
    with tw.profile() as profile:
        tw.attention(q, k, v, block_mask=mask)
    listed = int(mask.to_dense().sum())
    assert listed == 1 + 2 + 14 * 3
    products = 2 * (64 // 16) * (64 // 8) * (64 // 16)
    assert profile.launches[0].counters["matrixOperations"] == listed * products


def lists(batch, heads, blocks, most, seed=0):
    draw = np.random.default_rng(seed)
    order = [draw.permutation(blocks)[:most] for _ in range(batch * heads)]
    indices = np.array(order, np.int32).reshape(batch, heads, 1, most)
    counts = draw.integers(0, most + 1, (batch, heads, 1)).astype(np.int32)
    counts[0, 0] = 0
    return indices, counts


@pytest.mark.parametrize("heads", [8, 2, 1])
@pytest.mark.parametrize("page", [None, 16, 64])
@pytest.mark.parametrize("splits", [1, 3])
def test_decode_reads_listed_blocks(heads, page, splits):
    """Blocks of 32 keys in any order; what is not listed is NaN."""
    q, k, v = normal(2, 1, 8, 64), normal(2, 1000, 2, 64), normal(2, 1000, 2, 64)
    indices, counts = lists(2, heads, 32, 10)
    seen = np.zeros((2, heads, 32), bool)
    for b, h in np.ndindex(2, heads):
        seen[b, h, indices[b, h, 0, : counts[b, h, 0]]] = True
    seen = np.repeat(np.repeat(seen, 8 // heads, 1), 32, 2)[:, :, None, :1000]
    for b, h in np.ndindex(2, 2):
        unused = ~seen[b, h * 4 : h * 4 + 4].any((0, 1))
        k[b, unused, h] = v[b, unused, h] = np.nan
    caches = (k, v)
    table = None
    if page:
        pages = -(-1000 // page)
        table = np.random.default_rng(1).permutation(2 * pages).reshape(2, pages).astype(np.int32)
        caches = []
        for rows in (k, v):
            cache = np.full((2 * pages, page, 2, 64), np.nan, np.float16)
            padded = np.full((2, pages * page, 2, 64), np.nan, np.float16)
            padded[:, :1000] = rows
            cache[table] = padded.reshape(2, pages, page, 2, 64)
            caches.append(cache)
    result = tw.attention_decode(
        q, *caches, cache_seqlens=1000, page_table=table, num_splits=splits, return_lse=True,
        block_mask=tw.BlockList(indices, counts, (16, 32)),
    )  # fmt: skip
    check(q, np.nan_to_num(k), np.nan_to_num(v), lambda b, h, i, j: seen, result)


def test_deterministic_splits_of_lists():
    q, k, v = normal(1, 1, 4, 64), normal(1, 4096, 1, 64), normal(1, 4096, 1, 64)
    indices, counts = lists(1, 1, 128, 100)
    counts[:] = 90
    blocks = tw.BlockList(indices, counts, (16, 32))
    bits = [
        tw.attention_decode(q, k, v, cache_seqlens=4096, block_mask=blocks, deterministic=True,
                            num_splits=splits)
        for splits in (None, 1, 2, 5, 9)
    ]  # fmt: skip
    for other in bits[1:]:
        np.testing.assert_array_equal(other, bits[0])


def attend(**arguments):
    q, k, v = normal(1, 64, 4, 64), normal(1, 96, 2, 64), normal(1, 96, 2, 64)
    return tw.attention(q, k, v, **arguments)


WIDE = "attention{stages=2,tile_k=64,tile_q=32,warps=2}"
TALL = "attention{stages=2,tile_k=32,tile_q=64,warps=4}"
FINE = (np.zeros((1, 1, 2, 3), int) + np.arange(3), np.ones((1, 1, 2), int), (32, 32))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"block_mask": 3}, tw.UnsupportedError, "is of type int"),
        (
            {"block_mask": tw.BlockList(*FINE[:2], (32, 20))},
            tw.UnsupportedError,
            "nearest of 20 is 32",
        ),
        ({"block_mask": tw.BlockList(*FINE[:2], (32,))}, tw.ArgumentError, "rows and keys"),
        (
            {"block_mask": tw.BlockList(FINE[0] + 1, FINE[1] * 3, (32, 32))},
            tw.ArgumentError,
            r"3 at \[0, 0, 0, 2\]; expects 0 to 2",
        ),
        (
            {"block_mask": tw.BlockList(FINE[0] * 0, FINE[1] * 2, (32, 32))},
            tw.ArgumentError,
            r"block 0 twice for \[0, 0, 0\]",
        ),
        (
            {"block_mask": tw.BlockList(FINE[0], FINE[1] * 4, (32, 32))},
            tw.ArgumentError,
            "has 4; expects 0 to 3",
        ),
        (
            {"block_mask": tw.BlockList(FINE[0], FINE[1][..., :1], (32, 32))},
            tw.ShapeError,
            r"\(1, 1, 1\); expects",
        ),
        (
            {"block_mask": tw.BlockList(FINE[0][0], FINE[1], (32, 32))},
            tw.ShapeError,
            r"expects int32 \[B, H, blocks of rows, most\]",
        ),
        (
            {"block_mask": tw.BlockList(*FINE[:2], (16, 32))},
            tw.ShapeError,
            r"\[1, 1, 2\].*expects \[1 or 1, 4, 2 or 1, 4\]",
        ),
        (
            {"block_mask": tw.create_block_mask(near, None, None, 64, 64)},
            tw.ShapeError,
            r"is for \(64, 64\)",
        ),
        (
            {"block_mask": tw.create_block_mask(near, None, None, 64, 96)},
            tw.ArgumentError,
            "expects -32, so that rows count from 0",
        ),
        (
            {"block_mask": tw.create_block_mask(near, None, None, 64, 96), "mask_mod": near},
            tw.ArgumentError,
            "expects one",
        ),
        (
            {"block_mask": tw.BlockList(*FINE), "schedule": WIDE},
            tw.ResourceError,
            r"tile_k to be a divisor of the keys of a block \(32\), but got 64; the nearest is 32",
        ),
        (
            {"block_mask": tw.BlockList(*FINE), "schedule": TALL},
            tw.ResourceError,
            "a tile lies in one block of 32 rows, but got 64; the nearest is 32",
        ),
    ],
)
def test_bad_lists_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        attend(**arguments)
