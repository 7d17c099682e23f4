"""Q4_0 against ggml's definition; any bytes survive import and export."""

import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_weights


def decode(blocks):
    """dequantize_row_q4_0 of ggml, a block at a time."""
    w = np.empty((len(blocks), len(blocks[0]) // 18 * 32))
    for row, data in enumerate(blocks):
        for block in range(len(data) // 18):
            d = float(data[18 * block : 18 * block + 2].view("<f2")[0])
            for j in range(16):
                byte = int(data[18 * block + 2 + j])
                w[row, 32 * block + j] = ((byte & 0x0F) - 8) * d
                w[row, 32 * block + j + 16] = ((byte >> 4) - 8) * d
    return w


def make(rng, n, blocks):
    data = rng.integers(0, 256, (n, blocks, 18), np.uint8)
    data[:, :, :2] = rng.uniform(-1, 1, (n, blocks, 1)).astype("<f2").view(np.uint8)
    return data


def test_weights_are_those_of_the_definition():
    data = make(np.random.default_rng(1), 5, 3)
    for shape in (data.shape, (5, 54)):
        q = tw.from_q4_0(data.reshape(shape))
        assert (q.format, q.group_size, q.shape) == ("i4", 32, (5, 96))
        assert_weights(q, decode(data.reshape(5, 54)))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 40), blocks=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_round_trip_keeps_every_bit(n, blocks, seed):
    # All bytes are random: scales too, among them NaN and infinity.
    data = np.random.default_rng(seed).integers(0, 256, (n, 18 * blocks), np.uint8)
    np.testing.assert_array_equal(tw.to_q4_0(tw.from_q4_0(data)), data)


def test_errors():
    with pytest.raises(tw.ShapeError, match=r"blocks have shape \(2, 19\)"):
        tw.from_q4_0(np.zeros((2, 19), np.uint8))
    with pytest.raises(tw.UnsupportedError, match="blocks are int32"):
        tw.from_q4_0(np.zeros((2, 18), np.int32))
    w = np.ones((2, 64), np.float32)
    for wrong in (
        tw.quantize(w, "u4", group_size=32, layout="nk"),
        tw.quantize(w, "i4", group_size=64, layout="nk"),
        tw.quantize(w, "i4", group_size=32, layout="nk", scale_dtype="bf16"),
        tw.quantize(w[:, :40], "i4", group_size=32, layout="nk"),
    ):
        with pytest.raises(tw.UnsupportedError, match=r"Q4_0 ha|Q4_0 holds"):
            tw.to_q4_0(wrong)
