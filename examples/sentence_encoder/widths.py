"""How near each width comes to the float32 model, and whether a wider one comes nearer.

A width is judged by the cosines of its embeddings to the float32 model's, one a
sentence. Other sentences would give another mean, so each mean stands beside its noise:
the standard error, which is also how much the means of random halves of the sentences
spread. Two widths are compared sentence by sentence, whose noise is smaller than that of
either mean, since a sentence that is hard for one is hard for the other.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import tilewright as tw
from numpy.typing import NDArray

#: A wider format may be worse by this many times the noise of the comparison.
NOISE_ALLOWED = 2.0


@dataclasses.dataclass(frozen=True)
class WidthResult:
    """One width's run."""

    format: str
    embeddings: NDArray[np.float32]
    #: Of each sentence's embedding to the float32 model's.
    cosines: NDArray[np.float64]
    #: The least cosine to NumPy on the same quantised weights.
    agreement: float
    #: The largest ratio of a kernel's error to its bound.
    worst: float
    nbytes: int
    profile: tw.Profile

    @property
    def bits(self) -> int:
        """Bits of a weight."""
        return self._format.bits

    @property
    def family(self) -> str:
        """What a width is compared within: floats spend bits on range, integers do not."""
        return "floats" if self._format.is_float else "integers"

    def is_finer_than(self, other: WidthResult) -> bool:
        """Whether every weight should come nearer: of floats, more mantissa and no less range."""
        mine, theirs = self._format, other._format
        if self.family != other.family or mine.exponent_bits < theirs.exponent_bits:
            return False
        return mine.bits - mine.exponent_bits > theirs.bits - theirs.exponent_bits

    @property
    def _format(self) -> tw.formats.WeightFormat:
        return tw.formats.parse_weight_format(self.format)

    @property
    def noise(self) -> float:
        """Of the mean cosine."""
        return standard_error(self.cosines)


@dataclasses.dataclass(frozen=True)
class Step:
    """From one width to the next wider one of its family."""

    narrow: str
    wide: str
    #: The mean of what a sentence's cosine gains.
    gain: float
    noise: float

    @property
    def is_monotone(self) -> bool:
        """Whether the wider format is no worse, but for noise."""
        return self.gain >= -NOISE_ALLOWED * self.noise

    @property
    def clearness(self) -> float:
        """The gain as a multiple of its noise."""
        return self.gain / self.noise if self.noise > 0 else np.copysign(np.inf, self.gain)


def standard_error(values: NDArray) -> float:
    """Of the mean of `values`; 0 for one value, which says nothing of its noise."""
    if len(values) < 2:
        return 0.0
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def families(results: list[WidthResult]) -> dict[str, list[WidthResult]]:
    """The results by family, narrow ones first."""
    ordered = sorted(results, key=lambda r: (r.family, r.bits))
    return {name: list(group) for name, group in itertools.groupby(ordered, lambda r: r.family)}


def steps(results: list[WidthResult]) -> list[Step]:
    """Neighbours of each family, where the wider one is the finer one."""
    found = []
    for group in families(results).values():
        for narrow, wide in itertools.pairwise(group):
            if wide.is_finer_than(narrow):
                gains = wide.cosines - narrow.cosines
                error = standard_error(gains)
                found.append(Step(narrow.format, wide.format, float(gains.mean()), error))
    return found


def check_order(results: list[WidthResult]) -> list[Step]:
    """The steps; raises if a wider format is worse by more than noise."""
    found = steps(results)
    for step in found:
        if not step.is_monotone:
            raise AssertionError(
                f"{step.wide} is {-step.gain:.2g} farther from float32 than {step.narrow}, "
                f"expects at most {NOISE_ALLOWED:g} times the noise of {step.noise:.2g}"
            )
    return found
