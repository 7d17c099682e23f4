"""The kernels of examples/check: each mistake is found and shown as the page shows it, and
each kernel is clean once it is mended.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tilewright import check
from tilewright.cuda_toolkit import load_library

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "examples" / "check"

#: What mends each kernel: texts and what they become.
MENDED = {
    "missing_barrier": [("// __syncthreads", "__syncthreads")],
    "early_read": [('wait_group 1;"', 'wait_group 0;"')],
    "missing_fence": [
        ("// __threadfence", "__threadfence"),
        ("    }\n  __syncthreads();", "    }\n  __threadfence();\n  __syncthreads();"),
    ],
}
#: The line of the source that the error is at, and that of the other access.
PLACES = {
    "missing_barrier": ("race", "out[i] = tile[", "tile[threadIdx.x] = in[i]"),
    "early_read": ("async-read-early", "float4 v = tile[threadIdx.x]", "cp.async.cg.shared.global"),
    "missing_fence": ("race", "= *value;", "*value = 42.0f;"),
}
needs_nvrtc = pytest.mark.skipif(load_library("nvrtc") is None, reason="there is no NVRTC")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tilewright", "check", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip


def shown_by_the_page(name):
    page = (FOLDER / "README.md").read_text()
    (block,) = re.findall(
        rf"```\n\$ tw (check examples/check/{name}.ptx .*?)\n(.*?)```", page, re.S
    )
    return block


def without_times(text):
    return re.sub(r" in [\d.]+ m?s\b", " in T", text)


@pytest.mark.parametrize("name", MENDED)
def test_the_page_shows_what_is_printed(name):
    command, shown = shown_by_the_page(name)
    result = run(*command.split()[1:])
    assert (result.returncode, result.stderr) == (1, "")
    assert without_times(result.stdout) == without_times(shown)


@pytest.mark.parametrize("name", MENDED)
def test_the_error_is_at_the_mistake(name):
    kind, statement, other = PLACES[name]
    lines = (FOLDER / f"{name}.cu").read_text().splitlines()
    shown = run(FOLDER / f"{name}.ptx", "--launch", FOLDER / f"{name}.toml").stdout
    places = re.findall(rf"^.*{name}.cu:(\d+):\d+: (?:error: (\S+)|note): ", shown, re.MULTILINE)
    assert places[0][1] == kind
    assert statement in lines[int(places[0][0]) - 1]
    assert other in lines[int(places[1][0]) - 1]


@needs_nvrtc
@pytest.mark.parametrize("name", MENDED)
def test_the_source_has_the_mistake_and_mended_it_is_clean(name, tmp_path):
    spec = FOLDER / f"{name}.toml"
    result = run(FOLDER / f"{name}.cu", "--launch", spec)
    assert result.returncode == 1
    assert PLACES[name][0] in result.stdout
    source = (FOLDER / f"{name}.cu").read_text()
    for before, after in MENDED[name]:
        assert source.count(before) == 1
        source = source.replace(before, after)
    path = tmp_path / f"{name}.cu"
    path.write_text(source)
    assert check(path, launch=spec, seeds=16).is_clean


def test_paths_of_no_machine_are_in_the_ptx():
    for name in MENDED:
        files = re.findall(r'\.file\s+\d+ "(.*)"', (FOLDER / f"{name}.ptx").read_text())
        assert f"{name}.cu" in files
        assert not [file for file in files if "/" in file]
