"""Weights in planes, whose width a launch chooses: nested codes and residual stacks.

Numbers are compared with the definitions, written here in float64: a nested code of P bits
is 2q + 1 - 2^P, its top b bits the mean of the codes that begin with them, and a stack the
sum of its planes.
"""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from test_linear import DTYPES, check
from tilewright import testing

WIDTHS = range(1, 9)


def nested(k, n, group=128, scale="f16", zeros=False, seed=0, layout="nk", stored=8):
    """Nested weights of random codes, with scales that are powers of two."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 1 << stored, (n, k)).astype(np.int16)
    groups = 1 if group == "channel" else -(-k // group)
    scales = np.exp2(rng.integers(-9, -4, (n, groups))).astype(DTYPES[scale])
    offsets = rng.integers(-4, 5, (n, groups)).astype(DTYPES[scale]) if zeros else None
    return tw.QuantizedTensor.from_codes(
        codes,
        scales,
        offsets,
        format=f"nested{stored}",
        layout=layout,
        group_size=group,
        zero_rule="add" if zeros else "subtract",
    )


def means(codes, bits, stored=8):
    """The mean of the numbers of all codes that begin with the same bits."""
    numbers = 2.0 * np.arange(1 << stored) + 1 - (1 << stored)
    return numbers.reshape(1 << bits, -1).mean(1)[codes >> (stored - bits)]


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("zeros", [False, True], ids=["none", "offset"])
def test_every_code_at_every_width_is_the_mean_of_those_that_begin_alike(bits, dtype, zeros):
    """x selects one weight at a time and scales are powers of two: all is exact."""
    k, n = 128, 32
    qw = nested(k, n, 64, dtype, zeros)
    codes = np.resize(np.arange(256), n * k).reshape(n, k)
    qw = tw.QuantizedTensor.from_codes(
        codes, qw.scales(), qw.zeros(), format="nested8", layout="nk", group_size=64,
        zero_rule="add" if zeros else "subtract",
    )  # fmt: skip
    exact = means(codes, bits) * qw.spread(qw.scales().astype(np.float64))
    if zeros:
        exact += qw.spread(qw.zeros().astype(np.float64))
    np.testing.assert_array_equal(qw.dequantize(np.float64, bits=bits), exact)
    y = tw.linear(np.eye(k, dtype=DTYPES[dtype]), qw, out_dtype=np.float32, bits=bits)
    np.testing.assert_array_equal(y.astype(np.float64), exact.T)


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("m", [1, 17])
@pytest.mark.parametrize("bits", WIDTHS)
def test_exact_integers_come_out_bit_for_bit(bits, m, dtype):
    rng = np.random.default_rng(bits)
    k, n = 256, 64
    qw = nested(k, n, 32 if bits % 2 else 128, dtype, seed=bits)
    x = rng.integers(-2, 3, (m, k)).astype(DTYPES[dtype])
    exact = x.astype(np.float64) @ qw.dequantize(np.float64, bits=bits).T
    y = tw.linear(x, qw, out_dtype=np.float32, bits=bits)
    np.testing.assert_array_equal(y.astype(np.float64), exact)


# K, N, M, bits, stored bits, group, x, scale, zero points, layout: tails in each extent,
# groups within a tile and across, every kind of table.
CASES = [
    (160, 40, 1, 4, 8, 48, "f16", "f16", True, "nk"),
    (129, 33, 17, 3, 8, "channel", "bf16", "f32", False, "kn"),
    (640, 96, 16, 7, 8, 128, "bf16", "bf16", True, "kn"),
    (1000, 72, 65, 5, 8, 256, "f16", "bf16", False, "nk"),
    (127, 127, 63, 2, 8, 16, "f16", "f32", True, "nk"),
    (384, 1, 8, 6, 6, 64, "bf16", "f16", False, "nk"),
    (512, 130, 33, 1, 5, "channel", "f16", "f16", True, "kn"),
    (256, 64, 128, 8, 8, 32, "f16", "f16", True, "nk"),
    (2048, 256, 1, 4, 8, 128, "f16", "f16", False, "nk"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, c)))
def test_products_are_within_the_error_bound(case):
    k, n, m, bits, stored, group, x_dtype, scale, zeros, layout = case
    rng = np.random.default_rng(k + n)
    w = rng.standard_normal((n, k) if layout == "nk" else (k, n)).astype(np.float32)
    qw = tw.quantize(
        w, f"nested{stored}", layout=layout, group_size=group, scale_dtype=scale,
        zero_point="float" if zeros else False, zero_rule="add" if zeros else "subtract",
    )  # fmt: skip
    x = rng.standard_normal((m, k)).astype(DTYPES[x_dtype])
    y = check(x, qw.truncate(bits), out="f32")
    np.testing.assert_array_equal(tw.linear(x, qw, out_dtype=np.float32, bits=bits), y)
    assert np.abs(qw.dequantize(bits=bits) - w).mean() < 2 ** (1 - bits)


def test_epilogue_determinism_and_schedules_are_those_of_other_weights():
    rng = np.random.default_rng(3)
    qw = nested(512, 64, 128, zeros=True).truncate(3)
    x, bias = rng.standard_normal((8, 512)).astype(np.float16), rng.standard_normal(64)
    check(x, qw, bias.astype(np.float32), "gelu")
    schedules = (
        "quant_matmul{tile_m=16, tile_n=64, tile_k=128, warps_m=1, warps_n=2, stages=3, split_k=1}",
        "quant_matmul{tile_m=8, tile_n=32, tile_k=128, warps_m=1, warps_n=1, stages=2, split_k=1, "
        "stream_k=3}",
        "quant_matmul{tile_m=32, tile_n=64, tile_k=256, warps_m=2, warps_n=2, stages=2, split_k=2}",
    )
    y = [tw.linear(x, qw, schedule=schedule, out_dtype=np.float32) for schedule in schedules]
    ref = x.astype(np.float64) @ qw.dequantize(np.float64).T
    for got in y:
        np.testing.assert_allclose(got, ref, rtol=0, atol=1e-3 * np.abs(ref).max())
    one = tw.linear(x[:1], qw, deterministic=True)
    np.testing.assert_array_equal(tw.linear(x, qw, deterministic=True)[:1], one)


def test_a_part_is_the_beginning_of_the_whole():
    qw = nested(256, 64)
    part = qw.truncate(3)
    assert part.format == "nested8.3" and part.bits == 3 and "nested8.3" in repr(part)
    assert np.shares_memory(part.words(), qw.words())
    assert part.words().nbytes * 8 == qw.words().nbytes * 3
    np.testing.assert_array_equal(part.codes(), qw.codes() >> 5)
    np.testing.assert_array_equal(part.truncate(2).codes(), qw.codes() >> 6)
    assert qw.truncate(8) is qw
    # Codes of three bits make the same words.
    again = tw.QuantizedTensor.from_codes(
        qw.codes() >> 5, qw.scales(), None, format="nested8.3", layout="nk", group_size=128
    )
    np.testing.assert_array_equal(again.words(), part.words())


def test_rounding_is_to_the_nearest_number():
    """Each weight gets the nearest of all numbers of its group; of two the even code."""
    rng = np.random.default_rng(8)
    w = rng.standard_normal((16, 64)).astype(np.float32)
    qw = tw.quantize(w, "nested4", layout="nk", group_size=64)
    numbers = (2 * np.arange(16) + 1 - 16) * qw.scales().astype(np.float64)[..., None]
    least = np.abs(w[:, :, None] - numbers).min(-1)
    np.testing.assert_allclose(np.abs(qw.dequantize() - w), least, rtol=1e-5, atol=1e-7)
    halves = tw.quantize(
        np.array([[15, -15, 0, 2, -2, 4] + [0] * 10], np.float32), "nested4", layout="nk",
        group_size=16,
    )  # fmt: skip
    assert halves.scales() == 1
    np.testing.assert_array_equal(halves.codes()[0, :6], [15, 0, 8, 8, 6, 10])


@pytest.mark.parametrize("zeros", [False, True], ids=["none", "offset"])
def test_fitted_widths_have_the_least_squared_error(zeros):
    rng = np.random.default_rng(1)
    k, n = 256, 48
    w = (rng.standard_normal((n, k)) + (0.7 if zeros else 0)).astype(np.float32)
    zero = {"zero_point": "float", "zero_rule": "add"} if zeros else {}
    qw = tw.quantize(w, "nested8", layout="nk", group_size=64, scale_dtype="f32", **zero)
    fitted = tw.fit_widths(qw, w, (1, 3))
    np.testing.assert_array_equal(fitted.words(), qw.words())
    np.testing.assert_array_equal(fitted.dequantize(bits=2), qw.dequantize(bits=2))
    for bits in (1, 3):
        got, plain = fitted.dequantize(np.float64, bits=bits), qw.dequantize(bits=bits)
        assert np.square(got - w).sum() < np.square(plain - w).sum()
        numbers = means(qw.codes().astype(int), bits)
        for row, first in ((0, 0), (5, 64), (47, 192)):
            part = np.s_[row, first : first + 64]
            basis = [numbers[part]] + [np.ones(64)] * zeros
            best = np.linalg.lstsq(np.array(basis).T, w[part].astype(np.float64), rcond=None)[0]
            np.testing.assert_allclose(got[part], np.array(basis).T @ best, rtol=0, atol=1e-5)
        x = rng.standard_normal((3, k)).astype(np.float16)
        check(x, fitted.truncate(bits))


def test_saved_parts_and_fitted_widths_come_back(tmp_path):
    w = np.random.default_rng(2).standard_normal((48, 256)).astype(np.float32)
    qw = tw.quantize(w, "nested8", layout="nk", zero_point="float", zero_rule="add")
    fitted = tw.fit_widths(qw, w, (2, 4))
    stack = tw.quantize_residual(w, 5, layout="nk", group_size=64)
    for tensor in (qw, fitted, fitted.truncate(3), stack, stack.truncate(2)):
        tensor.save(tmp_path / "w.safetensors")
        again = tw.QuantizedTensor.load(tmp_path / "w.safetensors")
        assert repr(again) == repr(tensor)
        assert list(again.fitted) == list(tensor.fitted)
        for width in range(1, tensor.bits + 1):
            np.testing.assert_array_equal(
                again.truncate(width).dequantize(), tensor.truncate(width).dequantize()
            )


def test_files_of_other_formats_are_refused(tmp_path):
    qw = nested(128, 32)
    description, parts = qw.description(), qw.parts()
    with pytest.raises(tw.ShapeError, match="4 bits take 512 packed words, but got 1024"):
        tw.QuantizedTensor.from_parts(description | {"format": "nested4"}, parts)
    with pytest.raises(ValueError, match="'scales_9' is no part"):
        tw.QuantizedTensor.from_parts(description, parts | {"scales_9": parts["scales"]})
    with pytest.raises(ValueError, match="zero is 'none' at width 3"):
        extra = {"scales_3": parts["scales"], "zeros_3": parts["scales"]}
        tw.QuantizedTensor.from_parts(description, parts | extra)


# --- Stacks --------------------------------------------------------------------------------


def stack_of(k, n, planes=4, group=64, dtype="f16", seed=0, layout="nk"):
    """A stack whose scales are powers of two, so that sums are exact."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((n, k) if layout == "nk" else (k, n)).astype(np.float32)
    qw = tw.quantize_residual(w, planes, layout=layout, group_size=group, scale_dtype=dtype)
    return w, qw


@pytest.mark.parametrize("group", [16, 128, "channel", "tensor", (64, 8)])
def test_planes_are_the_greedy_residual_quantisation(group):
    k, n, planes = 192, 24, 5
    w, qw = stack_of(k, n, planes, group, "f32")
    rows = {"channel": (k, 1), "tensor": (k, n)}.get(group)
    rows = rows or (group if isinstance(group, tuple) else (group, 1))
    rest = w.astype(np.float64)
    for plane in range(planes):
        sizes = np.empty_like(rest)
        for i in range(0, n, rows[1]):
            for j in range(0, k, rows[0]):
                block = np.s_[i : i + rows[1], j : j + rows[0]]
                sizes[block] = np.float32(np.abs(rest[block]).mean())
        step = np.where(rest >= 0, sizes, -sizes)
        got = qw.dequantize(np.float64, planes=plane + 1)
        np.testing.assert_allclose(got, w - (rest - step), rtol=0, atol=1e-6)
        rest = rest - step
    np.testing.assert_array_equal(
        qw.truncate(2).dequantize(),
        tw.quantize_residual(w, 2, layout="nk", group_size=group, scale_dtype="f32").dequantize(),
    )


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
@pytest.mark.parametrize("planes", [1, 2, 3, 8])
def test_every_plane_is_multiplied_exactly(planes, dtype):
    """x selects one weight at a time; with scales of eight bits float32 sums are exact."""
    k, n = 256, 64
    _, qw = stack_of(k, n, 8, 64, "bf16")
    exact = qw.dequantize(np.float64, planes=planes)
    y = tw.linear(np.eye(k, dtype=DTYPES[dtype]), qw, out_dtype=np.float32, planes=planes)
    np.testing.assert_array_equal(y.astype(np.float64), exact.T)


STACKS = [
    (160, 40, 1, 3, 48, "f16", "f16", "nk"),
    (129, 33, 17, 4, "channel", "bf16", "f32", "kn"),
    (1000, 72, 65, 2, 256, "f16", "bf16", "nk"),
    (127, 127, 16, 1, 16, "bf16", "f16", "kn"),
    (2048, 256, 1, 4, 128, "f16", "f16", "nk"),
]


@pytest.mark.parametrize("case", STACKS, ids=lambda c: "-".join(map(str, c)))
def test_stacks_are_within_the_error_bound(case):
    k, n, m, planes, group, x_dtype, scale, layout = case
    _, qw = stack_of(k, n, 4, group, scale, seed=k, layout=layout)
    x = np.random.default_rng(m).standard_normal((m, k)).astype(DTYPES[x_dtype])
    y = check(x, qw.truncate(planes), out="f32")
    np.testing.assert_array_equal(tw.linear(x, qw, out_dtype=np.float32, planes=planes), y)
    # The reference adds plane by plane: its bound is that of float32, and no wider.
    ref, low, magnitude = testing.linear_reference(x, qw.truncate(planes), None, None, np.float32)
    assert np.abs(low - ref).max() <= k * 2.0**-23 * magnitude.max()


@pytest.mark.parametrize(
    "rest", ["split_k=1", "split_k=2", "split_k=1, stream_k=3", "split_k=1, stream_k=7"]
)
def test_blocks_share_any_number_of_planes(rest):
    _, qw = stack_of(384, 96, 5)
    x = np.random.default_rng(4).integers(-3, 4, (9, 384)).astype(np.float16)
    tiles = "tile_m=16, tile_n=32, tile_k=128, warps_m=1, warps_n=1, stages=3"
    for planes in (1, 2, 5):
        schedule = f"quant_matmul{{{tiles}, {rest}}}"
        y = tw.linear(x, qw, planes=planes, schedule=schedule, out_dtype=np.float32)
        ref = x.astype(np.float64) @ qw.dequantize(np.float64, planes=planes).T
        np.testing.assert_allclose(y, ref, rtol=0, atol=1e-4 * np.abs(ref).max())


def test_one_kernel_serves_every_number_of_planes():
    _, qw = stack_of(512, 160, 4, 128)
    x = np.ones((2, 512), np.float16)
    with tw.profile() as profile:
        for planes in (2, 4, 1, None):
            tw.linear(x, qw, planes=planes)
    assert len({launch.problem for launch in profile.launches}) == 1
    assert [launch.compile_seconds > 0 for launch in profile.launches] == [True] + 3 * [False]


def test_planes_of_others_are_packed_as_they_are():
    rng = np.random.default_rng(5)
    signs = rng.choice(np.array([-1, 1], np.int8), (3, 40, 96))
    scales = rng.standard_normal((3, 40, 3)).astype(np.float32)
    qw = tw.from_planes(signs, scales, layout="kn", group_size=32)
    np.testing.assert_array_equal(qw.scales(), scales)
    exact = (signs * np.repeat(scales.astype(np.float64), 32, 2)).cumsum(0)
    for planes in (1, 2, 3):
        np.testing.assert_array_equal(qw.dequantize(np.float64, planes=planes), exact[planes - 1].T)
    again = tw.from_planes(signs > 0, scales, layout="kn", group_size=32)
    np.testing.assert_array_equal(again.words(), qw.words())
    check(rng.standard_normal((3, 96)).astype(np.float16), qw, out="f32")
    options = {"layout": "nk", "group_size": 32}
    with pytest.raises(tw.ArgumentError, match=r"signs\[1, 0, 2\] is 0; expects -1 or 1"):
        bad = signs.copy()
        bad[1, 0, 2] = 0
        tw.from_planes(bad, scales, **options)
    with pytest.raises(tw.ShapeError, match=r"expects \(3, 40, 3\)"):
        tw.from_planes(signs, scales[:2], **options)
    with pytest.raises(tw.ShapeError, match=r"expects \[planes, N, K\]"):
        tw.from_planes(signs[0], scales, **options)
    with pytest.raises(tw.ArgumentError, match="NaN or infinity"):
        tw.from_planes(signs, scales * np.inf, **options)
    with pytest.raises(tw.UnsupportedError, match="format is 'stack'; from_planes"):
        tw.QuantizedTensor.from_codes(signs[0] > 0, scales[0], None, format="stack", **options)


# --- What there is not ---------------------------------------------------------------------


def test_widths_that_there_are_not_are_refused():
    x, qw = np.ones((1, 128), np.float16), nested(128, 32)
    _, stack = stack_of(128, 32, 3)
    plain = tw.quantize(np.ones((32, 128), np.float32), "u8", layout="nk")
    for weights, arguments, message in (
        (qw, {"bits": 9}, "bits is 9; supported: 1 to 8, .*; the nearest is 8"),
        (qw, {"bits": 0}, "bits is 0; supported: 1 to 8, .*; the nearest is 1"),
        (qw.truncate(4), {"bits": 5}, "bits is 5; supported: 1 to 4, .*; the nearest is 4"),
        (qw, {"bits": 2.5}, "bits is 2.5; supported: 1 to 8"),
        (qw, {"bits": True}, "bits is True; supported: 1 to 8"),
        (qw, {"planes": 2}, "planes is 2 for nested8 weights; .*quantize_residual"),
        (stack, {"planes": 0}, "planes is 0; supported: 1 to 3, .*; the nearest is 1"),
        (stack, {"planes": 4}, "planes is 4; supported: 1 to 3, .*; the nearest is 3"),
        (stack, {"bits": 2}, "bits is 2 for stack weights; .*nested8"),
        (plain, {"bits": 4}, "bits is 4 for u8 weights; .*nested8"),
        (plain, {"planes": 1}, "planes is 1 for u8 weights; .*quantize_residual"),
        (stack, {"deterministic": True}, "deterministic is True with a stack; supported: False"),
    ):
        with pytest.raises(tw.UnsupportedError, match=message):
            tw.linear(x, weights, **arguments)
        if "deterministic" not in arguments:
            with pytest.raises(tw.UnsupportedError, match=message):
                weights.dequantize(**arguments)
    with pytest.raises(tw.UnsupportedError, match="width is 2; u8 weights are not in planes"):
        plain.truncate(2)


def test_quantisers_refuse_what_they_cannot_make():
    w = np.ones((8, 32), np.float32)
    for planes in (0, 9):
        with pytest.raises(tw.UnsupportedError, match=f"planes is {planes}; .*nearest is [18]"):
            tw.quantize_residual(w, planes, layout="nk")
    with pytest.raises(tw.UnsupportedError, match="layout is 'mn'"):
        tw.quantize_residual(w, layout="mn")
    with pytest.raises(tw.ShapeError, match="expects two dimensions"):
        tw.quantize_residual(w[0], layout="nk")
    with pytest.raises(tw.ArgumentError, match=r"w\[3, 5\] is inf"):
        tw.quantize_residual(np.where(np.arange(256).reshape(8, 32) == 101, np.inf, w), layout="nk")
    with pytest.raises(tw.ArgumentError, match="too large for float16; use bfloat16"):
        tw.quantize_residual(1e6 * w, layout="nk")
    with pytest.raises(tw.UnsupportedError, match="scale_dtype is float8_e8m0fnu"):
        tw.quantize_residual(w, layout="nk", scale_dtype="e8m0")
    with pytest.raises(tw.UnsupportedError, match="format is 'stack'; quantize_residual"):
        tw.quantize(w, "stack", layout="nk")
    with pytest.raises(tw.UnsupportedError, match=r"format is 'nested9'; did you mean .*nested8"):
        tw.quantize(w, "nested9", layout="nk")
    with pytest.raises(tw.UnsupportedError, match="zero_point is True; nested8 has none"):
        tw.quantize(w, "nested8", layout="nk", zero_point=True)
    with pytest.raises(tw.UnsupportedError, match="zero_rule 'subtract', supported: 'float'"):
        tw.quantize(w, "nested8", layout="nk", zero_point="float")
    qw = tw.quantize(w, "nested8", layout="nk")
    with pytest.raises(tw.UnsupportedError, match="widths is 8; supported: 1 to 7"):
        tw.fit_widths(qw, w, (8,))
    with pytest.raises(tw.ShapeError, match=r"w has shape \(32, 8\); expects \(8, 32\)"):
        tw.fit_widths(qw, w.T)
    with pytest.raises(tw.UnsupportedError, match="weights are u4; supported: nested1"):
        tw.fit_widths(tw.quantize(w, "u4", layout="nk"), w)


def test_numbers_beyond_the_type_of_scales_are_refused_when_packing():
    codes = np.zeros((8, 16), np.int16)
    codes[1, 2] = 256
    with pytest.raises(tw.ArgumentError, match="reach from 0 to 256; nested8 holds 0 to 255"):
        tw.QuantizedTensor.from_codes(
            codes, np.ones((8, 1), ml_dtypes.bfloat16), None, format="nested8", layout="nk",
            group_size=16,
        )  # fmt: skip
