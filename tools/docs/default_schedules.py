"""Prints the default schedules of quantised products by rows and device, as Markdown.

u4, group 128, K = N = 4096. A cell is tile_m x tile_n / warps_m x warps_n / stages, and
"split s" or "stream b" where tiles of y have several blocks. docs/quantisation.md holds the
table; test/python/facts/test_counters.py compares. Needs a build.
"""

from __future__ import annotations

import re
import sys

import numpy as np
import tilewright as tw

ROWS = (1, 16, 64, 256, 1024, 4096)
DEVICES = ("l4", "rtx4090", "a100", "h200", "rtx5090", "b200")
SIZE = 4096


def describe(schedule: str) -> str:
    """A schedule as a cell."""
    s = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", schedule)}
    text = "{tile_m}x{tile_n} / {warps_m}x{warps_n} / {stages}".format(**s)
    if "stream_k" in s:
        return f"{text}, stream {s['stream_k']}"
    return text + (f", split {s['split_k']}" if s["split_k"] > 1 else "")


def get_rows() -> list[str]:
    """The lines of the table."""
    codes = np.zeros((SIZE, SIZE), np.uint8)
    scales = np.ones((SIZE, SIZE // 128), np.float16)
    qw = tw.QuantizedTensor.from_codes(
        codes, scales, None, format="u4", layout="nk", group_size=128
    )
    lines = [f"| M | {' | '.join(DEVICES)} |", "|---" * (1 + len(DEVICES)) + "|"]
    for m in ROWS:
        cells = [describe(tw.compile("linear", qw, target=d, m=m).schedule) for d in DEVICES]
        lines.append(f"| {m} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    print("\n".join(get_rows()))
    sys.exit(0)
