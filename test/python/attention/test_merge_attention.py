"""Attention over parts of the keys, put together."""

import itertools

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings

F16, BF16, F32 = np.float16, np.dtype(ml_dtypes.bfloat16), np.float32
EPSILON = {np.dtype(F16): 2.0**-11, BF16: 2.0**-8, np.dtype(F32): 2.0**-24}


def reference(parts, lses):
    """In float64, after the definition; parts that saw nothing are left out."""
    logs = np.array(lses, np.float64)
    most = logs.max(0)
    weights = np.exp(logs - np.where(np.isneginf(most), 0, most))
    total = weights.sum(0)
    wide = weights.transpose(0, 1, 3, 2)[..., None]
    held = np.where(wide == 0, 0, np.array(parts).astype(np.float64))
    divisor = np.where(total == 0, 1, total).transpose(0, 2, 1)[..., None]
    with np.errstate(divide="ignore"):
        lse = np.where(np.isneginf(most), -np.inf, most + np.log(total))
    return (wide * held).sum(0) / divisor, lse, (wide * np.abs(held)).sum(0) / divisor


def check(parts, lses, **options):
    out, lse = tw.merge_attention(parts, lses, **options)
    want, want_lse, spread = reference(parts, lses)
    # 2^x of the hardware: 2 ulp, of an exponent with its own rounding; a division, sums.
    relative = 2.0**-22 * (
        4 + len(parts) + np.max(np.abs(want_lse), initial=0, where=finite(want_lse))
    )
    bound = relative * spread + EPSILON[np.dtype(out.dtype)] * np.abs(want) * 1.01 + 2.0**-25
    assert (np.abs(out.astype(np.float64) - want) <= bound).all()
    np.testing.assert_array_equal(np.isneginf(lse), np.isneginf(want_lse))
    np.testing.assert_allclose(lse[finite(lse)], want_lse[finite(lse)], rtol=1e-6, atol=1e-6)
    return out, lse


def finite(array):
    return np.isfinite(array)


def make_parts(rng, count, shape, dtype):
    batch, rows, heads, _ = shape
    parts = [rng.standard_normal(shape).astype(dtype) for _ in range(count)]
    return parts, [rng.normal(0, 3, (batch, heads, rows)).astype(F32) for _ in range(count)]


CASES = [
    # Rows, heads and sizes at, below and beyond tiles; decoding has one row.
    (1, (1, 1, 1, 64), F16),
    (2, (2, 5, 3, 64), F16),
    (2, (1, 1, 33, 128), BF16),
    (3, (2, 17, 2, 72), F16),
    (5, (1, 9, 1, 256), F32),
    (16, (1, 4, 4, 40), BF16),
    (2, (3, 130, 2, 576), F16),
    (37, (1, 3, 2, 8), F16),
]


@pytest.mark.parametrize("count, shape, dtype", CASES, ids=str)
def test_merge(count, shape, dtype):
    check(*make_parts(np.random.default_rng(count), count, shape, dtype))


@pytest.mark.parametrize(
    "dtype, out_dtype", list(itertools.product([F16, BF16, F32], ["f16", "bf16", F32]))
)
def test_out_dtype(dtype, out_dtype):
    parts = make_parts(np.random.default_rng(4), 3, (1, 6, 2, 32), dtype)
    out, _ = check(*parts, out_dtype=out_dtype)
    assert out.dtype == {"f16": F16, "bf16": BF16}.get(out_dtype, F32)


def test_parts_that_saw_nothing():
    """-inf is the identity, whatever the part holds; nothing at all is 0 and -inf."""
    rng = np.random.default_rng(5)
    parts, lses = make_parts(rng, 3, (1, 8, 2, 64), F16)
    lses[1][:] = -np.inf
    parts[1][:] = np.nan
    parts[1][:, ::2] = np.inf
    for lse in lses:
        lse[0, 1, 3] = -np.inf
    out, lse = check(parts, lses)
    assert not out[0, 3, 1].any() and np.isneginf(lse[0, 1, 3])
    fewer = tw.merge_attention([parts[0], parts[2]], [lses[0], lses[2]])
    np.testing.assert_array_equal(out, fewer[0])
    np.testing.assert_array_equal(lse, fewer[1])


def test_one_part_is_itself():
    parts, lses = make_parts(np.random.default_rng(6), 1, (2, 7, 3, 32), F16)
    out, lse = tw.merge_attention(parts, lses)
    np.testing.assert_array_equal(out, parts[0])
    np.testing.assert_array_equal(lse, lses[0])


def test_nan_stays():
    parts, lses = make_parts(np.random.default_rng(7), 2, (1, 4, 2, 32), F32)
    parts[0][0, 1, 0, 5], lses[1][0, 1, 2] = np.nan, np.nan
    out, lse = tw.merge_attention(parts, lses)
    assert np.isnan(out[0, 1, 0]).sum() == 1 and np.isnan(out[0, 2, 1]).all()
    assert np.isnan(out).sum() == 1 + 32 and np.isnan(lse).sum() == 1


def test_extreme_logarithms():
    """Distances beyond float32's exponents; logarithms near the largest number."""
    parts, lses = make_parts(np.random.default_rng(8), 3, (1, 2, 2, 32), F16)
    lses[0][:], lses[1][:], lses[2][:] = -3e38, 500, 499
    out, lse = tw.merge_attention(parts, lses)
    want, want_lse, _ = reference(parts, lses)
    np.testing.assert_allclose(out.astype(np.float64), want, atol=2e-3)
    np.testing.assert_allclose(lse, want_lse, rtol=1e-6)


def test_layouts_and_strides():
    rng = np.random.default_rng(9)
    parts, lses = make_parts(rng, 2, (2, 6, 3, 40), F16)
    out, lse = tw.merge_attention(parts, lses)
    torch_order = [np.ascontiguousarray(part.transpose(0, 2, 1, 3)) for part in parts]
    swapped = tw.merge_attention(torch_order, lses, layout="bhsd")
    np.testing.assert_array_equal(swapped[0].transpose(0, 2, 1, 3), out)
    # Slices of larger arrays, and one array of all parts.
    wide = np.zeros((2, 2, 8, 5, 56), F16)
    wide[:, :, :6, 1:4, 8:48] = parts
    tall = np.zeros((2, 2, 3, 9), F32)
    tall[..., :6] = lses
    strided = tw.merge_attention(wide[:, :, :6, 1:4, 8:48], tall[..., :6])
    np.testing.assert_array_equal(strided[0], out)
    np.testing.assert_array_equal(strided[1], lse)


@pytest.mark.parametrize("schedule", [(1, 16, 64, 4), (2, 1, 64, 1), (8, 2, 32, 8), (64, 1, 8, 2)])
def test_schedules_give_the_same_bits(schedule):
    parts = make_parts(np.random.default_rng(10), 3, (2, 19, 5, 72), F16)
    out, lse = tw.merge_attention(*parts)
    names = ("tile_s", "tile_h", "tile_d", "warps")
    text = ", ".join(f"{n}={v}" for n, v in zip(names, schedule, strict=True))
    again = tw.merge_attention(*parts, schedule=f"merge_attention{{{text}}}")
    np.testing.assert_array_equal(again[0], out)
    np.testing.assert_array_equal(again[1], lse)


@given(st.lists(st.integers(0, 90), min_size=1, max_size=5), st.booleans())
@settings(max_examples=12, deadline=None)
def test_splitting_keys_anywhere(cuts, causal):
    """Attention over slices of the keys, merged, is attention over all of them."""
    rng = np.random.default_rng(11)
    rows, keys, size = 20, 90, 32
    q = rng.standard_normal((1, rows, 4, size)).astype(F16)
    k, v = rng.standard_normal((2, 1, keys, 2, size)).astype(F16)
    whole, whole_lse = tw.attention(q, k, v, causal=causal, return_lse=True)
    edges = [0, *sorted(cuts), keys]
    parts = []
    for begin, end in itertools.pairwise(edges):
        # Key j of the slice is key begin + j: the rows' positions move the other way.
        offset = (keys - rows) - begin - ((end - begin) - rows)
        parts.append(
            tw.attention(
                q, k[:, begin:end], v[:, begin:end], causal=causal, q_offset=offset,
                return_lse=True,
            )
        )  # fmt: skip
    out, lse = tw.merge_attention(*zip(*parts, strict=True))
    scores = np.einsum("bshd,bthd->bhst", q.astype(F32), np.repeat(k, 2, 2).astype(F32))
    assert np.abs(scores).max() < 60
    # Each part's output is rounded once more than the whole's; its weights as the whole's.
    spread = 2.0**-11 * 4 * np.abs(v).astype(np.float64).max()
    assert np.abs(out.astype(np.float64) - whole).max() <= spread
    np.testing.assert_allclose(lse, whole_lse, rtol=1e-5, atol=1e-5)


def test_associative():
    parts, lses = make_parts(np.random.default_rng(12), 4, (1, 9, 2, 64), F32)
    left = tw.merge_attention(parts[:2], lses[:2])
    right = tw.merge_attention(parts[2:], lses[2:])
    out, lse = tw.merge_attention(*zip(left, right, strict=True))
    once = tw.merge_attention(parts, lses)
    np.testing.assert_allclose(out, once[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(lse, once[1], rtol=1e-6, atol=1e-6)


def test_counts():
    """Each byte once; 16 at a time; nothing in local or shared memory."""
    parts = make_parts(np.random.default_rng(13), 4, (1, 64, 4, 128), F16)
    with tw.profile() as profile:
        tw.merge_attention(*parts)
    size = 64 * 4 * 128
    assert profile.total("globalLoadBytes") == 4 * (2 * size + 4 * 64 * 4 * 16)
    assert profile.total("globalStoreBytes") >= 2 * size
    assert profile.total("sharedAccesses") == 0


def test_nothing_to_do():
    parts, lses = make_parts(np.random.default_rng(14), 2, (0, 3, 2, 16), F16)
    out, lse = tw.merge_attention(parts, lses)
    assert out.shape == (0, 3, 2, 16) and lse.shape == (0, 2, 3)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p, x: ([], []), "there are 0 outs and 0 lses"),
        (lambda p, x: (p, x[:1]), "there are 2 outs and 1 lses"),
        (lambda p, x: ([p[0], p[1][:, :3]], x), r"outs\[1\] is float16 of shape"),
        (lambda p, x: ([p[0], p[1].astype(F32)], x), r"outs\[1\] is float32 of shape"),
        (lambda p, x: (p, [x[0], x[1][:, :1]]), r"lses\[1\] has shape .*; expects \(1, 2, 4\)"),
        (lambda p, x: ([p[0][0], p[1]], x), r"outs\[0\] has shape .*; expects \[B, S, H, Dv\]"),
        (lambda p, x: (p, [x[0][0], x[1]]), r"lses\[0\] has shape .*; expects \[B, H, S\]"),
        (lambda p, x: ([a[..., :0] for a in p], x), "heads of size 0"),
    ],
)  # fmt: skip
def test_wrong_shapes(change, message):
    with pytest.raises(tw.ShapeError, match=message):
        tw.merge_attention(*change(*make_parts(np.random.default_rng(0), 2, (1, 4, 2, 16), F16)))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"out_dtype": np.int32}, "out_dtype is int32; supported: float16, bfloat16, float32"),
        ({"layout": "sbhd"}, "layout is 'sbhd'; supported: 'bshd', 'bhsd'"),
        ({"schedule": "merge_attention{tile_s=3, tile_h=1, tile_d=64, warps=4}"}, "tile_s"),
    ],
)
def test_refused_options(options, message):
    parts = make_parts(np.random.default_rng(0), 2, (1, 4, 2, 16), F16)
    with pytest.raises((tw.UnsupportedError, tw.ResourceError), match=message):
        tw.merge_attention(*parts, **options)


def test_refused_dtypes():
    parts, lses = make_parts(np.random.default_rng(0), 1, (1, 4, 2, 16), F16)
    with pytest.raises(tw.UnsupportedError, match=r"dtype of outs\[0\] is int8"):
        tw.merge_attention([parts[0].astype(np.int8)], lses)
    with pytest.raises(tw.UnsupportedError, match=r"dtype of lses\[0\] is float64"):
        tw.merge_attention(parts, [lses[0].astype(np.float64)])
