"""Compiles the programs of test/cuda and keeps their PTX: `python tools/keep_ptx.py`.

Needs nvcc. Compiles what is missing or older than its source, `--all` all of it;
names of programs restrict it. `cases/compile.py` says what is kept and why.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test" / "cuda"))

from cases import CASES
from cases.compile import (
    KEPT,
    compile_program,
    find_nvcc,
    fingerprint,
    keep_entries,
    kept_path,
    read_kept,
    write_kept,
)
from cases.run import kernels_of


def wanted() -> dict[tuple[str, str, str | None], set[str] | None]:
    """What there should be, and the kernels it holds where that is not all of them."""
    files: dict[tuple[str, str, str | None], set[str] | None] = {}
    for case in CASES.values():
        for target in sorted(case.targets):
            files[case.program, target, None] = None
        for mutant in case.mutants:
            kernels = files.setdefault((case.program, case.targets[0], mutant.macro), set())
            kernels |= kernels_of(case)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="also what is up to date")
    parser.add_argument("programs", nargs="*")
    arguments = parser.parse_args()
    nvcc = find_nvcc()
    if nvcc is None:
        print("keep_ptx: no nvcc on PATH", file=sys.stderr)
        return 1
    files = wanted()
    for path in KEPT.glob("*.ptx"):
        if path not in {kept_path(*file) for file in files}:
            path.unlink()
            print(f"removed {path.name}")

    def is_stale(file: tuple[str, str, str | None]) -> bool:
        kept = read_kept(*file)
        return kept is None or kept[1:] != (fingerprint(file[0]), nvcc[1]) or arguments.all

    # All are judged before any is written: sm_90 may be kept in the file of sm_80, which
    # comes first.
    stale = [file for file in files if is_stale(file)]
    for program, target, macro in sorted(stale, key=lambda file: (file[0], file[1], file[2] or "")):
        if arguments.programs and program not in arguments.programs:
            continue
        text = compile_program(program, target, macro)
        kernels = files[program, target, macro]
        if kernels is not None:
            text = keep_entries(text, kernels)
        is_file = write_kept(program, target, text, macro)
        name = kept_path(program, target, macro).name
        print(f"{name}: {len(text)} bytes" if is_file else f"{name}: as sm_80", flush=True)
    total = sum(path.stat().st_size for path in KEPT.glob("*.ptx"))
    print(f"{len(list(KEPT.glob('*.ptx')))} files, {total / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
