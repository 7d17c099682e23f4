"""Checks that what the pages point at is there: links, and paths in backquotes.

A path in backquotes counts when its first folder is one of the repository's; the
include root of C++ headers and `docs/` are tried as well, and the folders of the
runtime, which its own pages leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([\w./-]+)`")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
SUFFIXES = {".cpp", ".h", ".td", ".py", ".md", ".txt", ".mlir", ".svg", ".c", ".cmake", ".toml"}


def check(root: Path) -> Iterator[str]:
    """One line for each link or path that leads nowhere."""
    folders = {path.name for path in root.iterdir() if path.is_dir()}
    bases = [root, root / "docs", root / "runtime", root / "runtime" / "Emulator"]
    pages = [*root.glob("*.md"), *root.glob("passes/*.md"), *root.glob("docs/**/*.md")]
    for page in sorted(pages):
        if page.parent.name == "reference":
            continue
        text = FENCE.sub(lambda block: "\n" * block[0].count("\n"), page.read_text())
        for number, line in enumerate(text.splitlines(), 1):
            place = f"{page.relative_to(root)}:{number}"
            for target in LINK.findall(line):
                if "://" not in target and not (page.parent / target).exists():
                    yield f"{place}: link to {target}, which is not there"
            for path in QUOTED.findall(line):
                first = path.split("/")[0]
                is_path = "/" in path and (first in folders or Path(path).suffix in SUFFIXES)
                # What a build makes is not in the repository.
                if not is_path or first == "build":
                    continue
                if not any((base / path).exists() for base in [page.parent, *bases]):
                    yield f"{place}: path {path}, which is not there"
