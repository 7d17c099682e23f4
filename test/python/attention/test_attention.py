"""tw.attention end to end, against the definition in float64."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing
from tilewright.attention_reference import attention_reference

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16}


def make(batch=1, sq=64, sk=64, heads=2, kv_heads=None, d=64, dv=None, dtype="f16", seed=0):
    rng = np.random.default_rng(seed)
    kv_heads, dv = kv_heads or heads, dv or d
    shapes = ((batch, sq, heads, d), (batch, sk, kv_heads, d), (batch, sk, kv_heads, dv))
    return tuple(rng.standard_normal(shape).astype(DTYPES[dtype]) for shape in shapes)


def check(q, k, v, device=None, schedule=None, **parts):
    """Result and logarithms, within the error bound."""
    out, lse = tw.attention(q, k, v, return_lse=True, device=device, schedule=schedule, **parts)
    reference = attention_reference(q, k, v, **parts)
    testing.assert_within_bound(out, reference.ref, reference.low)
    # Scores are sums of D products; a row's logarithm is off by as much as its scores.
    q32, k32 = (np.abs(a.astype(np.float32)) for a in (q, k))
    size = q32.max() * k32.max(initial=0) * q.shape[-1] ** 0.5
    size = np.full(reference.lse.shape, size, np.float32)
    testing.assert_within_bound(
        lse, reference.lse, reference.lse_low, magnitude=size, k=q.shape[-1], name="lse"
    )
    hidden = ~reference.visible.any(3)
    assert np.isneginf(lse[hidden]).all()
    rows = out if parts.get("layout") == "bhsd" else out.transpose(0, 2, 1, 3)
    assert (rows[hidden] == 0).all()
    return out, lse


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("sq", "sk"), [(64, 64), (1, 147), (113, 203), (108, 256), (1, 1), (203, 113), (5, 0)]
)
def test_lengths(sq, sk, causal, dtype):
    check(*make(1, sq, sk, 1, dtype=dtype, seed=sq), causal=causal)


@pytest.mark.parametrize("d", [8, 32, 40, 64, 72, 96, 128, 192, 256])
def test_head_sizes(d):
    check(*make(1, 40, 72, 1, d=d), causal=True)


@pytest.mark.parametrize(("d", "dv"), [(192, 128), (64, 72), (24, 256)])
def test_values_have_a_size_of_their_own(d, dv):
    check(*make(1, 33, 65, 1, d=d, dv=dv))


@pytest.mark.parametrize(
    ("d", "dv", "dtype"),
    [
        (264, 264, "f16"),
        (320, 320, "bf16"),
        (512, 512, "f16"),
        (576, 512, "bf16"),
        (576, 64, "f16"),
        (40, 512, "f16"),
        (488, 424, "f16"),
    ],
)
def test_heads_that_one_warp_cannot_hold(d, dv, dtype):
    check(*make(1, 18, 70, 1, d=d, dv=dv, dtype=dtype), causal=True)


@pytest.mark.parametrize(("d", "dv"), [(576, 512), (192, 128), (72, 40), (16, 16)])
def test_values_may_be_columns_of_the_keys(d, dv):
    q, k, _ = make(1, 18, 70, 2, 1, d=d)
    check(q, k, k[..., :dv], causal=True)


@pytest.mark.parametrize("schedule", [
    "attention{stages=1, tile_k=16, tile_q=16, warps=1}",
    "attention{column_warps=2, shared_q=1, stages=3, tile_k=32, tile_q=16, warps=1}",
])  # fmt: skip
def test_values_in_keys_with_every_feature(schedule):
    q, k, _ = make(2, 20, 50, 4, 2, d=72, dtype="bf16")
    check(
        q, k, k[..., :56],
        window=(40, -1), softcap=20.0, sinks=np.arange(4, dtype=np.float32), q_offset=[3, -4],
        mask_mod=lambda b, h, i, j: (i + j) % 3 != b, schedule=schedule,
    )  # fmt: skip


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 2), (5, 1), (7, 7), (8, 1)])
def test_query_heads_share_key_heads(heads, kv_heads):
    check(*make(2, 17, 33, heads, kv_heads, d=32), causal=True)


@pytest.mark.parametrize("window", [(0, 0), (16, 0), (7, 20), (-1, 3), (40, -1), (200, 200)])
@pytest.mark.parametrize("causal", [False, True])
def test_windows(window, causal):
    check(*make(1, 130, 150, 1, d=32), window=window, causal=causal)


@pytest.mark.parametrize("offset", [0, -20, 13, -500, [5, -40]])
def test_offsets_move_the_rows(offset):
    check(*make(2, 70, 90, 1, d=32), causal=True, window=(30, 5), q_offset=offset)


def test_soft_caps():
    q, k, v = make(1, 33, 65, 2, d=32)
    check(q * np.float16(4), k, v, softcap=3.0, causal=True)


@pytest.mark.parametrize("shape", [(4,), (2, 4)])
@pytest.mark.parametrize("causal", [False, True])
def test_alibi(shape, causal):
    slopes = np.random.default_rng(1).random(shape).astype(np.float32)
    check(*make(2, 40, 70, 4, 2, d=32), alibi_slopes=slopes, causal=causal)


def test_sinks_join_the_denominator_and_leave_the_logarithm():
    q, k, v = make(1, 40, 70, 4, d=32)
    sinks = np.array([-np.inf, -3, 2, 90], np.float32)
    # Row 0 of the first offset sees nothing: a sink alone makes 0.
    _, lse = check(q, k, v, sinks=sinks, causal=True, q_offset=-35)
    plain = tw.attention(q, k, v, causal=True, q_offset=-35, return_lse=True)[1]
    np.testing.assert_array_equal(lse, plain)


def test_score_functions():
    bias = np.random.default_rng(3).standard_normal((2, 70, 70)).astype(np.float16)
    rows = tw.operand(bias)

    def score(s, batch, head, query, key):
        return np.tanh(s) * 2 + rows[head, query, key] - (query - key) / 16

    check(*make(1, 40, 70, 2, d=32), score_mod=score, causal=True)


def test_mask_functions_read_arrays():
    numbers = np.random.default_rng(4).integers(0, 4, (2, 100), np.int32)
    documents = tw.operand(np.sort(numbers, 1))

    def mask(batch, head, query, key):
        return documents[batch, query] == documents[batch, key]

    check(*make(2, 100, 100, 1, d=32), mask_mod=mask)


def test_functions_read_the_arrays_of_their_variables():
    """By what is computed as well: distances from -39 to 69, of rows that start at 30."""
    distances = np.random.default_rng(8).standard_normal((2, 110))
    numbers = np.sort(np.random.default_rng(9).integers(0, 4, 70))

    def score(s, batch, head, query, key):
        return s + distances[head, query - key]

    def mask(batch, head, query, key):
        return numbers[query] == numbers[key]

    check(*make(1, 40, 70, 2, d=32), score_mod=score, mask_mod=mask)


def test_positions_before_the_first_have_elements_of_zero():
    q, k, v = make(1, 70, 40, 1, d=32)
    marks = np.random.default_rng(7).integers(0, 2, 40, np.int32)
    read = tw.operand(marks)
    out = tw.attention(q, k, v, mask_mod=lambda b, h, i, j: read[i] == read[j])

    def mask(b, h, i, j):
        return np.where(i < 0, 0, marks[np.maximum(i, 0)]) == marks[j]

    reference = attention_reference(q, k, v, mask_mod=mask)
    testing.assert_within_bound(out, reference.ref, reference.low)


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        "attention{column_warps=2, stages=2, tile_k=32, tile_q=32, warps=2}",
        "attention{column_warps=2, shared_q=1, stages=2, tile_k=16, tile_q=16, warps=1}",
    ],
    ids=["default", "columns", "columns-shared"],
)
def test_every_feature_at_once(schedule):
    slopes, sinks = np.full(4, 0.25, np.float32), np.arange(4, dtype=np.float32)
    check(
        *make(2, 70, 90, 4, 2, d=40, dv=24, dtype="bf16"),
        scale=0.3,
        causal=True,
        window=(50, -1),
        softcap=20.0,
        alibi_slopes=slopes,
        sinks=sinks,
        score_mod=lambda s, b, h, i, j: s + h * 0.5,
        mask_mod=lambda b, h, i, j: (i + j) % 3 != b,
        q_offset=[3, -4],
        schedule=schedule,
    )


@pytest.mark.parametrize("layout", ["bshd", "bhsd"])
def test_any_strides(layout):
    """One array of q, k and v; a batch in reverse; heads apart."""
    rng = np.random.default_rng(5)
    packed = rng.standard_normal((2, 50, 3, 4, 32)).astype(np.float16)
    q, k, v = (packed[:, :, i] for i in range(3))
    if layout == "bhsd":
        q, k, v = (a.transpose(0, 2, 1, 3) for a in (q, k, v))
    check(q, k, v, causal=True, layout=layout)
    check(q[::-1], k, v[:, ::-1], layout=layout)
    odd = np.zeros((2, 50, 4, 37), np.float16)[..., 1:33]
    odd[:] = q if layout == "bshd" else q.transpose(0, 2, 1, 3)
    q = odd if layout == "bshd" else odd.transpose(0, 2, 1, 3)
    check(q, q, q, layout=layout)


def test_small_integers_come_out_bit_for_bit():
    """One key a row by a mask: its value, whatever the scores."""
    rng = np.random.default_rng(6)
    q, k, _ = make(1, 64, 64, 2, d=32)
    v = rng.integers(-999, 999, (1, 64, 2, 32)).astype(np.float16)
    out = tw.attention(q, k, v, mask_mod=lambda b, h, i, j: j == (i * 7 + h) % 64)
    rows = np.arange(64)
    for head in range(2):
        np.testing.assert_array_equal(out[0, :, head], v[0, (rows * 7 + head) % 64, head])


def test_hidden_scores_may_be_no_numbers():
    q, k, v = make(1, 40, 100, 1, d=32)
    broken = k.copy()
    broken[0, 41:] = np.nan
    out = tw.attention(q, broken, v, causal=True, q_offset=-60)
    assert np.isfinite(out).all()
    reference = attention_reference(q, np.nan_to_num(broken), v, causal=True, q_offset=-60)
    testing.assert_within_bound(out, reference.ref, reference.low)


@pytest.mark.parametrize("low", [-65504, -1e9, -3e38, -np.inf])
def test_rows_of_very_low_scores(low):
    """The lowest half is a number: a row of such scores is a mean. Lower ones hide, as -inf does:
    sinks or not, the row is 0.
    """
    q, k, v = make(1, 20, 150, 1, d=32)
    rows = np.arange(20) % 3 == 0
    # By position, which is the row's number.
    factors, biases = (
        tw.operand(np.where(rows, np.float32(a), np.float32(b))) for a, b in ((0, 1), (low, 0))
    )
    for sinks in (None, np.zeros(1, np.float32)):
        out, lse = tw.attention(
            q,
            k,
            v,
            score_mod=lambda s, b, h, i, j: s * factors[i] + biases[i],
            sinks=sinks,
            q_offset=20 - 150,
            return_lse=True,
        )
        usual = attention_reference(q, k, v, sinks=sinks)
        testing.assert_within_bound(out[:, ~rows], usual.ref[:, ~rows], usual.low[:, ~rows])
        if low == -65504:  # times log2(e) and ln(2), three roundings
            np.testing.assert_allclose(lse[0, 0, rows], low + np.log(150), rtol=2**-22)
        else:
            assert np.isneginf(lse[0, 0, rows]).all()
        if low == -65504 and sinks is None:
            mean = attention_reference(0 * q, k, v)
            testing.assert_within_bound(out[:, rows], mean.ref[:, rows], mean.low[:, rows])
        else:
            assert not out[0, rows].any()


def test_results_have_the_same_bits_each_time():
    q, k, v = make(1, 100, 100, 2, d=32)
    first, second = (tw.attention(q, k, v, deterministic=True) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "schedule",
    [
        "attention{stages=1, tile_k=16, tile_q=16, warps=1}",
        "attention{stages=2, tile_k=128, tile_q=32, warps=2}",
        "attention{stages=4, tile_k=32, tile_q=64, warps=2}",
        "attention{stages=3, tile_k=64, tile_q=128, warps=8}",
        "attention{shared_q=1, stages=2, tile_k=32, tile_q=64, warps=4}",
        "attention{column_warps=2, stages=3, tile_k=64, tile_q=64, warps=4}",
        "attention{column_warps=4, shared_q=1, stages=2, tile_k=128, tile_q=64, warps=2}",
        "attention{column_warps=4, stages=1, tile_k=32, tile_q=16, warps=1}",
    ],
)
def test_schedules_change_how_not_what(schedule):
    check(*make(1, 130, 200, 1, d=32), schedule=schedule, causal=True, window=(100, -1))


def test_one_kernel_serves_all_lengths_and_batches():
    with tw.profile() as profile:
        for batch, sq, sk in ((1, 20, 20), (2, 31, 40), (3, 25, 77)):
            tw.attention(*make(batch, sq, sk, 3, d=48), causal=True)
    assert len(profile.launches) == 3
    assert len(profile.compiled) <= 1


def test_empty_results_run_nothing():
    with tw.profile() as profile:
        out, lse = tw.attention(*make(1, 0, 5, 2), return_lse=True)
    assert (out.shape, lse.shape, profile.launches) == ((1, 0, 2, 64), (1, 2, 0), [])


BAD = [
    ({"layout": "sbhd"}, "layout is 'sbhd'; supported: 'bshd', 'bhsd'"),
    ({"scale": 0}, "scale is 0; expects a finite number greater than 0"),
    ({"softcap": -1}, "softcap is -1; expects a finite number at least 0"),
    ({"window": (1, -2)}, r"window is \(1, -2\); expects -1 \(no limit\) or more"),
    ({"window": 3}, r"window is 3; expects \(left, right\)"),
    ({"q_offset": 0.5}, "q_offset is of float64; expects integers"),
    ({"q_offset": [1, 2]}, r"q_offset has shape \(2,\); expects one number, or \[1\]"),
    ({"sinks": np.zeros(3)}, r"sinks has shape \(3,\); expects \[2\]"),
    ({"alibi_slopes": np.zeros((2, 2))}, r"expects \[2\] or \[1, 2\]"),
    ({"schedule": "attention{stages=9, tile_k=64, tile_q=64, warps=4}"}, "stages to be 1..4"),
]


@pytest.mark.parametrize(("parts", "message"), BAD, ids=[next(iter(p)) for p, _ in BAD])
def test_bad_arguments_are_named(parts, message):
    with pytest.raises(tw.Error, match=message):
        tw.attention(*make(), **parts)


def test_bad_shapes_are_named():
    q, k, v = make(1, 8, 8, 4, d=16)
    for arrays, message in [
        ((q[0], k, v), r"q has shape \(8, 4, 16\); expects \[B, S, H, D\]"),
        ((q, k[..., :8], v), r"k has shape \(1, 8, 4, 8\); expects the batch and head size of q"),
        ((q, k, v[:, :7]), "expects batch, length and heads of k"),
        ((q, k[:, :, :3], v[:, :, :3]), "q has 4 heads and k 3; expects a multiple"),
        ((q[..., :12], k[..., :12], v), "head size of q is 12; supported: .* the nearest is 16"),
        ((q, k.astype(np.float32), v), "dtype of k is float32"),
        ((q, k, v.astype(ml_dtypes.bfloat16)), "v is bfloat16 and q float16"),
    ]:
        with pytest.raises(tw.ArgumentError, match=message):
            tw.attention(*arrays)
