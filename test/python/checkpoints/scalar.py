"""Decoding written out from the formats' definitions, a number at a time."""

import numpy as np


def field(words, position, bits):
    """The number in bits position..position+bits-1 of a row of 32-bit words."""
    number = 0
    for j in range(bits):
        word = int(words[(position + j) // 32]) & 0xFFFFFFFF
        number |= (word >> ((position + j) % 32) & 1) << j
    return number


def random_words(rng, shape):
    return rng.integers(-(2**31), 2**31, shape, np.int64).astype(np.int32)


def random_scales(rng, shape, dtype):
    return rng.uniform(-2, 2, shape).astype(dtype)


def assert_same_bits(actual, expected):
    """Arrays by name: dtype, shape and every bit."""
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype, name
        assert actual[name].shape == array.shape, name
        assert actual[name].tobytes() == array.tobytes(), name


def assert_weights(quantized, expected):
    """`expected` [N, K] in float64, which float32 holds exactly."""
    values = quantized.dequantize().astype(np.float64)
    np.testing.assert_array_equal(values, expected)
