#!/usr/bin/env python3
"""Makes a new pass, so that the right shape is the lazy one.

    tools/scaffold/new_pass.py Memory HoistSlots "take slots out of loops"

writes
    passes/Memory/Passes.td          a definition, tw-hoist-slots, to be described
    passes/Memory/HoistSlots.cpp     the pass, which visits kernels and changes nothing
    passes/Memory/CMakeLists.txt     one line
    test/passes/Memory/hoist-slots.mlir   a test that fails until it is written

and says what is left to do by hand. The name is verb + object; the three spellings
follow from it. Nothing is written when anything is wrong.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

DEFINITION = """def {name} : Pass<"{flag}", "::mlir::func::FuncOp"> {{
  let summary = "{summary}";
  let description = [{{
    Precondition: TODO what must hold.

    TODO what the pass does, and why here.

    Postcondition: TODO what holds afterwards. Functions that are not kernels are
    left alone.
  }}];
  let dependentDialects = ["{dialect}"];
}}

"""

SOURCE = """//===- {name}.cpp - {title} {dashes}===//
//
// Part of the {phase} phase. TODO where it stands, and the rewrite as an equation:
//
//   before = after
//
//===----------------------------------------------------------------------===//
#include "passes/{phase}/Passes.h"

using namespace mlir;
using namespace tilewright;

namespace tilewright::{namespace} {{
#define GEN_PASS_DEF_{macro}
#include "passes/{phase}/Passes.h.inc"
}} // namespace tilewright::{namespace}

namespace {{
struct {name}Pass : {namespace}::impl::{name}Base<{name}Pass> {{
  void runOnOperation() override {{
    func::FuncOp function = getOperation();
    if (!function->hasAttr(tile::kernelAttrName))
      return;
  }}
}};
}} // namespace
"""

TEST = """// {title}.
// RUN: %tw-opt %s -{flag} -split-input-file | FileCheck %s

// TODO one sentence of intent; the smallest kernel that shows it.
// CHECK-LABEL: func.func @{symbol}(
// CHECK: write what the pass promises
func.func @{symbol}()
    attributes {{tile.kernel = #tile.kernel<grid = ["1", "1", "1"], warps = 1>}} {{
  return
}}
"""


class Refusal(Exception):
    """Why nothing was written, in one sentence."""


def spell(name: str) -> str:
    """HoistSlots -> hoist-slots; NVVM and NN stay words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def find_phases(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("passes/*/Passes.td"))


def add_definition(td: str, definition: str) -> str:
    """`td` with the definition after the last one, before the include guard's end."""
    head, guard, tail = td.rpartition("#endif")
    if not guard:
        raise Refusal("Passes.td does not end in #endif")
    return head.rstrip() + "\n\n" + definition + guard + tail


def add_source(cmake: str, source: str) -> str:
    """`cmake` with the file among its SOURCES, in order."""
    block = re.search(r"^  SOURCES\n((?:    \S+\.cpp\n)+)", cmake, re.MULTILINE)
    if not block:
        raise Refusal("CMakeLists.txt has no SOURCES with one file a line")
    lines = sorted([*block[1].splitlines(), f"    {source}"])
    return cmake[: block.start(1)] + "\n".join(lines) + "\n" + cmake[block.end(1) :]


def plan(root: Path, phase: str, name: str, summary: str) -> dict[Path, str]:
    """Every file to write and its contents."""
    if phase not in find_phases(root):
        raise Refusal(f"no phase '{phase}'; there are {', '.join(find_phases(root))}")
    if not re.fullmatch(r"[A-Z][a-z0-9]+(?:[A-Z]+[a-z0-9]*)+", name):
        raise Refusal(f"expects a verb and an object in CamelCase, but got '{name}'")
    if '"' in summary or summary.endswith(".") or not summary[:1].islower():
        raise Refusal(f"expects a lower-case summary without full stop or quotes, got '{summary}'")
    folder = root / "passes" / phase
    td, cmake = folder / "Passes.td", folder / "CMakeLists.txt"
    source = folder / f"{name}.cpp"
    test = root / "test" / "passes" / phase / f"{spell(name)}.mlir"
    if source.exists() or re.search(rf"^def {name}\b", td.read_text(), re.MULTILINE):
        raise Refusal(f"passes/{phase} already has {name}")
    namespace = re.search(r"^namespace tilewright::(\w+)", (folder / "Passes.h").read_text(), re.M)
    title = summary[0].upper() + summary[1:]
    words = {
        "name": name,
        "phase": phase,
        "flag": f"tw-{spell(name)}",
        "symbol": spell(name).replace("-", "_"),
        "summary": summary,
        "title": title,
        "dashes": "-" * max(1, 80 - len(f"//===- {name}.cpp - {title} ===//")),
        "macro": name.upper(),
        "namespace": namespace[1],
        "dialect": "::tilewright::tile::TileDialect"
        if phase == "Expand"
        else "::tilewright::tilegpu::TileGPUDialect",
    }
    return {
        td: add_definition(td.read_text(), DEFINITION.format(**words)),
        source: SOURCE.format(**words),
        cmake: add_source(cmake.read_text(), source.name),
        test: TEST.format(**words),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("phase", help="folder of passes/")
    parser.add_argument("name", help="verb + object, e.g. HoistSlots")
    parser.add_argument("summary", help="lower case, no full stop")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    root = arguments.root
    try:
        files = plan(root, arguments.phase, arguments.name, arguments.summary)
    except Refusal as refusal:
        print(f"new_pass: {refusal}", file=sys.stderr)
        return 2
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"wrote {path.relative_to(root)}")
    print(
        f"Left to do: place {arguments.name} in codegen/Compile/Pipeline.cpp and "
        "passes/README.md,\nfill in what says TODO, write the test, and run "
        "python tools/docs/generate.py."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
