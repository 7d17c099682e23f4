"""What imported weights have in common: unsigned codes and zero points of groups along K."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..formats import parse_weight_format
from ..granularity import group_starts
from ..quantized_tensor import QuantizedTensor

Layout = Literal["nk", "kn"]


@dataclasses.dataclass(frozen=True)
class Grouped:
    """Weights `(code - zero) * scale` with codes and zero points from 0 to 2^bits - 1.

    Attributes:
        bits: of a code.
        codes: uint8 [N, K].
        zeros: integers [N, groups].
        scales: [N, groups].
        groups: of each column of `codes`, int32 [K]; None where groups are runs.
    """

    bits: int
    codes: NDArray[np.uint8]
    zeros: NDArray
    scales: NDArray
    groups: NDArray[np.int32] | None = None

    def quantized(self, group_size: int | None, layout: Layout) -> QuantizedTensor:
        """The weights, packed; without zero points where all are 2^(bits-1).

        Such weights are those of a signed format, and cheaper to multiply by.
        """
        middle = 1 << (self.bits - 1)
        is_symmetric = bool((self.zeros == middle).all())
        order, size = self._order(group_size)
        codes = self.codes if order is None else self.codes[:, order]
        return QuantizedTensor.from_codes(
            codes.astype(np.int16) - middle if is_symmetric else codes,
            self.scales,
            None if is_symmetric else self.zeros,
            format=f"{'i' if is_symmetric else 'u'}{self.bits}",
            layout=layout,
            group_size=size,
            input_permutation=order,
        )

    def _order(self, given: int | None) -> tuple[NDArray | None, int | Literal["channel"]]:
        """The order of inputs in which groups are runs (None: as they are), and their size."""
        k, count = self.codes.shape[1], self.scales.shape[1]
        if self.groups is None:
            return None, choose_group_size(k, count, given)
        groups = check_groups(self.groups, k, count)
        size = choose_group_size(k, count, given or int(np.bincount(groups).max()))
        order = np.argsort(groups, kind="stable")
        runs = np.arange(k) // (k if size == "channel" else size)
        if not np.array_equal(groups[order], runs):
            sizes = np.unique(np.bincount(groups, minlength=count)).tolist()
            raise ArgumentError(
                f"g_idx gives groups of {', '.join(map(str, sizes))} inputs; "
                f"expects all of {size}, the last one of the rest"
            )
        return (None if np.array_equal(groups, runs) else order), size

    @classmethod
    def of(cls, weights: QuantizedTensor) -> Grouped:
        """The inverse of `quantized`: codes in the order of inputs, and explicit groups.

        Raises:
            UnsupportedError: scales or zero points that these files cannot hold.
        """
        plain = isinstance(weights.group_size, int) or weights.group_size == "channel"
        if not plain or weights.has_float_zero_point or weights.tensor_scale is not None:
            raise UnsupportedError(
                f"weights are {weights!r}; expects one scale for a column's group, integer zero "
                "points or none and no tensor scale"
            )
        integer = parse_weight_format(weights.format)
        if not integer.is_integer:
            raise UnsupportedError(
                f"weights are {weights.format}; this layout holds integers, u1..u8 or i1..i8"
            )
        stored = (weights.codes() - integer.min_code).astype(np.uint8)
        scales, zeros = weights.scales(), weights.zeros()
        if zeros is None:
            zeros = np.zeros(scales.shape, np.int16)
        groups = np.arange(weights.k, dtype=np.int32) // max(weights.group, 1)
        codes = stored
        if weights.input_permutation is not None:
            runs, groups = groups, np.empty_like(groups)
            groups[weights.input_permutation] = runs
            codes = np.empty_like(stored)
            codes[:, weights.input_permutation] = stored
        return cls(integer.bits, codes, zeros - integer.min_code, scales, groups)


def check_groups(groups: NDArray, k: int, count: int) -> NDArray:
    """`groups`, once it is known to give each of `k` inputs one of `count` groups."""
    if groups.shape != (k,):
        raise ShapeError(f"g_idx has shape {groups.shape}; expects ({k},)")
    if k and not 0 <= groups.min() <= groups.max() < count:
        raise ArgumentError(
            f"g_idx reaches from {groups.min()} to {groups.max()}; there are {count} groups"
        )
    return groups


def choose_group_size(k: int, count: int, given: int | None) -> int | Literal["channel"]:
    """Inputs that share a scale, where `k` inputs have `count` groups."""
    if count == 1:
        return "channel"
    if given is None:
        if count == 0 or k % count:
            raise ArgumentError(
                f"{k} inputs in {count} groups leave open how long a group is; give group_size"
            )
        return k // count
    if len(group_starts(k, given)) != count:
        raise ArgumentError(
            f"group_size is {given}; {k} inputs have {count} groups of scales, "
            f"expects {len(group_starts(k, given))}"
        )
    return given
