"""`tw pack`: what is packed and what is copied; bad models, full disks; nothing by halves."""

import errno
import json
import os
import sys
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
import tilewright
from safetensors.numpy import save_file
from tilewright import tensor_file
from tilewright.tensor_file import TensorFile

BF16 = np.dtype(ml_dtypes.bfloat16)


def make_model(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "embed.weight": rng.standard_normal((50, 64)).astype(np.float16),
        "a.weight": rng.standard_normal((40, 96)).astype(np.float32),
        "a.bias": rng.standard_normal(40).astype(np.float32),
        "b.weight": rng.standard_normal((33, 64)).astype(BF16),
        "lm_head.weight": rng.standard_normal((50, 64)).astype(np.float16),
        "norm.weight": np.ones(3, BF16),
        "positions.weight": np.arange(6).reshape(2, 3),
        "flags": np.ones(5, np.bool_),
    }


@pytest.fixture
def model(tmp_path):
    """A folder with a model in one file."""
    folder = tmp_path / "net"
    folder.mkdir()
    save_file(make_model(), folder / "model.safetensors")
    return folder


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)


def test_matrices_are_packed_and_the_rest_is_copied(tw, model):
    result = tw("pack", model / "model.safetensors", "--format", "u4", "--group", "32")
    assert result.status == 0, result.err
    output = model / "model.u4.safetensors"
    assert str(output) in result.out
    packed = tilewright.load_packed(output)
    source = make_model()
    assert packed.keys() == source.keys()
    for name, array in source.items():
        if name in ("a.weight", "b.weight"):
            expected = tilewright.quantize(array, "u4", layout="nk", group_size=32)
            assert packed[name].description() == expected.description()
            assert_same(packed[name].dequantize(), expected.dequantize())
            assert packed[name].scale_dtype == (BF16 if array.dtype == BF16 else np.float16)
        else:
            assert_same(packed[name], array)


@pytest.mark.parametrize("name", ["f4e2m1", "e4m3", "f3e1m1", "nested8"])
def test_codes_that_are_no_integers(tw, model, name):
    assert tw("pack", model, "--format", name, "-o", model / "x").status == 0
    expected = tilewright.quantize(make_model()["a.weight"], name, layout="nk")
    packed = tilewright.load_packed(model / "x")["a.weight"]
    assert packed.format == name
    assert_same(packed.dequantize(), expected.dequantize())


def test_everything_lies_aligned(tw, model):
    tw("pack", model, "--format", "i3", "-o", model / "x")
    with TensorFile(model / "x") as file:
        for name, entry in file.entries.items():
            assert entry.begin % entry.dtype.itemsize == 0, name


def test_options_reach_the_weights(tw, model):
    result = tw(
        "pack", model, "--format", "i5", "--group", "channel", "--zero-point", "integer",
        "--scale-dtype", "bf16", "--layout", "kn", "--activations", "int8", "-o", model / "x",
        "--json",
    )  # fmt: skip
    (a, b) = result.json["weights"]
    assert a == {
        "name": "a.weight", "format": "i5", "shape": [40, 96], "group_size": "channel",
        "zero_point": True, "scale_dtype": "bfloat16", "activations": "8-bit", "permuted": False,
        "bytes": a["bytes"],
    }  # fmt: skip
    assert b["name"] == "b.weight"
    weight = tilewright.load_packed(model / "x")["a.weight"]
    assert (weight.layout, weight.shape, weight.nbytes) == ("kn", (40, 96), a["bytes"])
    assert weight.activations == "8-bit"


@pytest.mark.parametrize(
    "options", [("--format", "f4e2m1"), ("--format", "i4", "--group", "48")], ids=" ".join
)
def test_weights_that_no_bytes_multiply(tw, model, options):
    result = tw("pack", model, *options, "--activations", "int8")
    assert result.status == 2
    assert "int8" in result.err


def test_the_documentation_has_the_keys(tw, model, documented_keys):
    result = tw("pack", model, "--format", "u4", "--json").json
    assert result["output"] == str(model.with_name("net.u4.safetensors"))
    assert result["bytes"] == model.with_name("net.u4.safetensors").stat().st_size
    assert result["arrays"] == 6
    assert set(result) == documented_keys("## `tw pack --json`")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), {"a.weight", "b.weight"}),
        (("--include", "a.*"), {"a.weight"}),
        (("--include", "a.*", "--include", "lm_head.*", "--exclude", "x"),
         {"a.weight", "lm_head.weight"}),
        (("--exclude", "a.*", "--exclude", "b.*"), {"embed.weight", "lm_head.weight"}),
        (("--include", "*", "--exclude", "[!b]*"), {"b.weight"}),
    ],
)  # fmt: skip
def test_names_are_chosen_by_patterns(tw, model, options, names):
    result = tw("pack", model, "--format", "u2", *options, "--json", "--force")
    assert {weight["name"] for weight in result.json["weights"]} == names


class TestSources:
    def shards(self, folder):
        source = make_model(1)
        names = sorted(source)
        weight_map = {}
        for i, part in enumerate((names[:3], names[3:])):
            file = f"model-{i}.safetensors"
            save_file({name: source[name] for name in part}, folder / file)
            weight_map |= dict.fromkeys(part, file)
        return source, {"metadata": {}, "weight_map": weight_map}

    def test_shards(self, tw, tmp_path):
        source, index = self.shards(tmp_path)
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        output = tmp_path.with_name(f"{tmp_path.name}.u4.safetensors")
        for path in (tmp_path, tmp_path / "model.safetensors.index.json"):
            assert tw("pack", path, "--format", "u4").status == 0
            assert tilewright.load_packed(output).keys() == source.keys()
            output.unlink()

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda index: index["weight_map"].update(c="model-1.safetensors"), "'c' should be in"),
            (lambda index: index["weight_map"].update(c="gone.safetensors"), "gone.safetensors"),
            (lambda index: index["weight_map"].update(c="../x.safetensors"), "does not name"),
            (lambda index: index["weight_map"].update(c=3), "does not name"),
            (lambda index: index.pop("weight_map"), "does not name"),
        ],
    )
    def test_an_index_that_does_not_fit(self, tw, tmp_path, change, named):
        _, index = self.shards(tmp_path)
        change(index)
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        result = tw("pack", tmp_path, "--format", "u4")
        assert result.status == 2
        assert named in result.err

    def gptq(self, folder, **config):
        rng = np.random.default_rng(2)
        layer = {
            "qweight": rng.integers(-(2**31), 2**31, (8, 32)).astype(np.int32),
            "qzeros": rng.integers(-(2**31), 2**31, (2, 4)).astype(np.int32),
            "scales": rng.uniform(-1, 1, (2, 32)).astype(np.float16),
            "g_idx": rng.permutation(np.arange(64, dtype=np.int32) // 32),
        }
        tensors = {f"h.0.{name}": array for name, array in layer.items()}
        save_file({**tensors, "h.0.bias": np.ones(32, np.float16)}, folder / "m.safetensors")
        config = {"quant_method": "gptq", "bits": 4, "group_size": 32, **config}
        (folder / "config.json").write_text(json.dumps({"quantization_config": config}))
        return layer

    @pytest.mark.parametrize(("format", "version"), [("gptq", 1), ("gptq_v2", 2)])
    def test_checkpoints_of_other_tools(self, tw, tmp_path, format, version):
        layer = self.gptq(tmp_path, checkpoint_format=format)
        result = tw("pack", tmp_path, "--from", "gptq", "-o", tmp_path / "x", "--json")
        assert result.status == 0, result.err
        (weight,) = result.json["weights"]
        assert (weight["name"], weight["permuted"]) == ("h.0.weight", True)
        packed = tilewright.load_packed(tmp_path / "x")
        assert packed.keys() == {"h.0.weight", "h.0.bias"}
        back = tilewright.to_gptq(packed["h.0.weight"], version=version)
        for name, array in layer.items():
            assert_same(back[name], array)

    def test_a_checkpoint_of_another_tool_than_said(self, tw, tmp_path):
        self.gptq(tmp_path, quant_method="awq")
        result = tw("pack", tmp_path, "--from", "gptq")
        assert result.status == 2
        assert "quantised by 'awq', not by 'gptq'" in result.err

    def test_a_layer_that_lacks_a_tensor(self, tw, tmp_path):
        layer = self.gptq(tmp_path)
        del layer["scales"]
        save_file({f"h.0.{name}": a for name, a in layer.items()}, tmp_path / "m.safetensors")
        result = tw("pack", tmp_path, "--from", "gptq")
        assert result.status == 2
        assert "'h.0.qweight' is there, 'h.0.scales' is missing" in result.err

    @pytest.mark.parametrize("text", ["{", "[]", '{"quantization_config": []}'])
    def test_a_configuration_that_is_none(self, tw, tmp_path, text):
        self.gptq(tmp_path)
        (tmp_path / "config.json").write_text(text)
        result = tw("pack", tmp_path, "--from", "gptq")
        assert result.status == 2
        assert "config.json" in result.err


class TestErrors:
    """One line, the right status, and nothing left behind."""

    def check(self, tw, folder, status, named, *arguments):
        before = sorted(os.listdir(folder))
        result = tw("pack", *arguments)
        assert result.status == status, result.err
        assert named in result.err.splitlines()[-1]
        assert "(hint: " in result.err
        assert sorted(os.listdir(folder)) == before

    def test_truncated_file(self, tw, model):
        data = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(data[:-7])
        self.check(tw, model, 2, "is not a safetensors file, or damaged", model, "--format", "u4")

    def test_missing_file(self, tw, model):
        self.check(tw, model, 2, "No such file", model / "gone.safetensors", "--format", "u4")

    def test_empty_folder(self, tw, tmp_path):
        self.check(tw, tmp_path, 2, "has 0 files", tmp_path, "--format", "u4")

    def test_nothing_to_quantise(self, tw, model):
        arguments = (model, "--format", "u4", "--include", "nope")
        self.check(tw, model, 2, "there are 4 of floats: 'a.weight'", *arguments)

    def test_a_weight_that_cannot_be_quantised(self, tw, model):
        tensors = make_model()
        tensors["b.weight"][3, 4] = np.nan
        save_file(tensors, model / "model.safetensors")
        named = "'b.weight': w[3, 4] is nan; expects finite weights (hint: --exclude 'b.weight'"
        self.check(tw, model, 2, named, model, "--format", "u4", "-o", model / "x")

    @pytest.mark.parametrize("option", [("--group", "32"), ("--include", "x"), ("--layout", "nk")])
    def test_options_that_do_not_go_together(self, tw, model, option):
        self.check(
            tw, model, 2, f"{option[0]} is given with --from", model, "--from", "awq", *option
        )

    @pytest.mark.parametrize("how", [(), ("--format", "u4", "--from", "awq"), ("--from", "exl2")])
    def test_one_way_to_pack(self, tw, model, how):
        self.check(tw, model, 2, "--from", model, *how)

    def test_existing_file(self, tw, model):
        arguments = ("--format", "u4", "-o", model / "model.safetensors")
        self.check(tw, model, 2, "--force replaces it", model, *arguments)
        assert tw("pack", model, *arguments, "--force").status == 0
        assert len(tilewright.load_packed(model / "model.safetensors")) == 8

    def test_names_that_collide(self, tw, model):
        tensors = {**make_model(), "a.weight.words": np.ones(3)}
        save_file(tensors, model / "model.safetensors")
        named = "two tensors are called 'a.weight.words'"
        self.check(tw, model, 2, named, model, "--format", "u4", "-o", model / "x")

    @pytest.mark.parametrize(
        ("call", "code", "status"),
        [
            ("open", errno.EACCES, 2),
            ("open", errno.EROFS, 2),
            ("pwrite", errno.ENOSPC, 1),
            ("pwrite", errno.EDQUOT, 1),
            ("fsync", errno.EIO, 1),
            ("link", errno.ENOSPC, 1),
        ],
    )
    def test_the_disk_refuses(self, tw, model, monkeypatch, call, code, status):
        def refuse(*_, **__):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(tensor_file.os, call, refuse)
        arguments = (model, "--format", "u4", "-o", model / "x")
        self.check(tw, model, status, os.strerror(code), *arguments)

    def test_interrupted(self, tw, model, monkeypatch):
        module = sys.modules["tilewright.cli.pack"]
        quantize = module.quantize

        def interrupt(w, *arguments, **options):
            if w.shape == (33, 64):
                raise KeyboardInterrupt
            return quantize(w, *arguments, **options)

        monkeypatch.setattr(module, "quantize", interrupt)
        with pytest.raises(KeyboardInterrupt):
            tw("pack", model, "--format", "u4", "-o", model / "x")
        assert os.listdir(model) == ["model.safetensors"]


def test_memory_is_that_of_a_tensor_not_of_the_model(tw, tmp_path):
    w = np.random.default_rng(0).standard_normal((512, 1024)).astype(np.float32)
    save_file({f"{i}.weight": w for i in range(24)}, tmp_path / "m.safetensors")
    tracemalloc.start()
    try:
        assert tw("pack", tmp_path, "--format", "u4", "-o", tmp_path / "x").status == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * w.nbytes, f"{peak / w.nbytes:.1f} tensors of 24"


def test_progress_is_a_line_for_each_tenth_where_nobody_watches(tw, tmp_path):
    w = np.ones((32, 64), np.float32)
    save_file({f"{i:03}.weight": w for i in range(100)}, tmp_path / "m.safetensors")
    lines = tw("pack", tmp_path, "--format", "u4", "-o", tmp_path / "x").err.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["packing", f"{i}%"] for i in range(10, 101, 10)
    ]
    for line in lines:
        rate, unit = line.split()[2:4]
        assert float(rate) >= 0
        assert unit == "MB/s"


def test_progress_is_one_line_on_a_terminal(tw, model, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    seen = tw("pack", model, "--format", "u4", "-o", model / "x").err
    assert "\n" not in seen
    assert "\rpacking   0%  a.weight" in seen
    assert seen.endswith("\r\x1b[K")
