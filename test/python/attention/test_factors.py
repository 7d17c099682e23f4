"""Tensor-product attention: keys and values as sums of factors times rows that heads share."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing
from tilewright.attention_reference import attention_reference

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}


def make(batch=1, sq=70, sk=90, heads=4, kv_heads=None, d=64, dv=None, ranks=(2, 2), dtype="f16"):
    rng = np.random.default_rng(7)
    kv_heads, dv = kv_heads or heads, dv or d
    shapes = {
        "q": (batch, sq, heads, d),
        "k": (batch, sk, ranks[0], d),
        "v": (batch, sk, ranks[1], dv),
        "k_factors": (batch, sk, kv_heads, ranks[0]),
        "v_factors": (batch, sk, kv_heads, ranks[1]),
    }
    return {n: rng.standard_normal(s).astype(DTYPES[dtype]) for n, s in shapes.items()}


def expand(rows, factors, dtype):
    """Keys or values, [B, S, H, D]; in ranks' order."""
    rows, factors = rows.astype(dtype), factors.astype(dtype)
    return sum(factors[..., r, None] * rows[:, :, None, r] for r in range(rows.shape[2]))


def check(arrays, result, sk=None, **features):
    keys = slice(None, sk)
    wide = [expand(arrays[n][:, keys], arrays[n + "_factors"][:, keys], np.float64) for n in "kv"]
    kernel = arrays["q"].dtype
    low = [
        expand(arrays[n][:, keys], arrays[n + "_factors"][:, keys], np.float32).astype(kernel)
        for n in "kv"
    ]
    exact = attention_reference(arrays["q"], *wide, **features)
    rounded = attention_reference(arrays["q"], *low, **features)
    testing.assert_within_bound(result, exact.ref, rounded.low.astype(kernel))


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("ranks", [(1, 1), (2, 2), (3, 1), (6, 5)])
def test_ranks(ranks, dtype):
    arrays = make(ranks=ranks, dtype=dtype)
    check(arrays, tw.attention(**arrays, causal=True), causal=True)


@pytest.mark.parametrize(("d", "dv"), [(32, 64), (72, 40), (128, 128)])
def test_head_sizes_and_groups(d, dv):
    arrays = make(2, 33, 50, heads=6, kv_heads=3, d=d, dv=dv)
    check(arrays, tw.attention(**arrays, softcap=4.0), softcap=4.0)


@pytest.mark.parametrize("splits", [1, 3])
def test_caches(splits):
    """A cache of rows and factors, with room that holds NaN."""
    arrays = make(2, 1, 300, heads=8, kv_heads=2)
    lengths = [290, 290]
    for name in ("k", "v", "k_factors", "v_factors"):
        arrays[name][:, 290:] = np.nan
    out = tw.attention_decode(
        arrays["q"],
        arrays["k"],
        arrays["v"],
        k_factors=arrays["k_factors"],
        v_factors=arrays["v_factors"],
        cache_seqlens=lengths,
        num_splits=splits,
    )
    check(arrays, out, sk=290)


def test_no_key_is_written_out():
    """A block of each head copies the rows of all ranks and stores its results."""
    arrays = make(1, 64, 512, heads=8)
    with tw.profile() as profile:
        tw.attention(**arrays, schedule="attention{stages=2,tile_k=64,tile_q=64,warps=4}")
    counters = profile.launches[0].counters
    assert counters["asyncBytes"] == 8 * 2 * (512 * 2 * 64 * 2)
    assert counters["globalStoreBytes"] == arrays["q"].nbytes


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"v_factors": None}, tw.ArgumentError, "v_factors is None; expects factors of both"),
        ({"k_factors": np.zeros((1, 90, 4, 3), np.float16)}, tw.ShapeError, r"\[1, 90, heads, 2\]"),
        (
            {"k_factors": np.zeros((1, 90, 3, 2), np.float16)},
            tw.ShapeError,
            "expects 3 as k_factors",
        ),
        ({"k_factors": np.zeros((1, 90, 4, 2), np.float32)}, tw.UnsupportedError, "k_factors"),
        (
            {
                "k": np.zeros((1, 90, 17, 64), np.float16),
                "k_factors": np.zeros((1, 90, 4, 17), np.float16),
            },
            tw.UnsupportedError,
            "k has 17 ranks; supported: 1 to 16",
        ),
    ],
)
def test_bad_factors_are_named(change, error, message):
    with pytest.raises(error, match=message):
        tw.attention(**(make() | change))
