"""GPTQ against its definition; any words survive import and export."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_same_bits, assert_weights, field, random_scales, random_words


def make(rng, bits, k, n, group, *, act_order=False, dtype=np.float16):
    groups = -(-k // group)
    g_idx = (np.arange(k) // group).astype(np.int32)
    return {
        "qweight": random_words(rng, (k * bits // 32, n)),
        "qzeros": random_words(rng, (groups, n * bits // 32)),
        "scales": random_scales(rng, (groups, n), dtype),
        "g_idx": rng.permutation(g_idx) if act_order else g_idx,
    }


def decode(tensors, bits, version):
    """w[n, k] = (q - z) * s; AutoGPTQ's version 1 stores z - 1, modulo 2^bits."""
    k, n = len(tensors["g_idx"]), tensors["scales"].shape[1]
    w = np.empty((n, k))
    for i in range(n):
        for j in range(k):
            group = tensors["g_idx"][j]
            code = field(tensors["qweight"][:, i], j * bits, bits)
            zero = field(tensors["qzeros"][group], i * bits, bits)
            if version == 1:
                zero = (zero + 1) % 2**bits
            w[i, j] = (code - zero) * float(tensors["scales"][group, i])
    return w


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("act_order", [False, True])
def test_weights_are_those_of_the_definition(bits, version, act_order):
    # 3 bits: 32 codes in three words; 160 = 64 + 64 + 32 has a short last group.
    tensors = make(np.random.default_rng(bits), bits, 160, 32, 64, act_order=act_order)
    q = tw.from_gptq(**tensors, group_size=64, version=version)
    assert_weights(q, decode(tensors, bits, version))
    assert (q.format, q.group_size) == (f"u{bits}", 64)
    assert (q.input_permutation is not None) == act_order


@settings(max_examples=60, deadline=None)
@given(
    bits=st.sampled_from([2, 3, 4, 8]),
    version=st.sampled_from([1, 2]),
    k=st.integers(1, 6).map(lambda x: 32 * x),
    n=st.integers(1, 3).map(lambda x: 32 * x),
    group=st.sampled_from([32, 64, 128]),
    act_order=st.booleans(),
    dtype=st.sampled_from([np.float16, ml_dtypes.bfloat16]),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_keeps_every_bit(bits, version, k, n, group, act_order, dtype, seed):
    rng = np.random.default_rng(seed)
    tensors = make(rng, bits, k, n, group, act_order=act_order, dtype=dtype)
    # Also scales that are no numbers.
    tensors["scales"] = rng.integers(0, 2**16, tensors["scales"].shape, np.uint16).view(dtype)
    q = tw.from_gptq(**tensors, version=version)
    assert_same_bits(tw.to_gptq(q, version=version), tensors)


@pytest.mark.parametrize("version", [1, 2])
def test_symmetric_weights_need_no_zero_points(version):
    rng = np.random.default_rng(1)
    tensors = make(rng, 4, 64, 32, 32)
    tensors["qzeros"][:] = np.array(0x77777777 if version == 1 else 0x88888888, np.uint32).view(
        np.int32
    )
    q = tw.from_gptq(**tensors, version=version)
    assert (q.format, q.has_zero_point) == ("i4", False)
    assert_weights(q, decode(tensors, 4, version))
    assert_same_bits(tw.to_gptq(q, version=version), tensors)


def test_versions_differ_by_one():
    tensors = make(np.random.default_rng(2), 4, 64, 32, 32)
    one, two = tw.from_gptq(**tensors, version=1), tw.from_gptq(**tensors, version=2)
    np.testing.assert_array_equal(one.zeros(), (two.zeros() + 1) % 16)


def test_without_group_indices():
    tensors = make(np.random.default_rng(3), 4, 160, 32, 64)
    expected = decode(tensors, 4, 1)
    del tensors["g_idx"]
    assert_weights(tw.from_gptq(**tensors, group_size=64), expected)
    with pytest.raises(tw.ArgumentError, match=r"160 inputs in 3 groups.*give group_size"):
        tw.from_gptq(**tensors)


def test_one_group_is_the_channel():
    tensors = make(np.random.default_rng(4), 4, 96, 32, 96)
    q = tw.from_gptq(**tensors)
    assert q.group_size == "channel"
    assert_same_bits(tw.to_gptq(q), tensors)


def test_layout_is_that_of_the_result():
    tensors = make(np.random.default_rng(5), 4, 64, 32, 32)
    nk, kn = tw.from_gptq(**tensors), tw.from_gptq(**tensors, layout="kn")
    assert (nk.shape, kn.shape) == ((32, 64), (64, 32))
    np.testing.assert_array_equal(nk.dequantize(), kn.dequantize().T)


def test_products_with_permuted_inputs_are_exact():
    rng = np.random.default_rng(6)
    tensors = make(rng, 4, 128, 32, 32, act_order=True)
    tensors["scales"] = np.exp2(rng.integers(-2, 2, (4, 32))).astype(np.float16)
    q = tw.from_gptq(**tensors)
    x = rng.integers(-3, 4, (5, 128)).astype(np.float16)
    y = tw.linear(x, q, out_dtype="f32", device="emulated:a100")
    np.testing.assert_array_equal(y, x.astype(np.float64) @ decode(tensors, 4, 1).T)


class TestErrors:
    def tensors(self, **changed):
        return {**make(np.random.default_rng(0), 4, 64, 32, 32), **changed}

    def refuse(self, error, message, tensors, **settings):
        with pytest.raises(error, match=message):
            tw.from_gptq(**tensors, **settings)

    def test_version(self):
        self.refuse(tw.UnsupportedError, "version is 3; supported: 1", self.tensors(), version=3)

    def test_dtype(self):
        words = np.zeros((8, 32), np.int64)
        self.refuse(tw.UnsupportedError, "qweight is int64", self.tensors(qweight=words))

    def test_outputs_that_differ(self):
        words = np.zeros((8, 40), np.int32)
        self.refuse(tw.ShapeError, r"qweight has shape \(8, 40\)", self.tensors(qweight=words))

    def test_groups_that_differ(self):
        words = np.zeros((3, 4), np.int32)
        self.refuse(tw.ShapeError, "qzeros have 3 rows, scales 2", self.tensors(qzeros=words))

    @pytest.mark.parametrize(("words", "message"), [(5, "5 bits"), (0, "0 bits")])
    def test_width(self, words, message):
        zeros = np.zeros((2, words), np.int32)
        self.refuse(tw.UnsupportedError, message, self.tensors(qzeros=zeros))

    def test_group_size_that_does_not_fit(self):
        self.refuse(
            tw.ArgumentError,
            "group_size is 16; 64 inputs have 2 groups of scales, expects 4",
            self.tensors(),
            group_size=16,
        )

    def test_group_indices(self):
        indices = np.zeros(60, np.int32)
        self.refuse(tw.ShapeError, r"g_idx has shape \(60,\)", self.tensors(g_idx=indices))
        indices = np.full(64, 2, np.int32)
        self.refuse(tw.ArgumentError, "g_idx reaches from 2 to 2", self.tensors(g_idx=indices))
        indices = (np.arange(64) >= 30).astype(np.int32)
        self.refuse(tw.ArgumentError, "groups of 30, 34 inputs", self.tensors(g_idx=indices))

    def test_export_of_what_gptq_does_not_have(self):
        w = np.ones((32, 64), np.float32)
        with pytest.raises(tw.UnsupportedError, match="u5; GPTQ has 2, 3, 4 and 8 bits"):
            tw.to_gptq(tw.quantize(w, "u5", layout="nk"))
        with pytest.raises(tw.UnsupportedError, match=r"N is 30.*multiples of 8"):
            tw.to_gptq(tw.quantize(w[:30], "u4", layout="nk"))
