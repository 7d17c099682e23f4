"""Batches of weights: each matrix multiplies rows of its own, in one launch."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

B = 3
NP = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}

WEIGHTS = {
    "u4": {"group_size": 64, "zero_point": True},
    "i8": {"group_size": "channel"},
    "u3": {"group_size": 48, "zero_point": "float", "scale_dtype": "bf16"},
    "f4e2m1": {"group_size": 16, "scale_dtype": "e4m3", "tensor_scale": True},
    "nf4": {"group_size": (64, 32)},
}


def quantize(rng, format="u4", n=70, k=300, batch=B, **options):
    w = rng.standard_normal((batch, n, k)) * np.exp2(rng.integers(-2, 3, (batch, 1, 1)))
    return tw.quantize(w.astype(np.float32), format, layout="nk", **options)


def check_linear(x, qw, **parts):
    y = tw.linear(x, qw, **parts)
    known = {k: v for k, v in parts.items() if k not in ("schedule", "device", "deterministic")}
    ref, low, magnitude = testing.linear_reference(x, qw, **known)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=qw.k)
    return y


@pytest.mark.parametrize("format", WEIGHTS)
@pytest.mark.parametrize("m", [1, 17, 70])
def test_linear_with_every_kind_of_weight(format, m):
    rng = np.random.default_rng(m)
    qw = quantize(rng, format, **WEIGHTS[format])
    x = rng.standard_normal((B, m, 300)).astype(NP["bf16" if format == "u3" else "f16"])
    check_linear(x, qw)


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "i8"])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [(1, 1, 1), (5, 64, 128), (17, 33, 63), (65, 40, 130)],  # also rows of odd lengths
)
def test_dense_shapes_and_tails(layout, dtype, m, n, k):
    if dtype == "i8" and layout == "kn":
        return
    rng = np.random.default_rng(k)
    x = rng.integers(-4, 5, (B, m, k)).astype(NP.get(dtype, np.int8))
    wide = rng.integers(-4, 5, (B, k, n)).astype(x.dtype)
    w = np.ascontiguousarray(wide.swapaxes(1, 2)) if layout == "nk" else wide
    y = tw.matmul(x, w, layout=layout, out_dtype="f32")
    np.testing.assert_array_equal(y, x.astype(np.float64) @ wide.astype(np.float64))


SCHEDULES = [
    "split_k=1, stages=3, tile_k=128, tile_m=16, tile_n=64, warps_m=1, warps_n=2",
    "split_k=3, stages=2, tile_k=128, tile_m=32, tile_n=32, warps_m=2, warps_n=1",
    "split_k=1, stages=2, stream_k=7, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1",
    "split_k=1, stages=2, stream_k=40, tile_k=128, tile_m=8, tile_n=64, warps_m=1, warps_n=2",
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_splits_and_streams_stay_within_their_matrix(schedule):
    """Bit for bit on small integers, with all checkers and warps in another order."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 16, (B, 70, 700))
    scales = np.exp2(rng.integers(-1, 2, (B, 70, 6))).astype(np.float16)
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, None, format="u4", layout="nk", group_size=128
    )
    x = rng.integers(-2, 3, (B, 37, 700)).astype(np.float16)
    exact = x.astype(np.float64) @ qw.dequantize(np.float64).swapaxes(1, 2)
    for seed in (None, 3):
        options = tw.EmulatorOptions(warp_order_seed=seed) if seed else tw.EmulatorOptions()
        y = tw.check(
            tw.linear, x, qw, out_dtype="f32", schedule=f"quant_matmul{{{schedule}}}",
            device="emulated:a100", options=options,
        )  # fmt: skip
        np.testing.assert_array_equal(y, exact)


@pytest.mark.parametrize("split_k", [1, 4])
def test_dense_splits(split_k):
    rng = np.random.default_rng(8)
    x, w = (rng.integers(-3, 4, (5, rows, 260)).astype(np.float16) for rows in (20, 72))
    schedule = f"matmul{{split_k={split_k}, stages=2, tile_k=64, tile_m=16, tile_n=64, "
    y = tw.check(
        tw.matmul, x, w, layout="nk", out_dtype="f32", device="emulated:a100",
        schedule=schedule + "warps_m=1, warps_n=2}",
    )  # fmt: skip
    np.testing.assert_array_equal(y, x.astype(np.float64) @ w.astype(np.float64).swapaxes(1, 2))


@pytest.mark.parametrize("m", [1, 40])
def test_deterministic_batches_have_the_bits_of_their_matrices(m):
    rng = np.random.default_rng(9)
    qw = quantize(rng, "u4", n=96, k=1100, group_size=128)
    x = rng.standard_normal((B, m, 1100)).astype(np.float16)
    options = {"out_dtype": "f32", "deterministic": True}
    whole = tw.linear(x, qw, **options)
    w = qw.dequantize(np.float16)
    dense = tw.matmul(x, w, layout="nk", **options)
    for i in range(B):
        np.testing.assert_array_equal(whole[i], tw.linear(x[i], qw.matrix(i), **options))
        np.testing.assert_array_equal(dense[i], tw.matmul(x[i], w[i], layout="nk", **options))


@pytest.mark.parametrize("activation", [None, "swiglu"])
@pytest.mark.parametrize("dense", [False, True])
def test_everything_an_epilogue_has(activation, dense):
    rng = np.random.default_rng(10)
    m, n, k = 19, 66, 160  # bias of 132 bytes a matrix
    x = rng.standard_normal((B, m, k)).astype(np.float16)
    outputs = n // 2 if activation else n
    parts = {
        "bias": rng.standard_normal((B, n)).astype(np.float16),
        "activation": activation,
        "out_dtype": np.float16,
        "row_scale": rng.random((B, m)).astype(np.float32),
        "column_scale": rng.random((B, n)).astype(np.float32),
        "residual": rng.standard_normal((B, m, outputs)).astype(np.float16),
        "out_scale": 1.5,
    }
    if not dense:
        check_linear(x, quantize(rng, "i4", n=n, k=k), **parts)
        return
    w = rng.standard_normal((B, k, n)).astype(np.float16)
    y = tw.matmul(x, w, layout="kn", **parts)
    ref, low, _ = testing.matmul_reference(x, w, **parts)
    testing.assert_within_bound(y, ref, low)


def test_one_launch():
    rng = np.random.default_rng(11)
    qw = quantize(rng, n=32, k=128, batch=40)
    with tw.profile() as profile:
        tw.linear(rng.standard_normal((40, 2, 128)).astype(np.float16), qw, device="emulated:a100")
    assert len(profile.launches) == 1


def test_its_kernel_can_be_looked_at():
    qw = quantize(np.random.default_rng(11), n=32, k=128, batch=40)
    kernel = tw.compile("linear", qw, target="a100", m=2, bias_dtype="f32")
    assert kernel.metadata["grid"][2] == "40"
    assert "tile.advance" in kernel.ir("expand")


def test_rows_that_all_matrices_share():
    rng = np.random.default_rng(12)
    qw = quantize(rng)
    x = rng.standard_normal((6, 300)).astype(np.float16)
    y = tw.linear(x, qw)
    assert y.shape == (B, 6, 70)
    np.testing.assert_array_equal(y, tw.linear(np.stack([x] * B), qw))
    w = qw.dequantize(np.float16)
    np.testing.assert_array_equal(
        tw.matmul(x, w, layout="nk"), tw.matmul(np.stack([x] * B), w, layout="nk")
    )


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::2],
        lambda a: a[:, 1::2],
        lambda a: a[:, :, 3:67],
        lambda a: a[::-1],
        lambda a: a.transpose(1, 0, 2),
        lambda a: a.transpose(2, 1, 0),
    ],
    ids=["batch", "rows", "columns", "reversed", "rows first", "columns first"],
)
def test_any_strides(view):
    rng = np.random.default_rng(13)
    x, w = (view(rng.standard_normal((6, 6, 72)).astype(np.float16)) for _ in range(2))
    expected = tw.matmul(x.copy(), w.copy(), layout="nk")
    np.testing.assert_array_equal(tw.matmul(x, w, layout="nk"), expected)
    qw = tw.quantize(w.astype(np.float32), "i8", layout="nk", group_size=64)
    np.testing.assert_array_equal(tw.linear(x, qw), tw.linear(x.copy(), qw))


def test_the_number_of_rows_is_not_compiled_in():
    """Strides of the batch follow M, so they are not static."""
    rng = np.random.default_rng(14)
    qw = quantize(rng)
    problems = set()
    for m in (33, 37, 41):
        with tw.profile() as profile:
            check_linear(rng.standard_normal((B, m, 300)).astype(np.float16), qw)
        problems.add(profile.launches[0].problem)
    assert len(problems) == 1


@pytest.mark.parametrize(("batch", "m"), [(1, 5), (2, 0)])
def test_small_batches(batch, m):
    rng = np.random.default_rng(15)
    qw = quantize(rng, batch=batch)
    x = rng.standard_normal((batch, m, 300)).astype(np.float16)
    y = tw.linear(x, qw)
    assert y.shape == (batch, m, 70)
    if m:
        np.testing.assert_array_equal(y[0], tw.linear(x[0], qw.matrix(0)))


class TestTensor:
    """What a batch of packed weights is."""

    def test_it_is_its_matrices(self):
        rng = np.random.default_rng(16)
        w = rng.standard_normal((B, 40, 96)).astype(np.float32)
        for format, options in WEIGHTS.items():
            whole = tw.quantize(w, format, layout="nk", **options)
            each = [tw.quantize(part, format, layout="nk", **options) for part in w]
            assert whole.shape == (B, 40, 96) and whole.batch == B
            assert whole.nbytes == sum(one.nbytes for one in each) or format == "nf4"
            for i, one in enumerate(each):
                for read in ("codes", "scales", "zeros", "dequantize", "words"):
                    got, wanted = getattr(whole.matrix(i), read)(), getattr(one, read)()
                    assert (got is None) == (wanted is None)
                    if wanted is not None:
                        np.testing.assert_array_equal(got, wanted)
            np.testing.assert_array_equal(
                whole.dequantize(), np.stack([one.dequantize() for one in each])
            )
            assert f"nk {B}x40x96" in repr(whole)

    @pytest.mark.parametrize("format", ["u4", "f4e2m1", "nf4"])
    def test_files(self, tmp_path, format):
        qw = quantize(np.random.default_rng(17), format, **WEIGHTS[format])
        qw.save(tmp_path / "w.safetensors")
        back = tw.QuantizedTensor.load(tmp_path / "w.safetensors")
        assert back.batch == B and repr(back) == repr(qw)
        np.testing.assert_array_equal(back.dequantize(), qw.dequantize())

    def test_codes_of_a_batch(self):
        rng = np.random.default_rng(18)
        codes = rng.integers(0, 16, (B, 40, 64))
        scales = rng.random((B, 40, 2)).astype(np.float16)
        zeros = rng.integers(0, 16, (B, 40, 2))
        make = lambda *parts, **options: tw.QuantizedTensor.from_codes(  # noqa: E731
            *parts, format="u4", layout="kn", group_size=32, **options
        )
        qw = make(codes, scales, zeros, tensor_scale=[1.0, 2.0, 4.0])
        assert qw.shape == (B, 64, 40)
        np.testing.assert_array_equal(qw.codes(), codes)
        np.testing.assert_array_equal(qw.zeros(), zeros)
        spread = lambda a: np.repeat(a.astype(np.float64), 32, axis=2)  # noqa: E731
        exact = (codes - spread(zeros)) * spread(scales) * np.array([1, 2, 4])[:, None, None]
        np.testing.assert_array_equal(qw.dequantize(np.float64), exact.swapaxes(1, 2))
        x = rng.integers(-2, 3, (B, 4, 64)).astype(np.float16)
        check_linear(x, qw)
        with pytest.raises(tw.ShapeError, match=r"scales have shape \(2, 40, 2\); expects 3"):
            make(codes, scales[:2], zeros)
        with pytest.raises(tw.ShapeError, match=r"tensor_scale has 2 numbers; expects 1 or 3"):
            make(codes, scales, zeros, tensor_scale=[1.0, 2.0])
        with pytest.raises(tw.ArgumentError, match=r"codes\[1\]: codes reach from"):
            make(codes + np.array([0, 16, 0])[:, None, None], scales, zeros)

    def test_matrices_that_do_not_fit(self):
        one = quantize(np.random.default_rng(19), n=32, k=64, batch=1).matrix(0)
        wide = quantize(np.random.default_rng(19), n=64, k=64, batch=1).matrix(0)
        other = tw.quantize(np.ones((32, 64), np.float32), "u4", layout="nk", zero_point=False)
        stack = tw.QuantizedTensor.stack
        with pytest.raises(tw.ArgumentError, match=r"matrices\[1\] has shape \(64, 64\)"):
            stack([one, wide])
        with pytest.raises(tw.ArgumentError, match=r"matrices\[1\] has zero_rule None"):
            stack([one, other])
        nested = tw.quantize(np.ones((32, 64), np.float32), "nested8", layout="nk")
        with pytest.raises(tw.UnsupportedError, match=r"matrices\[0\] is nested8"):
            stack([nested])
        with pytest.raises(tw.ShapeError, match=r"matrices are none"):
            stack([])
        with pytest.raises(tw.ShapeError, match=r"matrices\[0\] is a batch itself"):
            stack([stack([one])])
        with pytest.raises(tw.ShapeError, match=r"is one matrix; expects a batch"):
            one.matrix(0)
        with pytest.raises(tw.ArgumentError, match=r"index is 2; the batch has matrices 0 to 1"):
            stack([one, one]).matrix(2)


class TestErrors:
    """Bad input is refused before anything is compiled, naming the argument."""

    def test_other_batches(self):
        qw = quantize(np.random.default_rng(20), n=32, k=64)
        x = np.ones((2, 5, 64), np.float16)
        with pytest.raises(tw.ShapeError, match=r"x has shape \(2, 5, 64\); expects \[3, M, K\]"):
            tw.linear(x, qw)
        with pytest.raises(tw.ShapeError, match=r"x has shape \(2, 5, 64\); expects \[3, M, K\]"):
            tw.matmul(x, np.ones((3, 8, 64), np.float16), layout="nk")
        with pytest.raises(tw.ShapeError, match=r"no matrices; expects at least one"):
            tw.matmul(x, np.ones((0, 8, 64), np.float16), layout="nk")

    def test_parts_of_one_matrix(self):
        x, w = np.ones((3, 5, 64), np.float16), np.ones((3, 8, 64), np.float16)
        with pytest.raises(tw.ShapeError, match=r"bias has shape \(8,\); expects \(3, 8\)"):
            tw.matmul(x, w, np.ones(8, np.float16), layout="nk")
        with pytest.raises(tw.ShapeError, match=r"row_scale has shape \(15,\); expects \(3, 5\)"):
            tw.matmul(x, w, layout="nk", row_scale=np.ones(15, np.float32))

    def test_more_products_than_a_grid_has_blocks(self):
        w = np.ones((65536, 1, 1), np.float16)
        with pytest.raises(tw.Error, match=r"batch of at most 65535 products, but got 65536"):
            tw.matmul(w, w, layout="nk")
