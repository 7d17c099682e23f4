"""Weights of float formats: their numbers, rounding to them, and products with them.

The numbers are compared with ml_dtypes where it has the format and with an enumeration
by exact fractions elsewhere; products with float64 NumPy.
"""

import itertools
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import FULL, covering_array, full_product
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
from tilewright.formats import parse_weight_format
from tilewright.scale_formats import SCALE_FORMATS

ML_DTYPES = {
    "f4e2m1": ml_dtypes.float4_e2m1fn,
    "f6e3m2": ml_dtypes.float6_e3m2fn,
    "f6e2m3": ml_dtypes.float6_e2m3fn,
    "e4m3": ml_dtypes.float8_e4m3fn,
    "e5m2": ml_dtypes.float8_e5m2,
}
# Exponent and mantissa bits.
SPLITS = {
    "f3e1m1": (1, 1),
    "f4e2m1": (2, 1),
    "f4e1m2": (1, 2),
    "f5e3m1": (3, 1),
    "f5e2m2": (2, 2),
    "f5e1m3": (1, 3),
    "f6e3m2": (3, 2),
    "f6e2m3": (2, 3),
    "f6e4m1": (4, 1),
    "f7e5m1": (5, 1),
    "f7e4m2": (4, 2),
    "f7e3m3": (3, 3),
    "f7e2m4": (2, 4),
    "e4m3": (4, 3),
    "e5m2": (5, 2),
}
FORMATS = list(SPLITS)


def enumerate_numbers(name):
    """The number of each code, by the definition of a float: exact fractions."""
    exponents, mantissas = SPLITS[name]
    bias = 2 ** (exponents - 1) - 1
    numbers = []
    for sign, exponent, mantissa in itertools.product(
        (1, -1), range(2**exponents), range(2**mantissas)
    ):
        part = Fraction(mantissa, 2**mantissas)
        value = part * Fraction(2) ** (1 - bias)
        if exponent:
            value = (1 + part) * Fraction(2) ** (exponent - bias)
        numbers.append(float(sign * value))
    numbers = np.array(numbers)
    if name == "e4m3":
        numbers[[0x7F, 0xFF]] = np.nan
    if exponents == 5:  # the upper bits of float16
        words = np.arange(len(numbers)) << (10 - mantissas)
        numbers = words.astype(np.uint16).view(np.float16).astype(np.float64)
    return numbers


def finite_codes(name):
    return np.flatnonzero(np.isfinite(enumerate_numbers(name)))


def scales_of_one(n, groups, dtype="f16"):
    return np.ones((n, groups), DTYPES[dtype])


def pack(codes, scales, name, group="channel"):
    return tw.QuantizedTensor.from_codes(
        codes, scales, None, format=name, layout="nk", group_size=group
    )


class TestNumbers:
    @pytest.mark.parametrize("name", FORMATS)
    def test_follow_the_definition(self, name):
        format = parse_weight_format(name)
        assert (format.bits, format.min_code) == (1 + sum(SPLITS[name]), 0)
        np.testing.assert_array_equal(format.numbers, enumerate_numbers(name))

    @pytest.mark.parametrize("name", ML_DTYPES)
    def test_are_those_of_ml_dtypes(self, name):
        format = parse_weight_format(name)
        codes = np.arange(2**format.bits, dtype=np.uint8)
        theirs = codes.view(ML_DTYPES[name]).astype(np.float32)
        np.testing.assert_array_equal(format.numbers, theirs)

    @pytest.mark.parametrize("name", ML_DTYPES)
    def test_the_nearest_are_those_of_ml_dtypes(self, name):
        format = parse_weight_format(name)
        half = np.unique(np.abs(format.numbers[finite_codes(name)]))
        between = (half[1:] + half[:-1]) / 2
        values = np.concatenate(
            [half, between, np.nextafter(between, 0), np.nextafter(between, 1e9)]
        )
        values = np.concatenate([values, -values]).astype(np.float32)
        theirs = values.astype(ML_DTYPES[name]).view(np.uint8)
        # A negative weight that rounds to zero is stored as zero.
        theirs = np.where(theirs == 1 << (format.bits - 1), 0, theirs)
        np.testing.assert_array_equal(format.nearest(values), theirs)

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_nearest_are_nearest_and_even(self, name):
        format = parse_weight_format(name)
        numbers = enumerate_numbers(name)
        codes = finite_codes(name)
        rng = np.random.default_rng(1)
        top = format.max_number
        values = np.concatenate([rng.uniform(-1.2 * top, 1.2 * top, 500), numbers[codes]])
        values = np.concatenate([values, values / 16, [0.0, -0.0, 3 * top, -3 * top]]).astype(
            np.float32
        )
        chosen = format.nearest(values)
        distances = np.abs(values[:, None].astype(np.float64) - numbers[codes])
        least = distances.min(axis=1)
        np.testing.assert_array_equal(np.abs(values - numbers[chosen]), least)
        tied = (distances == least[:, None]).sum(axis=1) > 1
        assert (chosen[tied & (chosen != 0)] % 2 == 0).all()

    @pytest.mark.parametrize("alias", ["e4m3fn", "f8e4m3", "float8_e4m3fn"])
    def test_have_other_spellings(self, alias):
        assert tw.quantize(np.ones((2, 32), np.float32), alias, layout="nk").format == "e4m3"


class TestCodes:
    @pytest.mark.parametrize("name", FORMATS)
    def test_come_back_as_they_were_packed(self, name):
        codes = np.resize(finite_codes(name), (33, 70))
        weights = pack(codes, scales_of_one(33, 1), name)
        expected = codes
        if name[3] == "1":  # one exponent bit: stored as integers, which have one zero
            expected = np.where(codes == 1 << (weights.bits - 1), 0, codes)
        np.testing.assert_array_equal(weights.codes(), expected)
        np.testing.assert_array_equal(weights.dequantize(), enumerate_numbers(name)[codes])

    @pytest.mark.parametrize("name", ML_DTYPES)
    def test_may_be_arrays_of_ml_dtypes(self, name):
        numbers = np.float32([[0, 1, -1.5, 2], [0.5, 0, 1, -3]])
        weights = pack(numbers.astype(ML_DTYPES[name]), scales_of_one(2, 1), name)
        np.testing.assert_array_equal(weights.dequantize(), numbers)

    @pytest.mark.parametrize("name", ["f5e3m1", "f4e1m2", "e5m2"])
    def test_are_saved(self, name, tmp_path):
        w = np.random.default_rng(2).standard_normal((40, 100)).astype(np.float32)
        weights = tw.quantize(w, name, layout="kn", group_size=32)
        weights.save(tmp_path / "w.safetensors")
        loaded = tw.QuantizedTensor.load(tmp_path / "w.safetensors")
        assert repr(loaded) == repr(weights)
        np.testing.assert_array_equal(loaded.codes(), weights.codes())


class TestQuantize:
    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("search", [None, "mse"])
    def test_each_code_is_the_best_for_its_scale(self, name, search):
        w = np.random.default_rng(3).standard_normal((5, 80)).astype(np.float32)
        q = tw.quantize(w, name, layout="nk", group_size=32, scale_search=search)
        scales = np.repeat(q.scales().astype(np.float64), [32, 32, 16], axis=1)
        numbers = enumerate_numbers(name)[finite_codes(name)]
        errors = np.abs(w[..., None] - scales[..., None] * numbers)
        error = np.abs(w - q.dequantize().astype(np.float64))
        # The quotient that is rounded is itself rounded to float32.
        assert (error <= errors.min(axis=-1) + np.abs(w) * 2.0**-23).all()

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_largest_weight_is_in_range(self, name):
        w = np.random.default_rng(4).standard_normal((3, 64)).astype(np.float32)
        q = tw.quantize(w, name, layout="nk", group_size=64)
        top = parse_weight_format(name).max_number
        exact = np.abs(w).max(axis=1, keepdims=True).astype(np.float64) / top
        scales = q.scales().astype(np.float64)
        assert (scales >= exact).all()
        assert (np.nextafter(q.scales(), np.float16(0)).astype(np.float64) < exact).all()

    @pytest.mark.parametrize("format", ["u2", "u4", "i3", "i4", "f4e2m1", "f3e1m1", "ternary"])
    def test_searched_scales_have_the_least_squared_error(self, format):
        w = np.random.default_rng(5).standard_normal((16, 256)).astype(np.float32)
        plain, searched = (
            np.square(
                w
                - tw.quantize(
                    w, format, layout="nk", group_size=64, scale_search=search
                ).dequantize()
            )
            .reshape(16, 4, 64)
            .sum(axis=2)
            for search in (None, "mse")
        )
        assert (searched <= plain * (1 + 1e-5)).all()
        # On normal weights clipping pays for coarse formats.
        assert searched.sum() < 0.95 * plain.sum()

    def test_ternary_is_minus_one_zero_and_one(self):
        w = np.float32([[-2, -0.9, 0, 0.9, 1.1, 2, 1, -1]])
        q = tw.quantize(w, "ternary", layout="nk")
        assert (q.format, float(q.scales()[0, 0])) == ("i2", 2)
        np.testing.assert_array_equal(q.codes(), [[-1, 0, 0, 0, 1, 1, 0, 0]])


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_code_is_exact_in_the_kernel(name, dtype):
    """x selects one weight at a time and scales are 1: y holds the codes' numbers."""
    k, n = 128, 64
    codes = np.resize(finite_codes(name), n * k + 1)[1:].reshape(n, k)
    weights = pack(codes, scales_of_one(n, 1, dtype), name, 128)
    y = tw.linear(np.eye(k, dtype=DTYPES[dtype]), weights, out_dtype=np.float32)
    np.testing.assert_array_equal(y, enumerate_numbers(name)[codes].T)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("name", FORMATS)
def test_sums_that_are_exact_come_out_bit_for_bit(name, dtype):
    """Numbers of 7 fractional bits up to 8, so that no partial sum needs rounding."""
    rng = np.random.default_rng(6)
    k, n, m = 256, 40, 17
    numbers = enumerate_numbers(name)
    with np.errstate(invalid="ignore"):
        fit = (np.abs(numbers) <= 8) & (numbers * 128 == np.trunc(numbers * 128))
    codes = rng.choice(np.flatnonzero(fit), (n, k))
    scales = np.exp2(rng.integers(-1, 2, (n, 2))).astype(DTYPES[dtype])
    weights = pack(codes, scales, name, 128)
    x = rng.integers(-2, 3, (m, k)).astype(DTYPES[dtype])
    exact = x.astype(np.float64) @ weights.dequantize().astype(np.float64).T
    assert np.abs(exact).max() < 2**14
    y = tw.linear(x, weights, out_dtype=np.float32)
    np.testing.assert_array_equal(y.astype(np.float64), exact)


OPTIONS = {
    "format": FORMATS,
    "x": ["f16", "bf16"],
    "group": [32, 48, 64, 128, "channel"],
    "scale": list(SCALE_FORMATS),
    "scale_values": SCALE_VALUES,
    "out": ["f16", "bf16", "f32"],
    "m": TAILS,
    "k": [*TAILS, 384],
    "n": TAILS,
    "stride": list(STRIDES),
    "special": SPECIAL,
    "activation": [None, "silu"],
}


def allows(part):
    return part.get("scale") != "e8m0" or part.get("scale_values") != "zero"  # it has none


PRODUCT = ("format", "group", "scale", "scale_values", "x")
CASES = (
    full_product(OPTIONS, PRODUCT, 7, allows, FULL)
    if FULL
    else covering_array(OPTIONS, 7, allows=allows)
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_every_pair_of_options_is_within_the_error_bound(case):
    rng = np.random.default_rng(CASES.index(case))
    settings = {name: case[name] for name in ("group", "scale", "scale_values")}
    weights = quantize(rng, case["format"], case["n"], case["k"], **settings)
    x = make_x(rng, case["m"], case["k"], DTYPES[case["x"]], stride=case["stride"])

    def multiply(x):
        return check(x, weights, None, case["activation"], case["out"], DEVICE)

    settings = {name: case[name] for name in ("stride", "special")}
    with np.errstate(invalid="ignore"):
        multiply_special(rng, x, multiply(x), multiply, **settings)


@pytest.mark.parametrize("scale", [2.0**-126, 2.0**100])
def test_scales_far_from_one(scale):
    """The exponents' difference is made up for after scaling, whatever the scale."""
    codes = np.resize(finite_codes("f4e2m1"), (32, 128))
    weights = pack(codes, np.full((32, 1), scale, DTYPES["bf16"]), "f4e2m1")
    y = tw.linear(np.eye(128, dtype=np.float16), weights, out_dtype=np.float32)
    np.testing.assert_array_equal(y, (enumerate_numbers("f4e2m1")[codes] * scale).T)


class TestErrors:
    w = np.ones((4, 64), np.float32)

    @pytest.mark.parametrize("name", ["f4e3m1", "e8m0", "ue5m3", "e4m2", "f32"])
    def test_unknown_format(self, name):
        with pytest.raises(tw.UnsupportedError, match=rf"format is '{name}'; .*u1..u8.*f4e2m1"):
            tw.quantize(self.w, name, layout="nk")

    def test_the_nearest_format_is_named(self):
        with pytest.raises(tw.UnsupportedError, match=r"did you mean 'f6e3m2'\?"):
            tw.quantize(self.w, "fp6e3m2", layout="nk")

    @pytest.mark.parametrize("name", ["f4e2m1", "ternary"])
    def test_zero_point(self, name):
        with pytest.raises(tw.UnsupportedError, match=rf"zero_point is True; {name} has none"):
            tw.quantize(self.w, name, layout="nk", zero_point=True)

    def test_zeros_of_codes(self):
        ones = scales_of_one(4, 1)
        with pytest.raises(tw.UnsupportedError, match=r"zeros are given; codes of e4m3 have none"):
            tw.QuantizedTensor.from_codes(
                np.zeros((4, 64), int), ones, ones, format="e4m3", layout="nk", group_size="channel"
            )

    def test_scale_search(self):
        with pytest.raises(tw.UnsupportedError, match=r"scale_search is 'mean'; supported: 'mse'"):
            tw.quantize(self.w, "u4", layout="nk", scale_search="mean")

    @pytest.mark.parametrize(
        ("name", "code", "shown"),
        [
            ("e4m3", 0x7F, r"0x7f, nan in e4m3; weights are finite, at most 448"),
            ("e4m3", 0xFF, r"0xff, nan in e4m3"),
            ("e5m2", 0x7C, r"0x7c, inf in e5m2; weights are finite, at most 57344"),
            ("e5m2", 0xFD, r"0xfd, nan in e5m2"),
            ("f7e5m1", 0x7E, r"0x7e, -inf in f7e5m1; weights are finite, at most 49152"),
        ],
    )
    def test_codes_that_are_no_finite_number(self, name, code, shown):
        codes = np.zeros((3, 64), np.uint8)
        codes[1, 20] = code
        with pytest.raises(tw.ArgumentError, match=r"codes\[1, 20\] is " + shown):
            pack(codes, scales_of_one(3, 1), name)

    def test_codes_out_of_range(self):
        with pytest.raises(
            tw.ArgumentError, match=r"codes reach from 0 to 16; f4e2m1 holds 0 to 15"
        ):
            pack(np.array([[0, 16]]), scales_of_one(1, 1), "f4e2m1")

    @pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.float8_e5m2])
    def test_codes_of_another_kind(self, dtype):
        with pytest.raises(
            tw.UnsupportedError, match=r"codes are .*; expects integers, codes of e4m3"
        ):
            pack(np.zeros((1, 32), dtype), scales_of_one(1, 1), "e4m3")
