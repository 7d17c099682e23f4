"""How lit runs the .mlir tests: `lit build/test`, part of `make test`.

A test finds our tools by %tw-opt and %tw-compile, and FileCheck and not from the
LLVM that we build against. Features:

  ptxas   the CUDA assembler is on PATH; tests that need it say REQUIRES: ptxas
          and are skipped, with a warning, where it is missing
"""

# lit defines `config` and `lit_config`.
# ruff: noqa: F821
import os
import shutil

import lit.formats

config.name = "tilewright"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["unit", "python", "Inputs"]

path = os.environ.get("PATH", os.defpath)
config.environment["PATH"] = os.pathsep.join([config.llvm_tools, path])

for tool in ("tw-opt", "tw-compile"):
    executable = os.path.join(config.tilewright_tools, tool)
    if not os.access(executable, os.X_OK):
        lit_config.fatal(f"no {executable}: build the target {tool}")
    config.substitutions.append((f"%{tool}", executable))

if shutil.which("ptxas"):
    config.available_features.add("ptxas")
else:
    lit_config.warning("no ptxas on PATH: no PTX is assembled, these tests are skipped")
