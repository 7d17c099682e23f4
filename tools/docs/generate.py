"""Writes what the docs take from the code: docs/reference/ and a picture.

  nn.md tile.md tilegpu.md   operations, attributes and types, by mlir-tblgen
  passes.md                  passes, in the order of the pipeline, by mlir-tblgen
  tables.md                  formats, targets, GPU models, unpack programs, by
                             build/bin/tw-tables (left out where nothing is built)
  ../images/packing.svg      drawn by draw_packing.py from tables.md
  ../emulator/instructions.md  by instruction_table.py, build/bin/tw-forms and the
                             emulator's test programs (left out where not built)

The pages are checked in. `--check` writes nothing; it prints what differs and
exits with 1, so that `make lint` notices a page that no longer tells the truth. It
also follows the links of all pages (links.py).
"""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import draw_packing
import instruction_table
import links

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PICTURE = "../images/packing.svg"
INSTRUCTIONS = "../emulator/instructions.md"

#: Page, dialect, the file that includes all of its definitions.
DIALECTS = [
    ("nn", "dialects/NN/NNOps.td"),
    ("tile", "dialects/Tile/TileOps.td"),
    ("tilegpu", "dialects/TileGPU/TileGPUOps.td"),
]
#: Phases in the order of codegen/Compile/Pipeline.cpp; upstream passes are not listed.
PHASES = [
    ("Expand", "passes/Expand/Passes.td"),
    ("Simplify", "passes/Simplify/Passes.td"),
    ("Layout", "passes/Layout/Passes.td"),
    ("Memory", "passes/Memory/Passes.td"),
    ("Codegen", "codegen/NVVM/Passes.td"),
]


class Failure(Exception):
    """What keeps a page from being generated, in one sentence."""


def llvm_major() -> str:
    text = (ROOT / "cmake" / "TilewrightCompiler.cmake").read_text()
    return re.search(r"TILEWRIGHT_LLVM_VERSION (\d+)", text)[1]


def find_tool(name: str) -> str:
    found = shutil.which(f"{name}-{llvm_major()}") or shutil.which(name)
    if found is None:
        raise Failure(f"{name}-{llvm_major()} not found; it is in tools/setup/packages.txt")
    return found


def mlir_include() -> str:
    config = [find_tool("llvm-config"), "--includedir"]
    return subprocess.run(config, capture_output=True, text=True, check=True).stdout.strip()


def tablegen(td: str, *flags: str) -> str:
    command = [find_tool("mlir-tblgen"), "-I", ROOT, "-I", mlir_include(), *flags, ROOT / td]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise Failure(f"mlir-tblgen on {td}: {result.stderr.strip()}")
    return tidy(result.stdout)


def tidy(text: str) -> str:
    """mlir-tblgen's page without its banner, table of contents and stray white space."""
    text = re.sub(r"<!--.*?-->\n|^\[TOC\]\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def dialect_page(name: str, td: str) -> str:
    banner = f"<!-- Written by tools/docs/generate.py from {td}; edit that. -->\n\n"
    return banner + tablegen(td, "-gen-dialect-doc", f"-dialect={name}")


def passes_page() -> str:
    parts = ["<!-- Written by tools/docs/generate.py from the Passes.td files; edit those. -->\n"]
    parts.append("# Passes\n\nIn the order of the pipeline; see `passes/README.md`.\n")
    for phase, td in PHASES:
        names = re.findall(r'^def \w+ : (?:Interface)?Pass<"([\w-]+)"', read(td), re.MULTILINE)
        page = tablegen(td, "-gen-pass-doc")
        # mlir-tblgen sorts by name; the file's order is the pipeline's.
        sections = {name: "" for name in names}
        for section in re.split(r"^(?=### `)", page, flags=re.MULTILINE):
            if heading := re.match(r"### `-?([\w-]+)`", section):
                sections[heading[1]] = section.strip() + "\n"
        parts.append(f"## {phase} (`{td}`)\n")
        parts.extend(sections.values())
    return "\n".join(parts)


def unlisted_passes() -> list[str]:
    """One line for each pass that the list of phases leaves out."""
    listed = read("passes/README.md")
    found = []
    for _, td in PHASES:
        for name in re.findall(r'Pass<"(tw-[\w-]+)"', read(td)):
            if f"`{name}`" not in listed:
                found.append(f"passes/README.md:1: {name} is not in the table of phases")
    return found


def read(path: str) -> str:
    return (ROOT / path).read_text()


def tables_page(build: Path) -> str | None:
    """The page of tw-tables; None where it is not built."""
    tool = build / "bin" / "tw-tables"
    if not tool.exists():
        return None
    return subprocess.run([tool], capture_output=True, text=True, check=True).stdout


def pages(build: Path) -> dict[str, str]:
    """Path from docs/reference/ to contents."""
    result = {f"{name}.md": dialect_page(name, td) for name, td in DIALECTS}
    result["passes.md"] = passes_page()
    tables = tables_page(build)
    if tables is None:
        print(f"reference: tables.md left alone, {build.name}/bin/tw-tables is not built")
        tables = (REFERENCE / "tables.md").read_text()
    else:
        result["tables.md"] = tables
    result[PICTURE] = draw_packing.draw(tables)
    instructions = instruction_table.page(build)
    if instructions is None:
        print(f"reference: instructions.md left alone, {build.name} lacks its tools")
    else:
        result[INSTRUCTIONS] = instructions
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when a page differs")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build directory")
    arguments = parser.parse_args()
    try:
        generated = pages(arguments.build)
    except Failure as failure:
        print(f"reference: {failure}")
        return 1
    stale = 0
    for name, text in generated.items():
        path = (REFERENCE / name).resolve()
        old = path.read_text() if path.exists() else ""
        if old == text:
            continue
        stale += 1
        if arguments.check:
            shown = str(path.relative_to(ROOT))
            lines = difflib.unified_diff(
                old.splitlines(), text.splitlines(), shown, "generated", n=0, lineterm=""
            )
            print("\n".join(list(lines)[:20]))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f"reference: wrote {path.relative_to(ROOT)}")
    if arguments.check:
        hint = "; run python tools/docs/generate.py" if stale else ""
        print(f"reference: {stale} of {len(generated)} pages differ{hint}")
    broken = [*links.check(ROOT), *unlisted_passes()] if arguments.check else []
    for line in broken:
        print(line)
    return 1 if arguments.check and (stale or broken) else 0


if __name__ == "__main__":
    sys.exit(main())
