"""Safetensors files against the format's own library; damage; writers that die."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from tilewright import tensor_file
from tilewright.tensor_file import DTYPES, TensorFile, TensorWriter

# What NumPy's side of the library can hold; it has no 8-bit floats.
LIBRARY_DTYPES = [dtype for name, dtype in DTYPES.items() if not name.startswith("F8")]


def make_tensors(rng, dtypes=LIBRARY_DTYPES):
    tensors = {}
    for i, dtype in enumerate(dtypes):
        shape = [(3, 5), (), (0, 4), (7,)][i % 4]
        size = int(np.prod(shape)) * dtype.itemsize
        high = 2 if dtype == np.bool_ else 256
        tensors[f"t.{i}"] = rng.integers(0, high, size, np.uint8).view(dtype).reshape(shape)
    return tensors


def write(path, tensors, metadata=None, **options):
    room = 500 + sum(200 + 6 * len(name) for name in tensors)
    with TensorWriter(path, header_room=room, **options) as writer:
        for name, array in tensors.items():
            writer.add(name, array)
        writer.finish(metadata or {}).close()
        writer.commit()


def read(path):
    with TensorFile(path) as file:
        return {name: file.read(name) for name in file.entries}, file.metadata


def assert_same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (array.dtype, array.shape), name
        assert actual[name].tobytes() == array.tobytes(), name


def test_the_library_reads_what_we_write(tmp_path):
    tensors = make_tensors(np.random.default_rng(1))
    write(tmp_path / "x", tensors, {"a": "é", "b": ""})
    with safe_open(tmp_path / "x", framework="numpy") as file:
        assert file.metadata() == {"a": "é", "b": ""}
        assert_same({name: file.get_tensor(name) for name in tensors}, tensors)


def test_we_read_what_the_library_writes(tmp_path):
    tensors = make_tensors(np.random.default_rng(2))
    save_file(tensors, tmp_path / "x", metadata={"a": "b"})
    assert_same(read(tmp_path / "x")[0], tensors)
    assert read(tmp_path / "x")[1] == {"a": "b"}


def test_all_dtypes_come_back(tmp_path):
    tensors = make_tensors(np.random.default_rng(3), list(DTYPES.values()))
    write(tmp_path / "x", tensors)
    assert_same(read(tmp_path / "x")[0], tensors)


def test_strides_and_byte_orders_do_not_show(tmp_path):
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    write(tmp_path / "x", {"a": array[::2, ::-1].T, "b": array.astype(">i4")})
    tensors, _ = read(tmp_path / "x")
    np.testing.assert_array_equal(tensors["a"], array[::2, ::-1].T)
    np.testing.assert_array_equal(tensors["b"], array)


def test_files_are_closed_with_their_objects(tmp_path):
    write(tmp_path / "x", {"a": np.ones(3)})
    before = len(os.listdir("/proc/self/fd"))
    file = TensorFile(tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == before + 1
    file.close()
    file.close()
    TensorFile(tmp_path / "x")
    tw.Checkpoint(tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_tensors_lie_aligned(tmp_path):
    write(tmp_path / "x", {"a": np.ones(3), "b": np.ones(3, np.float32)})
    data = (tmp_path / "x").read_bytes()
    assert (8 + int.from_bytes(data[:8], "little")) % 64 == 0


@pytest.mark.parametrize("dtype", [np.complex128, ml_dtypes.int4, np.dtype("U3")])
def test_a_dtype_that_files_lack(tmp_path, dtype):
    with pytest.raises(tw.UnsupportedError, match="safetensors files hold F64"):
        write(tmp_path / "x", {"a": np.zeros(3, dtype)})
    assert list(tmp_path.iterdir()) == []


class TestDamage:
    """Every change is an error of ours that names the file, or changes nothing."""

    def make(self, folder):
        dtypes = [np.dtype(dtype) for dtype in (np.float32, np.int16, np.uint8)]
        tensors = make_tensors(np.random.default_rng(4), dtypes)
        write(folder / "x", tensors, {"a": "b"})
        return tensors, (folder / "x").read_bytes()

    def test_truncated_anywhere(self, tmp_path):
        _, data = self.make(tmp_path)
        for length in reversed(range(len(data))):
            os.truncate(tmp_path / "x", length)
            with pytest.raises(tw.ArgumentError, match=r"/x is not a safetensors file, or damaged"):
                TensorFile(tmp_path / "x")

    def test_a_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "y")
        with pytest.raises(tw.ArgumentError, match="it is no regular file"):
            TensorFile(tmp_path / "y")

    def test_longer_than_it_says(self, tmp_path):
        _, data = self.make(tmp_path)
        (tmp_path / "y").write_bytes(data + b"\0")
        with pytest.raises(tw.ArgumentError, match=r"but \d+ are there"):
            TensorFile(tmp_path / "y")

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"dtype": "F4"}, "has dtype F4; supported: F64"),
            ({"dtype": ["F32"]}, "has dtype"),
            ({"shape": [-1]}, "shape"),
            ({"shape": [1.0]}, "shape"),
            ({"shape": 4}, "shape"),
            ({"shape": [2**70]}, "shape"),
            ({"shape": [2**40, 2**40]}, "has 4 bytes"),
            ({"data_offsets": [4, 8]}, "begins at 4; expects 0"),
            ({"data_offsets": [0, 2**40]}, "bytes"),
            ({"data_offsets": [4, 0]}, "bytes"),
            ({"data_offsets": [0]}, "lacks"),
            ({"data_offsets": ["0", "4"]}, "data_offsets"),
            ({"data_offsets": None}, "lacks"),
        ],
    )
    def test_entries(self, tmp_path, entry, message):
        good = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
        self.write_header(tmp_path / "y", json.dumps({"a": {**good, **entry}}))
        with pytest.raises(tw.ArgumentError, match=message):
            TensorFile(tmp_path / "y")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[]", "no JSON object"),
            ("{", "no JSON"),
            ('{"a": 1}', "'a' lacks dtype"),
            ('{"a": {}, "a": {}}', "a name occurs twice"),
            ('{"__metadata__": {"a": 1}}', "metadata"),
            ("[" * 200_000, "no JSON"),
            ("\xff", "no JSON"),
        ],
    )
    def test_headers(self, tmp_path, text, message):
        self.write_header(tmp_path / "y", text)
        with pytest.raises(tw.ArgumentError, match=message):
            TensorFile(tmp_path / "y")

    def write_header(self, path, text):
        data = text.encode("latin-1")
        path.write_bytes(len(data).to_bytes(8, "little") + data + b"\0" * 4)

    @settings(max_examples=200, deadline=None)
    @given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
    def test_changed_bytes(self, tmp_path_factory, place, change):
        folder = tmp_path_factory.mktemp("changed")
        _, data = self.make(folder)
        changed = bytearray(data)
        # Half of the changes go into the header, which is the smaller part.
        header = 8 + int.from_bytes(data[:8], "little")
        changed[int(place * 2 * header) if place < 0.5 else int(place * len(data))] ^= change
        (folder / "y").write_bytes(changed)
        try:
            read(folder / "y")
        except tw.Error as error:
            assert str(folder / "y") in str(error)


class TestAtomicity:
    """The file's name never stands for half a file."""

    tensors = MappingProxyType({"a": np.arange(40, dtype=np.int64), "b": np.ones(3, np.float16)})

    def test_an_existing_file_is_kept(self, tmp_path):
        (tmp_path / "x").write_bytes(b"mine")
        with pytest.raises(FileExistsError, match="x"):
            write(tmp_path / "x", self.tensors)
        assert (tmp_path / "x").read_bytes() == b"mine"
        write(tmp_path / "x", self.tensors, overwrite=True)
        assert_same(read(tmp_path / "x")[0], self.tensors)
        assert os.listdir(tmp_path) == ["x"]

    def test_a_file_that_appears_meanwhile_is_kept(self, tmp_path):
        with pytest.raises(FileExistsError), TensorWriter(tmp_path / "x", header_room=99) as writer:
            writer.finish({}).close()
            (tmp_path / "x").write_bytes(b"mine")
            writer.commit()
        assert (tmp_path / "x").read_bytes() == b"mine"
        assert os.listdir(tmp_path) == ["x"]

    def test_file_systems_without_links(self, tmp_path, monkeypatch):
        def refuse(*_):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(tensor_file.os, "link", refuse)
        write(tmp_path / "x", self.tensors)
        assert_same(read(tmp_path / "x")[0], self.tensors)
        with pytest.raises(FileExistsError):
            write(tmp_path / "x", self.tensors)
        assert os.listdir(tmp_path) == ["x"]

    def test_without_commit_nothing_stays(self, tmp_path):
        with TensorWriter(tmp_path / "x", header_room=99) as writer:
            writer.add("a", np.ones(3))
        assert os.listdir(tmp_path) == []

    def test_a_header_without_room(self, tmp_path):
        with (
            pytest.raises(tw.ArgumentError, match="the header takes"),
            TensorWriter(tmp_path / "x", header_room=10) as writer,
        ):
            writer.add("a" * 100, np.ones(3))
            writer.finish({})
        assert os.listdir(tmp_path) == []

    def test_a_folder(self, tmp_path):
        (tmp_path / "x").mkdir()
        with pytest.raises(IsADirectoryError):
            write(tmp_path / "x", self.tensors, overwrite=True)

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(5, "I/O")])
    def test_each_call_that_fails(self, tmp_path, monkeypatch, overwrite, error):
        """One call of the system fails, the first, then the second, and so on."""
        calls = ["open", "pwrite", "fsync", "posix_fadvise", "preadv"]
        calls.append("replace" if overwrite else "link")
        step = 0
        while True:
            folder = tmp_path / str(step)
            folder.mkdir()
            if overwrite:
                (folder / "x").write_bytes(b"old")
            remaining = [step]
            error.filename = None
            with monkeypatch.context() as patch:
                for call in calls:
                    patch.setattr(tensor_file.os, call, self.failing(call, remaining, error))
                try:
                    write(folder / "x", self.tensors, overwrite=overwrite)
                    failed = False
                except OSError as seen:
                    assert seen is error
                    assert seen.filename in (None, str(folder / "x"))
                    failed = True
            if failed:
                assert os.listdir(folder) == ["x"] * overwrite
                assert not overwrite or (folder / "x").read_bytes() == b"old"
            else:
                # The last calls bring the folder to the disk, where a failure is let pass.
                assert_same(read(folder / "x")[0], self.tensors)
                assert os.listdir(folder) == ["x"]
            if remaining[0] >= 0:
                break
            step += 1
        assert step >= 8

    def failing(self, call, remaining, error):
        original = getattr(os, call)

        def attempt(*arguments, **options):
            remaining[0] -= 1
            if remaining[0] == -1:
                raise error
            return original(*arguments, **options)

        return attempt

    def test_short_writes_are_continued(self, tmp_path, monkeypatch):
        original = os.pwrite
        monkeypatch.setattr(
            tensor_file.os, "pwrite", lambda fd, data, at: original(fd, data[:7], at)
        )
        write(tmp_path / "x", self.tensors)
        assert_same(read(tmp_path / "x")[0], self.tensors)

    def test_killed_at_each_call(self, tmp_path):
        """A child kills itself in its n-th call; then the name is free or the file whole."""
        steps = range(28)
        for step in steps:
            (tmp_path / str(step)).mkdir()
        script = Path(__file__).with_name("killed_writer.py")
        command = [sys.executable, str(script), str(tmp_path), str(len(steps))]
        subprocess.run(command, check=True, timeout=120)
        outcomes = set()
        for step in steps:
            status = int((tmp_path / f"{step}.status").read_text())
            path = tmp_path / str(step) / "x"
            outcomes.add((status, path.exists()))
            if path.exists():
                assert read(path)[0]["a"].tolist() == list(range(1000))
        assert outcomes == {(-signal.SIGKILL, False), (-signal.SIGKILL, True), (0, True)}
