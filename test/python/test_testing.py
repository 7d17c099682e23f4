"""The error bound itself: what it must accept, what it must refuse."""

import math

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

BF16 = ml_dtypes.bfloat16
OUTPUTS = [np.float16, BF16, np.float32]


def product(seed, m, k, n, dtype):
    """A product's (ref, low, magnitude), its inputs exact in `dtype`."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, k)).astype(np.float16)
    w = rng.standard_normal((k, n)).astype(np.float16)
    ref = x.astype(np.float64) @ w.astype(np.float64)
    low = x.astype(np.float32) @ w.astype(np.float32)
    magnitude = np.abs(x.astype(np.float32)) @ np.abs(w.astype(np.float32))
    return ref, low.astype(dtype), magnitude


@pytest.mark.parametrize("dtype", OUTPUTS)
def test_the_correctly_rounded_result_is_within_the_bound(dtype):
    ref, low, magnitude = product(1, 5, 300, 40, dtype)
    ratio = testing.assert_within_bound(ref.astype(dtype), ref, low, magnitude=magnitude, k=300)
    assert 0 < ratio <= 1


@pytest.mark.parametrize("dtype", OUTPUTS)
def test_another_order_of_summation_is_within_the_bound(dtype):
    rng = np.random.default_rng(2)
    x, w = (rng.standard_normal(s).astype(np.float32) for s in ((4, 512), (512, 24)))
    x, w = x.astype(np.float16).astype(np.float32), w.astype(np.float16).astype(np.float32)
    out = np.zeros((4, 24), np.float32)
    for k in range(0, 512, 16):
        out += x[:, k : k + 16] @ w[k : k + 16]
    ref = x.astype(np.float64) @ w.astype(np.float64)
    low = (x @ w).astype(dtype)
    magnitude = np.abs(x) @ np.abs(w)
    testing.assert_within_bound(out.astype(dtype), ref, low, magnitude=magnitude, k=512)


@pytest.mark.parametrize("dtype", OUTPUTS)
def test_a_missing_term_is_refused(dtype):
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(s) for s in ((4, 512), (512, 24)))
    ref = x @ w
    wrong = x[:, 1:] @ w[1:]
    magnitude = np.abs(x) @ np.abs(w)
    with pytest.raises(AssertionError, match=r"row . of y has error"):
        testing.assert_within_bound(
            wrong.astype(dtype), ref, ref.astype(dtype), magnitude=magnitude, k=512, name="y"
        )


def test_rows_are_judged_one_by_one():
    ref = np.array([[1000.0, 0.0], [0.001, 0.001]])
    out = ref.astype(np.float16)
    out[1, 1] += np.float16(0.1)  # a fifth of a rounding step of row 0
    with pytest.raises(AssertionError, match="row 1 of"):
        testing.assert_within_bound(out, ref, ref.astype(np.float16))


@pytest.mark.parametrize(("dtype", "step"), [(np.float16, 2.0**-10), (BF16, 2.0**-7)])
def test_the_rounding_cost_is_about_one_step(dtype, step):
    ref = np.array([[1.0, 1.25, 1.5, 1.75]])
    cost = testing.rounding_cost(ref, dtype)
    assert 0 < cost[0] <= step


def test_zero_rows_must_be_zero_in_low_precision_reference():
    ref = np.zeros((1, 8))
    out = np.zeros((1, 8), np.float16)
    assert testing.assert_within_bound(out, ref, out) == 0
    out[0, 3] = 1e-3
    with pytest.raises(AssertionError, match=r"error 0\.001"):
        testing.assert_within_bound(out, ref, np.zeros_like(out))


def test_float32_takes_the_order_of_summation_into_account():
    ref = np.array([[1.0]])
    magnitude = np.array([[100.0]])
    allowed = testing.error_bound(ref, ref, np.float32, magnitude=magnitude, k=64)
    assert allowed[0] >= math.ceil(64 / 8) * 2.0**-23 * 100
    with pytest.raises(ValueError, match="needs magnitude and k"):
        testing.error_bound(ref, ref, np.float32)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_special_values_must_agree(value):
    ref = np.array([[value, 1.0]])
    good = ref.astype(np.float16)
    testing.assert_within_bound(good, ref, good)
    for bad in (np.float16([[0, 1]]), np.float16([[-np.inf if value > 0 else np.inf, 1]])):
        with pytest.raises(AssertionError, match=r"result\[0, 0\] is"):
            testing.assert_within_bound(bad, ref, good)


def test_overflow_of_the_output_dtype_is_infinity():
    ref = np.array([[1e6, 1.0]])
    out = np.float16([[np.inf, 1.0]])
    testing.assert_within_bound(out, ref, out)
    with pytest.raises(AssertionError):
        testing.assert_within_bound(np.float16([[65504, 1.0]]), ref, out)


def test_a_stray_nan_is_refused():
    ref = np.ones((2, 2))
    out = np.float16([[1, 1], [np.nan, 1]])
    with pytest.raises(AssertionError, match=r"result\[1, 0\] is nan"):
        testing.assert_within_bound(out, ref, np.ones((2, 2), np.float16))


def test_shapes_must_agree():
    with pytest.raises(AssertionError, match="shape"):
        testing.assert_within_bound(np.ones((1, 2)), np.ones((2, 1)), np.ones((2, 1)))


def test_an_empty_result_passes():
    empty = np.zeros((0, 5))
    assert testing.assert_within_bound(empty.astype(np.float16), empty, empty) == 0


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize("activation", [None, "relu", "gelu", "silu"])
def test_linear_reference_is_the_formula(layout, activation):
    rng = np.random.default_rng(4)
    w = rng.standard_normal((6, 40) if layout == "nk" else (40, 6)).astype(np.float32)
    qw = tw.quantize(w, "u4", group_size=32, layout=layout)
    x = rng.standard_normal((2, 3, 40)).astype(np.float16)
    bias = rng.standard_normal(6).astype(np.float16)
    ref, low, magnitude = testing.linear_reference(x, qw, bias, activation)
    weights = qw.dequantize().astype(np.float64)
    weights = weights.T if layout == "nk" else weights
    for a in range(2):
        for b in range(3):
            for n in range(6):
                v = sum(float(x[a, b, k]) * weights[k, n] for k in range(40)) + float(bias[n])
                v = {
                    None: lambda v: v,
                    "relu": lambda v: max(v, 0.0),
                    "gelu": lambda v: v * 0.5 * math.erfc(-v / math.sqrt(2)),
                    "silu": lambda v: v / (1 + math.exp(-v)),
                }[activation](v)
                assert ref[a, b, n] == pytest.approx(v, abs=1e-12)
    assert low.dtype == np.float16
    assert np.abs(low.astype(np.float64) - ref).max() < 0.02
    assert (magnitude >= np.abs(low) - np.abs(bias) - 1e-2).all()
