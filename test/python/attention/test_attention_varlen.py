"""tw.attention_varlen: each sequence is what tw.attention's definition makes of it alone."""

import numpy as np
import pytest
import tilewright as tw
from tilewright import testing
from tilewright.attention_reference import attention_reference

LENGTHS_Q = [70, 0, 1, 33, 64, 5]
LENGTHS_K = [90, 12, 40, 0, 64, 3]


def make(lengths_q=LENGTHS_Q, lengths_k=LENGTHS_K, heads=2, kv_heads=1, d=32, dv=32):
    rng = np.random.default_rng(0)
    starts = [np.cumsum([0, *lengths]).astype(np.int32) for lengths in (lengths_q, lengths_k)]
    shapes = (starts[0][-1], heads, d), (starts[1][-1], kv_heads, d), (starts[1][-1], kv_heads, dv)
    return *(rng.standard_normal(shape).astype(np.float16) for shape in shapes), *starts


def check(q, k, v, starts_q, starts_k, per_sequence=(), **parts):
    """Each sequence by itself. `per_sequence`: arguments with an entry for each."""
    out, lse = tw.attention_varlen(q, k, v, starts_q, starts_k, return_lse=True, **parts)
    for n in range(len(starts_q) - 1):
        rows, keys = slice(*starts_q[n : n + 2]), slice(*starts_k[n : n + 2])
        own = {name: parts[name][n] if name in per_sequence else parts[name] for name in parts}
        reference = attention_reference(q[None, rows], k[None, keys], v[None, keys], **own)
        testing.assert_within_bound(out[None, rows], reference.ref, reference.low)
        np.testing.assert_allclose(lse[None, :, rows], reference.lse, rtol=0, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_sequences_do_not_see_each_other(causal):
    check(*make(), causal=causal)


def test_windows_and_offsets_are_those_of_the_sequence():
    offsets = np.array([0, 1, -30, 5, 70, -1], np.int32)
    slopes = np.random.default_rng(1).random((6, 2)).astype(np.float32)
    check(
        *make(d=40, dv=24),
        per_sequence=("q_offset", "alibi_slopes"),
        window=(20, 3),
        q_offset=offsets,
        alibi_slopes=slopes,
        sinks=np.array([1, -1], np.float32),
    )


def test_functions_get_the_number_of_the_sequence():
    q, k, v, starts_q, starts_k = make()
    marks = tw.operand(np.arange(6, dtype=np.float32))
    out = tw.attention_varlen(
        q, k, v, starts_q, starts_k, score_mod=lambda s, b, h, i, j: s * marks[b] + b * j
    )
    for n in range(6):
        rows, keys = slice(*starts_q[n : n + 2]), slice(*starts_k[n : n + 2])
        own = q[None, rows], k[None, keys], v[None, keys]
        reference = attention_reference(*own, score_mod=lambda s, b, h, i, j, n=n: s * n + n * j)
        testing.assert_within_bound(out[None, rows], reference.ref, reference.low)


def test_one_kernel_serves_any_number_of_sequences():
    with tw.profile() as profile:
        for lengths in ([30], [9, 19, 2], [1] * 20):
            tw.attention_varlen(*make(lengths, lengths, d=48, dv=48))
    assert len(profile.launches) == 3
    assert len(profile.compiled) <= 1


def test_no_rows_run_nothing():
    with tw.profile() as profile:
        out = tw.attention_varlen(*make([], [4][:0]))
    assert (out.shape, profile.launches) == ((0, 2, 32), [])


def test_bad_starts_are_named():
    q, k, v, starts_q, starts_k = make()
    falling = starts_q.copy()
    falling[2] = 60
    for arguments, message in [
        ((starts_q[:-1], starts_k), "cu_seqlens_q goes from 0 to 168; expects 0 to 173"),
        ((falling, starts_k), "cu_seqlens_q falls from 70 to 60 at entry 2"),
        ((starts_q, starts_k[[0, 1, 2, 3, 6]]), "cu_seqlens_k has 5 entries; expects 7"),
        ((starts_q.astype(np.float32), starts_k), r"cu_seqlens_q is float32 \[7\]; expects int32"),
    ]:
        with pytest.raises(tw.ArgumentError, match=message):
            tw.attention_varlen(q, k, v, *arguments)
    with pytest.raises(tw.ShapeError, match=r"q has shape \(1, 173, 2, 32\); expects \[T, H, D\]"):
        tw.attention_varlen(q[None], k, v, starts_q, starts_k)
