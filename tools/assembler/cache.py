"""A folder of results by content, so that a second run assembles nothing.

An entry is a file named after the hash of everything that its bytes follow
from. Entries appear whole: they are written beside and renamed, so readers and
writers in other processes need no lock. Nothing is ever changed; deleting the
folder, or any file in it, is always safe.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

# Counts up when the meaning of an entry changes.
_FORMAT = "1"


class Cache:
    """Entries under `folder`; None gives the one the environment names."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()
        self.hits = 0
        self.misses = 0

    def get(self, parts: tuple[str | bytes, ...], suffix: str, make: Callable[[], bytes]) -> bytes:
        """The entry of `parts`, made by `make` where there is none. What raises leaves none."""
        path = self.folder / f"{hash_parts(parts)}.{suffix}"
        try:
            data = path.read_bytes()
        except OSError:
            data = make()
            self.misses += 1
            self._publish(path, data)
        else:
            self.hits += 1
        return data

    def _publish(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".writing-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise


def hash_parts(parts: tuple[str | bytes, ...]) -> str:
    """A hash of the sequence: no two sequences share one because of where they are cut."""
    whole = hashlib.sha256(_FORMAT.encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()


def default_folder() -> Path:
    """$TILEWRIGHT_ASSEMBLER_CACHE, else build/ptxas-cache of this checkout."""
    if chosen := os.environ.get("TILEWRIGHT_ASSEMBLER_CACHE"):
        return Path(chosen)
    return Path(__file__).resolve().parents[2] / "build" / "ptxas-cache"
