"""tw.attention_decode end to end: caches, pages, packed heads, splits; against float64."""

import dataclasses
import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from tilewright import testing
from tilewright._extension import runtime
from tilewright.attention_reference import attention_reference

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}
_OF_A_BATCH = ("alibi_slopes", "q_offset")


@dataclasses.dataclass
class Cache:
    """Keys and values [B, room, H, D] of sequences; NaN wherever nothing may be read."""

    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    lengths: np.ndarray

    def paged(self, size: int, seed: int = 0, kind: str = "rows"):
        """The caches in pages at random places, and a table with garbage where none is used."""
        rng = np.random.default_rng(seed)
        batch, room = self.k.shape[:2]
        each = -(-room // size)
        pages = batch * each + 3
        table = rng.permutation(pages)[: batch * each].reshape(batch, each).astype(np.int32)
        caches = []
        for rows in (self.k, self.v):
            heads, d = rows.shape[2:]
            if kind == "heads":  # pages hold a head after the other
                cache = np.full((pages, heads, size, d), np.nan, rows.dtype).transpose(0, 2, 1, 3)
            elif kind == "pairs":  # a page of v behind each page of k
                cache = np.full((pages, 2, size, heads, d), np.nan, rows.dtype)[:, 0]
            else:
                cache = np.full((pages, size, heads, d), np.nan, rows.dtype)
            for b, j in itertools.product(range(batch), range(each)):
                part = rows[b, j * size : (j + 1) * size]
                cache[table[b, j], : len(part)] = part
            caches.append(cache)
        for b, length in enumerate(self.lengths):
            table[b, -(-length // size) :] = rng.choice([-1, pages, 1 << 30, -(1 << 31), 0])
        return *caches, table


def make(lengths, sq=1, heads=8, kv_heads=2, d=64, dv=None, dtype="f16", room=None, seed=0):
    rng = np.random.default_rng(seed)
    dv, room = dv or d, room or max([*lengths, 1]) + 3
    batch = len(lengths)

    def normal(*shape):
        return rng.standard_normal(shape).astype(DTYPES[dtype])

    q, k, v = (
        normal(batch, sq, heads, d),
        normal(batch, room, kv_heads, d),
        normal(batch, room, kv_heads, dv),
    )
    for b, length in enumerate(lengths):
        k[b, length:] = v[b, length:] = np.nan
    return Cache(q, k, v, np.array(lengths, np.int32))


def compare(out, lse, cache, causal=True, **features):
    """Each sequence by itself within the error bound."""
    for b, length in enumerate(cache.lengths):
        own = dict(features)
        for name in _OF_A_BATCH:
            if np.ndim(own.get(name)) >= (2 if name == "alibi_slopes" else 1):
                own[name] = own[name][b : b + 1]
        for name in ("score_mod", "mask_mod"):
            if name in own:
                own[name] = lambda *args, f=own[name], b=b: f(
                    *(a if i != len(args) - 4 else a * 0 + b for i, a in enumerate(args))
                )
        q, k, v = cache.q[b : b + 1], cache.k[b : b + 1, :length], cache.v[b : b + 1, :length]
        reference = attention_reference(q, k, v, causal=causal, **own)
        testing.assert_within_bound(out[b : b + 1], reference.ref, reference.low)
        q32, k32 = (np.abs(a.astype(np.float32)) for a in (q, k))
        size = q32.max() * k32.max(initial=0) * q.shape[-1] ** 0.5
        testing.assert_within_bound(
            lse[b : b + 1],
            reference.lse,
            reference.lse_low,
            magnitude=np.full(reference.lse.shape, size, np.float32),
            k=q.shape[-1],
            name="lse",
        )
        hidden = ~reference.visible.any(3)[0]
        assert np.isneginf(lse[b][hidden]).all()
        assert (out[b].transpose(1, 0, 2)[hidden] == 0).all()


def check(cache, page=None, kind="rows", **arguments):
    k, v, table = cache.k, cache.v, None
    if page:
        k, v, table = cache.paged(page, kind=kind)
    out, lse = tw.attention_decode(
        cache.q,
        k,
        v,
        cache_seqlens=cache.lengths,
        page_table=table,
        return_lse=True,
        **arguments,
    )
    known = ("num_splits", "schedule", "device", "deterministic")
    compare(out, lse, cache, **{n: a for n, a in arguments.items() if n not in known})
    return out, lse


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("page", [None, 1, 4, 16, 128])
def test_pages_of_any_size(page, dtype):
    check(make([37, 150, 1], dtype=dtype), page)


@pytest.mark.parametrize("kind", ["rows", "heads", "pairs"])
@pytest.mark.parametrize("page", [7, 64])
def test_pages_of_any_strides(kind, page):
    check(make([90, 3], sq=2, d=40), page, kind)


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 2), (5, 1), (7, 7), (14, 2), (40, 2)])
@pytest.mark.parametrize("sq", [1, 3, 8])
def test_heads_of_a_group_share_a_tile(heads, kv_heads, sq):
    check(make([70, sq], sq, heads, kv_heads, d=32), page=16 if sq == 3 else None)


@pytest.mark.parametrize("d", [8, 72, 96, 128, 192, 256])
@pytest.mark.parametrize("page", [None, 16])
def test_head_sizes(d, page):
    check(make([130], d=d, dv=128 if d == 192 else d), page)


@pytest.mark.parametrize("splits", [1, 2, 5, 16, 17, 40, 300])
def test_splits_are_merged(splits):
    """17 and more take two levels; 300 leave most parts without keys."""
    check(make([4500, 260, 0], room=4500, heads=4), num_splits=splits)


def test_splits_are_chosen_for_the_device():
    """2000 keys for 132 SMs: 16 blocks of 125 keys, two tiles, for each head of the cache."""
    cache = make([2000])
    with tw.profile() as profile:
        check(cache, device="emulated:h200")
    products = 16 * 8 * 16
    work = 2 * (2 * 16 * 2 * 64) * 16 * 64  # both products of 16 rows
    assert profile.launches[0].counters["matrixOperations"] * products == work


@pytest.mark.parametrize("page", [None, 16])
def test_every_feature_at_once(page):
    rng = np.random.default_rng(1)
    bias = rng.standard_normal((2, 8, 320)).astype(np.float16)
    rows = tw.operand(bias)

    def read(b, h, j):
        return bias[b, h, np.minimum(j, 319)].astype(np.float32)

    features = {
        "scale": 0.2,
        "window": (200, -1),
        "softcap": 20.0,
        "alibi_slopes": rng.random((2, 8)).astype(np.float32),
        "sinks": np.arange(8, dtype=np.float32) - 3,
        "q_offset": np.array([0, -3], np.int32),
        "mask_mod": lambda b, h, i, j: (i + j + h) % 3 != b,
    }
    cache = make([100, 320], sq=3, d=40, dv=24, dtype="bf16", room=320)
    k, v, table = cache.paged(page) if page else (cache.k, cache.v, None)
    for splits in (1, 3):
        out, lse = tw.attention_decode(
            cache.q,
            k,
            v,
            cache_seqlens=cache.lengths,
            page_table=table,
            return_lse=True,
            num_splits=splits,
            score_mod=lambda s, b, h, i, j: s + rows[b, h, j] + h * 0.25,
            **features,
        )
        compare(
            out,
            lse,
            cache,
            score_mod=lambda s, b, h, i, j: s + read(b, h, j) + h * 0.25,
            **features,
        )


@pytest.mark.parametrize("page", [None, 16])
def test_sequences_of_queries(page):
    """Chunks of queries of any length, each to its own cache."""
    cache, counts = make([300, 5, 33, 0], heads=4), [5, 0, 33, 2]
    starts = np.cumsum([0, *counts]).astype(np.int32)
    rng = np.random.default_rng(2)
    q = rng.standard_normal((starts[-1], 4, 64)).astype(np.float16)
    k, v, table = cache.paged(page) if page else (cache.k, cache.v, None)
    out, lse = tw.attention_decode(
        q,
        k,
        v,
        cache_seqlens=cache.lengths,
        page_table=table,
        cu_seqlens_q=starts,
        num_splits=3,
        return_lse=True,
    )
    for b, length in enumerate(cache.lengths):
        rows = slice(starts[b], starts[b + 1])
        if counts[b]:
            part = Cache(q[None, rows], cache.k[b : b + 1], cache.v[b : b + 1], [length])
            compare(out[None, rows], lse[None, :, rows], part)


def test_deterministic_results_have_one_set_of_bits():
    """Whatever the splits and the batch."""
    cache = make([2000, 513, 1, 0], sq=2)

    def run(rows=slice(None), **arguments):
        return tw.attention_decode(
            cache.q[rows],
            cache.k[rows],
            cache.v[rows],
            cache_seqlens=cache.lengths[rows],
            deterministic=True,
            **arguments,
        )

    expected = run()
    compare(
        expected,
        tw.attention_decode(
            cache.q,
            cache.k,
            cache.v,
            cache_seqlens=cache.lengths,
            deterministic=True,
            return_lse=True,
        )[1],
        cache,
    )
    for splits in (1, 2, 3, 4, 9):
        np.testing.assert_array_equal(run(num_splits=splits), expected)
    for row in range(4):
        np.testing.assert_array_equal(run(slice(row, row + 1)), expected[row : row + 1])
    np.testing.assert_array_equal(run(slice(None, None, -1))[::-1], expected)


def test_blocks_in_any_order_give_the_same_bits():
    cache = make([700], heads=2)
    bits = []
    try:
        for seed in range(4):
            options = tw.EmulatorOptions(warp_order_seed=seed, preemption_seed=seed)
            runtime().set_emulator_options("emulated:a100", options.to_native())
            bits.append(check(cache, num_splits=5, device="emulated:a100")[0])
    finally:
        runtime().set_emulator_options("emulated:a100", tw.EmulatorOptions().to_native())
    for other in bits[1:]:
        np.testing.assert_array_equal(other, bits[0])


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 200), min_size=1, max_size=3),
    sq=st.integers(1, 8),
    group=st.integers(1, 8),
    page=st.sampled_from([None, 1, 4, 16, 128]),
    splits=st.sampled_from([None, 1, 2, 20]),
    seed=st.integers(0, 1000),
)
def test_any_cache(lengths, sq, group, page, splits, seed):
    check(make(lengths, sq, 2 * group, 2, 32, seed=seed), page, num_splits=splits)


# -- Counters ------------------------------------------------------------------


@pytest.mark.parametrize("page", [None, 64, 16])
def test_a_group_reads_its_cache_once(page):
    """1024 keys and values of 2 heads of 128 bytes; q, o and the table are little."""
    cache = make([1024], d=64, room=1024)
    with tw.profile() as profile:
        check(cache, page, num_splits=1)
    counters = profile.launches[0].counters
    assert counters["asyncBytes"] == 2 * 1024 * 2 * 128
    assert counters["globalLoadBytes"] < 1.05 * counters["asyncBytes"]
    assert counters["sharedWavefronts"] == counters["sharedIdealWavefronts"]


# -- What is refused -------------------------------------------------------------


def decode(cache=None, page=None, **arguments):
    cache = cache or make([20, 30])
    k, v, table = cache.paged(page) if page else (cache.k, cache.v, None)
    arguments = {"cache_seqlens": cache.lengths, "page_table": table} | arguments
    return tw.attention_decode(arguments.pop("q", cache.q), k, v, **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"cache_seqlens": [20, 34]}, tw.ArgumentError, "34 at sequence 1; expects 0 to 33"),
        ({"cache_seqlens": -1}, tw.ArgumentError, "-1 at sequence 0"),
        (
            {"cache_seqlens": [1, 2, 3]},
            tw.ShapeError,
            r"int64 \[3\]; expects an integer or int32 \[2\]",
        ),
        ({"cache_seqlens": 1.5}, tw.ShapeError, "float64"),
        ({"num_splits": 0}, tw.ArgumentError, "num_splits is 0; expects 1 to 65535"),
        ({"num_splits": 1.5}, tw.ArgumentError, "num_splits is 1.5"),
        (
            {"page_table": np.zeros((2, 3))},
            tw.ShapeError,
            r"float64 \[2, 3\]; expects int32 \[2, pages\]",
        ),
        ({"page_table": np.zeros((1, 3), int)}, tw.ShapeError, r"\[1, 3\]"),
        (
            {"page_table": np.array([[0], [9]])},
            tw.ArgumentError,
            r"9 at \[1, 0\], which sequence 1 of 30 keys uses; expects 0 to 1",
        ),
        ({"cu_seqlens_q": [0, 2]}, tw.ShapeError, r"expects \[T, H, D\]"),
        ({"q": np.zeros((3, 1, 8, 64), np.float16)}, tw.ShapeError, "expects a batch of 3"),
        (
            {"cache": dataclasses.replace(make([20, 30]), k=np.zeros((2, 33, 2, 64), np.int16))},
            tw.UnsupportedError,
            "k_cache is int16; supported: float16, bfloat16, float8_e4m3fn, .*, int8, uint8",
        ),
        ({"q": np.zeros((2, 1, 8, 32), np.float16)}, tw.ShapeError, "head size of q, 32"),
        ({"q": np.zeros((2, 1, 7, 64), np.float16)}, tw.ShapeError, "q has 7 heads and k 2"),
        ({"q": np.zeros((2, 1, 8, 64), ml_dtypes.bfloat16)}, tw.UnsupportedError, "one dtype"),
        (
            {"schedule": "attention{stages=2,tile_k=64,tile_q=16,warps=1}", "num_splits": 2},
            tw.Error,
            "has no split_keys; expects 1",
        ),
        (
            {"schedule": "attention{chunk=64,stages=2,tile_k=64,tile_q=16,warps=1}"},
            tw.ResourceError,
            "expects chunk to be 0 without split_keys, but got 64",
        ),
        (
            {
                "schedule": "attention{split_keys=1,stages=2,tile_k=64,tile_q=16,warps=1}",
                "deterministic": True,
            },
            tw.ResourceError,
            "for a deterministic problem, but got 0; the nearest is 512",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        decode(**arguments)
