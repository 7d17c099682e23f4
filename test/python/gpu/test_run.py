"""tools/gpu/run.py: options, the comparison of devices, stored results, a dry run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw
from gpu import compare, run
from gpu.compare import Case

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tools" / "gpu" / "run.py"
CASE = Case("u4", "f16", 17, 127, 33)


class TestOptions:
    def test_lists(self):
        options = run.parse_arguments(["--layers", "64x32,128x16", "--rows=1,16", "--steps=bench"])
        assert options.layers == [(64, 32), (128, 16)]
        assert (options.rows, options.steps) == ([1, 16], ["bench"])

    def test_the_problems_asked_for(self):
        options = run.parse_arguments([])
        assert options.layers == [(4096, 4096), (4096, 14336), (8192, 8192), (8192, 28672)]
        assert options.rows == [1, 2, 4, 8, 16, 32, 64, 256, 1024, 4096]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--layers", "64"], "layer is '64'; expects KxN"),
            (["--steps", "bench,tets"], "step is 'tets'; expects some of tests, compare, bench"),
        ],
    )
    def test_errors(self, arguments, message, capsys):
        with pytest.raises(SystemExit):
            run.parse_arguments(arguments)
        assert message in capsys.readouterr().err

    def test_without_a_gpu_it_says_so(self):
        if not tw.device().is_emulated:
            pytest.skip("there is a GPU")
        with pytest.raises(SystemExit, match=r"there is no GPU: .*; see --dry-run"):
            run.choose_device(run.parse_arguments([]))

    def test_tests_that_are_listed_exist(self):
        assert all((ROOT / name).is_file() for name in run.GPU_TESTS)


class TestCompare:
    def test_names_say_all(self):
        cases = list(compare.cases())
        assert [Case.parse(case.name) for case in cases] == cases
        for left, right in zip(CASE.operands(), Case.parse(CASE.name).operands(), strict=True):
            left, right = (a if isinstance(a, np.ndarray) else a.words() for a in (left, right))
            np.testing.assert_array_equal(left, right)

    def test_bits_are_counted_and_bounds_held(self):
        y = compare.run_case(CASE, "emulated:h200", "quant_matmul{" + TILES + "}")
        changed = y.copy()
        changed[3, 4:6] = np.nextafter(changed[3, 4:6], np.inf, dtype=np.float32)
        found = compare.difference(CASE, changed, y)
        assert (found.differing, found.elements) == (2, y.size)
        assert 0 < found.of_bound < 1
        changed[3, 4] += 1
        with pytest.raises(AssertionError, match=r"u4-f16-17x127x33 on hardware has error"):
            compare.difference(CASE, changed, y)
        with pytest.raises(AssertionError, match=r"u4-f16-17x127x33 emulated has error"):
            compare.difference(CASE, y, changed)

    def test_results_are_kept_and_checked_again(self, tmp_path):
        device = tw.device("emulated:h200")
        found = compare.compare(device, "emulated:a100", tmp_path / "kept", ["f4e2m1"])
        assert len(found) == 6
        again = compare.check_stored(tmp_path / "kept.npz")
        assert [one.case for one in again] == [one.case for one in found]
        assert all(one.differing == 0 for one in again)
        with np.load(tmp_path / "kept.npz") as stored:
            parts = dict(stored)
        name = again[0].case
        parts[name] = np.nextafter(parts[name], np.float32(np.inf))
        np.savez(tmp_path / "kept.npz", **parts)
        assert compare.check_stored(tmp_path / "kept.npz")[0].differing == parts[name].size


TILES = "split_k=1, stages=2, tile_k=128, tile_m=16, tile_n=32, warps_m=1, warps_n=1"


def test_a_dry_run_from_elsewhere(tmp_path):
    """In another folder and without our environment; what it writes has no times."""
    command = [sys.executable, SCRIPT, "--dry-run", "--steps=compare,bench", "--formats=u4"]
    command += ["--rows=1,17", f"--out={tmp_path}"]
    environment = {"PATH": os.defpath}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "6 of 6 products have the same bits" in result.stdout
    assert result.stdout.endswith("compare passed, bench passed\n")
    (path,) = tmp_path.glob("dry-*-bench.json")
    record = json.loads(path.read_text())
    assert record["emulated"] is True
    assert record["gpu"] is record["copy_bytes_per_second"] is None
    assert [row["problem"]["m"] for row in record["rows"]] == [1, 17]
    assert all(row["seconds"] is None and row["counters"]["issues"] for row in record["rows"])
