"""The CUDA programs that the emulated device must run, as described cases.

`model.py` says what a case is, `compile.py` where its PTX comes from, `run.py`
runs it; the other modules hold the cases. Import `CASES` from here.
"""

import importlib

from .model import CASES, Case, Empty, Expected, Launch, Mutant, Offset, Problem, Struct

__all__ = ["CASES", "Case", "Empty", "Expected", "Launch", "Mutant", "Offset", "Problem", "Struct"]

# Importing a module registers its cases.
for _module in (
    "basics",
    "arithmetic",
    "formats",
    "parallel",
    "irregular",
    "dense",
    "products",
    "neural",
    "warps",
    "atomics",
    "groups",
    "cub",
    "hardware",
):
    importlib.import_module(f".{_module}", __name__)
