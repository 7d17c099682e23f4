"""compressed-tensors against its definition; what it writes survives import and export."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_same_bits, assert_weights, field, random_scales


def pack_to_int32(rows, bits):
    """The loop of compressed_tensors' pack_to_int32 over rows of signed numbers."""
    factor = 32 // bits
    words = []
    for row in rows:
        packed = [0] * -(-len(row) // factor)
        for i, number in enumerate(row):
            packed[i // factor] |= (int(number) + 2 ** (bits - 1)) << (bits * (i % factor))
        words.append(packed)
    shape = (len(rows), -(-rows.shape[1] // factor))
    return np.array(words, np.uint32).reshape(shape).view(np.int32)


def make(rng, bits, n, k, group, *, symmetric, act_order=False, dtype=ml_dtypes.bfloat16):
    groups = -(-k // group)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1)
    numbers = rng.integers(low, high, (n, k))
    zeros = rng.integers(low, high, (n, groups))
    indices = np.arange(k, dtype=np.int32) // group
    tensors = {
        "weight_packed": pack_to_int32(numbers, bits),
        "weight_scale": random_scales(rng, (n, groups), dtype),
        "weight_shape": np.array([n, k], np.int64),
    }
    if not symmetric:
        tensors["weight_zero_point"] = np.ascontiguousarray(pack_to_int32(zeros.T, bits).T)
    if act_order:
        indices = rng.permutation(indices)
        if not np.array_equal(indices, np.sort(indices)):
            tensors["weight_g_idx"] = indices
    z = np.zeros_like(zeros) if symmetric else zeros
    scales = tensors["weight_scale"].astype(np.float64)
    expected = (numbers - z[:, indices]) * scales[:, indices]
    return tensors, expected


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("act_order", [True, False])
def test_weights_are_those_of_the_definition(bits, symmetric, act_order):
    rng = np.random.default_rng(bits)
    tensors, expected = make(rng, bits, 13, 75, 32, symmetric=symmetric, act_order=act_order)
    q = tw.from_compressed_tensors(bits=bits, group_size=32, **tensors)
    assert q.has_zero_point == (not symmetric)
    assert_weights(q, expected)


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(1, 8),
    n=st.integers(1, 40),
    k=st.integers(1, 150),
    group=st.sampled_from([32, 64, 128]),
    symmetric=st.booleans(),
    act_order=st.booleans(),
    dtype=st.sampled_from([np.float16, ml_dtypes.bfloat16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_keeps_every_bit(bits, n, k, group, symmetric, act_order, dtype, seed):
    rng = np.random.default_rng(seed)
    tensors, _ = make(rng, bits, n, k, group, symmetric=symmetric, act_order=act_order, dtype=dtype)
    q = tw.from_compressed_tensors(bits=bits, group_size=group, **tensors)
    assert_same_bits(tw.to_compressed_tensors(q, symmetric=symmetric), tensors)


def test_packing_of_the_reference_is_offset_binary():
    # The example of pack_to_int32's own description: [1, 2] in 8 bits is 33409.
    assert pack_to_int32(np.array([[1, 2]]), 8)[0, 0] == 33409
    assert field(pack_to_int32(np.array([[-4, 3, 0]]), 3)[0], 3, 3) == 7


@pytest.mark.parametrize("symmetric", [True, False])
def test_bytes_are_read_as_they_are(symmetric):
    rng = np.random.default_rng(9)
    tensors = {
        "weight": rng.integers(-128, 128, (20, 70)).astype(np.int8),
        "weight_scale": random_scales(rng, (20, 1), np.float16),
    }
    if not symmetric:
        tensors["weight_zero_point"] = rng.integers(-128, 128, (20, 1)).astype(np.int8)
    q = tw.from_compressed_tensors(bits=8, **tensors)
    assert q.group_size == "channel"
    zeros = tensors.get("weight_zero_point", np.zeros((20, 1))).astype(np.float64)
    assert_weights(q, (tensors["weight"] - zeros) * tensors["weight_scale"].astype(np.float64))
    assert_same_bits(tw.to_compressed_tensors(q, packed=False, symmetric=symmetric), tensors)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_floats_are_read_as_they_are(dtype):
    rng = np.random.default_rng(10)
    finite = [code for code in range(256) if code & 0x7F != 0x7F]
    weight = rng.choice(finite, (20, 70)).astype(np.uint8).view(ml_dtypes.float8_e4m3fn)
    tensors = {"weight": weight, "weight_scale": random_scales(rng, (20, 1), dtype)}
    q = tw.from_compressed_tensors(bits=8, **tensors)
    assert (q.format, q.group_size) == ("e4m3", "channel")
    # ml_dtypes' own decoding is the reference.
    expected = weight.astype(np.float64) * tensors["weight_scale"].astype(np.float64)
    assert_weights(q, expected)
    assert_same_bits(tw.to_compressed_tensors(q), tensors)
    with pytest.raises(tw.UnsupportedError, match="weight_zero_point is not 0"):
        tw.from_compressed_tensors(bits=8, **tensors, weight_zero_point=np.ones((20, 1), np.int8))
    with pytest.raises(tw.UnsupportedError, match="float-quantized is e4m3"):
        tw.to_compressed_tensors(tw.quantize(np.ones((2, 3)), "f4e2m1", layout="nk"))


def test_one_scale_for_the_whole_tensor():
    weight = np.array([[1, -2], [3, 4]], np.int8)
    q = tw.from_compressed_tensors(bits=8, weight=weight, weight_scale=np.float16([0.5]))
    np.testing.assert_array_equal(q.dequantize(), weight * 0.5)


def test_unused_group_indices():
    tensors, expected = make(np.random.default_rng(3), 4, 8, 64, 32, symmetric=True)
    tensors["weight_g_idx"] = np.full(64, -1, np.int32)
    assert_weights(tw.from_compressed_tensors(bits=4, **tensors), expected)


class TestErrors:
    def refuse(self, error, message, bits=4, **changed):
        tensors, _ = make(np.random.default_rng(0), 4, 8, 64, 32, symmetric=False)
        tensors = {k: v for k, v in {**tensors, **changed}.items() if v is not None}
        with pytest.raises(error, match=message):
            tw.from_compressed_tensors(bits=bits, **tensors)

    def test_bits(self):
        self.refuse(tw.UnsupportedError, "bits is 9; expects 1 to 8", bits=9)
        self.refuse(tw.ShapeError, r"shape \(8, 8\); expects \(8, 16\)", bits=8)

    def test_missing(self):
        self.refuse(tw.ArgumentError, "weight_shape is missing", weight_shape=None)
        self.refuse(tw.ArgumentError, "one of weight_packed and weight", weight_packed=None)

    def test_shapes(self):
        self.refuse(
            tw.ShapeError, r"weight_shape is \[8\]; expects N, K", weight_shape=np.array([8])
        )
        self.refuse(
            tw.ShapeError,
            r"weight_zero_point has shape \(1, 1\); expects \(1, 2\)",
            weight_zero_point=np.zeros((1, 1), np.int32),
        )
        self.refuse(
            tw.ShapeError,
            r"weight_scale has shape \(7, 2\)",
            weight_scale=np.ones((7, 2), np.float16),
        )

    def test_bytes(self):
        self.refuse(
            tw.ArgumentError,
            "weight reaches from 9 to 9; 4 bits hold -8 to 7",
            weight_packed=None,
            weight=np.full((8, 64), 9, np.int8),
        )
        self.refuse(
            tw.UnsupportedError,
            "weight is int16",
            weight_packed=None,
            weight=np.ones((8, 64), np.int16),
        )

    def test_asymmetric_weights_as_symmetric_ones(self):
        tensors, _ = make(np.random.default_rng(0), 4, 8, 64, 32, symmetric=False)
        q = tw.from_compressed_tensors(bits=4, **tensors)
        with pytest.raises(tw.ArgumentError, match="not those of symmetric"):
            tw.to_compressed_tensors(q, symmetric=True)
