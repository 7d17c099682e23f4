"""MXFP4, NVFP4 and 8-bit floats in blocks against their definitions, number by number."""

import math

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from scalar import assert_same_bits

E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
# OCP Microscaling Formats 1.0, table 5.
E2M1 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]


def e4m3(code):
    """OCP 8-bit floating point, table 1: bias 7, no infinity."""
    sign, exponent, mantissa = code >> 7, code >> 3 & 15, code & 7
    if (exponent, mantissa) == (15, 7):
        return math.nan
    size = mantissa / 8 * 2.0**-6 if exponent == 0 else (1 + mantissa / 8) * 2.0 ** (exponent - 7)
    return -size if sign else size


class TestMxfp4:
    def make(self, rng, n, groups):
        return {
            "blocks": rng.integers(0, 256, (n, groups, 16), np.uint8),
            "scales": rng.integers(100, 150, (n, groups), np.uint8),
        }

    def test_weights_are_those_of_the_definition(self):
        tensors = self.make(np.random.default_rng(1), 5, 3)
        q = tw.from_mxfp4(**tensors)
        values = q.dequantize(np.float64)
        for n in range(5):
            for k in range(96):
                byte = int(tensors["blocks"][n, k // 32, k % 32 // 2])
                number = E2M1[byte >> 4 if k % 2 else byte & 15]
                assert values[n, k] == number * 2.0 ** (int(tensors["scales"][n, k // 32]) - 127)

    @settings(max_examples=30, deadline=None)
    @given(n=st.integers(0, 40), groups=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
    def test_round_trip_keeps_every_bit(self, n, groups, seed):
        rng = np.random.default_rng(seed)
        tensors = self.make(rng, n, groups)
        # Also the code of NaN and the exponents at the ends.
        tensors["scales"] = rng.integers(0, 256, (n, groups), np.uint8)
        assert_same_bits(tw.to_mxfp4(tw.from_mxfp4(**tensors)), tensors)

    def test_products_are_exact(self):
        rng = np.random.default_rng(2)
        tensors = self.make(rng, 32, 2)
        tensors["scales"] = rng.integers(125, 130, (32, 2), np.uint8)
        q = tw.from_mxfp4(**tensors)
        x = rng.integers(-3, 4, (3, 64)).astype(ml_dtypes.bfloat16)
        y = tw.linear(x, q, out_dtype="f32", device="emulated:a100")
        np.testing.assert_array_equal(y, x.astype(np.float64) @ q.dequantize(np.float64).T)

    def test_errors(self):
        tensors = self.make(np.random.default_rng(0), 2, 3)
        with pytest.raises(tw.ShapeError, match=r"scales \(2, 2\); expects \[N, K/32, 16\]"):
            tw.from_mxfp4(tensors["blocks"], tensors["scales"][:, :2])
        with pytest.raises(tw.UnsupportedError, match="blocks is int8"):
            tw.from_mxfp4(tensors["blocks"].view(np.int8), tensors["scales"])
        with pytest.raises(tw.UnsupportedError, match="MXFP4 holds f4e2m1 with e8m0 scales"):
            tw.to_mxfp4(tw.quantize(np.ones((2, 64)), "i4", layout="nk"))


class TestNvfp4:
    def make(self, rng, n, groups):
        # All e4m3 codes but NaN.
        scales = rng.choice([c for c in range(256) if c & 0x7F != 0x7F], (n, groups))
        return {
            "weight": rng.integers(0, 256, (n, 8 * groups), np.uint8),
            "weight_scale": scales.astype(np.uint8).view(E4M3),
            "weight_scale_2": np.array(rng.uniform(0, 2), np.float32),
        }

    def test_weights_are_those_of_the_definition(self):
        tensors = self.make(np.random.default_rng(1), 4, 6)
        q = tw.from_nvfp4(**tensors)
        values = q.dequantize(np.float64)
        for n in range(4):
            for k in range(96):
                byte = int(tensors["weight"][n, k // 2])
                number = E2M1[byte >> 4 if k % 2 else byte & 15]
                scale = e4m3(int(tensors["weight_scale"].view(np.uint8)[n, k // 16]))
                # Exact in float64: 2 + 4 + 24 significant bits.
                assert values[n, k] == number * scale * float(tensors["weight_scale_2"])

    @settings(max_examples=30, deadline=None)
    @given(n=st.integers(0, 40), groups=st.integers(1, 9), seed=st.integers(0, 2**32 - 1))
    def test_round_trip_keeps_every_bit(self, n, groups, seed):
        tensors = self.make(np.random.default_rng(seed), n, groups)
        assert_same_bits(tw.to_nvfp4(tw.from_nvfp4(**tensors)), tensors)

    def test_scales_may_be_bytes(self):
        tensors = self.make(np.random.default_rng(2), 4, 6)
        tensors["weight_scale"] = tensors["weight_scale"].view(np.uint8)
        q = tw.from_nvfp4(**tensors)
        assert q.scale_format == "e4m3"

    def test_errors(self):
        tensors = self.make(np.random.default_rng(0), 2, 3)
        with pytest.raises(tw.ShapeError, match=r"expects \[N, K/2\], \[N, K/16\]"):
            tw.from_nvfp4(**{**tensors, "weight_scale": tensors["weight_scale"][:, :2]})
        with pytest.raises(tw.UnsupportedError, match=r"weight_scale_2 is float64 of shape \(\)"):
            tw.from_nvfp4(**{**tensors, "weight_scale_2": np.array(1.0)})
        with pytest.raises(tw.UnsupportedError, match="NVFP4 holds f4e2m1 with e4m3 scales"):
            tw.to_nvfp4(tw.quantize(np.ones((2, 64)), "i4", layout="nk"))


class TestFp8Block:
    def make(self, rng, n, k, block):
        codes = rng.choice([c for c in range(256) if c & 0x7F != 0x7F], (n, k)).astype(np.uint8)
        grid = (-(-n // block[0]), -(-k // block[1]))
        return {
            "weight": codes.view(E4M3),
            "weight_scale_inv": rng.uniform(-1, 1, grid).astype(np.float32),
        }

    @pytest.mark.parametrize("block", [(128, 128), (16, 32)])
    def test_weights_are_those_of_the_definition(self, block):
        tensors = self.make(np.random.default_rng(1), 150, 140, block)
        q = tw.from_fp8_block(**tensors, block_size=block)
        values, codes = q.dequantize(np.float64), tensors["weight"].view(np.uint8)
        for n in range(150):
            for k in range(140):
                scale = float(tensors["weight_scale_inv"][n // block[0], k // block[1]])
                assert values[n, k] == e4m3(int(codes[n, k])) * scale

    @settings(max_examples=20, deadline=None)
    @given(n=st.integers(1, 150), k=st.integers(1, 150), seed=st.integers(0, 2**32 - 1))
    def test_round_trip_keeps_every_bit(self, n, k, seed):
        tensors = self.make(np.random.default_rng(seed), n, k, (128, 128))
        assert_same_bits(tw.to_fp8_block(tw.from_fp8_block(**tensors)), tensors)

    def test_errors(self):
        tensors = self.make(np.random.default_rng(0), 130, 64, (128, 128))
        with pytest.raises(tw.ShapeError, match=r"scales have shape \(2, 1\); expects \(3, 1\)"):
            tw.from_fp8_block(**tensors, block_size=(64, 128))
        with pytest.raises(tw.UnsupportedError, match="weight is float16"):
            tw.from_fp8_block(np.ones((2, 2), np.float16), tensors["weight_scale_inv"])
        with pytest.raises(tw.UnsupportedError, match="fp8-block holds e4m3 with f32 scales"):
            tw.to_fp8_block(tw.quantize(np.ones((2, 64)), "i4", layout="nk"))
