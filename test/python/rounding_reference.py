"""What `tw.quantize` computes, in NumPy: the formulas, one array operation each.

runtime/Quantize is compared with it bit for bit. Sums of squared errors are NumPy's own
`add.reduceat`, whose order of additions the runtime follows.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tilewright.formats import FLOATS
from tilewright.granularity import Granularity
from tilewright.scale_formats import SCALE_FORMATS, ScaleFormat

#: Parts of a group's range that scales are tried for, the whole first.
RATIOS = {None: (1.0,), "mse": tuple(1 - i / 32 for i in range(24))}


@dataclasses.dataclass(frozen=True)
class Rounding:
    """How weights [N, K] are rounded: to which numbers, with which scales.

    `ratios` are the parts of a group's range that scales are tried for.
    """

    target: Any
    granularity: Granularity
    scale: ScaleFormat
    rule: str
    ratios: tuple[float, ...]
    layout: str

    @property
    def zero_dtype(self) -> np.dtype:
        if self.rule in ("none", "integer"):
            return np.dtype(np.int16)
        return FLOATS.get(self.scale.name, FLOATS["f16"])

    def quantize(
        self, weights: NDArray, tensor_scale: np.float32
    ) -> tuple[NDArray[np.int16], NDArray, NDArray | None]:
        """Codes [N, K], scales and zero points [groups along N, along K] of weights [N, K]."""
        codes, scales, zeros = self.round_block(self.read(weights, tensor_scale))
        return codes, scales, None if self.rule == "none" else zeros

    def round_block(self, w: NDArray[np.float32]) -> tuple[NDArray[np.int16], NDArray, NDArray]:
        """Codes, scales and zero points of whole groups, the least error of all ratios."""
        low, high = self.ranges(w)
        # Ranges shrink towards 0, or to their middle where they need not hold it.
        middle = (low + high) / 2 if self.rule == "add" else np.zeros_like(low)
        best = None
        for ratio in map(np.float32, self.ratios):
            least, most = (middle + (end - middle) * ratio for end in (low, high))
            scales = self.choose_scales(least, most)
            zeros = self.choose_zeros(least, scales.astype(np.float64))
            codes = self.choose_codes(w, scales.astype(np.float64), zeros)
            if len(self.ratios) == 1:
                return codes, scales, zeros
            error = self.sum(np.square(self.numbers(codes, zeros, scales) - w))
            if best is None:
                best = codes, scales, zeros, error
                continue
            better = error < best[3]
            each = self.granularity.spread(better, *w.shape)
            best = (
                np.where(each, codes, best[0]),
                np.where(better, scales, best[1]),
                np.where(better, zeros, best[2]),
                np.minimum(error, best[3]),
            )
        assert best is not None
        return best[:3]

    def numbers(self, codes: NDArray, zeros: NDArray, scales: NDArray) -> NDArray[np.float32]:
        """What codes, zero points and scales stand for."""
        shape = codes.shape
        scale, zero = (
            self.granularity.spread(a.astype(np.float32), *shape) for a in (scales, zeros)
        )
        numbers = self.target.numbers[codes - self.target.min_code]
        return numbers * scale + zero if self.rule == "add" else (numbers - zero) * scale

    def sum(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The sums of groups."""
        sums = np.add.reduceat(values, self.granularity.row_starts(values.shape[1]), axis=1)
        if self.granularity.columns == 1:
            return sums
        return np.add.reduceat(sums, self.granularity.column_starts(len(values)))

    def choose_tensor_scale(self, weights: NDArray) -> np.float32:
        """The number in units of which the largest scale is that of a narrow format, or 1."""
        needed = self.needed(*self.ranges(self.read(weights, np.float32(1))))
        limit = self.scale.largest if self.scale.name in ("e4m3", "ue5m3") else 1
        largest = float(needed.max(initial=0))
        scale = SCALE_FORMATS["f32"].round_up(np.array([largest / limit]))[0]
        return scale if scale > 0 else np.float32(1)

    def read(self, weights: NDArray, tensor_scale: np.float32) -> NDArray[np.float32]:
        w = np.ascontiguousarray(weights, np.float32)
        return w if tensor_scale == 1 else w / tensor_scale

    def ranges(self, w: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        """The smallest and the largest weight of each group. All ranges hold 0 but those of
        the rule "add", whose zero point is not a step of the scale away from 0."""
        columns = self.granularity.column_starts(len(w))
        rows = self.granularity.row_starts(w.shape[1])
        low, high = np.minimum.reduceat(w, rows, axis=1), np.maximum.reduceat(w, rows, axis=1)
        if self.granularity.columns != 1:
            low, high = np.minimum.reduceat(low, columns), np.maximum.reduceat(high, columns)
        if self.rule != "add":
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        return low, high

    def needed(self, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        """The smallest scales with which groups within [low, high] fit.

        With a zero point the codes cover high - low. Without one the positive numbers must
        reach high and the negative ones low; a side without numbers is left out (clamped).
        """
        target = self.target
        if self.rule != "none":
            # In float64: the difference of two float32 may overflow.
            return (high.astype(np.float64) - low) / (target.max_number - target.min_number)
        needed = np.zeros(low.shape, np.float64)
        if target.max_number > 0:
            needed = np.maximum(needed, high.astype(np.float64) / target.max_number)
        if target.min_number < 0:
            needed = np.maximum(needed, low.astype(np.float64) / target.min_number)
        return needed + 0.0  # of two zeros `maximum` may take the negative one

    def choose_scales(self, low: NDArray, high: NDArray) -> NDArray:
        """The smallest scales of the stored format that are large enough."""
        return self.scale.round_up(self.needed(low, high))

    def choose_zeros(self, low: NDArray, scale: NDArray[np.float64]) -> NDArray:
        """Zero points that put the smallest weight on the smallest code."""
        least = int(self.target.min_number)
        if self.rule == "none":
            return np.zeros(low.shape, self.zero_dtype)
        if self.rule == "add":
            with np.errstate(over="ignore"):
                return (low - least * scale).astype(self.zero_dtype)
        exact = least - low / np.where(scale == 0, 1, scale)
        if self.rule == "subtract":
            return exact.astype(self.zero_dtype)
        return self.target.nearest(np.rint(exact))

    def choose_codes(
        self, w: NDArray[np.float32], scale: NDArray[np.float64], zeros: NDArray
    ) -> NDArray[np.int16]:
        """The nearest codes for the stored scales and zero points."""
        spread = lambda numbers: self.granularity.spread(numbers, *w.shape)  # noqa: E731
        divisor = spread(np.where(scale == 0, 1, scale).astype(np.float32))
        if self.rule == "add":
            return self.target.nearest((w - spread(zeros.astype(np.float32))) / divisor)
        steps = w / divisor
        if self.rule == "subtract":
            steps += spread(zeros.astype(np.float32))
        if self.rule == "integer":
            steps = np.rint(steps) + spread(zeros)
        return self.target.nearest(steps)
