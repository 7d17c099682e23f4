"""Which scales and zero points quantize chooses, and what from_codes refuses."""

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright.scale_formats import SCALE_FORMATS


class TestQuantize:
    """What quantize chooses."""

    w = np.random.default_rng(2).standard_normal((48, 200)).astype(np.float32)

    @pytest.mark.parametrize("group", [16, 48, "tensor", (128, 16), (32, 8)])
    @pytest.mark.parametrize("scale", list(SCALE_FORMATS))
    @pytest.mark.parametrize("zero", [False, True, "float"])
    def test_error_is_half_a_step(self, group, scale, zero):
        q = tw.quantize(
            self.w, "i4", layout="nk", group_size=group, scale_dtype=scale, zero_point=zero
        )
        steps = q.spread(q.scales().astype(np.float64))
        slack = 1e-5
        if zero == "float":  # a zero point is a code and its rounding
            slack += 16 * float(ml_dtypes.finfo(q.zeros().dtype).eps)
        error = np.abs(q.dequantize(np.float64) - self.w)
        assert (error <= steps * (0.5 + slack)).all()

    def test_offset_reaches_groups_far_from_zero(self):
        w = 1000 + self.w
        q = tw.quantize(w, "u8", layout="nk", zero_point="float", zero_rule="add",
                        scale_dtype="f32")  # fmt: skip
        steps = q.spread(q.scales().astype(np.float64))
        assert (np.abs(q.dequantize(np.float64) - w) <= 0.51 * steps).all()
        assert steps.max() < 0.1

    @pytest.mark.parametrize("scale", ["e4m3", "ue5m3"])
    def test_tensor_scale_uses_the_whole_range(self, scale):
        w = self.w * 1e-6
        q = tw.quantize(w, "i4", layout="nk", group_size=16, scale_dtype=scale, tensor_scale=True)
        assert float(q.scales().astype(np.float64).max()) == SCALE_FORMATS[scale].largest
        steps = q.spread(q.scales().astype(np.float64)) * q.tensor_scale
        assert (np.abs(q.dequantize(np.float64) - w) <= 0.51 * steps).all()

    def test_a_block_has_the_scale_of_its_largest_weight(self):
        q = tw.quantize(self.w, "i8", layout="nk", group_size=(128, 16), scale_dtype="f32")
        assert q.scales().shape == (3, 2)
        for i, j in np.ndindex(3, 2):
            block = self.w[16 * i : 16 * (i + 1), 128 * j : 128 * (j + 1)].astype(np.float64)
            needed = max(block.max() / 127, block.min() / -128)
            assert needed <= q.scales()[i, j] <= needed * (1 + 2**-23)


class TestErrors:
    """Bad arguments of from_codes are refused with what would do."""

    def refuse(self, error, match, **changes):
        arguments = {
            "codes": np.zeros((16, 64), int), "scales": np.ones((16, 2), np.float16),
            "zeros": None, "format": "u4", "layout": "nk", "group_size": 32,
        }  # fmt: skip
        with pytest.raises(error, match=match):
            tw.QuantizedTensor.from_codes(**{**arguments, **changes})

    def test_scales(self):
        self.refuse(tw.UnsupportedError, "dtype of scales is float64; supported: float16",
                    scales=np.ones((16, 2)))  # fmt: skip
        self.refuse(tw.ShapeError, r"scales have shape \(16, 2\); expects \(1, 1\)",
                    group_size="tensor")  # fmt: skip
        self.refuse(tw.ShapeError, r"expects \(2, 2\)", group_size=(32, 8))
        self.refuse(tw.ArgumentError, r"scales\[0, 0\] is 1.5, no number of e8m0",
                    scales=np.full((16, 2), 1.5, np.float32), scale_dtype="e8m0")  # fmt: skip
        self.refuse(tw.ArgumentError, "scale -1.0 is no number of ue5m3",
                    scales=-np.ones((16, 2), np.float32), scale_dtype="ue5m3")  # fmt: skip
        self.refuse(tw.UnsupportedError, "scale_dtype is e3m4; supported: .*ue5m3",
                    scale_dtype="e3m4")  # fmt: skip

    def test_zeros(self):
        self.refuse(tw.ArgumentError, "zeros reach from 16 to 16; u4 holds 0 to 15",
                    zeros=np.full((16, 2), 16))  # fmt: skip
        self.refuse(tw.ShapeError, r"zeros have shape \(2, 16\); expects \(16, 2\)",
                    zeros=np.zeros((2, 16), int))  # fmt: skip
        self.refuse(tw.UnsupportedError, "dtype of zeros is float64; supported: float16",
                    zeros=np.zeros((16, 2)))  # fmt: skip
        self.refuse(tw.UnsupportedError, "zero_rule is 'add' with integer zeros",
                    zeros=np.zeros((16, 2), int), zero_rule="add")  # fmt: skip
        self.refuse(tw.UnsupportedError, "zero_rule is 'plus'; supported: 'subtract', 'add'",
                    zero_rule="plus")  # fmt: skip

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
    def test_tensor_scale(self, value):
        self.refuse(tw.ArgumentError, "tensor_scale is .*; expects a finite float32",
                    tensor_scale=value)  # fmt: skip

    def test_scale_too_large_for_the_format(self):
        with pytest.raises(tw.ArgumentError, match="too large for e4m3; use tensor_scale=True"):
            tw.quantize(np.full((8, 16), 1e5, np.float32), "i4", layout="nk", group_size=16,
                        scale_dtype="e4m3")  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"zero_point": "int"}, "zero_point is 'int'; supported: True"),
            ({"zero_point": 1}, "zero_point is 1; supported: True"),
            ({"zero_rule": "plus"}, "zero_rule is 'plus'; supported: 'subtract', 'add'"),
            (
                {"zero_point": True, "zero_rule": "add"},
                "zero_rule is 'add' with zero_point True; supported: zero_point='float'",
            ),
        ],
    )
    def test_zero_points_of_quantize(self, arguments, message):
        with pytest.raises(tw.UnsupportedError, match=message):
            tw.quantize(np.ones((2, 2), np.float32), "u4", layout="nk", **arguments)
