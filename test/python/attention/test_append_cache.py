"""New keys and values into caches, with the rotary embedding of their positions."""

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from cache_reference import append, rotate
from hypothesis import given, settings
from tilewright._extension import runtime

F16, BF16, F32 = np.float16, np.dtype(ml_dtypes.bfloat16), np.float32


def make_tokens(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def make_tables(positions, size, dtype=F32, base=10000.0):
    angles = np.arange(positions)[:, None] * base ** (-np.arange(0, size, 2) / size)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def make_pages(rng, lengths, rows, size, spare=3):
    """A shuffled table, garbage in its unused entries, and the number of pages."""
    used = -(-(np.asarray(lengths) + rows) // size)
    count = int(used.sum()) + spare
    table = rng.integers(-(2**31), 2**31 - 1, (len(lengths), used.max() + 2), dtype=np.int32)
    order = iter(rng.permutation(count))
    for b, n in enumerate(used):
        table[b, :n] = [next(order) for _ in range(n)]
    return table, count


def check(k, v, lengths, *, capacity=None, page=None, rng=None, q=None, rotary=None, **options):
    """Appends to caches of NaN but for what earlier calls wrote, and compares all of them."""
    rng = rng or np.random.default_rng(0)
    batch, rows, heads, _ = k.shape
    lengths = np.asarray(lengths, np.int32)
    table = None
    outer, inner = batch, capacity or int(lengths.max(initial=0)) + rows + 3
    if page:
        table, outer = make_pages(rng, lengths, rows, page)
        inner = page
    before, caches = [], []
    for array in (k, v):
        if array is not None:
            before.append(rng.standard_normal((outer, inner, heads, array.shape[3])))
            before[-1] = before[-1].astype(k.dtype)
            before[-1][0] = np.nan
    caches = [array.copy() for array in before] + [None] * (2 - len(before))
    cos, sin = rotary if rotary else (None, None)
    out = tw.append_cache(
        k, v, *caches, lengths, page_table=table, q=q, cos=cos, sin=sin, **options
    )
    rule = {name: options[name] for name in ("interleaved", "rotary_start") if name in options}
    turned = rotate(k, lengths, cos, sin, **rule) if rotary else k
    for cache, old, new in zip(caches, before, (turned, v), strict=False):
        want = append(old.copy(), new, lengths, table)
        np.testing.assert_array_equal(bits(cache), bits(want))
    if q is not None:
        np.testing.assert_array_equal(bits(out), bits(rotate(q, lengths, cos, sin, **rule)))
    else:
        assert out is None
    return caches


def bits(array):
    return np.ascontiguousarray(array).view(np.uint16)


CASES = [
    # Batch, new tokens, heads, head sizes; pages of one row to more than a sequence has.
    ((1, 1, 1, 64, 64), None, F16),
    ((3, 1, 8, 128, 128), None, BF16),
    ((2, 5, 5, 72, 40), None, F16),
    ((2, 3, 2, 128, 64), 1, F16),
    ((3, 1, 1, 64, 64), 4, BF16),
    ((1, 40, 2, 96, 96), 16, F16),
    ((2, 7, 3, 256, 128), 128, F16),
    ((2, 2, 1, 576, 512), 16, BF16),
    ((1, 2, 17, 8, 1024), None, F16),
]


@pytest.mark.parametrize("shape, page, dtype", CASES, ids=str)
def test_append(shape, page, dtype):
    rng = np.random.default_rng(1)
    batch, rows, heads, size, values = shape
    k = make_tokens(rng, (batch, rows, heads, size), dtype)
    v = make_tokens(rng, (batch, rows, heads, values), dtype)
    check(k, v, rng.integers(0, 70, batch), page=page, rng=rng)


ROTARY = [
    # Head size, rotated columns, the first of them.
    (64, 64, 0),
    (128, 128, 0),
    (128, 32, 0),
    (72, 48, 0),
    (96, 96, 0),
    (80, 16, 8),
    (256, 64, 192),
    (576, 64, 512),
]


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("size, rotated, start", ROTARY, ids=str)
def test_rotary(size, rotated, start, interleaved):
    """Keys and queries; values are left alone. Few heads and many, f16 and bf16."""
    rng = np.random.default_rng(size + rotated)
    dtype = BF16 if rotated == 64 else F16
    k, v = make_tokens(rng, (2, 2, 2, 3, size), dtype)
    q = make_tokens(rng, (2, 2, 9, size), dtype)
    tables = make_tables(60, rotated, dtype if rotated == 96 else F32)
    check(
        k, v, [50, 3], page=16, rng=rng, q=q, rotary=tables, interleaved=interleaved,
        rotary_start=start,
    )  # fmt: skip


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_is_a_rotation(interleaved):
    """In float64, after the definition: by angle p * base^(-2d / R), one rounding off."""
    rng = np.random.default_rng(5)
    x = make_tokens(rng, (1, 30, 2, 64), F16)
    tables = make_tables(1030, 64)
    out = tw.rotary(x, *tables, offset=1000, interleaved=interleaved)
    angles = np.arange(1000, 1030)[:, None] * 10000.0 ** (-np.arange(0, 64, 2) / 64)
    turn = np.exp(1j * angles)[None, :, None]
    wide = x.astype(np.float64)
    if interleaved:
        want = ((wide[..., ::2] + 1j * wide[..., 1::2]) * turn).view(np.float64)
    else:
        turned = (wide[..., :32] + 1j * wide[..., 32:]) * turn
        want = np.concatenate([turned.real, turned.imag], -1)
    # A table entry, two products and their sum round in float32; the result in float16.
    size = np.abs(wide).max()
    assert (np.abs(out - want) <= 2.0**-11 * np.abs(want) + 2.0**-22 * size + 2.0**-25).all()


def test_rotary_alone():
    rng = np.random.default_rng(6)
    x = make_tokens(rng, (3, 4, 5, 80), BF16)
    tables = make_tables(64, 32)
    offsets = np.array([0, 60, 7])
    out = tw.rotary(x, *tables, offset=offsets, rotary_start=16)
    np.testing.assert_array_equal(bits(out), bits(rotate(x, offsets, *tables, rotary_start=16)))
    swapped = tw.rotary(
        np.ascontiguousarray(x.transpose(0, 2, 1, 3)), *tables, offset=offsets, rotary_start=16,
        layout="bhsd",
    )  # fmt: skip
    np.testing.assert_array_equal(bits(swapped.transpose(0, 2, 1, 3)), bits(out))


def test_keys_without_values():
    """Where values are a part of the keys, as in latent attention."""
    rng = np.random.default_rng(7)
    k = make_tokens(rng, (2, 3, 1, 576), BF16)
    check(k, None, [4, 0], page=4, rng=rng, rotary=make_tables(20, 64), rotary_start=512)


def test_growing_a_cache():
    """Tokens one by one and many at once leave the same cache."""
    rng = np.random.default_rng(8)
    k, v = make_tokens(rng, (2, 1, 6, 2, 32), F16)
    tables = make_tables(16, 32)
    once = [np.zeros((1, 16, 2, 32), F16) for _ in range(2)]
    tw.append_cache(k, v, *once, [5], cos=tables[0], sin=tables[1])
    steps = [np.zeros((1, 16, 2, 32), F16) for _ in range(2)]
    for i in range(6):
        part = slice(i, i + 1)
        tw.append_cache(k[:, part], v[:, part], *steps, [5 + i], cos=tables[0], sin=tables[1])
    np.testing.assert_array_equal(once[0], steps[0])
    np.testing.assert_array_equal(once[1], steps[1])


def test_strides_and_layouts():
    """Caches that are parts of one array, heads before rows; tokens as torch has them."""
    rng = np.random.default_rng(9)
    both = rng.standard_normal((4, 2, 8, 3, 40)).astype(F16)  # pages, keys and values
    want = both.copy()
    k, v = make_tokens(rng, (2, 2, 3, 5, 48), F16)[..., 8:]
    table = np.array([[2, 0], [3, 1]], np.int32)
    tw.append_cache(k, v, both[:, 0], both[:, 1], [6, 2], page_table=table, layout="bhsd")
    for index, new in enumerate((k, v)):
        append(want[:, index], new.transpose(0, 2, 1, 3), [6, 2], table)
    np.testing.assert_array_equal(bits(both), bits(want))
    # [B, H, capacity, D] in memory.
    turned = rng.standard_normal((2, 3, 9, 40)).astype(F16)
    want = turned.copy()
    tw.append_cache(k, None, turned.transpose(0, 2, 1, 3), None, [1, 2], layout="bhsd")
    append(want.transpose(0, 2, 1, 3), k.transpose(0, 2, 1, 3), [1, 2])
    np.testing.assert_array_equal(bits(turned), bits(want))


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 9),
    st.sampled_from([8, 24, 64]), st.booleans(), st.data(),
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_any_pages(batch, rows, heads, page, size, interleaved, data):
    lengths = data.draw(st.lists(st.integers(0, 20), min_size=batch, max_size=batch))
    rng = np.random.default_rng(10)
    k = make_tokens(rng, (batch, rows, heads, size), F16)
    tables = make_tables(32, 16) if size >= 16 else None
    check(k, k, lengths, page=page, rng=rng, rotary=tables, interleaved=interleaved)


@pytest.mark.parametrize("tile_h, warps", [(1, 1), (1, 4), (4, 1), (4, 4)])
def test_schedules_give_the_same_bits(tile_h, warps):
    rng = np.random.default_rng(11)
    k, v = make_tokens(rng, (2, 2, 2, 5, 96), F16)
    q = make_tokens(rng, (2, 2, 6, 96), F16)
    check(
        k, v, [3, 9], page=4, q=q, rotary=make_tables(16, 64), rng=rng,
        schedule=f"append_cache{{tile_h={tile_h}, warps={warps}}}",
    )  # fmt: skip


def test_rows_that_the_cache_does_not_have():
    """What the host cannot see is not written, nor is anything beside it."""
    rng = np.random.default_rng(12)
    k = make_tokens(rng, (4, 3, 2, 32), F16)
    cache = rng.standard_normal((4, 8, 2, 32)).astype(F16)
    want = cache.copy()
    lengths = np.array([6, 2**31 - 2, -2, -(2**31)], np.int32)
    constants = {"rotary": "halves", "rotary_start": "0"}
    where = tw.device().name
    runtime().append_cache(
        {"k": k, "k_cache": cache, "lengths": lengths}, constants, where, None, 0
    )
    want[0, 6:], want[2, 0] = k[0, :2], k[2, 2]
    np.testing.assert_array_equal(bits(cache), bits(want))

    pool = rng.standard_normal((3, 2, 2, 32)).astype(F16)
    want = pool.copy()
    table = np.array([[2, -1, 3], [0, 0, 1], [1, 2**31 - 1, 0], [0, 0, 0]], np.int32)
    lengths = np.array([1, 5, 2, -3], np.int32)
    runtime().append_cache(
        {"k": k, "k_cache": pool, "lengths": lengths, "page_table": table},
        constants,
        where,
        None,
        0,
    )
    want[2, 1] = k[0, 0]  # then pages -1, and 3 of 3
    want[1, 1] = k[1, 0]  # then beyond the table
    # Sequence 2 has page 2^31 - 1, then 0; sequence 3 no position.
    want[0, 0] = k[2, 2]
    np.testing.assert_array_equal(bits(pool), bits(want))


def test_counts():
    """Each byte once, in accesses of 16; nothing in shared or local memory."""
    k, v = make_tokens(np.random.default_rng(13), (2, 4, 8, 8, 128), F16)
    caches = np.zeros((2, 4, 16, 8, 128), F16)
    with tw.profile() as profile:
        tw.append_cache(k, v, *caches, [0, 3, 8, 5])
    tokens = 4 * 8
    moved = tokens * 2 * 8 * 128 * 2
    # Each warp reads the length of its sequence: a sector.
    assert profile.total("globalLoadBytes") <= moved + tokens * 2 * 4 * 128
    assert profile.total("globalStoreBytes") == moved
    assert profile.total("sharedAccesses") == 0


def test_nothing_to_do():
    k = np.zeros((2, 0, 3, 16), F16)
    cache = np.ones((2, 4, 3, 16), F16)
    out = tw.append_cache(k, k, cache, cache.copy(), [9, 9], q=k, cos=np.ones((1, 8), F32),
                          sin=np.ones((1, 8), F32))  # fmt: skip
    assert out.shape == k.shape and (cache == 1).all()


def arguments(**changes):
    k = np.zeros((2, 3, 2, 32), F16)
    cache = np.zeros((2, 8, 2, 32), F16)
    tables = np.zeros((2, 16, 16), F32)
    known = dict(
        k=k, v=k, k_cache=cache, v_cache=cache.copy(), cache_seqlens=[1, 2], cos=tables[0],
        sin=tables[1], q=k,
    )  # fmt: skip
    return known | changes


READ_ONLY = np.zeros((2, 8, 2, 32), F16)
READ_ONLY.flags.writeable = False

REFUSED = [
    (dict(layout="sbhd"), tw.UnsupportedError, "layout is 'sbhd'"),
    (dict(k=np.zeros((2, 3, 2, 32), F32)), tw.UnsupportedError, "dtype of k is float32"),
    (dict(k=np.zeros((3, 2, 32), F16)), tw.ShapeError, r"k has shape \(3, 2, 32\)"),
    (dict(v=np.zeros((2, 4, 2, 32), F16)), tw.ShapeError, "v has 2 sequences of 4 tokens"),
    (dict(v=np.zeros((2, 3, 4, 32), F16)), tw.ShapeError, "v has 4 heads; expects those of k, 2"),
    (dict(v=np.zeros((2, 3, 2, 32), BF16)), tw.UnsupportedError, "v is bfloat16 and k float16"),
    (dict(v_cache=None), tw.ArgumentError, "v and v_cache come together"),
    (dict(k=np.zeros((2, 3, 2, 12), F16)), tw.UnsupportedError, "is 12; .* the nearest is 16"),
    (dict(k_cache=np.zeros((2, 8, 2, 32), BF16)), tw.UnsupportedError, "k_cache is bfloat16"),
    (dict(k_cache=np.zeros((3, 8, 2, 32), F16)), tw.ShapeError, r"expects \(2, 8, 2, 32\)"),
    (dict(v_cache=np.zeros((2, 9, 2, 32), F16)), tw.ShapeError, "v_cache has shape"),
    (dict(k_cache=READ_ONLY), tw.ArgumentError, "k_cache is read-only"),
    (dict(k_cache=[[[[0.0]]]]), tw.ArgumentError, "k_cache is a list"),
    (dict(k_cache=np.zeros((2, 8, 2, 64), F16)[..., ::2]), tw.ArgumentError, "strides of"),
    (dict(cache_seqlens=[1.0, 2.0]), tw.ArgumentError, "cache_seqlens is of float64"),
    (dict(cache_seqlens=[1, 2, 3]), tw.ShapeError, r"cache_seqlens has shape \(3,\)"),
    (dict(cache_seqlens=[1, -2]), tw.ArgumentError, "is -2 for sequence 1"),
    (dict(cache_seqlens=[1, 6]), tw.ArgumentError, "sequence 1 has 6 rows and gets 3; .* 8"),
    (dict(cos=None), tw.ArgumentError, "cos and sin come together"),
    (dict(cos=None, sin=None), tw.ArgumentError, "q is given without cos and sin"),
    (dict(sin=np.zeros((16, 8), F32)), tw.ShapeError, r"sin is float32 \(16, 8\)"),
    (dict(cos=np.zeros((16, 4), F32), sin=np.zeros((16, 4), F32)), tw.UnsupportedError,
     "rotate 8 columns; .* the nearest is 16"),
    (dict(cos=np.zeros((4, 16), F32), sin=np.zeros((4, 16), F32)), tw.ArgumentError,
     "at most 4, the positions of cos and sin"),
    (dict(rotary_start=4), tw.UnsupportedError, "rotary_start is 4; .* the nearest is 0"),
    (dict(rotary_start=8), tw.ShapeError, "columns 8 to 40 are rotated, but heads of k have 32"),
    (dict(interleaved="yes"), tw.ArgumentError, "interleaved is 'yes'"),
    (dict(page_table=[[0], [1]], cache_seqlens=[1, 7]), tw.ArgumentError,
     "sequence 1 has 7 rows .* at most 8, the rows of a sequence's pages"),
    (dict(page_table=[0, 1]), tw.ShapeError, "page_table has shape"),
    (dict(page_table=[[0, 7], [5, 0]]), tw.ArgumentError, "page_table has 5 for page 0 of seq"),
    (dict(schedule="append_cache{tile_h=3, warps=1}"), tw.ResourceError, "tile_h to be one of"),
]  # fmt: skip


@pytest.mark.parametrize(
    "changes, kind, message", REFUSED, ids=[str(i) for i in range(len(REFUSED))]
)
def test_refused(changes, kind, message):
    with pytest.raises(kind, match=message):
        tw.append_cache(**arguments(**changes))
