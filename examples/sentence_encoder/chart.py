"""Draws how far each width is from float32, with the noise of each mean."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from widths import NOISE_ALLOWED, WidthResult, families

# Marker, colour, and where names stand: beside the lines, away from the other family.
_STYLES = {
    "integers": ("o", "#1f6fb4", (-7, -12), "right"),
    "floats": ("s", "#c8501e", (7, 4), "left"),
}


def draw_widths(results: list[WidthResult], path: Path) -> list[Path]:
    """Writes `path`.svg and `path`.png; returns both."""
    # Text stays text and ids stay the same, so that a drawing differs where its data does.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "widths"}):
        figure, axes = plt.subplots(figsize=(8, 4.8))
        for name, group in families(results).items():
            _draw_family(axes, name, group)
        _draw_law(axes, results)
        axes.set_yscale("log")
        axes.set_xlabel("bits of a weight")
        axes.set_ylabel("1 - cosine to the float32 embedding")
        axes.set_title(
            f"How far sentence embeddings are from float32\n"
            f"mean of {len(results[0].cosines)} sentences; bars: {NOISE_ALLOWED:g} standard errors",
            fontsize=10,
            loc="left",
        )
        axes.legend(frameon=False)
        axes.grid(True, which="major", color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.08)
        figure.tight_layout()
        files = [path.with_suffix(".svg"), path.with_suffix(".png")]
        for file in files:
            metadata = {"Date": None, "Creator": None} if file.suffix == ".svg" else None
            figure.savefig(file, dpi=110, metadata=metadata)
        plt.close(figure)
    return files


def _draw_family(axes: Axes, name: str, group: list[WidthResult]) -> None:
    marker, colour, offset, side = _STYLES[name]
    bits = [r.bits for r in group]
    loss = np.array([1 - r.cosines.mean() for r in group])
    bars = NOISE_ALLOWED * np.array([r.noise for r in group])
    # A bar that reached zero would have no place on a logarithmic axis.
    bars = [np.minimum(bars, 0.9 * loss), bars]
    style = {"marker": marker, "color": colour, "capsize": 3, "linewidth": 1.2}
    axes.errorbar(bits, loss, bars, label=name, **style)
    for place, value, result in zip(bits, loss, group, strict=True):
        axes.annotate(
            result.format,
            (place, value),
            xytext=offset,
            textcoords="offset points",
            ha=side,
            fontsize=9,
            color=colour,
        )


def _draw_law(axes: Axes, results: list[WidthResult]) -> None:
    """A quarter for each bit, through the widest integer: a bit halves the rounding error."""
    integers = families(results).get("integers")
    if not integers:
        return
    widest = integers[-1]
    bits = np.array([integers[0].bits, widest.bits])
    loss = (1 - widest.cosines.mean()) * 4.0 ** (widest.bits - bits)
    axes.plot(bits, loss, "--", color="#888888", linewidth=1, label="a quarter for each bit")
