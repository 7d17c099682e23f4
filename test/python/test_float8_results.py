"""Results of 8 bits: rounded to nearest even, saturated, by instruction or arithmetic."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

FORMATS = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
LARGEST = {"e4m3": 448.0, "e5m2": 57344.0}
#: By arithmetic, and by cvt of two generations.
DEVICES = ["emulated:a100", "emulated:rtx4090", "emulated:h200"]


def expect(values, name):
    """The bytes of `values` by ml_dtypes, which rounds to nearest even, and saturation."""
    with np.errstate(invalid="ignore"):  # NaN
        wide = values.astype(np.float64)
        codes = np.clip(wide, -LARGEST[name], LARGEST[name]).astype(FORMATS[name]).view(np.uint8)
    return np.where(np.isnan(wide), np.uint8(0x7F), codes)


def end_in(residual, name, device, **parts):
    """`residual`, to which a product of zeros is added, as bytes."""
    x, w = np.zeros((len(residual), 8), np.float16), np.zeros((residual.shape[1], 8), np.float16)
    y = tw.matmul(
        x, w, layout="nk", residual=residual, out_dtype=FORMATS[name], device=device, **parts
    )
    assert y.dtype == FORMATS[name]
    return y.view(np.uint8)


def show(got, expected, values):
    wrong = np.argwhere(got != expected)
    return [(values[tuple(i)], hex(got[tuple(i)]), hex(expected[tuple(i)])) for i in wrong[:5]]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_f16(name, device):
    """As a residual, so that infinity and NaN stay alone; -0 keeps its sign beside -0."""
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    minus = np.full(256, -1, np.float32)
    got = end_in(values, name, device, column_scale=minus)
    expected = expect(values, name)
    np.testing.assert_array_equal(got, expected, err_msg=str(show(got, expected, values)))


@pytest.mark.parametrize("device", DEVICES[:2])
@pytest.mark.parametrize("name", FORMATS)
def test_every_f16_through_an_identity_product(name, device):
    """K = 1, so that each value meets a 1 alone."""
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)[:, None]
    one = np.ones((1, 1), np.float16)
    got = tw.matmul(values, one, layout="nk", out_dtype=name, device=device).view(np.uint8)
    # Sums begin with +0, so that there is no -0.
    expected = expect(np.where(values == 0, np.float16(0), values), name)
    np.testing.assert_array_equal(got, expected, err_msg=str(show(got, expected, values)))


def boundaries(name):
    """f32 numbers around every number of the format and every tie between two."""
    codes = np.arange(1 << 7, dtype=np.uint8).view(FORMATS[name]).astype(np.float64)
    finite = np.unique(codes[np.isfinite(codes)])
    others = [2 * finite[-1] - finite[-2], 2.0**20, 2.0**127, np.inf, np.nan, 1e-45, 1e-38]
    marks = np.concatenate([finite, (finite[1:] + finite[:-1]) / 2, np.array(others)])
    near = marks.astype(np.float32).view(np.uint32)[:, None].astype(np.int64) + np.arange(-1, 2)
    bits = near[(near >= 0) & (near < 1 << 31)].astype(np.uint32)
    values = np.concatenate([bits, bits | np.uint32(1 << 31)]).view(np.float32)
    return np.pad(values, (0, -len(values) % 32)).reshape(-1, 32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FORMATS)
def test_ties_limits_and_subnormals_of_f32(name, device):
    values = boundaries(name)
    got = end_in(values, name, device, column_scale=np.full(32, -1, np.float32))
    expected = expect(values, name)
    np.testing.assert_array_equal(got, expected, err_msg=str(show(got, expected, values)))


@pytest.mark.parametrize("device", DEVICES[:2])
@pytest.mark.parametrize("name", FORMATS)
def test_linear_layers_with_a_scale(name, device):
    rng = np.random.default_rng(5)
    qw = tw.quantize(rng.standard_normal((70, 300)).astype(np.float32), "u4", layout="nk")
    for m, activation in ((1, None), (33, "gelu"), (20, "swiglu")):
        x = rng.standard_normal((m, 300)).astype(np.float16)
        outputs = 35 if activation == "swiglu" else 70
        parts = {
            "residual": rng.standard_normal((m, outputs)).astype(np.float16),
            "out_scale": np.float32(7.5),
        }
        y = tw.linear(x, qw, None, activation, name, device, **parts)
        ref, low, _ = testing.linear_reference(x, qw, None, activation, FORMATS[name], **parts)
        testing.assert_within_bound(y, ref, low)


def test_what_is_too_large_saturates():
    qw = tw.quantize(np.ones((32, 64), np.float32), "i8", layout="nk")
    x = np.full((2, 64), [[1], [-1]], np.float16)
    y = tw.linear(x, qw, out_dtype="e4m3", out_scale=100.0).astype(np.float32)
    np.testing.assert_array_equal(y, np.full((2, 32), [[448], [-448]]))


def test_splits_round_once():
    rng = np.random.default_rng(6)
    x, w = (rng.integers(-3, 4, (rows, 512)).astype(np.float16) for rows in (9, 64))
    schedule = "matmul{split_k=4, stages=2, tile_k=64, tile_m=16, tile_n=64, warps_m=1, warps_n=2}"
    y = tw.matmul(x, w, layout="nk", out_dtype="e5m2", out_scale=2.0**-3, schedule=schedule)
    exact = (x.astype(np.float64) @ w.astype(np.float64).T) / 8
    np.testing.assert_array_equal(y.view(np.uint8), expect(exact, "e5m2"))


def test_the_arithmetic_is_a_remark():
    qw = tw.quantize(np.ones((32, 64), np.float32), "u4", layout="nk")
    slow = tw.compile("linear", qw, out_dtype="e4m3", target="a100")
    assert any("by integer arithmetic" in remark for remark in slow.remarks)
    assert "cvt.rn.satfinite" not in slow.ptx
    fast = tw.compile("linear", qw, out_dtype="e4m3", target="rtx4090")
    assert not fast.remarks and "cvt.rn.satfinite.e4m3x2.f32" in fast.ptx


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    x = np.ones((3, 64), np.float16)
    w = np.ones((8, 64), np.float16)

    def test_scales_are_one_number(self):
        with pytest.raises(tw.ShapeError, match=r"out_scale has shape \(3,\); expects one number"):
            tw.matmul(self.x, self.w, layout="nk", out_scale=np.ones(3, np.float32))
        with pytest.raises(tw.UnsupportedError, match=r"out_scale is .*; expects a number"):
            tw.matmul(self.x, self.w, layout="nk", out_scale="much")

    @pytest.mark.parametrize("dtype", [np.int8, ml_dtypes.float8_e4m3b11fnuz, np.float64])
    def test_other_results(self, dtype):
        with pytest.raises(
            tw.UnsupportedError, match=r"out_dtype is .*supported: float16.*float8_e4m3fn"
        ):
            tw.matmul(self.x, self.w, layout="nk", out_dtype=dtype)

    def test_residuals_have_more_bits(self):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of residual is float8_e4m3fn"):
            tw.matmul(
                self.x,
                self.w,
                layout="nk",
                out_dtype="e4m3",
                residual=np.ones((3, 8), FORMATS["e4m3"]),
            )
