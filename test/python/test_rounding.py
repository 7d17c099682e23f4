"""What the runtime makes of weights is what the formulas in NumPy make of them, bit for bit."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from covering import covering_array
from rounding_reference import RATIOS, Rounding
from tilewright import quantization
from tilewright._extension import native
from tilewright.formats import FLOATS
from tilewright.granularity import Granularity
from tilewright.scale_formats import SCALE_FORMATS

INTEGERS = [f"{kind}{bits}" for kind in "ui" for bits in range(1, 9)]
OTHERS = [
    "f8e4m3", "e5m2", "f7e5m1", "f7e4m2", "f7e3m3", "f7e2m4", "f6e3m2", "f6e2m3", "f6e4m1",
    "f5e3m1", "f5e2m2", "f5e1m3", "f4e2m1", "f4e1m2", "f3e1m1", "lut2", "lut3", "lut4", "nf4",
    "ternary", "nested1", "nested3", "nested8", "nested8.5",
]  # fmt: skip
OPTIONS = {
    "format": INTEGERS + OTHERS,
    "scale": list(SCALE_FORMATS),
    "rule": ["none", "integer", "subtract", "add"],
    "group": [16, 48, 128, 256, "channel", (32, 8), (64, 24), "tensor"],
    "search": [None, "mse"],
    "layout": ["nk", "kn"],
    "w": ["f16", "bf16", "f32", "f64"],
    "nk": [(33, 200), (16, 512), (40, 47), (1, 300), (7, 16)],
    "tensor_scale": [False, True],
    "values": ["normal", "small integers", "many sizes", "constant", "zeros"],
}
CASES = covering_array(OPTIONS, seed=12)


def draw(kind, n, k, rng):
    if kind == "normal":
        return rng.standard_normal((n, k))
    if kind == "small integers":  # ties, both zeros
        return rng.integers(-9, 10, (n, k)) / 4.0 * rng.choice([-1.0, 1.0], (n, k))
    if kind == "many sizes":
        return rng.standard_normal((n, k)) * np.exp2(rng.integers(-14, 8, (n, 1)))
    return np.full((n, k), 0.37 if kind == "constant" else 0.0)


def as_dtype(w, name):
    return w.astype(np.float64 if name == "f64" else FLOATS[name])


def reference(w, case, codebook, tensor_scale):
    target = quantization.parse_target(case["format"])
    scale = SCALE_FORMATS[case["scale"]]
    held = FLOATS[scale.name if scale.name in ("f16", "bf16") else "f16"]
    target = quantization._with_codebook(target, codebook, held)
    rounding = Rounding(
        target, Granularity.of(case["group"]), scale, case["rule"], RATIOS[case["search"]],
        case["layout"],
    )  # fmt: skip
    whole = rounding.choose_tensor_scale(w) if tensor_scale else np.float32(1)
    return target, whole, rounding.quantize(w, whole)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_codes_scales_and_zero_points_are_those_of_the_formulas(case):
    is_nested = case["format"].startswith("nested")
    has_rule = case["format"] in INTEGERS or (is_nested and case["rule"] == "add")
    case = {**case, "rule": case["rule"] if has_rule else "none"}
    rng = np.random.default_rng(CASES.index(case) if case in CASES else 1)
    n, k = case["nk"]
    w = as_dtype(draw(case["values"], n, k, rng), case["w"])
    codebook = None
    if case["format"].startswith("lut"):
        codebook = rng.standard_normal(1 << int(case["format"][3]))
    target, whole, (codes, scales, zeros) = reference(w, case, codebook, case["tensor_scale"])
    name = case["rule"]
    q = tw.quantize(
        w if case["layout"] == "nk" else w.T, case["format"], layout=case["layout"],
        group_size=case["group"], scale_dtype=case["scale"], scale_search=case["search"],
        zero_point={"none": False, "integer": True}.get(name, "float"),
        zero_rule="add" if name == "add" else "subtract",
        codebook=codebook, tensor_scale=case["tensor_scale"],
    )  # fmt: skip
    if case["tensor_scale"]:
        assert q.tensor_scale == whole
    np.testing.assert_array_equal(q.scales(), scales)
    scale_format = SCALE_FORMATS[case["scale"]]
    np.testing.assert_array_equal(scale_format.to_bits(q.scales()), scale_format.to_bits(scales))
    if zeros is None:
        assert q.zeros() is None
    else:
        np.testing.assert_array_equal(q.zeros().view(np.uint8), zeros.view(np.uint8))
    # A negative zero of a format of one exponent bit is stored as zero.
    expected = target.from_stored(target.to_stored(codes))
    np.testing.assert_array_equal(q.codes(), expected)


@pytest.mark.parametrize("name", list(SCALE_FORMATS))
def test_scales_are_rounded_up_whatever_their_size(name):
    """Every exponent, numbers of the format themselves and their neighbours in float64."""
    format = SCALE_FORMATS[name]
    sizes = np.ldexp(np.random.default_rng(1).uniform(1, 2, 400), np.arange(-160, 240) % 140 - 126)
    numbers = np.abs(np.concatenate([sizes, format.round_up(sizes).astype(np.float64)]))
    numbers = numbers[np.isfinite(numbers) & (numbers < format.largest) & (numbers > 0)]
    numbers = np.float32(
        np.concatenate([numbers, np.nextafter(np.float32(numbers), np.float32(0))])
    )
    w = np.zeros((len(numbers), 16), np.float32)
    w[:, 3] = numbers
    q = tw.quantize(w, "u1", layout="nk", group_size=16, zero_point=False, scale_dtype=name)
    np.testing.assert_array_equal(
        q.scales()[:, 0].astype(np.float64),
        format.round_up(w[:, 3].astype(np.float64)).astype(np.float64),
    )


def test_every_float16_is_read_as_what_it_is():
    bits = np.arange(1 << 16, dtype=np.uint16)
    halves = bits.view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 16)
    q = tw.quantize(halves, "u8", layout="nk", group_size=16, scale_dtype="f32")
    wide = tw.quantize(
        halves.astype(np.float32), "u8", layout="nk", group_size=16, scale_dtype="f32"
    )
    assert q.words().tobytes() == wide.words().tobytes()
    np.testing.assert_array_equal(q.scales(), wide.scales())


@pytest.mark.parametrize("layout", ["nk", "kn"])
@pytest.mark.parametrize("dtype", ["f16", "bf16", "f32", "f64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_weight_that_is_not_finite_is_named(layout, dtype, value):
    w = as_dtype(np.ones((100, 60)), dtype)
    w[40, 7] = w[40, 9] = w[90, 1] = value
    index = "40, 7" if layout == "nk" else "7, 40"
    with pytest.raises(tw.ArgumentError, match=rf"w\[{index}\] is {value}; expects finite"):
        tw.quantize(w if layout == "nk" else w.T, "u4", layout=layout, group_size=16)


def test_a_scale_that_is_too_large_is_named():
    w = np.ones((50, 64), np.float32)
    w[33, 20] = 3e38
    with pytest.raises(tw.ArgumentError, match=r"scale of group 1 of output 33 is 2e\+37, too la"):
        tw.quantize(w, "u4", layout="nk", group_size=16)
    with pytest.raises(tw.ArgumentError, match=r"group 0 of block of outputs 1 is .* tensor_scale"):
        tw.quantize(w, "u4", layout="nk", group_size=(32, 32), scale_dtype="e4m3")


def test_the_runtime_refuses_what_it_cannot_take():
    w = np.zeros((4, 16), np.float32)
    arguments = {
        "w": w, "dtype": "f32", "format": "u4", "codebook": np.float32(()), "ternary": False,
        "group": "16", "scale": "f16", "zero": "none",
    }  # fmt: skip
    assert native().largest_scale(**arguments) == (0.0, None)
    for change in (
        {"w": w[0]}, {"dtype": "f16"}, {"format": "f16"}, {"format": "lut4"}, {"group": "7"},
        {"codebook": np.float32([1.0])}, {"zero": "both"}, {"scale": "f17"},
    ):  # fmt: skip
        with pytest.raises(tw.Error):
            native().largest_scale(**{**arguments, **change})


def test_strides_are_followed():
    w = np.random.default_rng(2).standard_normal((40, 3, 96)).astype(np.float32)
    views = [w[:, 1], w[::-1, 2, ::-1], w[::2, 0, ::3], np.broadcast_to(w[3, 1], (20, 96))]
    packed = np.zeros((40, 96), np.dtype([("a", np.int8), ("b", np.float32)]))  # not aligned
    packed["b"] = w[:, 0]
    for view in [*views, packed["b"], np.broadcast_to(w[3, 1], (20, 96)).T]:
        q, copy = (tw.quantize(x, "u3", layout="nk", group_size=32) for x in (view, np.array(view)))
        assert q.words().tobytes() == copy.words().tobytes()
        np.testing.assert_array_equal(q.scales(), copy.scales())


def test_bfloat16_weights_are_as_good_as_float32():
    w = np.random.default_rng(3).standard_normal((20, 64)).astype(ml_dtypes.bfloat16)
    q = tw.quantize(w, "i4", layout="nk", group_size=32, scale_dtype="f32")
    wide = tw.quantize(w.astype(np.float32), "i4", layout="nk", group_size=32, scale_dtype="f32")
    assert q.words().tobytes() == wide.words().tobytes()
