"""What ends a product: scales of rows and columns, bias, activation, residual."""

import itertools

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}
K, N = 200, 96


def make_call(rng, m, dtype, *, n=N, activation=None, parts=()):
    """x, weights and the named parts of an epilogue."""
    qw = tw.quantize(rng.standard_normal((n, K)).astype(np.float32), "i4", layout="nk")
    x = rng.standard_normal((m, K)).astype(DTYPES[dtype])
    outputs = n // 2 if activation == "swiglu" else n
    everything = {
        "bias": rng.standard_normal(n).astype(DTYPES[dtype]),
        "row_scale": np.exp2(rng.standard_normal(m)).astype(np.float32),
        "column_scale": rng.standard_normal(n).astype(np.float32),
        "residual": (8 * rng.standard_normal((m, outputs))).astype(DTYPES[dtype]),
        "out_scale": rng.random() + 0.5,
    }
    return x, qw, {name: everything[name] for name in parts}


@pytest.mark.parametrize("activation", [None, "relu", "gelu", "silu", "swiglu"])
@pytest.mark.parametrize("m", [1, 17, 70])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_everything_at_once_is_within_the_error_bound(activation, m, dtype):
    parts = ("bias", "row_scale", "column_scale", "residual")
    rng = np.random.default_rng(m)
    x, qw, parts = make_call(rng, m, dtype, activation=activation, parts=parts)
    y = tw.linear(x, qw, activation=activation, **parts)
    ref, low, _ = testing.linear_reference(x, qw, activation=activation, **parts)
    testing.assert_within_bound(y, ref, low)


@pytest.mark.parametrize("present", list(itertools.product([False, True], repeat=5)))
def test_every_set_of_parts(present):
    """Each operand finds its own parameter, whichever others are there."""
    names = ("bias", "row_scale", "column_scale", "residual", "out_scale")
    chosen = [name for name, there in zip(names, present, strict=True) if there]
    x, qw, parts = make_call(np.random.default_rng(3), 5, "f16", parts=chosen)
    y = tw.linear(x, qw, **parts)
    ref, low, _ = testing.linear_reference(x, qw, **parts)
    testing.assert_within_bound(y, ref, low)


def test_small_integers_come_out_bit_for_bit():
    rng = np.random.default_rng(4)
    codes = rng.integers(-8, 8, (N, K)).astype(np.int16)
    scales = np.ones((N, 2), np.float16)
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, None, format="i4", layout="nk", group_size=128
    )
    x = rng.integers(-2, 3, (9, K)).astype(np.float16)
    rows = np.exp2(rng.integers(-2, 3, 9)).astype(np.float32)
    columns = rng.integers(-3, 4, N).astype(np.float32)
    residual = rng.integers(-100, 100, (9, N)).astype(np.float32)
    y = tw.linear(
        x, qw, row_scale=rows, column_scale=columns, residual=residual, out_dtype=np.float32
    )
    exact = x.astype(np.float64) @ codes.T * rows[:, None] * columns + residual
    np.testing.assert_array_equal(y.astype(np.float64), exact)


@pytest.mark.parametrize("split_k", [1, 3])
@pytest.mark.parametrize("tiles", [(16, 32, 1, 1), (32, 64, 2, 2), (64, 64, 1, 2)])
def test_pairs_stay_together_in_every_schedule(split_k, tiles):
    tile_m, tile_n, warps_m, warps_n = tiles
    x, qw, parts = make_call(
        np.random.default_rng(5), 40, "f16", n=72, activation="swiglu", parts=("bias", "residual")
    )
    schedule = (
        f"quant_matmul{{split_k={split_k}, stages=2, tile_k=128, tile_m={tile_m}, "
        f"tile_n={tile_n}, warps_m={warps_m}, warps_n={warps_n}}}"
    )
    split = min(split_k, 2)  # K = 200 has two tiles
    y = tw.linear(
        x,
        qw,
        activation="swiglu",
        schedule=schedule.replace(f"split_k={split_k}", f"split_k={split}"),
        **parts,
    )
    assert y.shape == (40, 36)
    ref, low, _ = testing.linear_reference(x, qw, activation="swiglu", **parts)
    testing.assert_within_bound(y, ref, low)


def test_leading_dimensions_and_strided_residuals():
    rng = np.random.default_rng(6)
    qw = tw.quantize(rng.standard_normal((40, 64)).astype(np.float32), "u4", layout="nk")
    x = rng.standard_normal((2, 3, 64)).astype(np.float16)
    residual = rng.standard_normal((3, 2, 80)).astype(np.float32).transpose(1, 0, 2)[:, :, ::2]
    scale = rng.random((2, 3)).astype(np.float32)
    y = tw.linear(x, qw, row_scale=scale, residual=residual)
    flat = tw.linear(
        x.reshape(6, 64), qw, row_scale=scale.reshape(6), residual=residual.reshape(6, 40)
    )
    np.testing.assert_array_equal(y.reshape(6, 40), flat)


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    x = np.ones((3, 64), np.float16)

    @pytest.fixture(autouse=True)
    def weights(self):
        self.qw = tw.quantize(np.ones((9, 64), np.float32), "u4", layout="nk")

    @pytest.mark.parametrize(
        ("name", "shape", "expected"),
        [
            ("row_scale", (9,), r"\(3,\)"),
            ("row_scale", (3, 1), r"\(3,\)"),
            ("column_scale", (3,), r"\(9,\)"),
            ("residual", (9, 3), r"\(3, 9\)"),
            ("residual", (9,), r"\(3, 9\)"),
        ],
    )
    def test_shape(self, name, shape, expected):
        with pytest.raises(tw.ShapeError, match=rf"{name} has shape .*expects {expected}"):
            tw.linear(self.x, self.qw, **{name: np.ones(shape, np.float32)})

    @pytest.mark.parametrize("name", ["row_scale", "column_scale"])
    def test_scales_are_float32(self, name):
        shape = (3,) if name == "row_scale" else (9,)
        with pytest.raises(tw.UnsupportedError, match=rf"dtype of {name} is float16.*float32"):
            tw.linear(self.x, self.qw, **{name: np.ones(shape, np.float16)})

    def test_residual_of_integers(self):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of residual is int32"):
            tw.linear(self.x, self.qw, residual=np.ones((3, 9), np.int32))

    def test_odd_pairs(self):
        with pytest.raises(tw.ShapeError, match=r"swiglu takes pairs of columns.*9 columns"):
            tw.linear(self.x, self.qw, activation="swiglu")
