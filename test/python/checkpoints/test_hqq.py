"""HQQ against its definition; what it writes survives import and export."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_same_bits

# hqq/core/bitpack.py: how far each part of the rows is shifted up, first part first.
SHIFTS = {
    8: [0],
    4: [4, 0],
    3: [27, 24, 21, 18, 15, 12, 9, 6, 3, 0],
    2: [6, 4, 2, 0],
    1: [7, 6, 5, 4, 3, 2, 1, 0],
}


def pack(codes, bits):
    """pack_8bit_u8, pack_4bit_u8, pack_3bit_32, pack_2bit_u8, pack_1bit_u8 in one loop."""
    shifts = SHIFTS[bits]
    step = -(-len(codes) // len(shifts))
    words = np.zeros((step, codes.shape[1]), np.int32 if bits == 3 else np.uint8)
    for row in range(len(codes)):
        for column in range(codes.shape[1]):
            words[row % step, column] |= int(codes[row, column]) << shifts[row // step]
    return words


def make(rng, bits, n, k, group, dtype=np.float16):
    rows = n * k // group
    codes = rng.integers(0, 2**bits, (rows, group))
    tensors = {
        "W_q": pack(codes, bits),
        "scale": rng.uniform(-1, 1, (rows, 1)).astype(dtype),
        "zero": rng.uniform(0, 2**bits, (rows, 1)).astype(dtype),
    }
    # Quantizer.dequantize: (W_q - zero) * scale on rows of groups, then reshaped.
    scale, zero = (tensors[name].astype(np.float64) for name in ("scale", "zero"))
    return tensors, ((codes - zero) * scale).reshape(n, k)


@pytest.mark.parametrize("bits", SHIFTS)
def test_weights_are_those_of_the_definition(bits):
    tensors, expected = make(np.random.default_rng(bits), bits, 8, 96, 32)
    q = tw.from_hqq(**tensors, nbits=bits, shape=(8, 96), group_size=32)
    assert (q.format, q.group_size, q.zero_rule) == (f"u{bits}", 32, "subtract")
    np.testing.assert_array_equal(q.dequantize(np.float64), expected)


@settings(max_examples=40, deadline=None)
@given(
    bits=st.sampled_from(list(SHIFTS)),
    n=st.integers(1, 5).map(lambda x: 8 * x),
    groups=st.integers(1, 3),
    group=st.sampled_from([16, 32, 64]),
    dtype=st.sampled_from([np.float16, ml_dtypes.bfloat16, np.float32]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_keeps_every_bit(bits, n, groups, group, dtype, seed):
    k = groups * group
    tensors, _ = make(np.random.default_rng(seed), bits, n, k, group, dtype)
    q = tw.from_hqq(**tensors, nbits=bits, shape=(n, k), group_size=group)
    assert_same_bits(tw.to_hqq(q), tensors)


def test_one_group_a_row():
    tensors, expected = make(np.random.default_rng(1), 4, 6, 40, 40)
    q = tw.from_hqq(**tensors, nbits=4, shape=(6, 40))
    assert q.group_size == "channel"
    np.testing.assert_array_equal(q.dequantize(np.float64), expected)
    assert_same_bits(tw.to_hqq(q), tensors)


def test_products_are_exact():
    rng = np.random.default_rng(2)
    tensors, _ = make(rng, 4, 32, 64, 32)
    tensors["scale"] = np.exp2(rng.integers(-2, 2, (64, 1))).astype(np.float16)
    tensors["zero"] = (rng.integers(0, 31, (64, 1)) / 2).astype(np.float16)
    q = tw.from_hqq(**tensors, nbits=4, shape=(32, 64), group_size=32)
    x = rng.integers(-3, 4, (3, 64)).astype(np.float16)
    y = tw.linear(x, q, out_dtype="f32", device="emulated:a100")
    np.testing.assert_array_equal(y, x.astype(np.float64) @ q.dequantize(np.float64).T)


class TestErrors:
    def refuse(self, error, message, tensors=None, **settings):
        given, _ = make(np.random.default_rng(0), 4, 8, 64, 32)
        arguments = {"nbits": 4, "shape": (8, 64), "group_size": 32, **settings}
        with pytest.raises(error, match=message):
            tw.from_hqq(**{**given, **(tensors or {})}, **arguments)

    def test_settings(self):
        self.refuse(tw.UnsupportedError, "nbits is 5; supported: 8, 4, 3, 2, 1", nbits=5)
        self.refuse(tw.UnsupportedError, "axis is 0, with groups along N", axis=0)
        self.refuse(tw.UnsupportedError, "group_size is 48 for K=64", group_size=48)

    def test_arrays(self):
        self.refuse(tw.ShapeError, r"W_q is uint8 of shape \(8, 32\)", shape=(16, 64))
        self.refuse(tw.ShapeError, r"expects int32 \(2, 32\)", nbits=3)
        self.refuse(
            tw.ShapeError, r"zero has shape \(3, 1\)", {"zero": np.zeros((3, 1), np.float16)}
        )

    def test_export_of_what_hqq_does_not_have(self):
        w = np.ones((8, 64), np.float32)
        with pytest.raises(tw.UnsupportedError, match="HQQ subtracts floating-point"):
            tw.to_hqq(tw.quantize(w, "u4", layout="nk"))
        with pytest.raises(tw.UnsupportedError, match="i4; HQQ has u8"):
            tw.to_hqq(tw.quantize(w, "i4", layout="nk"))
