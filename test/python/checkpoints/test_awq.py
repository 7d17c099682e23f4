"""AWQ against its definition; any words survive import and export."""

import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_same_bits, assert_weights, field, random_scales, random_words

# AutoAWQ, awq/modules/linear/gemm.py: field i of a word is column order_map[i] of eight.
ORDER_MAP = [0, 2, 4, 6, 1, 3, 5, 7]


def make(rng, k, n, group):
    groups = -(-k // group)
    return {
        "qweight": random_words(rng, (k, n // 8)),
        "qzeros": random_words(rng, (groups, n // 8)),
        "scales": random_scales(rng, (groups, n), np.float16),
    }


def decode(tensors, group):
    (k, words), n = tensors["qweight"].shape, tensors["scales"].shape[1]
    w = np.empty((n, k))
    for j in range(k):
        for word in range(words):
            for i, column in enumerate(ORDER_MAP):
                code = field(tensors["qweight"][j, word : word + 1], 4 * i, 4)
                zero = field(tensors["qzeros"][j // group, word : word + 1], 4 * i, 4)
                scale = float(tensors["scales"][j // group, 8 * word + column])
                w[8 * word + column, j] = (code - zero) * scale
    return w


def test_weights_are_those_of_the_definition():
    tensors = make(np.random.default_rng(1), 160, 40, 64)
    q = tw.from_awq(**tensors, group_size=64)
    assert (q.format, q.group_size, q.shape) == ("u4", 64, (40, 160))
    assert_weights(q, decode(tensors, 64))


@settings(max_examples=40, deadline=None)
@given(
    k=st.integers(1, 150),
    n=st.integers(1, 9).map(lambda x: 8 * x),
    group=st.sampled_from([32, 64, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_keeps_every_bit(k, n, group, seed):
    tensors = make(np.random.default_rng(seed), k, n, group)
    assert_same_bits(tw.to_awq(tw.from_awq(**tensors, group_size=group)), tensors)


def test_symmetric_weights_need_no_zero_points():
    tensors = make(np.random.default_rng(2), 64, 32, 32)
    tensors["qzeros"][:] = np.array(0x88888888, np.uint32).view(np.int32)
    q = tw.from_awq(**tensors)
    assert (q.format, q.has_zero_point) == ("i4", False)
    assert_weights(q, decode(tensors, 32))
    assert_same_bits(tw.to_awq(q), tensors)


def test_errors():
    tensors = make(np.random.default_rng(3), 64, 32, 32)
    with pytest.raises(tw.ShapeError, match=r"scales \(2, 31\); expects \[K, N/8\]"):
        tw.from_awq(**{**tensors, "scales": tensors["scales"][:, :31]})
    with pytest.raises(tw.UnsupportedError, match="qzeros is float16"):
        tw.from_awq(**{**tensors, "qzeros": tensors["scales"]})
    with pytest.raises(tw.ArgumentError, match="63 inputs in 2 groups"):
        tw.from_awq(**{**tensors, "qweight": tensors["qweight"][:63]})
    w = np.ones((32, 64), np.float32)
    with pytest.raises(tw.UnsupportedError, match="u3; AWQ has 4 bits"):
        tw.to_awq(tw.quantize(w, "u3", layout="nk"))
    with pytest.raises(tw.UnsupportedError, match="N is 31"):
        tw.to_awq(tw.quantize(w[:31], "u4", layout="nk"))
