"""tools/gpu/bundle.py: what is in a bundle, that it runs alone, how large it may be."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import tilewright as tw
from gpu import bundle

ROOT = Path(__file__).resolve().parents[3]
EXTENSION = next(Path(tw.__file__).parent.glob("_native.*.so"), None)
pytestmark = pytest.mark.skipif(EXTENSION is None, reason="there is no extension of a build")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle with the extension of this Python, unpacked where nothing else is."""
    if shutil.which("strip") is None:
        pytest.skip("there is no strip")
    made = tmp_path_factory.mktemp("made") / bundle.NAME
    made.mkdir()
    bundle.stage(made, EXTENSION, {"commit": "0", "python": "3"})
    return made


def test_what_is_in_it(folder):
    have = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    wanted = [
        "BUNDLE.json",
        "LICENSE",
        "pyproject.toml",
        "tools/gpu/run.py",
        "test/triton/kernels.py",
    ]
    wanted += ["python/tilewright/__init__.py", f"python/tilewright/{EXTENSION.name}"]
    wanted += ["test/python/device/test_gpu.py", "test/python/covering.py"]
    assert set(wanted) <= have
    assert not [name for name in have if "__pycache__" in name or name.startswith(".")]
    assert json.loads((folder / "BUNDLE.json").read_text()) == {"commit": "0", "python": "3"}


def test_the_extension_is_stripped(folder):
    kept = folder / "python" / "tilewright" / EXTENSION.name
    assert kept.stat().st_size < EXTENSION.stat().st_size


def test_it_runs_alone(folder, tmp_path):
    """From an empty folder with a clean environment; the package is the bundle's."""
    code = (
        "import runpy, sys; sys.argv[1:] = ['--dry-run', '--steps=bench', '--rows=1',"
        f" '--formats=u4', {f'--out={tmp_path}'!r}]\n"
        "try: runpy.run_path(%r, run_name='__main__')\n"
        "except SystemExit as end: status = end.code\n"
        "import tilewright; print(tilewright.__file__); sys.exit(status)"
    ) % str(folder / "tools" / "gpu" / "run.py")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PATH": os.defpath},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == str(folder / "python" / "tilewright" / "__init__.py")
    (path,) = tmp_path.glob("*-bench.json")
    assert json.loads(path.read_text())["bundle"] == {"commit": "0", "python": "3"}


class TestPack:
    def make(self, folder):
        (folder / "b" / "__pycache__").mkdir(parents=True)
        (folder / "b" / "a.py").write_text("a = 1\n")
        (folder / "b" / "__pycache__" / "a.pyc").write_bytes(b"1")
        return folder / "b"

    def test_names_and_owners(self, tmp_path):
        nbytes = bundle.pack(self.make(tmp_path), tmp_path / "b.tar.gz")
        assert nbytes == (tmp_path / "b.tar.gz").stat().st_size
        with tarfile.open(tmp_path / "b.tar.gz") as archive:
            assert archive.getnames() == ["b", "b/a.py"]
            assert {(m.uid, m.uname, m.mtime) for m in archive} == {(0, "", 0)}

    def test_too_large(self, tmp_path, monkeypatch):
        monkeypatch.setattr(bundle, "LIMIT", 100)
        (self.make(tmp_path) / "noise").write_bytes(os.urandom(1000))
        with pytest.raises(bundle.BundleError, match=r"has \d+ bytes; expects at most 100"):
            bundle.pack(tmp_path / "b", tmp_path / "b.tar.gz")
        assert not (tmp_path / "b.tar.gz").exists()


class TestPython:
    def test_ours(self):
        path, version = bundle.find_python(sys.executable)
        assert path.exists()
        assert version == f"{sys.version_info[0]}.{sys.version_info[1]}"

    def test_none(self):
        with pytest.raises(
            bundle.BundleError, match=r"BUNDLE_PYTHON is 'no-python', which does no"
        ):
            bundle.find_python("no-python")

    def test_without_headers(self, tmp_path):
        fake = tmp_path / "python"
        fake.write_text("#!/bin/sh\nprintf '/x/python\\n3.12\\nFalse\\n'\n")
        fake.chmod(0o755)
        with pytest.raises(bundle.BundleError, match=r"/x/python, which has no Python\.h"):
            bundle.find_python(str(fake))
