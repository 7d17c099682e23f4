"""Runs the GPU tests, compares the emulated device with the GPU, and times kernels.

    python3 tools/gpu/run.py                  on a machine with a GPU, from a checkout or a bundle
    python3 tools/gpu/run.py --dry-run        the same steps on the emulated device, in miniature

Results go to benchmarks/results: what was timed as JSON with device, driver and date,
the GPU's results of the comparison as .npz. The exit status is 1 when a test failed, a
result was outside its error bound, or a contender gave a wrong product.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# A bundle has the package in python/ and pytest in site/, a checkout has it in build/.
PACKAGES = [p for p in (ROOT / "python", ROOT / "build" / "python") if p.is_dir()][:1]
SEARCH = [*PACKAGES, ROOT / "tools", ROOT / "site"]
sys.path[:0] = [str(path) for path in SEARCH]

import tilewright as tw  # noqa: E402

from gpu import bench, compare, shapes  # noqa: E402

STEPS = ("tests", "compare", "bench")
#: Tests that run on the GPU where there is one, and what a dry run takes of them.
GPU_TESTS = [
    "test/python/device/test_gpu.py",
    "test/python/device/test_stored_results.py",
    "test/python/test_linear.py",
    "test/python/test_matmul.py",
    "test/python/test_epilogue.py",
    "test/python/test_scales.py",
    "test/python/test_float_weights.py",
    "test/python/test_codebooks.py",
]
DRY_TESTS = ["test/python/device/test_gpu.py", "test/python/test_linear.py", "-k", "gpu or exact"]


def list_of(parse: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """A parser of options such as 1,16,64."""
    return lambda text: [parse(part) for part in text.split(",")]


def parse_layer(text: str) -> tuple[int, int]:
    """K and N of 4096x14336."""
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"layer is {text!r}; expects KxN, such as 4096x14336")
    return int(match[1]), int(match[2])


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry-run", action="store_true", help="on the emulated device, small")
    parser.add_argument("--steps", type=list_of(str), default=list(STEPS), help=",".join(STEPS))
    parser.add_argument("--device", help="default: the first GPU; a dry run: emulated:h200")
    parser.add_argument("--layers", type=list_of(parse_layer), help="KxN,...")
    parser.add_argument("--rows", type=list_of(int), help="M,...")
    parser.add_argument("--formats", type=list_of(str), help="u4,f4e2m1,...")
    parser.add_argument("--rounds", type=int, default=15, help="samples of each contender")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args(arguments)
    for step in options.steps:
        if step not in STEPS:
            parser.error(f"step is {step!r}; expects some of {', '.join(STEPS)}")
    options.layers = options.layers or (shapes.DRY_LAYERS if options.dry_run else shapes.LAYERS)
    options.rows = options.rows or (shapes.DRY_ROWS if options.dry_run else shapes.ROWS)
    return options


def choose_device(options: argparse.Namespace) -> tw.Device:
    """The GPU, or what a dry run stands in with; SystemExit where there is none."""
    if options.device or options.dry_run:
        return tw.device(options.device or "emulated:h200")
    device = tw.device()
    if device.is_emulated:
        raise SystemExit(f"there is no GPU: {'; '.join(tw.device_problems())}; see --dry-run")
    return device


def run_tests(options: argparse.Namespace, device: tw.Device) -> bool:
    """pytest on the tests that use the GPU."""
    if not (ROOT / "test").is_dir():
        raise SystemExit(f"there are no tests in {ROOT}")
    chosen = DRY_TESTS if options.dry_run else GPU_TESTS
    search = os.pathsep.join(str(path) for path in SEARCH)
    environment = dict(os.environ, PYTHONPATH=search, TILEWRIGHT_TEST_DEVICE=device.name)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode == 0


def run_comparison(options: argparse.Namespace, device: tw.Device, stem: Path) -> bool:
    """Whether both devices are within the error bound; bits that differ are printed."""
    formats = options.formats or (["u4", "f4e2m1"] if options.dry_run else compare.FORMATS)
    twin = f"emulated:{device.model}"
    found = compare.compare(device, twin, stem.with_name(stem.name + "-products"), formats)
    for one in (one for one in found if one.differing):
        share = f"{one.differing} of {one.elements}"
        print(f"  {one.case}: {share} differ, by up to {one.of_bound:.2f} of the bound")
    same = sum(one.differing == 0 for one in found)
    print(f"{same} of {len(found)} products have the same bits on {device} and {twin}", flush=True)
    return True


def describe(device: tw.Device) -> dict[str, Any]:
    """Where and with what the results were got."""
    versions = {}
    for package in ("torch", "triton", "numpy"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    made = ROOT / "BUNDLE.json"
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device.name,
        "model": device.model,
        "emulated": device.is_emulated,
        "gpu": None if device.is_emulated else query_gpu(),
        "python": platform.python_version(),
        "versions": versions,
        "bundle": json.loads(made.read_text()) if made.exists() else None,
    }


def query_gpu() -> dict[str, str]:
    """Name, driver and clocks, as nvidia-smi says; empty where it is missing."""
    fields = ["name", "driver_version", "clocks.max.sm", "clocks.max.mem", "power.limit"]
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    values = run.stdout.splitlines()[0].split(", ")
    return dict(zip(fields, values, strict=True))


def run_bench(options: argparse.Namespace, device: tw.Device, stem: Path) -> bool:
    """Times (or counts) every problem; False where a contender was wrong."""
    formats = options.formats or (shapes.FORMATS[:2] if options.dry_run else shapes.FORMATS)
    work = bench.problems(options.layers, options.rows, formats)
    record = {**describe(device), "group": shapes.GROUP, "copy_bytes_per_second": None}
    if device.is_emulated:
        rows = []
        for weights, listed in work:
            for problem in listed:
                rows.append(bench.emulate(problem, weights, device))
                print(bench.format_row(rows[-1]), flush=True)
    else:
        import torch

        def show(row: bench.Row) -> None:
            print(bench.format_row(row), flush=True)

        bandwidth, rows = bench.time_all(torch, device, work, options.rounds, show)
        record["copy_bytes_per_second"] = bandwidth
    record["rows"] = [dataclasses.asdict(row) for row in rows]
    path = stem.with_name(stem.name + "-bench.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(f"wrote {path}")
    return not any(row.absent.startswith("wrong") for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    options = parse_arguments(arguments)
    device = choose_device(options)
    kind = "dry-" if options.dry_run else ""
    stem = options.out / f"{kind}{datetime.date.today().isoformat()}-{device.model}"
    print(f"{device} ({device.model}, {device.target}, {device.sm_count} SMs)", flush=True)
    outcome = {}
    for step in options.steps:
        print(f"\n== {step}", flush=True)
        try:
            if step == "tests":
                outcome[step] = run_tests(options, device)
            elif step == "compare":
                outcome[step] = run_comparison(options, device, stem)
            else:
                outcome[step] = run_bench(options, device, stem)
        except (AssertionError, tw.Error) as error:
            print(f"{type(error).__name__}: {error}")
            outcome[step] = False
    words = (f"{step} {'passed' if passed else 'FAILED'}" for step, passed in outcome.items())
    print("\n" + ", ".join(words))
    return 0 if all(outcome.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
