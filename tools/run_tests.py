"""Runs every test suite and adds up the cases: `make test` ends here.

Three runners: lit over the built test tree, GoogleTest through ctest, pytest.
Each prints as it goes; each also leaves a JUnit file, from which the cases are
counted. A runner or executable that dies without leaving one counts as a failed
case, so that the total never looks better than what ran.

The last line is `N passed, N failed, N skipped`; the exit status is 1 when
anything failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass
class Count:
    """Test cases by outcome; counts add."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_junit(path: Path) -> Count:
    """Counts the cases of a JUnit file of lit, GoogleTest or pytest."""
    count = Count()
    for case in xml.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            count.failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            count.skipped += 1
        else:
            count.passed += 1
    return count


def read_junit(path: Path, status: int) -> Count:
    """Counts the cases of one run that ended with `status`.

    A missing or torn file, or a non-zero status without a failed case (a crash
    at exit, a sanitizer's report), is one failed case more.
    """
    try:
        count = count_junit(path)
    except (OSError, xml.ParseError):
        return Count(passed=1) if status == 0 else Count(failed=1)
    if status != 0 and count.failed == 0:
        count.failed = 1
    return count


def run_lit(build: Path, results: Path, jobs: int, only: list[Path]) -> Count:
    """lit over `build`/test, with the lit that belongs to the LLVM built against."""
    suite = build / "test"
    if not (suite / "lit.site.cfg.py").exists():
        if read_cache(build, "TILEWRIGHT_ENABLE_COMPILER") == "ON":
            print(f"the compiler is built, but {suite}/lit.site.cfg.py is missing")
            return Count(failed=1)
        print("skipped: the compiler is not part of this build")
        return Count(skipped=1)
    # <prefix>/lib/cmake/llvm -> <prefix>/bin/lit
    lit = Path(read_cache(build, "LLVM_DIR") or "").joinpath("../../../bin/lit").resolve()
    if not lit.exists():
        print(f"no lit at {lit}: it comes with LLVM's tools package")
        return Count(failed=1)
    out = results / "lit.xml"
    paths = [suite / path.relative_to(ROOT / "test") for path in only] or [suite]
    command = [sys.executable, lit, "-sv", f"-j{jobs}", f"--xunit-xml-output={out}", *paths]
    return read_junit(out, subprocess.run(command).returncode)


def run_gtest(build: Path, results: Path, jobs: int) -> Count:
    """GoogleTest executables through ctest; cases come from each one's own report."""
    listing = subprocess.run(
        ["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True
    )
    if listing.returncode != 0:
        print(listing.stderr, end="")
        return Count(failed=1)
    names = [test["name"] for test in json.loads(listing.stdout)["tests"]]
    if not names:
        print("no executables in this build")
        return Count(failed=1)
    reports = results / "gtest"
    reports.mkdir()
    summary = results / "ctest.xml"
    environment = dict(os.environ, GTEST_OUTPUT=f"xml:{reports}/")
    subprocess.run(
        [
            "ctest",
            "--output-on-failure",
            f"-j{jobs}",
            "--timeout",
            "900",
            "--output-junit",
            summary,
        ],
        cwd=build,
        env=environment,
    )
    return count_gtest(names, summary, reports)


def count_gtest(names: list[str], summary: Path, reports: Path) -> Count:
    """Adds up the cases of the executables `names`, as ctest judged each one."""
    judged: dict[str | None, int] = {}
    if summary.exists():
        for case in xml.parse(summary).getroot().iter("testcase"):
            judged[case.get("name")] = 0 if case.get("status") == "run" else 1
    total = Count()
    for name in names:
        total += read_junit(reports / f"{name}.xml", judged.get(name, 1))
    return total


def run_pytest(build: Path, results: Path, only: list[Path]) -> Count:
    """pytest over test/python, against the package in the build tree."""
    out = results / "pytest.xml"
    inherited = os.environ.get("PYTHONPATH")
    search = [str(build / "python"), *([inherited] if inherited else [])]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(search))
    paths = only or [ROOT / "test" / "python"]
    command = [sys.executable, "-m", "pytest", f"--junitxml={out}", "-ra", *paths]
    status = subprocess.run(command, cwd=ROOT, env=environment).returncode
    return read_junit(out, status)


def read_cache(build: Path, variable: str) -> str | None:
    """The value of a CMake cache variable, or None."""
    try:
        lines = (build / "CMakeCache.txt").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{variable}:"):
            return line.split("=", 1)[1]
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build directory")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("only", nargs="*", type=Path, help="parts of test/ to run alone")
    arguments = parser.parse_args()
    build, jobs = arguments.build.resolve(), arguments.jobs

    only = [path.resolve() for path in arguments.only]
    for path in only:
        if not path.exists() or ROOT / "test" not in path.parents:
            parser.error(f"expects a file or folder under test/, but got {path}")
    of_pytest = [path for path in only if (ROOT / "test" / "python") in (path, *path.parents)]
    of_lit = [path for path in only if path not in of_pytest]

    results = build / "test-results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    total = Count()

    def run(title: str, runner: Callable[[], Count]) -> None:
        nonlocal total
        print(f"\n== {title}", flush=True)
        start = time.monotonic()
        count = runner()
        total += count
        print(f"-- {title}: {count} in {time.monotonic() - start:.1f} s", flush=True)

    if of_lit or not only:
        run("lit", lambda: run_lit(build, results, jobs, of_lit))
    if not only:
        run("GoogleTest", lambda: run_gtest(build, results, jobs))
    if of_pytest or not only:
        run("pytest", lambda: run_pytest(build, results, of_pytest))

    if shutil.which("ptxas") is None:
        print("\nNo ptxas on PATH: no PTX was assembled; those tests count as skipped.")
    print(f"\n{total}")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
