"""`tw devices` and `tw doctor`."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tilewright._extension import native
from tilewright.cli import doctor, nvidia


def test_devices_lists_every_model_with_its_row(tw):
    result = tw("devices")
    assert (result.status, result.err) == (0, "")
    rows = {line.split()[0]: line.split() for line in result.out.splitlines() if line.strip()}
    assert rows["emulated:a100"][1:5] == ["sm_80", "108", "40", "GiB"]
    assert rows["emulated:b200"][1] == "sm_100a"
    assert "data only" in " ".join(rows["emulated:t4"])


def test_devices_json_has_the_documented_keys(tw, documented_keys):
    listing = tw("devices", "--json").json
    assert set(listing) == documented_keys("## `tw devices --json`")
    models = {row["device"]: row for row in listing["emulated"]}
    assert models["emulated:h200"]["sm_count"] == 132
    assert models["emulated:h200"]["shared_bytes_per_block"] == 227 * 1024
    assert bool(listing["gpus"]) or bool(listing["problems"])
    assert listing["default"] == (listing["gpus"] or [models["emulated:a100"]])[0]["device"]


def test_why_there_is_no_gpu_is_said(tw):
    listing = tw("devices", "--json").json
    if listing["gpus"]:
        pytest.skip("this machine has a GPU")
    assert "libcuda" in listing["problems"][0] or "driver" in listing["problems"][0]
    assert listing["problems"][0] in tw("devices").out


def test_doctor_finds_what_is_needed(tw):
    result = tw("doctor")
    assert (result.status, result.err) == (0, "")
    assert "Everything needed is there." in result.out
    assert "failed" not in result.out


def test_doctor_json_has_the_documented_keys(tw, documented_keys):
    result = tw("doctor", "--json")
    assert result.status == 0
    assert set(result.json) == documented_keys("## `tw doctor --json`")
    checks = {check["name"]: check for check in result.json["checks"]}
    for name in ("Python", "numpy", "tilewright", "compiler", "emulated device"):
        assert checks[name]["status"] == "ok"
    for name in ("CUDA driver", "ptxas", "nvdisasm", "NVRTC", "nvJitLink", "torch"):
        assert checks[name]["status"] in ("ok", "note")
    assert all(check["hint"] for check in checks.values() if check["status"] == "failed")
    assert "LLVM 2" in checks["tilewright"]["detail"]


def test_doctor_says_what_is_missing_and_how_to_get_it(tw, monkeypatch):
    installed = doctor._installed
    monkeypatch.setattr(
        doctor, "_installed", lambda name: None if name == "ml_dtypes" else installed(name)
    )
    result = tw("doctor")
    assert result.status == 1
    assert "pip install ml_dtypes" in result.out
    assert "Something needed is not there" in result.out


def test_doctor_without_the_compiled_half(tw, monkeypatch):
    def missing():
        raise doctor.Error("cannot be loaded")

    monkeypatch.setattr(doctor, "native", missing)
    result = tw("doctor", "--json")
    assert result.status == 1
    checks = {check["name"]: check for check in result.json["checks"]}
    assert checks["tilewright"]["status"] == "failed"
    assert "make build" in checks["tilewright"]["hint"]


def test_what_is_optional_is_a_note(tw, monkeypatch):
    monkeypatch.setattr(nvidia, "find_tool", lambda name: None)
    monkeypatch.setattr(nvidia, "load_library", lambda *names, **options: None)
    result = tw("doctor", "--json")
    assert result.status == 0
    checks = {check["name"]: check for check in result.json["checks"]}
    for name in ("ptxas", "nvdisasm", "NVRTC", "nvJitLink", "CUDA driver"):
        assert checks[name]["status"] == "note"
        assert checks[name]["hint"]


@pytest.fixture(scope="module")
def stub_driver(tmp_path_factory):
    """A libcuda.so.1 with two GPUs that records calls and computes nothing."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).parents[2] / "unit" / "runtime" / "Device" / "StubDriver.c"
    command = [compiler, "-shared", "-fPIC", "-o", folder / "libcuda.so.1", source]
    subprocess.run(command, check=True)
    return folder


def run_with(driver, *arguments):
    return subprocess.run(
        ["env", f"LD_LIBRARY_PATH={driver}", sys.executable, "-m", "tilewright", *arguments],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_gpus_are_listed(stub_driver):
    result = run_with(stub_driver, "devices")
    assert (result.returncode, result.stderr) == (0, "")
    assert "cuda:0 (a100)" in result.stdout
    assert "cuda:1 (h200)" in result.stdout
    assert "Default: cuda:0" in result.stdout


def test_doctor_tries_every_gpu(stub_driver):
    result = run_with(stub_driver, "doctor")
    assert (result.returncode, result.stderr) == (1, "")
    assert "a100, sm_80, 108 SMs: a kernel errs" in result.stdout
    assert "h200, sm_90a, 132 SMs: a kernel errs" in result.stdout


def test_silicon_that_no_row_describes_compiles_as_its_target():
    model = {**native().find_model("h200"), "name": "unlisted", "sm_count": 66}
    _, artifact = doctor.compile_self_test(model)
    assert artifact.metadata["target"] == "sm_90a"


def test_a_gpu_that_computes_nothing_is_status_1(stub_driver):
    arguments = ["run", "--op", "quant_matmul", "-n", "64", "-k", "128", "--device", "cuda:1"]
    result = run_with(stub_driver, *arguments)
    assert (result.returncode, result.stderr) == (1, "")
    assert "OUTSIDE the bound" in result.stdout
    assert "sm_90a" in result.stdout
    result = run_with(stub_driver, *arguments[:-1], "cuda:7")
    assert result.returncode == 2
    assert "cuda:7" in result.stderr
