"""Weights that are indices of a codebook: lut2, lut3, lut4 and the preset nf4.

Kernels look codes up by byte permutes; every entry of every table must come out bit for
bit. Products are compared with float64 NumPy.
"""

from statistics import NormalDist

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from operands import (
    DEVICE,
    SCALE_VALUES,
    SPECIAL,
    STRIDES,
    TAILS,
    make_x,
    multiply_special,
    quantize,
)
from test_linear import DTYPES, check
from tilewright.formats import NF4

FORMATS = ["lut2", "lut3", "lut4"]


def make_codebook(format, seed, dtype="bf16"):
    """Numbers of `dtype` in no order; those of bf16 are exact in f16 too."""
    rng = np.random.default_rng(seed)
    entries = rng.standard_normal(1 << int(format[3])).astype(DTYPES[dtype])
    return entries.astype(np.float32)


def pack(codes, format, codebook, group="channel", dtype="f16"):
    groups = 1 if group == "channel" else -(-codes.shape[1] // group)
    return tw.QuantizedTensor.from_codes(
        codes,
        np.ones((len(codes), groups), DTYPES[dtype]),
        None,
        format=format,
        layout="nk",
        group_size=group,
        codebook=codebook,
    )


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_entry_is_exact_in_the_kernel(format, dtype):
    """x selects one weight at a time and scales are 1: y holds the entries."""
    k, n = 128, 64
    count = 1 << int(format[3])
    # Words whose bytes all differ, so that none can be taken for another.
    words = np.arange(count) * 0x0409 + (0x3C00 if dtype == "f16" else 0x3F80)
    words[1::2] |= 0x8000
    codebook = words.astype(np.uint16).view(DTYPES[dtype]).astype(np.float32)
    codes = np.random.default_rng(0).permutation(np.resize(np.arange(count), n * k)).reshape(n, k)
    weights = pack(codes, format, codebook, 128, dtype)
    y = tw.linear(np.eye(k, dtype=DTYPES[dtype]), weights, out_dtype=np.float32)
    np.testing.assert_array_equal(y, codebook[codes].T)


OPTIONS = {
    "format": [*FORMATS, "nf4"],
    "x": ["f16", "bf16"],
    "group": [32, 48, 64, 128, "channel"],
    "scale": ["f16", "bf16"],
    "scale_values": SCALE_VALUES,
    "out": ["f16", "f32"],
    "m": TAILS,
    "k": [*TAILS, 384],
    "n": TAILS,
    "stride": list(STRIDES),
    "special": SPECIAL,
}


def allows(part):
    """A codebook is rounded to the dtype of scales, and f16 numbers of nf4 are no bf16 numbers."""
    return tuple(part.get(name) for name in ("format", "scale", "x")) != ("nf4", "f16", "bf16")


CASES = covering_array(OPTIONS, seed=9, allows=allows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_every_pair_of_options_is_within_the_error_bound(case):
    rng = np.random.default_rng(CASES.index(case))
    settings = {name: case[name] for name in ("group", "scale", "scale_values")}
    # The entries are bf16 numbers that are f16 numbers too.
    own = None if case["format"] == "nf4" else make_codebook(case["format"], 3)
    weights = quantize(rng, case["format"], case["n"], case["k"], codebook=own, **settings)
    x = make_x(rng, case["m"], case["k"], DTYPES[case["x"]], stride=case["stride"])

    def multiply(x):
        return check(x, weights, None, None, case["out"], DEVICE)

    settings = {name: case[name] for name in ("stride", "special")}
    with np.errstate(invalid="ignore"):
        multiply_special(rng, x, multiply(x), multiply, **settings)


class TestQuantize:
    def test_nf4_is_the_quantiles_of_the_normal_distribution(self):
        """QLoRA, appendix E: means of quantiles between 1/2 and 1 - (1/32 + 1/30) / 2."""
        last = 1 - (1 / 32 + 1 / 30) / 2
        quantile = NormalDist().inv_cdf
        positive = [quantile(p) for p in np.linspace(0.5, last, 9)]
        negative = [-quantile(p) for p in np.linspace(0.5, last, 8)]
        expected = np.array([*negative[:0:-1], *positive]) / quantile(last)
        np.testing.assert_allclose(NF4, expected, atol=2e-6)

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize("search", [None, "mse"])
    def test_each_code_is_the_best_for_its_scale(self, format, search):
        w = np.random.default_rng(3).standard_normal((5, 80)).astype(np.float32)
        codebook = make_codebook(format, 1)
        q = tw.quantize(
            w, format, layout="nk", group_size=32, codebook=codebook, scale_search=search
        )
        scales = np.repeat(q.scales().astype(np.float64), [32, 32, 16], axis=1)
        least = np.abs(w[..., None] - scales[..., None] * codebook).min(axis=-1)
        error = np.abs(w - q.dequantize().astype(np.float64))
        assert (error <= least + np.abs(w) * 2.0**-23).all()

    @pytest.mark.parametrize("dtype", ["f16", "bf16"])
    def test_codebooks_are_rounded_to_the_dtype_of_scales(self, dtype):
        w = np.random.default_rng(4).standard_normal((4, 64)).astype(np.float32)
        q = tw.quantize(w, "nf4", layout="nk", scale_dtype=dtype)
        assert q.format == "lut4"
        np.testing.assert_array_equal(
            q.codebook, np.float32(NF4).astype(DTYPES[dtype]).astype(np.float32)
        )

    def test_an_entry_that_no_weight_is_near_is_not_used(self):
        q = tw.quantize(np.float32([[0, 1, -1, 0.6]]), "lut2", layout="nk", codebook=[1, 0, 7, -1])
        np.testing.assert_array_equal(q.codebook[q.codes()][0, :1], [0])


def test_codes_and_codebook_are_saved(tmp_path):
    codes = np.random.default_rng(5).integers(0, 8, (40, 100))
    weights = pack(codes, "lut3", make_codebook("lut3", 2), 64)
    weights.save(tmp_path / "w.safetensors")
    loaded = tw.QuantizedTensor.load(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(loaded.codes(), codes)
    np.testing.assert_array_equal(loaded.codebook, weights.codebook)
    np.testing.assert_array_equal(loaded.dequantize(), weights.codebook[codes])


def test_kernels_of_one_shape_take_any_codebook():
    codes = np.random.default_rng(6).integers(0, 16, (32, 128))
    x = np.eye(128, dtype=np.float16)
    with tw.profile() as profile:
        for seed in (1, 2):
            codebook = make_codebook("lut4", seed)
            y = tw.linear(x, pack(codes, "lut4", codebook), out_dtype=np.float32)
            np.testing.assert_array_equal(y, codebook[codes].T)
    assert len(profile.compiled) == 1


class TestErrors:
    w = np.ones((4, 64), np.float32)

    def refuse(self, error, message, format="lut2", **options):
        with pytest.raises(error, match=message):
            tw.quantize(self.w, format, layout="nk", **options)

    def test_no_codebook(self):
        self.refuse(tw.ArgumentError, r"codebook is None; lut2 needs 4 numbers")

    def test_codebook_of_another_size(self):
        self.refuse(
            tw.ShapeError, r"codebook has shape \(3,\); lut2 expects \(4,\)", codebook=[1, 2, 3]
        )

    @pytest.mark.parametrize("format", ["u4", "f4e2m1", "ternary"])
    def test_codebook_of_other_formats(self, format):
        self.refuse(
            tw.UnsupportedError,
            r"codebook is given; codes of \w+ have none",
            format,
            codebook=[1] * 16,
        )

    def test_codebook_of_nf4(self):
        self.refuse(
            tw.UnsupportedError, r"codebook is given; 'nf4' has its own", "nf4", codebook=NF4
        )

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_codebook_of_no_numbers(self, value):
        self.refuse(
            tw.ArgumentError,
            rf"codebook\[2\] is {value}; expects finite",
            codebook=[0, 1, value, 2],
        )

    def test_codebook_beyond_the_dtype(self):
        self.refuse(tw.ArgumentError, r"codebook reaches beyond float16", codebook=[0, 1, 2, 1e6])

    def test_codebook_of_zeros(self):
        self.refuse(tw.ArgumentError, r"codebook is all zeros", codebook=[0] * 4)

    def test_zero_point(self):
        self.refuse(
            tw.UnsupportedError, r"zero_point is True; lut4 has none", "nf4", zero_point=True
        )

    def test_codes_out_of_range(self):
        with pytest.raises(tw.ArgumentError, match=r"codes reach from 0 to 8; lut3 holds 0 to 7"):
            pack(np.array([[0, 8]]), "lut3", make_codebook("lut3", 1))

    def test_activations_that_do_not_hold_the_codebook(self):
        weights = tw.quantize(self.w, "nf4", layout="nk", scale_dtype="f16")
        with pytest.raises(tw.UnsupportedError, match=r"x is bfloat16, which holds codebook\[1\]"):
            tw.linear(np.ones((1, 64), ml_dtypes.bfloat16), weights)
