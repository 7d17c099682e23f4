"""Prints what variants of attention cost in the main loop, in machine instructions.

Each variant is compiled for sm_80 by one schedule, heads of 64, tiles of 64 x 64, and
assembled. "loop" is the instructions of a turn of the loop over tiles that need no mask, or
of the only loop where every tile may, and with a block mask of each of its two loops. A
thread has 32 scores of a turn, so "extra" is the instructions beyond plain attention for each
score. Needs a build, ptxas and nvdisasm. Prints Markdown, which docs/attention-variants.md
holds; test/python/facts/test_attention_costs.py compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tilewright as tw

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import assembler  # noqa: E402

SCHEDULE = "attention{stages=2, tile_k=64, tile_q=64, warps=4}"
HEADS, ROWS, SIZE = 8, 256, 64
#: Scores of a thread in a turn of the loop: a tile among four warps.
SCORES = 64 * 64 // (4 * 32)

_SLOPES = 2.0 ** -np.arange(1, HEADS + 1)
_BIAS = np.zeros((HEADS, ROWS, ROWS), np.float16)
_OF_KEYS = np.zeros((HEADS, ROWS), np.float32)
_DOCUMENT = np.sort(np.arange(ROWS) % 4)


def _documents(b: Any, h: Any, q: Any, k: Any) -> Any:
    return _DOCUMENT[q] == _DOCUMENT[k]


def _page(s: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return 20 * np.tanh(0.05 * s) - _SLOPES[h] * (q - k)


def _page_mask(b: Any, h: Any, q: Any, k: Any) -> Any:
    return _documents(b, h, q, k) & (q >= k)


_VARIANT = {
    "score_mod": _page,
    "block_mask": tw.create_block_mask(_page_mask, None, None, ROWS, ROWS, BLOCK_SIZE=64),
}
#: Titles and arguments of `tw.attention`.
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "`causal=True`": {"causal": True},
    "`window=(128, 0)`": {"window": (128, 0)},
    "`softcap=20`": {"softcap": 20.0},
    "`alibi_slopes`": {"alibi_slopes": np.zeros(HEADS, np.float32)},
    "`score * 2`": {"score_mod": lambda s, b, h, q, k: s * 2},
    "`score - slopes[h] * (q_idx - kv_idx)`": {
        "score_mod": lambda s, b, h, q, k: s - _SLOPES[h] * (q - k)
    },
    "`20 * tanh(score / 20)`": {"score_mod": lambda s, b, h, q, k: 20 * np.tanh(s / 20)},
    "`20 * tanh(0.05 * score)`": {"score_mod": lambda s, b, h, q, k: 20 * np.tanh(0.05 * s)},
    "`score + table[h, kv_idx]`": {"score_mod": lambda s, b, h, q, k: s + _OF_KEYS[h, k]},
    "`score + bias[h, q_idx, kv_idx]`": {"score_mod": lambda s, b, h, q, k: s + _BIAS[h, q, k]},
    "mask `q_idx >= kv_idx`": {"mask_mod": lambda b, h, q, k: q >= k},
    "mask `document[q_idx] == document[kv_idx]`": {"mask_mod": _documents},
    "the variant above, partly visible blocks": _VARIANT,
    "the variant above, full blocks": _VARIANT,
}


def count_instructions(title: str) -> int:
    """Machine instructions of the loop, of the shortest where there are several."""
    arrays = [f"f16[1, {ROWS}, {HEADS}, {SIZE}]"] * 3
    parts = VARIANTS[title]
    kernel = tw.compile("attention", *arrays, target="sm_80", schedule=SCHEDULE, **parts)
    (machine,) = assembler.disassemble(assembler.assemble(kernel.ptx)).values()
    counts = [len(loop.instructions) for loop in machine.loops if loop.mmas]
    return max(counts) if "partly visible" in title else min(counts)


def measure(titles: Iterable[str] = VARIANTS) -> dict[str, tuple[int, float]]:
    """Instructions of the loop, and the extra ones for a score, by the variant's title."""
    counts = {title: count_instructions(title) for title in ("plain", *titles)}
    return {title: (n, (n - counts["plain"]) / SCORES) for title, n in counts.items()}


def get_rows() -> list[str]:
    """The lines of the table."""
    lines = ["| variant | loop | extra for a score |", "|---|---|---|"]
    return lines + [f"| {title} | {n} | {extra:.1f} |" for title, (n, extra) in measure().items()]


if __name__ == "__main__":
    print("\n".join(get_rows()))
    sys.exit(0)
