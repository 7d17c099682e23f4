"""quantize: scales, zero points and codes against a reference written weight by weight."""

import math
import re

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tilewright.scale_formats import SCALE_FORMATS

FORMATS = [f"{kind}{bits}" for kind in "ui" for bits in range(1, 9)]
SCALE_DTYPES = [np.float16, ml_dtypes.bfloat16]


def code_range(name):
    bits = int(name[1:])
    return (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def groups_of(row, size):
    return [row[i : i + size] for i in range(0, len(row), size)]


def nearest_code(weight, scale, zero, name):
    """The code whose value is nearest, by trying all of them; ties may go either way."""
    low, high = code_range(name)
    errors = {code: abs((code - zero) * scale - weight) for code in range(low, high + 1)}
    return min(errors.values()), errors


def weights(seed, n, k, sign="both"):
    w = np.random.default_rng(seed).standard_normal((n, k)).astype(np.float32)
    return np.abs(w) if sign == "positive" else w


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("scale_dtype", SCALE_DTYPES)
def test_every_code_is_the_best_for_the_stored_scale(name, zero_point, scale_dtype):
    w = weights(7, 3, 80)
    q = tw.quantize(
        w, name, group_size=32, zero_point=zero_point, layout="nk", scale_dtype=scale_dtype
    )
    scales = q.scales().astype(np.float64)
    zeros = q.zeros() if zero_point else np.zeros_like(scales)
    values = q.dequantize()
    for n in range(3):
        for g, group in enumerate(groups_of(w[n], 32)):
            for i, weight in enumerate(group):
                best, _ = nearest_code(float(weight), scales[n, g], zeros[n, g], name)
                error = abs(float(values[n, 32 * g + i]) - float(weight))
                # float32 division may pick the other side of a tie.
                assert error <= best + 1e-6 * abs(weight), (n, g, i)


@pytest.mark.parametrize("name", FORMATS)
def test_scale_is_the_smallest_that_holds_the_group(name):
    w = weights(11, 4, 64)
    q = tw.quantize(w, name, group_size=32, zero_point=False, layout="nk", scale_dtype="f16")
    low, high = code_range(name)
    scales = q.scales()
    for n in range(4):
        for g, group in enumerate(groups_of(w[n].astype(np.float64), 32)):
            needed = max(group.max() / high if high else 0, group.min() / low if low else 0, 0)
            assert float(scales[n, g]) >= needed
            assert float(np.nextafter(scales[n, g], np.float16(0))) < needed


@pytest.mark.parametrize("name", FORMATS)
def test_zero_points_are_codes_and_zero_is_exact(name):
    w = weights(13, 4, 64) + 0.5
    w[:, 5] = 0
    q = tw.quantize(w, name, group_size=32, zero_point=True, layout="nk")
    low, high = code_range(name)
    assert q.zeros().min() >= low
    assert q.zeros().max() <= high
    assert (q.dequantize()[:, 5] == 0).all()


@settings(max_examples=60, deadline=None)
@given(
    w=hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 150)),
        elements=st.floats(-100, 100, width=32),
    ),
    name=st.sampled_from([name for name in FORMATS if name != "i1"]),
    group=st.sampled_from([32, 64, 128, "channel"]),
    scale_dtype=st.sampled_from(SCALE_DTYPES),
    zero_point=st.booleans(),
)
def test_error_is_at_most_half_a_step(w, name, group, scale_dtype, zero_point):
    if name[0] == "u" and not zero_point:
        w = np.abs(w)
    q = tw.quantize(
        w, name, group_size=group, zero_point=zero_point, layout="nk", scale_dtype=scale_dtype
    )
    size = w.shape[1] if group == "channel" else group
    steps = np.repeat(q.scales().astype(np.float64), size, axis=1)[:, : w.shape[1]]
    error = np.abs(q.dequantize().astype(np.float64) - w)
    assert (error <= steps / 2 * (1 + 1e-5)).all()


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(0, 70),
    k=st.integers(0, 300),
    name=st.sampled_from(FORMATS),
    group=st.sampled_from([32, 64, 128, "channel"]),
    layout=st.sampled_from(["nk", "kn"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_packing_gives_every_code_scale_and_zero_back(n, k, name, group, layout, seed):
    rng = np.random.default_rng(seed)
    low, high = code_range(name)
    groups = math.ceil(k / (k if group == "channel" else group)) if k else 0
    codes = rng.integers(low, high + 1, (n, k)).astype(np.int16)
    zeros = rng.integers(low, high + 1, (n, groups)).astype(np.int16)
    scales = rng.standard_normal((n, groups)).astype(np.float16)
    q = tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=name, layout=layout, group_size=group
    )
    np.testing.assert_array_equal(q.codes(), codes)
    np.testing.assert_array_equal(q.scales(), scales)
    np.testing.assert_array_equal(q.zeros(), zeros)
    assert q.shape == ((n, k) if layout == "nk" else (k, n))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("scale_dtype", SCALE_DTYPES)
def test_every_code_with_every_zero_point_dequantises_exactly(name, scale_dtype):
    low, high = code_range(name)
    every = np.arange(low, high + 1, dtype=np.int16)
    codes = np.tile(every, (len(every), 1))
    zeros = every[:, None]
    scales = np.linspace(0.001, 3, len(every)).astype(scale_dtype)[:, None]
    q = tw.QuantizedTensor.from_codes(
        codes, scales, zeros, format=name, layout="nk", group_size="channel"
    )
    values = q.dequantize().tolist()
    for n, zero in enumerate(every.tolist()):
        for i, code in enumerate(every.tolist()):
            assert values[n][i] == (code - zero) * float(scales[n, 0])


def test_layouts_are_transposes_of_each_other():
    w = weights(3, 40, 96)
    nk = tw.quantize(w, "u4", group_size=32, layout="nk")
    kn = tw.quantize(w.T, "u4", group_size=32, layout="kn")
    assert nk.shape == (40, 96)
    assert kn.shape == (96, 40)
    np.testing.assert_array_equal(nk.dequantize(), kn.dequantize().T)


@pytest.mark.parametrize("layout", ["nk", "kn"])
def test_permuted_inputs_dequantise_in_their_own_order(layout):
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 16, (5, 40))
    order = rng.permutation(40)
    q = tw.QuantizedTensor.from_codes(
        codes,
        np.ones((5, 2), np.float16),
        None,
        format="u4",
        layout=layout,
        group_size=32,
        input_permutation=order,
    )
    values = q.dequantize() if layout == "nk" else q.dequantize().T
    for stored, place in enumerate(order):
        np.testing.assert_array_equal(values[:, place], codes[:, stored])
    np.testing.assert_array_equal(q.codes(), codes)
    assert "permuted inputs" in repr(q)


def test_unsigned_without_zero_point_clamps_negative_weights():
    w = np.float32([[-1.0, 0.5, 1.5]])
    q = tw.quantize(w, "u4", layout="nk", zero_point=False)
    values = q.dequantize()
    assert values[0, 0] == 0
    assert abs(values[0, 2] - 1.5) < 0.01
    signed = tw.quantize(w, "i4", layout="nk").dequantize()
    assert abs(signed[0, 0] + 1.0) < 0.11


def test_zero_point_defaults_to_the_kind_of_format():
    w = weights(1, 2, 32)
    assert tw.quantize(w, "u4", layout="nk").has_zero_point
    assert not tw.quantize(w, "i4", layout="nk").has_zero_point


@pytest.mark.parametrize("zero_point", [False, True])
def test_group_of_zeros_has_scale_zero_and_stays_zero(zero_point):
    w = weights(5, 2, 64)
    w[1, 32:] = 0
    q = tw.quantize(w, "u4", group_size=32, zero_point=zero_point, layout="nk")
    assert q.scales()[1, 1] == 0
    assert (q.dequantize()[1, 32:] == 0).all()


def test_tiny_weights_get_the_smallest_subnormal_scale():
    w = np.full((1, 32), 1e-9, np.float32)
    q = tw.quantize(w, "i4", group_size=32, layout="nk", scale_dtype="f16")
    assert q.scales()[0, 0] == np.float16(2.0**-24)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float16, np.float16),
        (ml_dtypes.bfloat16, ml_dtypes.bfloat16),
        (np.float32, np.float16),
        (np.float64, np.float16),
    ],
)
def test_scales_take_the_dtype_of_the_weights(dtype, expected):
    assert tw.quantize(np.ones((2, 2), dtype), "u4", layout="nk").scale_dtype == expected


def test_strided_weights_are_read_as_they_are():
    w = weights(9, 20, 130)
    strided = w[::2, ::-1]
    q = tw.quantize(strided, "i8", layout="nk")
    r = tw.quantize(strided.copy(), "i8", layout="nk")
    np.testing.assert_array_equal(q.codes(), r.codes())


def test_columns_do_not_depend_on_their_neighbours():
    w = weights(2, 39, 40)
    whole = tw.quantize(w, "u3", layout="nk")
    for n in range(39):
        one = tw.quantize(w[n : n + 1], "u3", layout="nk")
        np.testing.assert_array_equal(whole.codes()[n], one.codes()[0])
        np.testing.assert_array_equal(whole.scales()[n], one.scales()[0])
        np.testing.assert_array_equal(whole.zeros()[n], one.zeros()[0])


def test_the_first_error_in_the_order_of_columns_is_reported():
    w = weights(4, 64, 40)
    w[[9, 30, 63], 5] = np.nan
    for _ in range(5):
        with pytest.raises(tw.ArgumentError, match=r"w\[9, 5\] is nan"):
            tw.quantize(w, "u3", layout="nk")


@pytest.mark.parametrize("bits", range(1, 9))
def test_size_is_bits_a_weight_and_scales(bits):
    q = tw.quantize(weights(1, 64, 256), f"i{bits}", group_size=128, layout="nk")
    assert q.nbytes == 64 * 256 * bits // 8 + 64 * 2 * 2


class TestErrors:
    """Bad input is refused where it enters, with the argument, value and what would do."""

    w = np.ones((4, 64), np.float32)

    def refuse(self, error, message, *args, **kwargs):
        with pytest.raises(error, match=message):
            tw.quantize(*args, **kwargs)

    @pytest.mark.parametrize("name", ["u0", "u9", "i16", "f16", "", "x4", "u4 "])
    def test_format(self, name):
        self.refuse(tw.UnsupportedError, f"format is '{name}'.*u1..u8", self.w, name, layout="nk")

    @pytest.mark.parametrize(
        ("size", "nearest"),
        [
            (0, None),
            (-32, None),
            (100, "96"),
            (7, "16"),
            (64.0, None),
            ("row", None),
            (None, None),
            (True, None),
            ((128, 12), r"\(128, 16\)"),
            ((100, 64), r"\(96, 64\)"),
            ((128, 0), None),
            ((128, 8, 8), None),
            (["channel"], None),
        ],
    )
    def test_group_size(self, size, nearest):
        shown = re.escape(repr(size))
        near = f"; the nearest is {nearest}$" if nearest else "'tensor'$"
        self.refuse(
            tw.UnsupportedError,
            f"group_size is {shown}; supported: a multiple of 16, .*'channel', .*{near}",
            self.w,
            "u4",
            group_size=size,
            layout="nk",
        )

    def test_layout(self):
        self.refuse(tw.UnsupportedError, "layout is 'mn'", self.w, "u4", layout="mn")
        with pytest.raises(TypeError, match="layout"):
            tw.quantize(self.w, "u4")

    @pytest.mark.parametrize("shape", [(), (4,), (1, 1, 2, 3)])
    def test_shape(self, shape):
        self.refuse(tw.ShapeError, "two dimensions", np.ones(shape, np.float32), "u4", layout="nk")

    @pytest.mark.parametrize("dtype", [np.int32, np.complex64, np.bool_])
    def test_dtype(self, dtype):
        self.refuse(tw.UnsupportedError, "dtype of w is", np.ones((2, 2), dtype), "u4", layout="nk")

    @pytest.mark.parametrize("dtype", [np.float64, np.int8, "float8", "q", "e5m2"])
    def test_scale_dtype(self, dtype):
        self.refuse(
            tw.UnsupportedError,
            "scale_dtype is .*float16, bfloat16, float32, e8m0, e4m3, ue5m3",
            self.w,
            "u4",
            layout="nk",
            scale_dtype=dtype,
        )

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize(("layout", "index"), [("nk", "2, 63"), ("kn", "2, 63")])
    def test_not_finite(self, value, layout, index):
        w = self.w.copy()
        w[2, 63] = value
        self.refuse(tw.ArgumentError, rf"w\[{index}\] is {value}", w, "u4", layout=layout)

    def test_scale_too_large(self):
        w = self.w * 1e9
        self.refuse(tw.ArgumentError, "too large for float16; use bfloat16", w, "u4", layout="nk")
        tw.quantize(w, "u4", layout="nk", scale_dtype="bf16")

    def test_object_array(self):
        self.refuse(tw.UnsupportedError, "w is a list", [[object()]], "u4", layout="nk")

    def test_codes_out_of_range(self):
        scales = np.ones((1, 1), np.float16)
        with pytest.raises(tw.ArgumentError, match="codes reach from 0 to 16; u4 holds 0 to 15"):
            tw.QuantizedTensor.from_codes(
                np.array([[0, 16]]), scales, None, format="u4", layout="nk", group_size=32
            )

    @pytest.mark.parametrize("order", [[0, 0, 1], [0, 1, 3], [1, 2, 3], [-1, 0, 1]])
    def test_input_permutation(self, order):
        with pytest.raises(tw.ArgumentError, match=r"does not hold each of 0\.\.2 once"):
            tw.QuantizedTensor.from_codes(
                np.zeros((1, 3), int),
                np.ones((1, 1), np.float16),
                None,
                format="u4",
                layout="nk",
                group_size=32,
                input_permutation=np.array(order),
            )

    def test_scales_of_another_shape(self):
        with pytest.raises(tw.ShapeError, match=r"scales have shape \(1, 2\); expects \(1, 1\)"):
            tw.QuantizedTensor.from_codes(
                np.zeros((1, 2), int),
                np.ones((1, 2), np.float16),
                None,
                format="u4",
                layout="nk",
                group_size=32,
            )


@settings(max_examples=400, deadline=None)
@given(value=st.floats(0, 1e6), name=st.sampled_from(sorted(SCALE_FORMATS)))
def test_round_up_is_the_next_number_not_below(value, name):
    format = SCALE_FORMATS[name]
    (up,) = format.round_up(np.array([value]))
    if value > format.largest:
        assert not np.isfinite(float(up))
        return
    assert float(up) >= value
    assert float(up) == float(format.from_bits(format.to_bits([up]))[0])
    if up > 0 and (bits := format.to_bits([up])[0]) > 0:
        below = format.from_bits(np.array([bits - 1], format.bits_dtype))[0]
        assert float(below) < value
