"""Warp instructions that attention takes to read a cache in pages, on the emulated device.

    python tools/decode_counters.py [--keys 4096] [--device emulated:a100]

For each page size and `tile_k` (rows and columns of the table in docs/attention.md): instructions
of a whole launch for 64 keys of one head of the cache. One query of 4 heads, head size 128, one
warp; a launch of one part, so that loops are what counts.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "build" / "python"))

import tilewright as tw

PAGES = (None, 128, 64, 32, 16, 7, 1)
TILES = (64, 32, 16)
HEADS, KEY_HEADS, SIZE = 8, 2, 128


def count(keys: int, page: int | None, tile: int, device: str) -> float:
    """Instructions for 64 keys of one head of the cache."""
    rng = np.random.default_rng(0)
    pages = -(-keys // (page or keys))
    shape = (pages, page or keys, KEY_HEADS, SIZE)
    q = rng.standard_normal((1, 1, HEADS, SIZE)).astype(np.float16)
    k, v = (rng.standard_normal(shape).astype(np.float16) for _ in "kv")
    table = rng.permutation(pages).astype(np.int32)[None] if page else None
    schedule = f"attention{{pack_heads=1,split_keys=1,stages=3,tile_k={tile},tile_q=16,warps=1}}"
    with tw.profile() as profile:
        tw.attention_decode(
            q, k, v, cache_seqlens=keys, page_table=table, num_splits=1, schedule=schedule,
            device=device,
        )  # fmt: skip
    return profile.launches[0].counters["issues"] / (KEY_HEADS * keys / 64)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=4096)
    parser.add_argument("--device", default="emulated:a100")
    arguments = parser.parse_args()
    print("| page | " + " | ".join(str(page or "contiguous") for page in PAGES) + " |")
    print("|---" * (len(PAGES) + 1) + "|")
    for tile in TILES:
        counts = [count(arguments.keys, page, tile, arguments.device) for page in PAGES]
        print(f"| `tile_k` {tile} | " + " | ".join(f"{n:.0f}" for n in counts) + " |", flush=True)


if __name__ == "__main__":
    main()
