"""Files of packed weights: everything comes back; damage is noticed and named."""

import json

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from tilewright import packed_file
from tilewright._extension import native
from tilewright.tensor_file import TensorFile, TensorWriter


def make_weight(seed, name="u5", n=33, k=200, *, permuted=False, group_size=64, **options):
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((n, k)).astype(np.float32)
    q = tw.quantize(w, name, layout=options.pop("layout", "nk"), group_size=group_size, **options)
    if not permuted:
        return q
    return tw.QuantizedTensor.from_codes(
        q.codes(),
        q.scales(),
        q.zeros(),
        format=name,
        layout="nk",
        group_size=64,
        input_permutation=rng.permutation(k),
    )


def assert_same(actual, expected):
    if isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
        return
    assert actual.description() == expected.description()
    assert actual.parts().keys() == expected.parts().keys()
    for name, part in expected.parts().items():
        assert actual.parts()[name].tobytes() == part.tobytes(), name
    np.testing.assert_array_equal(actual.dequantize(), expected.dequantize())


@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("scale_dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("permuted", [False, True])
def test_save_and_load(tmp_path, zero_point, scale_dtype, permuted):
    q = make_weight(1, zero_point=zero_point, scale_dtype=scale_dtype, permuted=permuted)
    q.save(tmp_path / "w")
    assert_same(tw.QuantizedTensor.load(tmp_path / "w"), q)
    q.save(tmp_path / "w")
    with pytest.raises(FileExistsError):
        q.save(tmp_path / "w", overwrite=False)


def make_model():
    return {
        "a.weight": make_weight(1),
        "a.bias": np.arange(33, dtype=np.float16),
        "b.weight": make_weight(2, "i4", layout="kn"),
        "ü": make_weight(3, "i8", permuted=True),
        "a.weight.more": np.ones(3, np.uint8),
        "norm": np.ones((2, 3), ml_dtypes.bfloat16),
        "empty": np.ones((0, 3), np.float32),
    }


def test_a_model_comes_back(tmp_path):
    model = make_model()
    tw.save_packed(tmp_path / "model", model)
    loaded = tw.load_packed(tmp_path / "model")
    assert loaded.keys() == model.keys()
    for name, value in model.items():
        assert_same(loaded[name], value)
    assert_same(tw.QuantizedTensor.load(tmp_path / "model", "b.weight"), model["b.weight"])
    with pytest.raises(tw.ArgumentError, match=r"holds 3 weights; name one of them: 'a\.weight'"):
        tw.QuantizedTensor.load(tmp_path / "model")
    with pytest.raises(tw.ArgumentError, match=r"no weight 'b\.wight'; did you mean 'b\.weight'"):
        tw.QuantizedTensor.load(tmp_path / "model", "b.wight")


def test_the_library_of_the_format_reads_it(tmp_path):
    q = make_weight(1)
    tw.save_packed(tmp_path / "x", {"w": q, "b": np.ones(3, np.float32)})
    with safe_open(tmp_path / "x", framework="numpy") as file:
        assert set(file.keys()) == {"w.words", "w.scales", "w.zeros", "b"}
        np.testing.assert_array_equal(file.get_tensor("w.words"), q.parts()["words"])


@pytest.mark.parametrize("name", ["x" * 500, "\x00\x01" * 100, '"\\' * 200, "é🙂" * 100, ""])
def test_any_name_has_room_in_the_header(tmp_path, name):
    tw.save_packed(tmp_path / "x", {name: make_weight(1, permuted=True)})
    assert list(tw.load_packed(tmp_path / "x")) == [name]


def test_names_that_collide(tmp_path):
    model = {"w": make_weight(1), "w.words": np.ones(3)}
    with pytest.raises(tw.ArgumentError, match=r"two tensors are called 'w\.words'"):
        tw.save_packed(tmp_path / "x", model)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_returns_something_else(tmp_path, monkeypatch):
    original = TensorFile.read

    def flip(self, name):
        array = original(self, name).copy()
        array.reshape(-1).view(np.uint8)[5] ^= 1
        return array

    monkeypatch.setattr(TensorFile, "read", flip)
    with pytest.raises(tw.Error, match="'words' was read back as something else"):
        make_weight(1).save(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model and the bytes of its file."""
    model = {
        "w": make_weight(5, "u2", 3, 70, permuted=True),
        "a": np.arange(5, dtype=np.int16),
    }
    path = tmp_path_factory.mktemp("saved") / "x"
    tw.save_packed(path, model)
    return model, path.read_bytes()


class TestDamage:
    @settings(max_examples=300, deadline=None)
    @given(
        place=st.floats(0, 1, exclude_max=True),
        in_header=st.booleans(),
        change=st.integers(1, 255),
    )
    def test_changed_bytes_are_errors_or_change_nothing(
        self, saved, tmp_path_factory, place, in_header, change
    ):
        model, data = saved
        changed = bytearray(data)
        written = data.rindex(b"}") + 1
        changed[int(place * (written if in_header else len(data)))] ^= change
        path = tmp_path_factory.mktemp("changed") / "y"
        path.write_bytes(changed)
        try:
            loaded = tw.load_packed(path)
        except tw.Error as error:
            assert str(path) in str(error)
        else:
            assert loaded.keys() == model.keys()
            for name, value in model.items():
                assert_same(loaded[name], value)

    def test_data_that_changed_are_named(self, saved, tmp_path):
        _, data = saved
        (tmp_path / "y").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(tw.ArgumentError, match="/y is damaged: 'a' has changed since"):
            tw.load_packed(tmp_path / "y")

    def test_a_description_that_changed_but_still_fits(self, saved, tmp_path):
        _, data = saved
        assert data.count(rb"\"k\":70") == 1
        # As many blocks and groups as 70 inputs have, so that all sizes fit.
        (tmp_path / "y").write_bytes(data.replace(rb"\"k\":70", rb"\"k\":71"))
        with pytest.raises(tw.ArgumentError, match="its description has changed since"):
            tw.load_packed(tmp_path / "y")

    def test_truncated(self, saved, tmp_path):
        _, data = saved
        for length in range(0, len(data), 37):
            (tmp_path / "y").write_bytes(data[:length])
            with pytest.raises(tw.ArgumentError, match="/y is not a safetensors file, or damaged"):
                tw.load_packed(tmp_path / "y")


class TestDescription:
    """Files whose checksums are right, but not what they say."""

    def rewrite(self, path, change):
        """Writes `path` anew with its description changed."""
        with TensorFile(path) as file:
            tensors = {name: file.read(name) for name in file.entries}
            description = json.loads(file.metadata["tilewright"])
        change(description, tensors)
        description.setdefault("checksums", {}).update(
            {name: packed_file.checksum(array) for name, array in tensors.items()}
        )
        text = json.dumps(description)
        checksum = native().checksum(np.frombuffer(text.encode(), np.uint8))
        with TensorWriter(path, header_room=5000, overwrite=True) as writer:
            for name, array in tensors.items():
                writer.add(name, array)
            writer.finish({"tilewright": text, "checksum": checksum}).close()
            writer.commit()

    @pytest.mark.parametrize(
        ("key", "value", "error", "message"),
        [
            ("packing", 99, tw.UnsupportedError, "packing version 99; supported: 1"),
            ("zero_packing", 3, tw.UnsupportedError, "zero points have packing version 3; "),
            ("packing", "1", tw.UnsupportedError, "packing version 1; supported: 1"),
            ("k", 1000, tw.ArgumentError, "does not fit its description"),
            ("n", -1, tw.ArgumentError, "does not fit its description"),
            ("n", 10**30, tw.ArgumentError, "does not fit its description"),
            ("n", None, tw.ArgumentError, "does not fit its description"),
            ("format", "u9", tw.ArgumentError, "format is 'u9'"),
            ("format", ["u4"], tw.ArgumentError, "x"),
            ("layout", "xx", tw.ArgumentError, "layout is 'xx'"),
            ("group_size", "7x", tw.ArgumentError, "group_size is '7x'"),
            ("group_size", 0, tw.ArgumentError, "group_size is 0"),
            ("group_size", -64, tw.ArgumentError, "group_size is '-64'"),
            ("parts", ["words"], tw.ArgumentError, "does not fit|differ"),
            ("parts", ["words", "scales", "zeros", "y"], tw.ArgumentError, "differ in 'w.y'"),
            ("parts", None, tw.ArgumentError, "incomplete"),
        ],
    )
    def test_that_does_not_fit(self, tmp_path, key, value, error, message):
        tw.save_packed(tmp_path / "x", {"w": make_weight(1)})
        self.rewrite(tmp_path / "x", lambda d, _: d["weights"]["w"].update({key: value}))
        with pytest.raises(error, match=message):
            tw.load_packed(tmp_path / "x")["w"].codes()

    def test_of_a_newer_file(self, tmp_path):
        tw.save_packed(tmp_path / "x", {"w": make_weight(1)})
        self.rewrite(tmp_path / "x", lambda d, _: d.update(version=5))
        with pytest.raises(tw.UnsupportedError, match="has file version 5; supported: 1, 2, 3, 4"):
            tw.load_packed(tmp_path / "x")

    @pytest.mark.parametrize("name", ["u1", "i4", "u5"])
    @pytest.mark.parametrize("group_size", [64, (64, 16)])
    def test_of_a_file_of_version_2(self, tmp_path, name, group_size):
        """Integer zero points were bytes: column 8j + g of a strip at 4g + j, or as often
        as fits 16 bytes a strip."""
        q = make_weight(1, name, group_size=group_size, zero_point=True)
        tw.save_packed(tmp_path / "x", {"w": q})
        zeros = q.zeros() - (-8 if name == "i4" else 0)
        per_column = np.zeros((64, 4), np.uint8)
        per_column[:33] = np.repeat(zeros, 16 if group_size != 64 else 1, axis=0)[:33]
        strips = per_column.T.reshape(4, 2, 32)
        by_column = strips.reshape(4, 2, 4, 8).swapaxes(2, 3)
        old = by_column if group_size == 64 else strips[:, :, ::2]

        def change(description, tensors):
            description["version"] = 2
            del description["weights"]["w"]["zero_packing"]
            tensors["w.zeros"] = np.ascontiguousarray(old).reshape(4, -1)

        self.rewrite(tmp_path / "x", change)
        assert_same(tw.load_packed(tmp_path / "x")["w"], q)

    def test_with_a_part_that_this_build_does_not_know(self, tmp_path):
        tw.save_packed(tmp_path / "x", {"w": make_weight(1)})

        def add(description, tensors):
            description["weights"]["w"]["parts"].append("outliers")
            tensors["w.outliers"] = np.ones(3)

        self.rewrite(tmp_path / "x", add)
        with pytest.raises(tw.ArgumentError, match="'outliers' is no part of a weight"):
            tw.load_packed(tmp_path / "x")

    @pytest.mark.parametrize(
        ("part", "array"),
        [
            ("words", np.zeros(3, np.uint32)),
            ("words", np.zeros(5120, np.int8)),
            ("scales", np.zeros((4, 64), np.float32)),
            ("scales", np.zeros((4, 63), np.float16)),
            ("zeros", np.zeros((4, 64), np.int16)),
            ("zeros", np.zeros(3, np.uint8)),
        ],
    )
    def test_of_other_arrays(self, tmp_path, part, array):
        tw.save_packed(tmp_path / "x", {"w": make_weight(1)})
        self.rewrite(tmp_path / "x", lambda _, tensors: tensors.update({f"w.{part}": array}))
        with pytest.raises(tw.ArgumentError, match="'w'"):
            tw.load_packed(tmp_path / "x")

    def test_of_somebody_else(self, tmp_path):
        from safetensors.numpy import save_file

        save_file({"a": np.ones(3, np.float32)}, tmp_path / "x")
        with pytest.raises(tw.UnsupportedError, match="holds no packed weights of tilewright"):
            tw.QuantizedTensor.load(tmp_path / "x")
        (tmp_path / "x").write_bytes(b"not a file of ours")
        with pytest.raises(tw.ArgumentError, match="not a safetensors file"):
            tw.QuantizedTensor.load(tmp_path / "x")
