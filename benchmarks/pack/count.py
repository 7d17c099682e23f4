"""Counts the instructions that packing takes for each byte of codes, with callgrind.

    cmake --build build --target TilewrightPackBenchmark
    python benchmarks/pack/count.py build [--check]

Writes counts.json beside this file. --check compares with the stored counts instead, and
fails where one has grown by more than a tenth. Counts do not depend on what else the
machine does.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

STORED = pathlib.Path(__file__).with_name("counts.json")
K, N = 512, 1024
CASES = [
    f"{what}-u{bits}-{order}"
    for what in ("pack", "unpack")
    for bits in range(1, 9)
    for order in ("nk", "kn")
]


def count(benchmark: pathlib.Path, case: str, turns: int) -> int:
    """Instructions of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/counts"]
        arguments = ["--turns", str(turns), "--size", str(K), str(N), f"={case}"]
        result = subprocess.run(
            [*command, benchmark, *arguments], check=True, capture_output=True, text=True
        )
    return int(re.search(r"Collected : (\d+)", result.stderr)[1])


def measure(benchmark: pathlib.Path) -> dict[str, float]:
    """Instructions a byte, by case: what a second turn adds (copying too, a tenth or less)."""
    return {
        case: round((count(benchmark, case, 2) - count(benchmark, case, 1)) / (K * N), 2)
        for case in CASES
    }


def main() -> None:
    """Writes or compares the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    counts = measure(arguments.build / "benchmarks" / "pack" / "TilewrightPackBenchmark")
    if not arguments.check:
        STORED.write_text(json.dumps(counts, indent=1) + "\n")
        return
    stored = json.loads(STORED.read_text())
    grown = [
        f"{case}: {counts[case]} instructions a byte, stored {stored[case]}"
        for case in CASES
        if counts[case] > 1.1 * stored[case]
    ]
    if grown:
        raise SystemExit("\n".join(grown))


if __name__ == "__main__":
    main()
