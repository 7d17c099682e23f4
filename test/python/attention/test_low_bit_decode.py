"""Attention that reads low-bit caches: against float64 of the same codes."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from cache_reference import E4M3, E5M2, LARGEST, append, decode, encode
from covering import covering_array
from tilewright import testing
from tilewright.attention_reference import attention_reference

F16, BF16, F32 = np.float16, np.dtype(ml_dtypes.bfloat16), np.float32
I8, U8 = np.dtype(np.int8), np.dtype(np.uint8)
#: F of nn.attention.
FACTORS = {E4M3: 256.0, E5M2: 32768.0, I8: 64.0, U8: 4.0}
FORMATS = [E4M3, E5M2, I8, U8]


class Side:
    """Keys or values as a cache of codes has them, and as numbers."""

    def __init__(self, rng, shape, dtype, scale_dtype, values_dtype):
        size = 0.5 * 2.0 ** rng.integers(-3, 3, (*shape[:-1], 1))
        rows = (rng.standard_normal(shape) * size).astype(values_dtype)
        if dtype is None:
            self.codes, self.scales, self.numbers = rows, None, rows
            return
        self.codes, self.scales = encode(rows, dtype, scale_dtype)
        self.numbers = decode(self.codes).astype(values_dtype)

    def cache(self, lengths, table=None, count=0, page=0):
        """Rows behind the lengths, and pages without an entry, are what nobody may read."""
        cache = []
        for rows in (self.codes, self.scales):
            if rows is None:
                cache.append(None)
                continue
            outer = (count, page) if page else rows.shape[:2]
            bad = np.full((*outer, *rows.shape[2:]), 0xFF, np.uint8).view(np.uint8)
            if rows.dtype.itemsize > 1:
                bad = np.full(bad.shape, np.nan, rows.dtype)
            bad = bad.view(rows.dtype)
            for b, length in enumerate(lengths):
                own = None if table is None else table[b : b + 1]
                if own is None:
                    bad[b, :length] = rows[b, :length]
                else:
                    append(bad, rows[b : b + 1, :length], [0], own)
            cache.append(bad)
        return cache


def check(lengths, formats, scale_dtype=F32, *, sq=1, heads=8, kv_heads=2, d=64, dv=None,
          dtype=F16, page=None, seed=0, **arguments):  # fmt: skip
    rng = np.random.default_rng(seed)
    batch, room = len(lengths), max([*lengths, 1]) + 3
    q = rng.standard_normal((batch, sq, heads, d)).astype(dtype)
    k = Side(rng, (batch, room, kv_heads, d), formats[0], scale_dtype, dtype)
    v = Side(rng, (batch, room, kv_heads, dv or d), formats[1], scale_dtype, dtype)
    table, count = None, 0
    if page:
        each = -(-room // page)
        count = batch * each + 2
        table = rng.permutation(count)[: batch * each].reshape(batch, each).astype(np.int32)
    k_cache, k_scales = k.cache(lengths, table, count, page)
    v_cache, v_scales = v.cache(lengths, table, count, page)
    out, lse = tw.attention_decode(
        q, k_cache, v_cache, cache_seqlens=lengths, page_table=table, k_scales=k_scales,
        v_scales=v_scales, return_lse=True, **arguments,
    )  # fmt: skip
    own = {name: arguments[name] for name in ("softcap", "window", "causal") if name in arguments}
    for b, n in enumerate(lengths):
        reference = attention_reference(
            q[b : b + 1], k.numbers[b : b + 1, :n], v.numbers[b : b + 1, :n],
            k_scales=None if k.scales is None else k.scales[b : b + 1, :n],
            v_scales=None if v.scales is None else v.scales[b : b + 1, :n],
            weight_factor=1.0 if v.scales is None else FACTORS[formats[1]],
            **({"causal": True} | own),
        )  # fmt: skip
        testing.assert_within_bound(out[b : b + 1], reference.ref, reference.low)
        largest = np.abs(k.numbers[b, :n].astype(F32)).max(initial=0)
        if k.scales is not None:
            largest *= np.abs(k.scales[b, :n].astype(F32)).max(initial=0)
        size = np.abs(q[b].astype(F32)).max() * largest * d**0.5
        testing.assert_within_bound(
            lse[b : b + 1], reference.lse, reference.lse_low,
            magnitude=np.full(reference.lse.shape, size, F32), k=d, name="lse",
        )  # fmt: skip
    return out


FEATURES = {
    "formats": [(E4M3, E4M3), (E5M2, I8), (I8, U8), (U8, E5M2), (None, U8), (I8, None)],
    "scales": [F32, F16, None],
    "dtype": [F16, BF16],
    "sizes": [(64, 64), (72, 40), (32, 128)],
    "page": [None, 1, 64],
    "queries": [(1, 8, 2), (3, 2, 2)],
    "splits": [1, 3],
}


def allows(part):
    """Integers have scales."""
    return not ({I8, U8} & set(part.get("formats", ())) and part.get("scales", F32) is None)


CASES = covering_array(FEATURES, seed=2, allows=allows)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_decode(case):
    sq, heads, kv_heads = case["queries"]
    d, dv = case["sizes"]
    check([70, 5, 131], case["formats"], case["scales"], sq=sq, heads=heads, kv_heads=kv_heads, d=d,
          dv=dv, dtype=case["dtype"], page=case["page"], num_splits=case["splits"])  # fmt: skip


@pytest.mark.parametrize("dtype", [E4M3, U8], ids=str)
def test_prefill_into_a_cache(dtype):
    """Many queries, windows and a soft cap: full tiles and tiles at the edges."""
    check([150, 70], (dtype, dtype), sq=40, heads=2, kv_heads=1, softcap=20.0, window=(60, -1))


@pytest.mark.parametrize("dtype, values", list(itertools.product(FORMATS, [F16, BF16])), ids=str)
def test_every_code(dtype, values):
    """Each code as a value, alone with its key: the number itself times its scale."""
    codes = np.arange(256, dtype=np.uint8).view(dtype)
    if dtype.kind != "u":
        codes = np.where(np.isfinite(codes.astype(F32)), codes, np.zeros((), dtype))
    keys = 16
    v_cache = np.resize(codes, (keys, 1, 1, 16))
    scales = np.full((keys, 1, 1), 0.5, F32)
    k_cache = np.zeros((keys, 1, 1, 16), values)
    out = tw.attention_decode(
        np.zeros((keys, 1, 1, 16), values), k_cache, v_cache, cache_seqlens=np.ones(keys, int),
        v_scales=scales,
    )  # fmt: skip
    want = (decode(v_cache, scales)).astype(values)
    np.testing.assert_array_equal(out.astype(F32), want.astype(F32))


def test_append_and_attend():
    """Tokens are appended, then attended to, as a model does it; int8 stays near f16."""
    rng = np.random.default_rng(4)
    batch, heads, d, page = 2, 2, 64, 16
    table = rng.permutation(6).reshape(2, 3).astype(np.int32)
    k_cache, v_cache = np.zeros((2, 6, page, heads, d), np.int8)
    k_scales, v_scales = np.full((2, 6, page, heads), np.nan, F32)
    keys, values = rng.standard_normal((2, batch, 40, heads, d)).astype(F16)
    lengths = np.array([0, 0])
    for begin, end in ((0, 33), (33, 34), (34, 40)):
        tw.append_cache(
            keys[:, begin:end], values[:, begin:end], k_cache, v_cache, lengths,
            page_table=table, k_scales=k_scales, v_scales=v_scales,
        )  # fmt: skip
        lengths = lengths + (end - begin)
    q = rng.standard_normal((batch, 2, 4, d)).astype(F16)
    out = tw.attention_decode(
        q, k_cache, v_cache, cache_seqlens=lengths, page_table=table, k_scales=k_scales,
        v_scales=v_scales,
    )  # fmt: skip
    whole = tw.attention(q, keys, values, causal=True)
    # Half a step of 1/127 of a row's largest number, in keys and in values.
    assert np.abs(out.astype(F32) - whole.astype(F32)).max() < 0.05


@pytest.mark.parametrize("dtype", [I8, U8], ids=str)
def test_bytes_of_the_cache(dtype):
    """Global memory is asked for codes: 1 and 1/2 byte a column, not for 16-bit numbers."""
    rng = np.random.default_rng(5)
    keys, d = 128, 64
    k = Side(rng, (1, keys, 1, d), dtype, F32, F16)
    q = rng.standard_normal((1, 1, 8, d)).astype(F16)
    with tw.profile() as profile:
        tw.attention_decode(
            q, k.codes, k.codes, cache_seqlens=[keys], k_scales=k.scales, v_scales=k.scales,
            num_splits=1,
        )  # fmt: skip
    copied = profile.total("asyncBytes")
    assert copied == 2 * k.codes.nbytes


REFUSED = [
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int16)), tw.UnsupportedError, "int16"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int8)), tw.ArgumentError,
     "k_cache holds int8 codes; expects k_scales"),
    (dict(k_scales=np.zeros((1, 4, 2), F32)), tw.ArgumentError,
     "k_scales are given, but k_cache is float16"),
    (dict(v_cache=np.zeros((1, 4, 2, 32), np.int8), v_scales=np.zeros((1, 2, 4), F32)),
     tw.ShapeError, r"v_scales has shape \(1, 2, 4\); expects \(1, 4, 2\)"),
    (dict(v_cache=np.zeros((1, 4, 2, 32), np.int8), v_scales=np.zeros((1, 4, 2), np.float64)),
     tw.UnsupportedError, "dtype of v_scales is float64"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.uint8), k_scales=np.zeros((1, 4, 2), F32)),
     tw.ShapeError, "head size of q, 32"),
]  # fmt: skip


@pytest.mark.parametrize("changes, kind, message", REFUSED)
def test_refused(changes, kind, message):
    arguments = dict(q=np.zeros((1, 1, 2, 32), F16), k_cache=np.zeros((1, 4, 2, 32), F16),
                     v_cache=np.zeros((1, 4, 2, 32), F16), cache_seqlens=[4])  # fmt: skip
    with pytest.raises(kind, match=message):
        tw.attention_decode(**(arguments | changes))


assert set(LARGEST) == set(FORMATS)
