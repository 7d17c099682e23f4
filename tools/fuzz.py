"""Fuzzes the emulated device: `make fuzz` builds the targets and ends here.

Three libFuzzer targets (test/fuzz): parse, load, run. Each starts from the PTX
of the tests and what it found earlier (`corpus/` in the build folder) and runs
for a bounded time. A crash, a hang or too much memory ends it with status 1 and
the way to repeat it.

`--seeds` only writes the seeds: every .ptx file under test/, every text in the
emulator's unit tests that looks like PTX, wrapped into a kernel where it is a
few lines, and kernels that the compiler emits now, where it is built. Each is
there a second time with a number that makes `run` compare host threads.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMULATOR = ROOT / "runtime" / "Emulator"
UNIT = ROOT / "test" / "unit" / "runtime" / "Emulator"
STAGES = ("Parse", "Load", "Run")
# Per input: seconds, and megabytes in all and in one allocation. The emulator's
# own limits under test/fuzz/Harness.cpp are far below. Longer seeds would be cut, and
# the compiler's kernels have up to 30 kB.
LIMITS = ("-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=512", "-max_len=32768")
HEADER = ".version 8.7\n.target sm_90a\n.address_size 64\n"
# As test/unit/runtime/Emulator/Instructions/Snippet.h declares them.
PROLOGUE = """.visible .entry k(.param .u64 in, .param .u64 out) {
.reg .pred %p<10>; .reg .b16 %h<30>; .reg .b32 %r<60>; .reg .b64 %rd<30>;
.reg .f32 %f<30>; .reg .f64 %fd<10>; .reg .b32 %t, %w; .reg .b64 %in, %out, %o;
ld.param.u64 %in, [in]; ld.param.u64 %out, [out];
mov.u32 %t, %tid.x; mul.wide.u32 %o, %t, 8;
add.s64 %in, %in, %o; add.s64 %out, %out, %o;
"""
KERNELS = (
    ["--format", "u4", "--group", "128", "-m", "16"],
    ["--format", "u3", "--group", "64", "-m", "8", "--target", "l4"],
    ["--format", "i8", "-m", "64", "--target", "h200"],
    ["--format", "u4", "--group", "64", "-m", "1"],
)


def string_groups(source: str) -> Iterator[str]:
    """Neighbouring C++ string literals, joined as the compiler joins them."""
    literal = re.compile(r'R"\((.*?)\)"|"((?:[^"\\\n]|\\.)*)"', re.DOTALL)
    end, text = -1, ""
    for match in literal.finditer(source):
        if end >= 0 and source[end : match.start()].strip():
            yield text
            text = ""
        raw, plain = match.groups()
        text += raw if raw is not None else re.sub(r"\\(.)", r"\1", plain.replace("\\n", "\n"))
        end = match.end()
    yield text


def wrap(snippet: str) -> str:
    """A module around lines of a kernel, or around functions and variables."""
    if re.search(r"^\s*\.(func|visible|entry|global|const|shared|extern)", snippet, re.MULTILINE):
        return HEADER + snippet
    # Scalar tests name their operands d, a, b, c and leave the width open.
    width = re.search(r"\.\w*?(16|32|64)\b", snippet)
    names = ".reg .b" + (width[1] if width else "32") + " a, b, c, d;\n"
    return (
        HEADER + PROLOGUE + "{\n" + names + snippet + "\n}\nst.global.b32 [%out], %r1;\nret;\n}\n"
    )


def modules_of(text: str) -> Iterator[str]:
    """One module for each kernel of a module, with all that stands beside it."""
    parts = re.split(r"(?m)^(?=\.(?:visible |weak )?\.entry)", text)
    entries, rest = [], parts[0]
    for part in parts[1:]:
        body, end, after = part.partition("\n}\n")
        entries.append(body + end)
        rest += after
    yield from (rest + entry for entry in entries) if len(text) > 8192 else (text,)


def compiled_kernels() -> Iterator[str]:
    """What the compiler emits, if it is built; says so if it emits nothing."""
    command = ROOT / "build" / "bin" / "tw"
    if not command.exists():
        print("no seeds from the compiler: 'make build' makes it")
        return
    for options in KERNELS:
        problem = ["--op", "quant_matmul", "-n", "256", "-k", "256"]
        run = subprocess.run(
            [command, "compile", *problem, *options, "--emit", "ptx"],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode == 0:
            yield run.stdout
        else:
            print(f"no seed from 'tw compile {' '.join(options)}': {run.stderr.strip()[-200:]}")


def seeds() -> Iterator[str]:
    """Every PTX text that the tests have."""
    for path in sorted((ROOT / "test").rglob("*.ptx")):
        yield from modules_of(path.read_text())
    for path in sorted(UNIT.rglob("*Test.cpp")):
        for text in string_groups(path.read_text()):
            if ".version" in text:
                yield text
            elif ";" in text and len(text) > 8:
                yield wrap(text)
    yield from compiled_kernels()


def words() -> Iterator[str]:
    """The words that the decoder and the parser compare with."""
    for folder in ("Instructions", "Parser", "Execution", "Machine"):
        for path in sorted((EMULATOR / folder).glob("*.cpp")):
            for word in re.findall(r'"([%\w:.]+)"', path.read_text()):
                yield from (word, "." + word) if re.match(r"[a-zA-Z]", word) else (word,)


def write_seeds(folder: Path) -> int:
    """Writes each seed once, named by its content; their number."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = set(seeds())
    for text in texts:
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        (folder / f"{name}.ptx").write_text(text)
        if not text.startswith("//!"):
            # 3 modulo 4: Harness.h.
            number = int(name[:3], 16) * 4 + 3
            (folder / f"{name}-threads.ptx").write_text(f"//! {number}\n{text}")
    return len(texts)


def fuzz(build: Path, stage: str, seconds: int) -> bool:
    """Runs one target; whether it found nothing."""
    corpus, crashes = build / "corpus" / stage, build / "crashes" / stage
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    program = build / "fuzz" / f"Fuzz{stage}"
    command = [program, *LIMITS, f"-max_total_time={seconds}", "-print_final_stats=1"]
    command += ["-timeout_exitcode=1", f"-artifact_prefix={crashes}/", corpus, build / "seeds"]
    log = build / f"fuzz-{stage}.log"
    with log.open("w") as out:
        environment = os.environ | {"TILEWRIGHT_FUZZ_WORDS": str(build / "words.txt")}
        status = subprocess.run(command, stderr=out, env=environment, check=False).returncode
    text = log.read_text(errors="replace")
    executions = re.findall(r"stat::number_of_executed_units:\s+(\d+)", text)
    coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", text)
    edges, features, size = coverage[-1] if coverage else ("?", "?", "?")
    count = executions[-1] if executions else "?"
    print(f"{stage}: {count} executions, {edges} edges, {features} features, corpus of {size}")
    if status == 0:
        return True
    print(f"{stage}: failed with status {status}; log: {log}")
    for line in re.findall(r"(?m)^(?:==\d+==ERROR.*|SUMMARY.*|.*runtime error.*)$", text)[:3]:
        print("  " + line)
    for path in re.findall(r"Test unit written to (\S+)", text):
        print(f"  repeat it with: {program} {path}")
    print("  then add the text, cut down, to test/fuzz/regressions/")
    return False


def main() -> int:
    """Collects seeds and words, then runs the targets one after another."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, required=True, help="build folder")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--seeds", action="store_true", help="write the seeds only")
    options = parser.parse_args()
    build = options.build.resolve()
    count = write_seeds(build / "seeds")
    (build / "words.txt").write_text("\n".join(sorted(set(words()))) + "\n")
    print(f"{count} seeds, {options.seconds} s a target")
    if options.seeds:
        return 0
    results = [fuzz(build, stage, options.seconds) for stage in options.stages]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
