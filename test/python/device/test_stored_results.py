"""The emulated device against results that a GPU gave, kept in benchmarks/results.

`tools/gpu/run.py` makes them: `*-products.npz`, one file a run.
"""

from pathlib import Path

import pytest
from gpu.compare import check_stored

ROOT = Path(__file__).resolve().parents[3]
STORED = sorted((ROOT / "benchmarks" / "results").glob("2*-products.npz"))


@pytest.mark.parametrize("path", STORED or [None], ids=lambda path: path.stem if path else "none")
def test_the_same_bits(path):
    if path is None:
        pytest.skip("no results of a GPU are kept in benchmarks/results")
    differing = [one for one in check_stored(path) if one.differing]
    assert differing == []
