"""`tw profile`: totals, lines, JSON, the page."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "launch"))
from launch_ptx import EARLY, READING, STRIDED

SPEC = """
[buffers.out]
dtype = "i32"
shape = [1024]

[options]
checks = ["async"]

[launch]
block = 32
args = ["out", 32]
"""
WHERE = ("strided.ptx", "--launch", "strided.toml")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a kernel whose stride meets one bank, as the current one."""
    monkeypatch.chdir(tmp_path)
    Path("strided.ptx").write_text(STRIDED)
    Path("strided.toml").write_text(SPEC)
    return tmp_path


def line_of(text, statement):
    return 1 + text.splitlines().index(statement)


STORE = line_of(STRIDED, "  st.shared.b32 [%r2], %r1;")


def page_data(text):
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(data[1])


def test_what_was_not_checked_to_the_end_is_said(tw, folder):
    Path("read.ptx").write_text(READING)
    spec = {"launch": {"block": 32}, "options": {"race_record_limit": 1000}}
    Path("read.json").write_text(json.dumps(spec))
    result = tw("profile", "read.ptx", "--launch", "read.json")
    assert result.status == 0
    (note,) = [line for line in result.out.splitlines() if line.startswith("note: ")]
    assert note.startswith("note: in 'read': races are checked")
    (launch,) = tw("profile", "read.ptx", "--launch", "read.json", "--json").json["launches"]
    assert note.endswith(launch["notes"][0])


def test_totals_and_lines(tw, folder):
    result = tw("profile", *WHERE, "--sort", "conflicts", "--top", "2")
    assert (result.status, result.err) == (0, "")
    out = result.out
    assert out.startswith("kernel 'strided' on emulated:a100, grid 1, block 32\n")
    # 32 lanes, each in bank 0; each store of 4 bytes in a sector of its own.
    assert re.search(r"shared wavefronts +32, 32.00 times the least of 1\n", out)
    assert re.search(r"global sectors +32, 8.00 times the least of 4\n", out)
    assert re.search(r"warp instructions +12: ", out)
    table = out.split("\n\n")[1].splitlines()
    assert table[0].split() == [
        "line", "issues", "share", "lanes", "sectors/needed", "wavefronts/ideal",
    ]  # fmt: skip
    assert table[1].split()[:6] == [
        f"strided.ptx:{STORE}",
        "1",
        "8%",
        "100%",
        "32/1",
        "st.shared.b32",
    ]
    assert table[-1] == "... 10 more lines; --top shows more"


def test_json(tw, folder, documented_keys):
    report = tw("profile", *WHERE, "--json").json
    assert set(report) == {"title", "seed", "findings", "launches"}
    (launch,) = report["launches"]
    assert set(launch) == documented_keys("## `tw profile --json`")
    assert launch["counters"]["sharedWavefronts"] == 32
    (store,) = [line for line in launch["lines"] if line["ptx_line"] == STORE]
    assert store["counters"]["sharedWavefronts"] == 32
    worst = store["worst_access"]
    assert (worst["cost"], worst["ideal"], worst["space"]) == (32, 1, "shared")
    steps = np.diff(worst["addresses"])
    assert (steps == 128).all()
    assert sum(launch["issues_by_class"].values()) == launch["counters"]["issues"]
    assert launch["source_lines"] == []


def test_source_lines_are_summed(tw, folder):
    statements = ["  mov.u32 %r1, %tid.x;", "  mul.lo.u32 %r1, %r1, %r0;", "  shl.b32 %r1, %r1, 2;"]
    ptx = STRIDED.replace(statements[0], "  .loc 1 2 3\n" + statements[0])
    ptx = ptx.replace("  mov.u32 %r2, tile;", "  .loc 1 3 3\n  mov.u32 %r2, tile;")
    Path("strided.ptx").write_text(ptx + '.file 1 "/gone/strided.cu"\n')
    Path("strided.cu").write_text("void strided() {\n  int i = threadIdx.x;\n  tile[i] = 0;\n}\n")
    launch = tw("profile", *WHERE, "--json").json["launches"][0]
    lines = {line["source_line"]: line for line in launch["source_lines"]}
    assert lines[2]["counters"]["issues"] == 3
    assert lines[2]["source_file"] == "strided.cu"
    out = tw("profile", *WHERE).out
    assert re.search(r"^strided.cu:2 +3 .*int i = threadIdx.x;$", out, re.MULTILINE)


def test_several_launches_and_findings(tw, folder):
    Path("early.ptx").write_text(EARLY)
    Path("early.toml").write_text(
        '[buffers.x]\ndtype = "i32"\nshape = [4]\ninit = "ones"\n'
        '[buffers.y]\ndtype = "i32"\nshape = [1]\n[launch]\nargs = ["x", "y"]\n'
    )
    result = tw("profile", "early.ptx", "--launch", "early.toml")
    assert result.status == 1
    assert "kernel 'early'" in result.out
    assert "error: async-read-early" in result.out
    launch = SPEC.split("[launch]")[1]
    Path("strided.toml").write_text(
        SPEC.replace("[launch]", "[[launch]]") + "\n[[launch]]" + launch
    )
    assert len(tw("profile", *WHERE, "--json").json["launches"]) == 2


def test_the_page_holds_all_it_needs(tw, folder):
    result = tw("profile", *WHERE, "--html", "page.html")
    assert "written to page.html" in result.out
    text = Path("page.html").read_text()
    data = page_data(text)
    assert data["texts"]["strided.ptx"] == STRIDED
    assert data["launches"][0]["counters"]["sharedWavefronts"] == 32
    for word in ("http:", "https:", "src=", "@import", "url(", "<link"):
        assert word not in text.replace("http://www.w3.org/2000/svg", ""), word


def test_a_hostile_source_stays_text(tw, folder):
    evil = "// </script><script>alert(1)</script><!-- __DATA__ __TITLE__"
    Path("strided.ptx").write_text(STRIDED + evil + "\n")
    tw("profile", *WHERE, "--html", "page.html")
    text = Path("page.html").read_text()
    assert text.count("</script>") == 2
    assert evil in page_data(text)["texts"]["strided.ptx"]


def test_the_page_in_a_browser(tw, folder):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no chromium to open the page with")
    tw("profile", *WHERE, "--html", "page.html")
    shown = {}
    for tab in ("lines", "accesses", "classes"):
        run = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000",
             f"--user-data-dir={folder / 'browser'}", "--dump-dom", f"file://{folder}/page.html#{tab}"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        shown[tab] = run.stdout.split('<script id="data"')[0]
    assert "st.shared.b32 [%r2], %r1;" in shown["lines"]
    assert "32 wavefronts where 1 would do" in shown["accesses"]
    assert shown["accesses"].count("bank 0, shared address") == 32
    assert "32.00 \u00d7" in shown["accesses"]
    assert "integer" in shown["classes"]


def test_a_problem_of_our_own(tw):
    result = tw("profile", "--op", "quant_matmul", "-m", "16", "-n", "64", "-k", "128", "--json")
    assert result.status == 0
    launch = result.json["launches"][0]
    assert launch["kernel"] == "quant_matmul"
    # m16n8k16: 4 * 8 * 8 products, if each is made once.
    assert launch["counters"]["matrixOperations"] >= 64 // 8 * 128 // 16
    assert any("worst_access" in line for line in launch["lines"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expects FILE and --launch, or --op"),
        (["strided.ptx"], "expects FILE and --launch, or --op"),
        ([*WHERE, "--op", "quant_matmul"], "exclude each other"),
        ([*WHERE, "--format", "u4"], "--format belongs to --op"),
        ([*WHERE, "--schedule", "x"], "--schedule belongs to --op"),
        ([*WHERE, "--device", "cuda:0"], "only emulated devices"),
        ([*WHERE, "--top", "0"], "--top: expects an integer of 1 or more"),
        ([*WHERE, "--sort", "nothing"], "--sort"),
        ([*WHERE, "--html", "/nowhere/x.html"], "cannot write /nowhere/x.html"),
    ],
)
def test_bad_input(tw, folder, arguments, words):
    result = tw("profile", *arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert words in result.err


def test_a_profile_in_python_writes_the_page(folder):
    module = tw.Module(STRIDED, options=tw.EmulatorOptions(keep_worst_access=True))
    with tw.profile(report=True) as profile:
        module.launch("strided", 1, 32, [np.zeros(1024, np.int32), 32])
        rng = np.random.default_rng(1)
        qw = tw.quantize(rng.standard_normal((64, 128), np.float32), "u4", layout="nk")
        tw.linear(np.ones((8, 128), np.float16), qw, device="emulated:a100")
    profile.write_html("page.html", "two launches")
    data = page_data(Path("page.html").read_text())
    assert [launch["kernel"] for launch in data["launches"]] == ["strided", "quant_matmul"]
    assert data["texts"]["strided.ptx"] == STRIDED
    with tw.profile() as profile:
        pass
    with pytest.raises(tw.ArgumentError, match="no launch has a report"):
        profile.write_html("page.html")
