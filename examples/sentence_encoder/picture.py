"""Draws which thread holds which weight of a packed fragment.

Nothing about the layout is written down here: matrices whose codes spell out their own
position are packed, and where each bit of a position turns up says who holds it. So the
picture shows what the packer does.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import tilewright as tw
from numpy.typing import NDArray

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

# A block is what is packed at a time; a fragment is what a warp feeds two mma with.
BLOCK_K, BLOCK_N = 128, 32
FRAGMENT_K, FRAGMENT_N = 64, 16
LANES = 32
# The lane whose weights are followed into its words.
SHOWN_LANE = 13


def trace_bits(format: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the bits of a block's codes lie: (weight, code bit) by [word, bit].

    A weight's number is n * 128 + k; a word's bit 0 is its lowest.
    """
    bits = int(format[1:])
    numbers = np.arange(BLOCK_N * BLOCK_K).reshape(BLOCK_N, BLOCK_K)
    every = (1 << bits) - 1

    def packed_bits(codes: NDArray) -> NDArray[np.int64]:
        scales = np.ones((BLOCK_N, 1), np.float16)
        weights = tw.QuantizedTensor.from_codes(
            codes, scales, None, format=format, layout="nk", group_size=BLOCK_K
        )
        return (weights.words()[:, None] >> np.arange(32, dtype=np.uint32)) & 1

    weight = sum(
        packed_bits(((numbers >> i) & 1) * every).astype(np.int64) << i
        for i in range(int(numbers.max()).bit_length())
    )
    code_bit = sum(
        packed_bits(np.full_like(numbers, 1 << i)).astype(np.int64) * i for i in range(bits)
    )
    return weight, code_bit


def draw_fragment(format: str, path: Path) -> list[Path]:
    """Writes `path`.svg and `path`.png; returns both."""
    weight, code_bit = trace_bits(format)
    bits = int(format[1:])
    # 16 bytes a lane: four words of lane 0, four of lane 1, ...
    lane_of_word = np.arange(len(weight)) % (4 * LANES) // 4
    lane = np.empty(BLOCK_N * BLOCK_K, np.int64)
    lane[weight] = lane_of_word[:, None]
    lanes = lane.reshape(BLOCK_N, BLOCK_K)[:FRAGMENT_N, :FRAGMENT_K]

    figure, (grid, words) = plt.subplots(
        2, 1, figsize=(16, 4.6 + 0.42 * bits), height_ratios=[4.2, 0.42 * bits + 0.4]
    )
    _draw_grid(grid, lanes, format)
    _draw_words(words, weight[lane_of_word == SHOWN_LANE][:bits], code_bit, lane_of_word, bits)
    figure.tight_layout()
    files = [path.with_suffix(".svg"), path.with_suffix(".png")]
    for file in files:
        figure.savefig(file, dpi=110, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)
    return files


def _colour(lane: int) -> tuple[float, float, float]:
    """Hue by the lane's group of four, lightness within it."""
    hue = (lane // 4) / 8
    saturation = 0.25 + 0.13 * (lane % 4)
    return tuple(matplotlib.colors.hsv_to_rgb((hue, saturation, 0.97)))


def _cell(
    axes: Axes, x: float, y: float, text: str, colour: object, width: float = 1, size: float = 6.5
) -> None:
    axes.add_patch(Rectangle((x, y), width, 1, facecolor=colour, edgecolor="white", linewidth=0.6))
    axes.text(x + width / 2, y + 0.53, text, ha="center", va="center", fontsize=size)


def _outline(axes: Axes, x: float, y: float) -> None:
    style = {"fill": False, "edgecolor": "black", "linewidth": 1.4, "zorder": 3}
    axes.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, **style))


def _draw_grid(axes: Axes, lanes: NDArray[np.int64], format: str) -> None:
    for n in range(FRAGMENT_N):
        for k in range(FRAGMENT_K):
            lane = int(lanes[n, k])
            _cell(axes, k, n, str(lane), _colour(lane))
            if lane == SHOWN_LANE:
                _outline(axes, k, n)
    for edge in range(16, FRAGMENT_K, 16):
        axes.axvline(edge, color="black", linewidth=1)
    axes.axhline(8, color="black", linewidth=1)
    axes.set_title(
        f"Which of a warp's 32 threads holds each weight: a fragment of {FRAGMENT_K} (K) x "
        f"{FRAGMENT_N} (N), {format}. A black rectangle is one B operand of mma.m16n8k16; "
        f"thread {SHOWN_LANE} is outlined.",
        fontsize=10,
        loc="left",
    )
    axes.set_xlabel("k: input")
    axes.set_ylabel("n: output")
    _frame(axes, FRAGMENT_K, FRAGMENT_N, range(0, FRAGMENT_K, 4), range(0, FRAGMENT_N, 4))


def _draw_words(
    axes: Axes,
    weight: NDArray[np.int64],
    code_bit: NDArray[np.int64],
    lane_of_word: NDArray[np.int64],
    bits: int,
) -> None:
    shown = code_bit[lane_of_word == SHOWN_LANE][:bits]
    palette = matplotlib.colormaps["tab20"]
    order = {int(number): i for i, number in enumerate(sorted(set(weight.ravel().tolist())))}
    for word in range(bits):
        for bit in range(32):
            number = int(weight[word, bit])
            n, k = divmod(number, BLOCK_K)
            colour = (*palette(order[number] % 20)[:3], 0.55)
            text = f"{k},{n}\nbit {int(shown[word, bit])}"
            # The highest bit is on the left, as numbers are written.
            _cell(axes, 2 * (31 - bit), word, text, colour, width=2, size=5.2)
    axes.axvline(32, color="black", linewidth=1)
    axes.set_title(
        f"The {bits} words that thread {SHOWN_LANE} loads for it: the weight (k,n) and the bit of "
        "its code at each bit. The two halves unpack into the two halves of an mma register.",
        fontsize=10,
        loc="left",
    )
    axes.set_ylabel("word")
    _frame(axes, 64, bits, [], range(bits))
    axes.set_xticks([2 * (31 - bit) + 1 for bit in range(0, 32, 4)], map(str, range(0, 32, 4)))
    axes.set_xlabel("bit of the word")


def _frame(axes: Axes, width: int, height: int, xticks: object, yticks: object) -> None:
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_xticks([x + 0.5 for x in xticks], [str(x) for x in xticks])
    axes.set_yticks([y + 0.5 for y in yticks], [str(y) for y in yticks])
    axes.tick_params(length=0, labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)
