"""What the checkers cost on the project's kernels, in host instructions.

    PYTHONPATH=build/python python benchmarks/emulator/kernels.py

Compiles quantised products (decode and prefill), runs their PTX on the emulated A100
under callgrind, on one thread, with all checkers and counters and with none, and writes
kernels.md beside this file: host instructions a warp instruction, and their ratio. With
--seconds it prints processor time instead, which is much quicker to have and less exact.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

#: name: rows, inputs, outputs, format.
CASES = {
    "decode u4, M = 1, 1024 x 512": (1, 1024, 512, "u4"),
    "decode u4, M = 16, 1024 x 128": (16, 1024, 128, "u4"),
    "prefill u4, M = 128, 512 x 128": (128, 512, 128, "u4"),
    "prefill i8, M = 128, 512 x 128": (128, 512, 128, "i8"),
}


def prepare(case: str, mode: str) -> Callable[[], object]:
    """What launches the kernel of a case, with checkers or without."""
    import numpy as np
    import tilewright as tw
    from tilewright._extension import runtime

    m, k, n, form = CASES[case]
    generator = np.random.default_rng(1)
    weights = tw.quantize(generator.standard_normal((n, k), dtype=np.float32), form, layout="nk")
    x = generator.standard_normal((m, k)).astype(np.float16)
    options = tw.EmulatorOptions(threads=1)
    if mode == "unchecked":
        options = tw.EmulatorOptions(threads=1, checks=(), count_accesses=False)
    runtime().set_emulator_options("emulated:a100", options.to_native())
    return lambda: tw.linear(x, weights, device="emulated:a100")


def launch(case: str, mode: str) -> None:
    """Runs the kernel of a case once and prints how many warp instructions it has."""
    import tilewright as tw

    run = prepare(case, mode)
    with tw.profile() as profile:
        run()
    print(profile.total("issues"))


def measure_seconds() -> None:
    """Prints the best processor time of three launches of each case."""
    print("| kernel | checkers on, ms | off, ms | ratio |\n|---|---|---|---|")
    for case in CASES:
        times = {}
        for mode in ("checked", "unchecked"):
            run = prepare(case, mode)
            run()  # compiles the kernel
            times[mode] = []
            for _ in range(3):
                start = time.process_time()
                run()
                times[mode].append(time.process_time() - start)
        on, off = (1000 * min(times[mode]) for mode in ("checked", "unchecked"))
        print(f"| {case} | {on:.1f} | {off:.1f} | {on / off:.1f} |")


def copy_package(folder: str) -> None:
    """The package without debug information, which valgrind cannot read."""
    spec = importlib.util.find_spec("tilewright")
    if not spec or not spec.submodule_search_locations:
        raise SystemExit("tilewright is not on PYTHONPATH")
    package = pathlib.Path(folder) / "tilewright"
    shutil.copytree(spec.submodule_search_locations[0], package)
    for library in package.glob("_native*.so"):
        subprocess.run(["strip", "--strip-debug", library], check=True)


def count(package: str, case: str, mode: str) -> tuple[int, int]:
    """Warp instructions and the host's, of one launch."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "counts"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--toggle-collect=*runLaunch*",
            f"--callgrind-out-file={out}",
            sys.executable,
            __file__,
            case,
            mode,
        ]
        environment = os.environ | {"PYTHONPATH": package}
        result = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment
        )
        total = re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)
    return int(result.stdout.split()[-1]), int(total[1]) if total else 0


def main() -> None:
    """Counts every case and writes the table."""
    lines = [
        "Host instructions a warp instruction of whole kernels, written by `kernels.py`:",
        "",
        "| kernel | warp instructions | checkers on | off | ratio |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as package:
        copy_package(package)
        for case in CASES:
            issued, on = count(package, case, "checked")
            _, off = count(package, case, "unchecked")
            lines.append(
                f"| {case} | {issued} | {on / issued:.0f} | {off / issued:.0f} | {on / off:.2f} |"
            )
            print(lines[-1], flush=True)
    (pathlib.Path(__file__).parent / "kernels.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["--seconds"]:
        measure_seconds()
    elif len(sys.argv) > 1:
        launch(*sys.argv[1:])
    else:
        main()
