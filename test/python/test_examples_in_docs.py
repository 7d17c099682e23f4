"""The examples that pages show run as they are shown."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw
from tilewright import testing
from tilewright.attention_reference import attention_reference
from tilewright.scalar_functions import ALIASES, FUNCTIONS, UNARY

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(tw.__file__).absolute().parents[2]


def blocks(page, language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(), re.DOTALL | re.M)
    return [text for name, text in fenced if name == language]


def test_readme_in_python(capsys):
    (example,) = blocks("README.md", "python")
    exec(compile(example, "README.md", "exec"), {})
    first = capsys.readouterr().out.splitlines()[0]
    shown = re.search(r"^print\(.*# *(.*)$", example, re.MULTILINE)[1]
    if first.startswith("emulated:"):
        assert first == shown
    else:
        assert first.startswith("cuda:")


def test_readme_on_the_command_line():
    if not tw.device().is_emulated:
        pytest.skip("the page shows a machine without a GPU")
    example = next(block for block in blocks("README.md", "") if "tw run" in block)
    command, *shown = example.split("...")[0].strip().splitlines()
    arguments = command.removeprefix("$ build/bin/tw ").split()
    run = subprocess.run(
        [sys.executable, "-m", "tilewright", *arguments], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    printed = run.stdout.splitlines()
    # The rest depends on the default schedule.
    for line, name in [(0, "problem"), (1, "kernel"), (3, "inputs")]:
        assert shown[line].startswith(name)
        assert shown[line] in printed
    assert "result    within the bound" in run.stdout


def test_emulator_page_in_python(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    kernel = (ROOT / "test/unit/runtime/Device/ConformanceTest.cpp").read_text()
    parameters = "(.param .u64 x, .param .u64 y, .param .u32 count, .param .f32 factor)"
    ptx = re.search(r'scalePTX = R"\((.*?)\)";', kernel, re.DOTALL)[1]
    assert parameters in ptx
    Path("kernels.ptx").write_text(ptx.replace("tile[]", "tile[512]").replace(".extern ", ""))
    launch, options = (b for b in blocks("docs/emulator/README.md", "python") if "tw.Module" in b)
    names = {}
    exec(compile(launch, "README.md", "exec"), names)
    assert (names["y"] == names["x"] * np.float32(0.5)).all()
    exec(compile(options, "README.md", "exec"), names)
    assert names["module"].device == "emulated:h200"


def test_attention_variant_in_python():
    """The page's ten lines, against their definition in float64."""
    (example,) = blocks("docs/attention-variants.md", "python")
    names = {}
    exec(compile(example, "attention-variants.md", "exec"), names)
    q, k, v = (names[name].transpose(0, 2, 1, 3) for name in "qkv")
    functions = {name: names[name] for name in ("score_mod", "mask_mod")}
    reference = attention_reference(q, k, v, **functions)
    out = names["out"].transpose(0, 2, 1, 3)
    testing.assert_within_bound(out, reference.ref, reference.low)
    assert 0.05 < reference.visible.mean() < 0.3


def test_attention_variant_with_an_error():
    """The message that the page shows, of a function on line 12."""
    (shown,) = (b for b in blocks("docs/attention-variants.md", "") if "model.py" in b)
    source = "\n" * 11 + "def mask_mod(b, h, q_idx, kv_idx): return q_idx >= kv_idx and h > 0\n"
    names = {}
    exec(compile(source, "model.py", "exec"), names)
    with pytest.raises(tw.UnsupportedError) as caught:
        tw.create_block_mask(names["mask_mod"], 1, 1, 8, 8)
    assert str(caught.value) == " ".join(shown.split())


def test_attention_variants_may_use_what_the_page_lists():
    page = (ROOT / "docs/attention-variants.md").read_text()
    (listed,) = re.findall(r"functions of NumPy and torch \| `([\w ]+)`", page)
    named = set(listed.split())
    assert named <= {*FUNCTIONS, *ALIASES}
    # What has an operator need not be listed.
    spelled = set(UNARY) | {"where", "clip", "minimum", "maximum"}
    operators = {"negative", "absolute", "invert", "logical_not"}
    assert spelled - operators <= named


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
