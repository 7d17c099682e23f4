"""tw.matmul end to end: dense weights in either layout, compared with NumPy."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}


def make_call(rng, m, n, k, dtype="f16", layout="nk"):
    """x [M, K], w in its layout, and w as [K, N]."""
    x = rng.standard_normal((m, k)).astype(DTYPES[dtype])
    w = rng.standard_normal((k, n)).astype(DTYPES[dtype])
    return x, np.ascontiguousarray(w.T) if layout == "nk" else w, w


def check(x, w, wide, layout, device=None, schedule=None, **parts):
    """y, within the error bound."""
    y = tw.matmul(x, w, layout=layout, device=device, schedule=schedule, **parts)
    ref, low, magnitude = testing.matmul_reference(x, wide, **parts)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=wide.shape[0])
    return y


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (1, 1, 1),
        (1, 64, 256),
        (16, 32, 64),
        (17, 33, 63),  # rows of x and w that 16-byte copies cannot serve
        (33, 40, 136),
        (65, 127, 130),
        (130, 96, 72),
        (257, 200, 64),
    ],
)
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_shapes_and_tails(m, n, k, layout, dtype):
    x, w, wide = make_call(np.random.default_rng(m), m, n, k, dtype, layout)
    check(x, w, wide, layout)


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("out", ["f16", "bf16", "f32"])
def test_dtypes_and_everything_an_epilogue_has(layout, dtype, out):
    rng = np.random.default_rng(1)
    x, w, wide = make_call(rng, 40, 72, 96, dtype, layout)
    check(
        x,
        w,
        wide,
        layout,
        out_dtype=DTYPES[out],
        bias=rng.standard_normal(72).astype(DTYPES[dtype]),
        activation="swiglu" if out != "f32" else "gelu",
        row_scale=rng.random(40).astype(np.float32),
        column_scale=rng.random(72).astype(np.float32),
        residual=rng.standard_normal((40, 36 if out != "f32" else 72)).astype(np.float16),
    )


@pytest.mark.parametrize("layout", ["nk", "kn"])
def test_small_integers_come_out_bit_for_bit(layout):
    rng = np.random.default_rng(2)
    x = rng.integers(-8, 9, (100, 300)).astype(np.float16)
    w = rng.integers(-8, 9, (300, 80)).astype(np.float16)
    y = tw.matmul(x, w.T if layout == "nk" else w, layout=layout, out_dtype=np.float32)
    np.testing.assert_array_equal(y, x.astype(np.float64) @ w.astype(np.float64))


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize(
    "schedule",
    [
        "matmul{split_k=1, stages=2, tile_k=32, tile_m=16, tile_n=32, warps_m=1, warps_n=1}",
        "matmul{split_k=2, stages=4, tile_k=64, tile_m=32, tile_n=64, warps_m=2, warps_n=2}",
        "matmul{split_k=3, stages=3, tile_k=64, tile_m=64, tile_n=128, warps_m=1, warps_n=8}",
        "matmul{split_k=1, stages=2, tile_k=128, tile_m=128, tile_n=64, warps_m=8, warps_n=1}",
        "matmul{split_k=1, stages=2, tile_k=32, tile_m=64, tile_n=192, warps_m=2, warps_n=4}",
        "matmul{split_k=1, stages=2, tile_k=32, tile_m=48, tile_n=256, warps_m=1, warps_n=4}",
    ],
)
def test_schedules_change_how_not_what(schedule, layout):
    x, w, wide = make_call(np.random.default_rng(3), 70, 136, 328, layout=layout)
    check(x, w, wide, layout, schedule=schedule)


@pytest.mark.parametrize("layout", ["nk", "kn"])
def test_the_main_loop_has_no_bank_conflicts(layout):
    x, w, _ = make_call(np.random.default_rng(4), 128, 256, 256, layout=layout)
    with tw.profile() as profile:
        tw.matmul(x, w, layout=layout, device="emulated:a100")
    assert profile.total("sharedWavefronts") == profile.total("sharedIdealWavefronts") > 0
    # m16n8k16: each multiplies 16 x 8 x 16.
    assert profile.total("matrixOperations") == 128 * 256 * 256 // (16 * 8 * 16)


@pytest.mark.parametrize("device", ["emulated:a100", "emulated:rtx4090", "emulated:h200"])
def test_emulated_devices_of_several_generations(device):
    x, w, wide = make_call(np.random.default_rng(5), 48, 64, 192)
    check(x, w, wide, "nk", device=device)


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize(
    "view",
    [lambda w: w[:, 3:99], lambda w: w[::2], lambda w: w[::-1], lambda w: np.asfortranarray(w)],
    ids=["columns", "every second row", "rows reversed", "column-major"],
)
def test_any_strides_of_w(view, layout):
    rng = np.random.default_rng(6)
    w = view(rng.standard_normal((96, 104)).astype(np.float16))
    x = rng.standard_normal((9, w.shape[1 if layout == "nk" else 0])).astype(np.float16)
    np.testing.assert_array_equal(
        tw.matmul(x, w, layout=layout), tw.matmul(x, w.copy(), layout=layout)
    )


def test_leading_dimensions_are_kept():
    rng = np.random.default_rng(7)
    x, w, _ = make_call(rng, 6, 40, 64)
    y = tw.matmul(x.reshape(2, 3, 64), w, layout="nk")
    np.testing.assert_array_equal(y.reshape(6, 40), tw.matmul(x, w, layout="nk"))


@pytest.mark.parametrize(("m", "n"), [(0, 8), (3, 0)])
def test_nothing_gives_nothing(m, n):
    y = tw.matmul(np.zeros((m, 64), np.float16), np.zeros((n, 64), np.float16), layout="nk")
    assert y.shape == (m, n)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_special_values_stay_in_their_row_and_column(value):
    x, w, _ = make_call(np.random.default_rng(8), 20, 40, 64)
    clean = tw.matmul(x, w, layout="nk")
    x[2, 7] = value
    y = tw.matmul(x, w, layout="nk")
    np.testing.assert_array_equal(np.delete(y, 2, 0), np.delete(clean, 2, 0))
    assert not np.isfinite(y[2]).any()


def round_to_tf32(values):
    """To 10 bits of mantissa, to nearest, ties away from zero (PTX ISA, cvt.rna.tf32.f32)."""
    bits = values.view(np.uint32)
    return ((bits + np.uint32(1 << 12)) & np.uint32(0xFFFFE000)).view(np.float32)


class TestFloat32:
    """Products of TF32."""

    @pytest.mark.parametrize("layout", ["nk", "kn"])
    @pytest.mark.parametrize(("m", "n", "k"), [(1, 32, 8), (17, 33, 61), (70, 96, 136)])
    def test_shapes_and_tails(self, m, n, k, layout):
        rng = np.random.default_rng(m)
        x = rng.standard_normal((m, k)).astype(np.float32)
        wide = rng.standard_normal((k, n)).astype(np.float32)
        w = np.ascontiguousarray(wide.T) if layout == "nk" else wide
        y = tw.matmul(x, w, layout=layout)
        assert y.dtype == np.float32
        ref, low, magnitude = testing.matmul_reference(round_to_tf32(x), round_to_tf32(wide))
        testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=k)

    @pytest.mark.parametrize("device", ["emulated:a100", "emulated:h200"])
    def test_rounds_halves_away_from_zero(self, device):
        """One factor is 1, so y is the rounded other."""
        step = np.float32(2.0**-10)
        parts = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5], np.float32)
        values = np.concatenate([1 + parts * step, -1 - parts * step]).astype(np.float32)
        x = np.zeros((len(values), 8), np.float32)
        x[:, 3] = values
        w = np.ones((1, 8), np.float32)
        y = tw.matmul(x, w, layout="nk", device=device)
        np.testing.assert_array_equal(y[:, 0], round_to_tf32(values))
        np.testing.assert_array_equal(np.abs(y[:7, 0]), 1 + np.ceil(parts - 0.49) * step)


class TestBytes:
    """Products of int8 are exact."""

    @pytest.mark.parametrize(
        ("m", "n", "k"), [(1, 1, 1), (5, 40, 64), (17, 33, 63), (130, 96, 300)]
    )
    def test_exact(self, m, n, k):
        rng = np.random.default_rng(k)
        x = rng.integers(-128, 128, (m, k)).astype(np.int8)
        w = rng.integers(-128, 128, (n, k)).astype(np.int8)
        y = tw.matmul(x, w, layout="nk", out_dtype=np.float32)
        np.testing.assert_array_equal(y, x.astype(np.int64) @ w.astype(np.int64).T)

    def test_the_largest_sums_are_rounded_once(self):
        """(-128)^2 * 2000 > 2^24: the sum is exact in i32 and rounds to float32."""
        x, w = np.full((3, 2001), -128, np.int8), np.full((8, 2001), -128, np.int8)
        w[:, 0] = 127
        y = tw.matmul(x, w, layout="nk", out_dtype=np.float32)
        np.testing.assert_array_equal(y, np.float32(128 * 128 * 2000 - 128 * 127))

    @pytest.mark.parametrize("split_k", [1, 3])
    def test_scales_of_tokens_and_channels(self, split_k):
        rng = np.random.default_rng(9)
        x = rng.integers(-127, 128, (40, 384)).astype(np.int8)
        w = rng.integers(-127, 128, (64, 384)).astype(np.int8)
        parts = {
            "row_scale": rng.random(40).astype(np.float32) / 100,
            "column_scale": rng.random(64).astype(np.float32) / 100,
            "bias": rng.standard_normal(64).astype(np.float32),
            "activation": "silu",
        }
        schedule = (
            f"matmul{{split_k={split_k}, stages=3, tile_k=128, tile_m=32, tile_n=64, "
            "warps_m=1, warps_n=2}"
        )
        y = tw.matmul(x, w, layout="nk", schedule=schedule, **parts)
        assert y.dtype == np.float16
        ref, low, _ = testing.matmul_reference(x, w.T, out_dtype=np.float16, **parts)
        testing.assert_within_bound(y, ref, low)

    def test_the_main_loop_has_no_bank_conflicts(self):
        x, w = np.ones((128, 512), np.int8), np.ones((256, 512), np.int8)
        with tw.profile() as profile:
            tw.matmul(x, w, layout="nk", device="emulated:a100")
        assert profile.total("sharedWavefronts") == profile.total("sharedIdealWavefronts") > 0
        # m16n8k32: each multiplies 16 x 8 x 32.
        assert profile.total("matrixOperations") == 128 * 256 * 512 // (16 * 8 * 32)


class TestFloat8:
    """Products of float8, where mma.sync has them; test_float8_activations.py has others."""

    @pytest.mark.parametrize("dtype", [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
    @pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (17, 33, 63), (40, 64, 256)])
    def test_small_integers_come_out_bit_for_bit(self, dtype, m, n, k):
        rng = np.random.default_rng(k)
        x, w = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((m, k), (n, k)))
        y = tw.matmul(x, w, layout="nk", out_dtype=np.float32, device="emulated:rtx4090")
        np.testing.assert_array_equal(y, x.astype(np.float64) @ w.astype(np.float64).T)


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    x = np.ones((3, 64), np.float16)
    w = np.ones((8, 64), np.float16)

    def test_layout(self):
        with pytest.raises(tw.UnsupportedError, match=r"layout is 'mk'; supported: 'nk'"):
            tw.matmul(self.x, self.w, layout="mk")

    @pytest.mark.parametrize("shape", [(), (64,), (3, 63)])
    def test_shape_of_x(self, shape):
        with pytest.raises(tw.ShapeError, match=r"x has shape .*expects"):
            tw.matmul(np.ones(shape, np.float16), self.w, layout="kn" if shape == (64,) else "nk")

    @pytest.mark.parametrize("shape", [(64,), (1, 1, 8, 64)])
    def test_rank_of_w(self, shape):
        with pytest.raises(tw.ShapeError, match=r"w has shape .*two dimensions"):
            tw.matmul(self.x, np.ones(shape, np.float16), layout="nk")

    @pytest.mark.parametrize("dtype", [np.int8, ml_dtypes.float8_e5m2])
    def test_layout_of_bytes(self, dtype):
        x = np.ones((8, 8), dtype)
        with pytest.raises(tw.UnsupportedError, match=r"layout is 'kn' with .*supported: 'nk'"):
            tw.matmul(x, x, layout="kn")

    @pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint8])
    def test_dtype_of_x(self, dtype):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of x is .*supported: float16"):
            tw.matmul(self.x.astype(dtype), self.w, layout="nk")

    def test_dtype_of_w(self):
        with pytest.raises(tw.UnsupportedError, match=r"dtype of w is float32; supported: float16"):
            tw.matmul(self.x, self.w.astype(np.float32), layout="nk")

    def test_no_inputs(self):
        with pytest.raises(tw.ShapeError, match=r"no inputs"):
            tw.matmul(np.ones((3, 0), np.float16), np.ones((8, 0), np.float16), layout="nk")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ("tile_k=48", r"tile_k to be one of 16, 32, 64, 128, but got 48; the nearest is 32"),
            ("tile_n=96", r"tile_n to be one of 32, 64, 128, 192, 256, but got 96"),
            ("tile_m=24", r"tile_m to be a multiple of 16 \* warps_m \(16\) up to 256"),
            ("stages=9", r"stages to be 2\.\.8, but got 9; the nearest is 8"),
            ("split_k=2", r"split_k to be 1\.\.1, but got 2"),
            ("warps_n=3", r"warps_n to be a power of two up to 8, but got 3"),
        ],
    )
    def test_schedule(self, change, message):
        text = "matmul{split_k=1, stages=2, tile_k=64, tile_m=16, tile_n=64, warps_m=1, warps_n=2}"
        name = change.split("=")[0]
        parts = [part for part in text[7:-1].split(", ") if not part.startswith(name)]
        with pytest.raises(tw.ResourceError, match=message):
            tw.matmul(
                self.x, self.w, layout="nk", schedule=f"matmul{{{', '.join([*parts, change])}}}"
            )

    def test_too_many_accumulators(self):
        with pytest.raises(tw.ResourceError, match=r"at most 128 accumulators a thread"):
            tw.matmul(
                self.x,
                self.w,
                layout="nk",
                schedule="matmul{split_k=1, stages=2, tile_k=32, tile_m=256, tile_n=256, "
                "warps_m=2, warps_n=2}",
            )
