"""The examples that pages show run as they are shown."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import tilewright as tw

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(tw.__file__).absolute().parents[2]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.M)


def test_readme_in_python(capsys):
    (example,) = blocks("README.md", "python")
    exec(compile(example, "README.md", "exec"), {})
    first = capsys.readouterr().out.splitlines()[0]
    shown = re.search(r"^print\(.*# *(.*)$", example, re.MULTILINE)[1]
    if first.startswith("emulated:"):
        assert first == shown
    else:
        assert first.startswith("cuda:")


@pytest.mark.parametrize("emit", ["ptx", "phases", "metadata"])
def test_overview_in_mlir(emit, tmp_path):
    compiler = BUILD / "bin" / "tw-compile"
    if not os.access(compiler, os.X_OK):
        pytest.skip(f"tw-compile is not built in {BUILD}")
    layer = tmp_path / "layer.mlir"
    layer.write_text(blocks("docs/overview.md", "mlir")[0])
    run = subprocess.run([compiler, f"--emit={emit}", layer], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    # What the page quotes of each level.
    quoted = {
        "ptx": ["cp.async", "ldmatrix", "lop3", "mma.sync"],
        "phases": ["tile.unpack", "tile.stages = 3", "tilegpu.dequant", "tilegpu.async_wait 1"],
        "metadata": ["dynamic_shared_bytes", "quant_matmul"],
    }
    for text in quoted[emit]:
        assert text in run.stdout
