"""Checks that no compiler makes: `make lint`.

  format   clang-format over every C++ file
  checks   CHECK lines of lit tests without a colon: FileCheck ignores them
  sizes    the file-size budgets; going over needs a reason in the file
  headers  every source file opens with what it does
  python   ruff: errors, imports, formatting

Each finding is one line, `file:line: what`; the exit status is 1 when there is
one. `--fix` lets clang-format and ruff write their changes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Most lines a file may have, by suffix. A file that needs more says why in a
# line "Size: <reason>".
BUDGETS = {".cpp": 600, ".td": 600, ".h": 300, ".py": 400}
CPP = {".cpp", ".h"}
# A FileCheck directive that forgot its colon checks nothing.
LOST_COLON = re.compile(
    r"^\s*(?://|#|;)\s*(?:[A-Z0-9-]+-)?CHECK(?:-(?:NEXT|SAME|NOT|DAG|LABEL|EMPTY|COUNT-\d+))?(?=\s+\S)"
)
LIT_SUFFIXES = {".mlir", ".ptx", ".ll", ".td", ".test"}


def tracked_files() -> list[Path]:
    """Files that git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return sorted({ROOT / line for line in listing.splitlines() if (ROOT / line).is_file()})


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def check_format(files: list[Path], fix: bool) -> Iterator[str]:
    formatter = find_clang_format()
    if formatter is None:
        yield "clang-format: not found; it is in tools/setup/packages.txt"
        return
    sources = [path for path in files if path.suffix in CPP]
    if not sources:
        return
    mode = ["-i"] if fix else ["--dry-run", "-Werror"]
    result = subprocess.run([formatter, *mode, *sources], capture_output=True, text=True)
    for line in result.stderr.splitlines():
        found = re.match(r"(.*?):(\d+):\d+: (?:error|warning): (.*)", line)
        if found:
            yield f"{relative(Path(found[1]))}:{found[2]}: {found[3]}"
    if result.returncode != 0 and not result.stderr:
        yield f"clang-format: exit status {result.returncode}"


def find_clang_format() -> str | None:
    """The clang-format of the LLVM that is built against, so that all agree."""
    text = (ROOT / "cmake" / "TilewrightCompiler.cmake").read_text()
    major = re.search(r"TILEWRIGHT_LLVM_VERSION (\d+)", text)[1]
    return shutil.which(f"clang-format-{major}")


def check_lost_colons(files: list[Path]) -> Iterator[str]:
    for path in files:
        if path.suffix not in LIT_SUFFIXES or (ROOT / "test") not in path.parents:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if LOST_COLON.match(line):
                yield f"{relative(path)}:{number}: a CHECK line without a colon checks nothing"


def check_sizes(files: list[Path]) -> Iterator[str]:
    for path in files:
        budget = BUDGETS.get(path.suffix)
        if budget is None:
            continue
        lines = path.read_text().splitlines()
        if len(lines) > budget and not any("Size: " in line for line in lines[:40]):
            yield f"{relative(path)}:1: {len(lines)} lines, the budget is {budget}"


def check_headers(files: list[Path]) -> Iterator[str]:
    openings = {".cpp": "//", ".h": "//", ".td": "//", ".py": ('"""', "#")}
    for path in files:
        opening = openings.get(path.suffix)
        if opening is None:
            continue
        text = path.read_text()
        if text.strip() and not text.startswith(opening):
            yield f"{relative(path)}:1: expects the file to open with what it does"


def check_python(files: list[Path], fix: bool) -> Iterator[str]:
    sources = [str(path) for path in files if path.suffix in {".py", ".pyi"}]
    if not sources:
        return
    ruff = [sys.executable, "-m", "ruff"]
    fixing = (["--fix"], []) if fix else ([], ["--diff"])
    check = subprocess.run(
        [*ruff, "check", "-q", "--output-format=concise", *fixing[0], *sources],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    yield from (line for line in check.stdout.splitlines() if ":" in line)
    formatted = subprocess.run(
        [*ruff, "format", "-q", *fixing[1], *sources], cwd=ROOT, capture_output=True, text=True
    )
    for line in formatted.stdout.splitlines():
        if line.startswith("--- "):
            yield f"{line[4:]}: not formatted (python tools/lint.py --fix)"
    for result in (check, formatted):
        if result.returncode not in (0, 1) or result.stderr:
            yield f"ruff: {result.stderr.strip()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="write formatting changes")
    arguments = parser.parse_args()
    files = tracked_files()
    findings = [
        *check_format(files, arguments.fix),
        *check_lost_colons(files),
        *check_sizes(files),
        *check_headers(files),
        *check_python(files, arguments.fix),
    ]
    for finding in findings:
        print(finding)
    print(f"lint: {len(findings)} findings in {len(files)} files")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
