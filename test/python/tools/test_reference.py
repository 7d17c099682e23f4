"""The generated pages of docs/reference say what the code says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tilewright

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "docs"))

import links  # noqa: E402

GENERATE = ROOT / "tools" / "docs" / "generate.py"
BUILD = Path(tilewright.__file__).absolute().parents[2]


def generate(*arguments, script=GENERATE):
    command = [sys.executable, script, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_pages_are_current():
    if not (BUILD / "bin" / "tw-tables").exists():
        pytest.skip(f"tw-tables is not built in {BUILD}")
    result = generate("--check", "--build", BUILD)
    assert result.returncode == 0, result.stdout
    # Six, where the emulator's test programs are not built.
    pages = 6 if "instructions.md left alone" in result.stdout else 7
    assert f"0 of {pages} pages differ" in result.stdout


def test_a_changed_description_is_noticed(tmp_path):
    for folder in ("cmake", "codegen", "dialects", "passes", "docs", "tools/docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    td = tmp_path / "passes" / "Memory" / "Passes.td"
    td.write_text(td.read_text().replace("overlap a loop's loads", "hide a loop's loads"))
    result = generate("--check", script=tmp_path / "tools" / "docs" / "generate.py")
    assert result.returncode == 1
    assert "1 of 5 pages differ" in result.stdout
    assert "+_Hide a loop's loads" in result.stdout


def test_links_that_lead_nowhere_are_noticed(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "passes").mkdir()
    (tmp_path / "docs" / "here.md").write_text(
        "[there](there.md) and [here](here.md#top)\n"
        "`passes/Gone.cpp`, `passes`, `std/any`, `build/bin/tw-opt`\n"
        "```\n[code](nowhere.md)\n```\n"
    )
    assert list(links.check(tmp_path)) == [
        "docs/here.md:1: link to there.md, which is not there",
        "docs/here.md:2: path passes/Gone.cpp, which is not there",
    ]
