"""Counts the host's instructions for each emulated one, with callgrind.

    cmake --build build-runtime --target TilewrightDeviceBenchmark
    python benchmarks/emulator/count.py build-runtime [--check]

Writes counts.json and counts.md beside this file: for each case of the device benchmark
the host instructions of one warp instruction, the loop around it included, with all
checkers and counters on and with none, and their ratio. --check compares with the stored
counts instead, and fails where one has grown by more than a tenth. Counts do not depend
on what else the machine does; valgrind has no AVX-512, so they are those of AVX2.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
TURNS = 200
COMMAND = (
    "valgrind --tool=callgrind --toggle-collect=*runLaunch* --dump-after=*measureCase* "
    f"TilewrightDeviceBenchmark --turns {TURNS}"
)


def count(benchmark: pathlib.Path, *arguments: str) -> list[int]:
    """Host instructions inside launches, case by case."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "counts"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--toggle-collect=*runLaunch*",
            "--dump-after=*measureCase*",
            f"--callgrind-out-file={out}",
            str(benchmark),
            "--turns",
            str(TURNS),
            *arguments,
        ]
        subprocess.run(command, check=True, capture_output=True)
        dumps = sorted(out.parent.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
        totals = [re.search(r"^(?:summary|totals): (\d+)", d.read_text(), re.M) for d in dumps]
    return [int(total[1]) for total in totals if total and int(total[1])]


def measure(benchmark: pathlib.Path) -> dict[str, dict[str, float]]:
    """By name of the case."""
    listing = subprocess.run(
        [benchmark, "--list", "--turns", str(TURNS)], check=True, capture_output=True, text=True
    )
    cases = [line.split("\t") for line in listing.stdout.splitlines()]
    checked, unchecked = count(benchmark), count(benchmark, "--unchecked")
    if not len(cases) == len(checked) == len(unchecked):
        raise SystemExit(f"{len(cases)} cases, but {len(checked)}, {len(unchecked)} dumps")
    return {
        name: {
            "checked": round(on / int(issued), 1),
            "unchecked": round(off / int(issued), 1),
            "ratio": round(on / off, 2),
        }
        for (name, _, issued), on, off in zip(cases, checked, unchecked, strict=True)
    }


def to_markdown(counts: dict[str, dict[str, float]]) -> str:
    """The table of counts.md."""
    lines = [
        "Host instructions a warp instruction, written by `count.py`:",
        "",
        f"    {COMMAND} [--unchecked]",
        "",
        "| instruction | checkers on | off | ratio |",
        "|---|---|---|---|",
    ]
    for name, row in counts.items():
        lines.append(f"| {name} | {row['checked']} | {row['unchecked']} | {row['ratio']} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Counts, and stores or compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    counts = measure(options.build / "benchmarks/emulator/TilewrightDeviceBenchmark")
    if not options.check:
        (HERE / "counts.json").write_text(json.dumps(counts, indent=2) + "\n")
        (HERE / "counts.md").write_text(to_markdown(counts))
        return 0
    stored = json.loads((HERE / "counts.json").read_text())
    grown = [n for n, row in counts.items() if row["checked"] > 1.1 * stored[n]["checked"]]
    for name in grown:
        print(f"{name}: {stored[name]['checked']} -> {counts[name]['checked']}", file=sys.stderr)
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
