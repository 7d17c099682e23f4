"""Codes and scales of low-bit caches, bit for bit after the documented rule."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from cache_reference import E4M3, E5M2, LARGEST, append, decode, encode, rotate
from covering import covering_array

F16, BF16, F32 = np.float16, np.dtype(ml_dtypes.bfloat16), np.float32
I8, U8 = np.dtype(np.int8), np.dtype(np.uint8)


def make_rows(rng, shape, dtype):
    """Rows of very different sizes, one of them of zeros."""
    rows = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 4, (*shape[:-1], 1))
    rows = rows.astype(dtype)
    rows[0, 0, 0] = 0
    return rows


def make_cache(rng, outer, inner, heads, size, dtype, scale_dtype):
    columns = size // 2 if dtype == U8 else size
    cache = rng.integers(0, 256, (outer, inner, heads, columns), np.uint8).view(dtype)
    if scale_dtype is None:
        return cache, None
    return cache, rng.standard_normal((outer, inner, heads)).astype(scale_dtype)


def check(k, v, lengths, dtypes, scale_dtype, page=None, rotary=None, **options):
    """Appends to caches of garbage and compares every byte of them."""
    rng = np.random.default_rng(3)
    batch, rows, heads, _ = k.shape
    table, outer, inner = None, batch, max(lengths) + rows + 2
    if page:
        need = -(-inner // page)
        outer, inner = batch * need + 1, page
        table = rng.permutation(outer)[: batch * need].reshape(batch, need).astype(np.int32)
    made = [
        make_cache(rng, outer, inner, heads, array.shape[3], dtype, scale_dtype)
        for array, dtype in zip((k, v), dtypes, strict=True)
    ]
    before = [[None if a is None else a.copy() for a in pair] for pair in made]
    cos, sin = rotary if rotary else (None, None)
    tw.append_cache(
        k, v, made[0][0], made[1][0], lengths, page_table=table, k_scales=made[0][1],
        v_scales=made[1][1], cos=cos, sin=sin, **options,
    )  # fmt: skip
    rule = {name: options[name] for name in ("interleaved", "rotary_start") if name in options}
    turned = rotate(k, lengths, cos, sin, dtype=F32, **rule) if rotary else k
    for (cache, scales), old, new in zip(made, before, (turned, v), strict=True):
        codes, of_rows = encode(new, cache.dtype, scale_dtype)
        want = append(old[0].view(np.uint8), codes.view(np.uint8), lengths, table)
        np.testing.assert_array_equal(cache.view(np.uint8), want)
        if scales is not None:
            np.testing.assert_array_equal(scales, append(old[1], of_rows, lengths, table))


FEATURES = {
    "codes": [(E4M3, E5M2), (E5M2, I8), (I8, U8), (U8, E4M3)],
    "scales": [F32, F16, None],
    "dtype": [F16, BF16],
    "sizes": [(64, 64), (128, 40), (72, 256), (8, 8), (576, 128)],
    "rotary": [None, "halves", "interleaved", "part"],
    "page": [None, 1, 4, 16],
    "batch": [(1, 1, 1), (2, 3, 8), (3, 1, 5)],
}


def allows(part):
    """Integers have scales."""
    codes = set(part.get("codes", ()))
    return not (codes & {I8, U8} and part.get("scales", F32) is None)


CASES = covering_array(FEATURES, seed=1, allows=allows)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_codes(case):
    batch, rows, heads = case["batch"]
    rng = np.random.default_rng(1)
    size, values = case["sizes"]
    k = make_rows(rng, (batch, rows, heads, size), case["dtype"])
    v = make_rows(rng, (batch, rows, heads, values), case["dtype"])
    rotary, options = None, {}
    if case["rotary"] and size >= 16:
        columns = 16 if case["rotary"] == "part" or size == 72 else 64
        rotary = tuple(rng.standard_normal((2, 40, columns // 2)).astype(F32))
        options = {"interleaved": case["rotary"] == "interleaved"}
        options["rotary_start"] = 8 * (case["rotary"] == "part")
    lengths = rng.integers(0, 30, batch)
    check(k, v, lengths, case["codes"], case["scales"], case["page"], rotary, **options)


@pytest.mark.parametrize("dtype", LARGEST, ids=str)
@pytest.mark.parametrize("schedule", [(1, 1), (1, 4), (4, 2)])
def test_rows_across_warps(dtype, schedule):
    """Heads so large that several warps share one: the largest number is that of all."""
    k = make_rows(np.random.default_rng(2), (1, 2, 3, 512), F16)
    tile_h, warps = schedule
    check(k, k, [1], (dtype, dtype), F32,
          schedule=f"append_cache{{tile_h={tile_h}, warps={warps}}}")  # fmt: skip


@pytest.mark.parametrize("dtype", LARGEST, ids=str)
def test_every_half(dtype):
    """All finite float16 numbers, in rows of like size; ties and edges among them."""
    every = np.arange(0x7C00, dtype=np.uint16).view(F16)
    rows = np.zeros((1, 31 * 8, 1, 128), F16)
    rows[0, :, 0] = every.reshape(-1, 128)
    rows[..., 1::2] *= -1
    check(rows, rows, [0], (dtype, dtype), F32)


@pytest.mark.parametrize("dtype", [E4M3, E5M2], ids=str)
def test_floats_without_scales_saturate(dtype):
    rows = np.array([0, -0.0, 1e-8, 447, 449, 480, -65504, 57344, 61440, 3e-3, 65504, 1], F16)
    k = np.zeros((1, 1, 1, 16), F16)
    k[..., :12] = rows
    check(k, -k, [0], (dtype, dtype), None)


@pytest.mark.parametrize("dtype", LARGEST, ids=str)
def test_subnormal_scales(dtype):
    """Scales that float16 holds with few bits or not at all; sums that float32 rounds."""
    rng = np.random.default_rng(5)
    k = rng.standard_normal((1, 30, 1, 32)) * 2.0 ** np.arange(-16, -46, -1)[:, None, None]
    k = k.astype(BF16)
    check(k, k * BF16.type(2**-90), [0], (dtype, dtype), F16)
    check(k, k * BF16.type(2**-90), [0], (dtype, dtype), F32)


@pytest.mark.parametrize("dtype", LARGEST, ids=str)
def test_rows_that_are_no_numbers(dtype):
    """Their scales say so; rows beside them are as ever."""
    k = make_rows(np.random.default_rng(6), (1, 4, 2, 32), F16)
    k[0, 1, 0, 5], k[0, 2, 1, 7] = np.nan, -np.inf
    cache, scales = make_cache(np.random.default_rng(7), 1, 4, 2, 32, dtype, F32)
    tw.append_cache(k, None, cache, None, [0], k_scales=scales)
    codes, want = encode(k, dtype)
    np.testing.assert_array_equal(scales, want)
    is_number = np.isfinite(want)
    assert is_number.sum() == 6
    np.testing.assert_array_equal(cache.view(np.uint8)[is_number], codes.view(np.uint8)[is_number])


@pytest.mark.parametrize("dtype", LARGEST, ids=str)
def test_accuracy(dtype):
    """A row comes back within half a step of its codes: of the scale for integers, of the
    number for floats."""
    k = np.random.default_rng(8).standard_normal((2, 8, 4, 64)).astype(F16)
    cache, scales = make_cache(np.random.default_rng(9), 2, 8, 4, 64, dtype, F32)
    tw.append_cache(k, None, cache, None, [0, 0], k_scales=scales)
    error = np.abs(decode(cache, scales) - k)
    step = scales.astype(np.float64)[..., None]
    if dtype.kind in "iu":
        assert (error <= 0.5001 * step).all()
    else:
        bits, smallest = (4, 2.0**-10) if dtype == E4M3 else (3, 2.0**-17)
        assert (error <= 2.0**-bits * np.abs(k) * 1.0001 + smallest * step).all()


def test_bytes():
    """Codes leave as bytes: half of the tokens' for int8, a quarter for 4 bits."""
    k = np.random.default_rng(10).standard_normal((2, 4, 8, 128)).astype(F16)
    for dtype in (I8, U8):
        cache, scales = make_cache(np.random.default_rng(0), 2, 4, 8, 128, dtype, F32)
        with tw.profile() as profile:
            tw.append_cache(k, None, cache, None, [0, 0], k_scales=scales)
        assert profile.total("sharedAccesses") == 0
        # Lanes that share a head store its scale together: 16 requests of it.
        assert profile.total("globalStoreBytes") == cache.nbytes + 16 * scales.nbytes


REFUSED = [
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int16)), tw.UnsupportedError,
     "k_cache is int16; supported: the dtype of k, float16, or float8_e4m3fn"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int8)), tw.ArgumentError, "expects k_scales"),
    (dict(k_scales=np.zeros((1, 4, 2), F32)), tw.ArgumentError, "expects a cache of codes"),
    (dict(v_scales=np.zeros((1, 4, 2), F32)), tw.ArgumentError, "v_scales are given without"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.uint8), k_scales=np.zeros((1, 4, 2), F32)),
     tw.ShapeError, r"expects \(1, 4, 2, 16\)"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int8), k_scales=np.zeros((1, 2, 4), F32)),
     tw.ShapeError, r"k_scales has shape \(1, 2, 4\); expects \(1, 4, 2\)"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int8), k_scales=np.zeros((1, 4, 2), BF16)),
     tw.UnsupportedError, "dtype of k_scales is bfloat16"),
    (dict(k_cache=np.zeros((1, 4, 2, 32), np.int8), k_scales=np.zeros((4, 2), F32)),
     tw.ShapeError, r"k_scales has shape \(4, 2\); expects \[B, capacity, Hkv\]"),
]  # fmt: skip


@pytest.mark.parametrize("changes, kind, message", REFUSED)
def test_refused(changes, kind, message):
    arguments = dict(k=np.zeros((1, 1, 2, 32), F16), k_cache=np.zeros((1, 4, 2, 32), F16),
                     v=None, v_cache=None, cache_seqlens=[1])  # fmt: skip
    with pytest.raises(kind, match=message):
        tw.append_cache(**(arguments | changes))
