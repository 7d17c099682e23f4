"""Launch specs: what is read, what is refused and how that is said, what comes of them."""

import json
import tomllib

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from hypothesis import given, settings
from hypothesis import strategies as st
from launch_ptx import ADD, ECHO, TABLE
from tilewright.spec import read_spec, run_spec
from tilewright.spec.fields import SpecError
from tilewright.spec.reader import parse_spec
from tilewright.spec.values import DTYPES, Filling, cast, fill

ADDITION = {
    "buffers": {
        "a": {"dtype": "f32", "shape": [100], "init": "random"},
        "b": {"dtype": "f32", "shape": 100, "init": {"random": [1, 2]}},
        "c": {"dtype": "f32", "shape": [100], "expect": "a + b"},
    },
    "launch": {"grid": 1, "block": 128, "args": ["a", "b", "c", 100]},
}


def changed(path, value):
    """ADDITION with one key set or, where the value is ..., left out."""
    spec = json.loads(json.dumps(ADDITION))
    *folders, last = path.split(".")
    table = spec
    for folder in folders:
        table = table.setdefault(folder, {})
    table[last] = value
    if value is ...:
        del table[last]
    return spec


def test_a_spec_is_carried_out():
    outcome = run_spec(read_spec(ADDITION), tw.Module(ADD))
    assert outcome.is_clean
    arrays = outcome.arrays
    np.testing.assert_array_equal(arrays["c"], arrays["a"] + arrays["b"])
    assert 1 <= arrays["b"].min() < arrays["b"].max() < 2
    assert len(np.unique(arrays["a"])) > 90


def test_the_seed_makes_the_data():
    def draw(**settings):
        return run_spec(read_spec({**ADDITION, **settings}), tw.Module(ADD)).arrays["a"]

    np.testing.assert_array_equal(draw(), draw(seed=0))
    assert (draw() != draw(seed=1)).any()
    # Another buffer leaves this one as it is.
    more = {**ADDITION["buffers"], "more": {"dtype": "f32", "shape": [9], "init": "random"}}
    np.testing.assert_array_equal(draw(), draw(buffers=more))


def test_a_wrong_result_is_told():
    outcome = run_spec(read_spec(changed("buffers.c.expect", "a + b * 2")), tw.Module(ADD))
    (mismatch,) = outcome.mismatches
    assert (mismatch.buffer, mismatch.count, mismatch.total) == ("c", 100, 100)
    a, b = outcome.arrays["a"], outcome.arrays["b"]
    assert mismatch.index == (0,)
    assert mismatch.expected == np.float32(a[0] + 2.0 * b[0])
    assert abs(mismatch.max_error - b.max()) < 1e-5
    assert "100 of 100 elements differ" in str(mismatch)


@pytest.mark.parametrize(
    ("tolerance", "is_clean"),
    [({}, False), ({"rtol": 1e-3}, True), ({"rtol": 1e-5}, False), ({"atol": 0.1}, True)],
)
def test_tolerances(tolerance, is_clean):
    expect = {"expression": "(a + b) * 1.0005", **tolerance}
    spec = changed("buffers.a.init", {"random": [1, 2]})
    spec["buffers"]["c"]["expect"] = expect
    assert run_spec(read_spec(spec), tw.Module(ADD)).is_clean == is_clean


def test_nan_is_expected_by_nan_and_nothing_else():
    spec = changed("buffers.a.init", {"expression": "where(arange(100) == 7, nan, 1.0)"})
    spec["buffers"]["b"]["init"] = "zeros"
    spec["buffers"]["c"]["expect"] = "where(arange(100) == 7, nan, 1)"
    assert run_spec(read_spec(spec), tw.Module(ADD)).is_clean
    spec["buffers"]["c"]["expect"] = {"expression": "1", "atol": 1e30}
    (mismatch,) = run_spec(read_spec(spec), tw.Module(ADD)).mismatches
    assert (mismatch.index, mismatch.count, mismatch.max_error) == ((7,), 1, None)


def test_launches_follow_each_other():
    step = {"grid": 1, "block": 100, "args": ["c", "b", "c", {"u32": 100}]}
    spec = changed("launch", [ADDITION["launch"], {"kernel": "add", **step}])
    spec["buffers"]["a"]["init"] = spec["buffers"]["b"]["init"] = "arange"
    spec["buffers"]["c"]["expect"] = {"arange": [0, 3]}
    outcome = run_spec(read_spec(spec), tw.Module(ADD))
    assert outcome.is_clean
    assert len(outcome.reports) == 2


def test_a_launch_with_findings_is_the_last():
    launch = {**ADDITION["launch"], "args": ["a", "b", "c", 101]}
    spec = read_spec(changed("launch", [launch, launch]))
    outcome = run_spec(spec, tw.Module(ADD))
    assert len(outcome.reports) == 1
    (finding,) = outcome.reports[0].findings
    assert finding.symbol == "buffer 'a' of 400 bytes, offset 400"
    assert outcome.mismatches == []


def test_variables_and_arguments_of_every_kind(tmp_path):
    spec = {
        "symbols": {
            "table": {"dtype": "i32", "expect": "arange(4) + 101"},
            "factor": {"dtype": "i32", "init": 100},
        },
        "launch": {"block": 4},
    }
    assert run_spec(read_spec(spec), tw.Module(TABLE)).is_clean
    spec = {
        "buffers": {"out": {"dtype": "u8", "shape": [36]}},
        "launch": {
            "args": [
                {"buffer": "out", "offset": 8},
                {"struct": [{"u8": 1}, {"i32": -2}, {"f16": 1.5}]},
                {"bf16": 2.5},
                {"bool": True},
                0.1,
                {"bytes": "01020304"},
            ]
        },
    }
    out = run_spec(read_spec(spec), tw.Module(ECHO)).arrays["out"][8:]
    record = np.dtype([("a", "u1"), ("b", "i4"), ("c", "f2")], align=True)
    assert record.itemsize == 12
    assert out[:12].view(record)[0].tolist() == (1, -2, 1.5)
    assert out[12:14].view(ml_dtypes.bfloat16)[0] == 2.5
    assert out[14] == 1
    assert out[16:24].view(np.float64)[0] == 0.1
    assert out[24:28].tolist() == [1, 2, 3, 4]


def test_files(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100, dtype=np.float64))
    np.save(tmp_path / "c.npy", np.arange(100) + 1)
    spec = changed("buffers.a", {"dtype": "f32", "init": {"file": "a.npy"}})
    spec["buffers"]["b"]["init"] = "ones"
    spec["buffers"]["c"]["expect"] = {"file": "c.npy"}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    assert run_spec(read_spec(path), tw.Module(ADD)).is_clean
    np.save(tmp_path / "c.npy", np.arange(99))
    with pytest.raises(SpecError, match=r"buffers.c.expect: c in .*c.npy has shape \[99\]"):
        run_spec(read_spec(path), tw.Module(ADD))
    (tmp_path / "a.npy").write_text("nonsense")
    with pytest.raises(SpecError, match=r"buffers.a.init: .*a.npy is no .npy file"):
        run_spec(read_spec(path), tw.Module(ADD))
    (tmp_path / "a.npy").unlink()
    with pytest.raises(SpecError, match=r"buffers.a.init: cannot read .*a.npy: No such file"):
        run_spec(read_spec(path), tw.Module(ADD))


def test_toml_and_json_are_alike(tmp_path):
    toml, as_json = tmp_path / "spec.toml", tmp_path / "spec.json"
    toml.write_text(
        'seed = 5\n[options]\nlanding = "eager"\nchecks = ["races"]\n'
        '[buffers.x]\ndtype = "f16"\nshape = [2, 3]\ninit = {random = [0, 1.5], seed = 1}\n'
        '[launch]\ngrid = [2, 3]\nargs = ["x", 5, {i64 = -1}]\n'
    )
    as_json.write_text(json.dumps(tomllib.loads(toml.read_text())))
    assert read_spec(toml) == read_spec(as_json)
    spec = read_spec(toml)
    assert (spec.seed, spec.options.landing, spec.options.checks) == (5, "eager", {"races"})
    assert spec.steps[0].grid == (2, 3)
    assert not spec.is_random


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("lauch", {}, "lauch is no key; did you mean 'launch'?"),
        ("launch", ..., "launch is missing"),
        ("launch", [], "launch is empty"),
        ("launch", 3, "launch is 3; expects a table"),
        ("launch.gird", 1, "launch.gird is no key; did you mean 'grid'?"),
        ("launch.grid", 0, "launch.grid is 0; expects an integer from 1"),
        ("launch.grid", [1, 2, 3, 4], "launch.grid is [1, 2, 3, 4]; expects up to three"),
        ("launch.block", True, "launch.block is True"),
        ("launch.dynamic_shared", -1, "launch.dynamic_shared is -1"),
        ("launch.args", "a", "launch.args is 'a'; expects a list"),
        ("launch.args", ["aa"], "launch.args[0] is 'aa', which is no buffer; did you mean 'a'?"),
        ("launch.args", [True], "launch.args[0] is True; expects a buffer's name"),
        ("launch.args", [{"i33": 1}], "launch.args[0].i33 is no key; did you mean 'i32'?"),
        ("launch.args", [{"i8": 128}], "launch.args[0].i8 is 128; expects an integer from -128"),
        ("launch.args", [{"i8": 1, "u8": 1}], "expects one of buffer, bytes, null, struct or a"),
        ("launch.args", [{"bytes": "0g"}], "launch.args[0].bytes is '0g'; expects hexadecimal"),
        ("launch.args", [{"null": False}], "launch.args[0].null is False"),
        ("launch.args", [{"struct": [1]}], "launch.args[0].struct[0] is 1"),
        ("launch.args", [{"f32": "x"}], "launch.args[0].f32 is 'x'; expects a number"),
        ("buffers", [], "buffers is []; expects a table"),
        ("buffers.a.dtype", ..., "buffers.a.dtype is missing"),
        ("buffers.a.dtype", "flaot32", "buffers.a.dtype is 'flaot32'; did you mean 'float32'?"),
        ("buffers.a.shape", ..., "buffers.a.shape is missing"),
        ("buffers.a.shape", [-1], "buffers.a.shape[0] is -1"),
        ("buffers.a.shape", [1 << 39, 8], "bytes"),
        ("buffers.a.init", "zeroes", "buffers.a.init is 'zeroes'; did you mean 'zeros'?"),
        ("buffers.a.init", {}, "buffers.a.init has none; expects one of constant, random"),
        ("buffers.a.init", {"constant": 1, "file": "x.npy"}, "has constant and file"),
        ("buffers.a.init", {"random": [2, 1]}, "buffers.a.init.random is [2, 1]"),
        ("buffers.a.init", {"random": [float("nan"), 1]}, "low below high"),
        ("buffers.a.init", {"constant": 1, "seed": 2}, "buffers.a.init.seed is for random"),
        ("buffers.a.init", {"file": "x.txt"}, "expects the path of an .npy file"),
        ("buffers.a.expect", "uninitialised", "which nothing can be compared with"),
        ("buffers.a.expect", {"constant": 1, "rtol": -1}, "buffers.a.expect.rtol is -1"),
        ("buffers.a.expect", {"constant": 1, "tol": 1}, "expect.tol is no key; did you mean"),
        ("buffers.a b", {}, "buffers has the name 'a b'"),
        ("symbols.a", {"dtype": "f32"}, "symbols.a has the name of a buffer"),
        ("symbols.t", {"dtype": "f32", "init": "uninitialised"}, "variables of a module never"),
        ("options.checks", ["race"], "options.checks holds 'race'; did you mean 'races'?"),
        ("options.landing", "soon", "options.landing is 'soon'"),
        ("options.seed", 1, "options.seed is no key"),
        ("options.count_accesses", 1, "options.count_accesses is 1"),
        ("seed", 1.5, "seed is 1.5; expects an integer"),
        ("nvrtc_options", "-DN", "nvrtc_options is '-DN'; expects a list"),
        ("device", "", "device is ''; expects a text"),
    ],
)
def test_what_is_refused_and_how(path, value, words):
    with pytest.raises(SpecError) as caught:
        read_spec(changed(path, value))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("launch.kernel", "ad", "launch.kernel: no kernel 'ad'; did you mean 'add'?"),
        ("launch.args", [], "launch: kernel 'add' takes 4 arguments"),
        ("launch.args", ["a", "b", "c", 1.5], "launch: argument 3 of kernel 'add'"),
        ("launch.block", 2000, "launch: block is (2000,)"),
        ("launch.dynamic_shared", 1 << 20, "launch: cannot launch 'add'"),
        ("buffers.c.expect", "a +", "buffers.c.expect: 'a +' is no expression"),
        ("buffers.c.expect", "aa + b", "no array is called 'aa'; did you mean 'a'?"),
        ("buffers.c.expect", "a[:50]", "buffers.c.expect: c = 'a[:50]' has shape [50]"),
        ("buffers.a.init", {"expression": "c + 1"}, "buffers.a.init: no array is called 'c'"),
        ("symbols.nothing", {"dtype": "f32"}, "symbols.nothing: no variable 'nothing'"),
        ("buffers.c.shape", [1 << 36], "buffers.c.shape is [68719476736]: with those before it"),
        ("options.memory_limit", 300, "cannot allocate 400 bytes"),
    ],
)
def test_what_does_not_fit_the_kernel(path, value, words):
    spec = read_spec(changed(path, value))
    with pytest.raises((SpecError, tw.ResourceError)) as caught:
        run_spec(spec, tw.Module(ADD, options=spec.options))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("s.toml", "[launch\n", "s.toml:1:8: "),
        ("s.toml", "a = \n", "s.toml:1:5: "),
        ("s.json", '{"launch": {"grid": }}', "s.json:1:21: "),
        ("s.json", "[]", "s.json: a spec is a table, but this is []"),
        ("s.json", "[" * 100000, "s.json"),
        ("s.toml", "launch = " + "[" * 100000, "s.toml"),
        ("s.toml", "\x00", "s.toml:1:1: "),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(SpecError) as caught:
        read_spec(tmp_path / name)
    assert words in str(caught.value)


# Fuzzing the reader

LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["a", "b", "c", "f32", "i32", "zeros", "random", "x + 1", "add", "late"]),
)  # fmt: skip
KEYS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        [*"abc", *DTYPES, "buffers", "symbols", "launch", "options", "device", "seed", "dtype",
         "shape", "init", "expect", "constant", "random", "arange", "file", "expression", "rtol",
         "atol", "grid", "block", "args", "kernel", "struct", "bytes", "null", "buffer", "offset",
         "checks", "landing", "cluster", "dynamic_shared", "target", "nvrtc_options"]
    ),
)  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def read_or_refuse(source, read):
    try:
        spec = read(source)
    except SpecError as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
    assert spec.steps
    return spec


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree_is_a_spec_or_refused(tree):
    read_or_refuse(tree, read_spec)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_spec_with_a_part_replaced_is_one_or_refused(data):
    spec = json.loads(json.dumps(ADDITION))
    table = spec
    for _ in range(data.draw(st.integers(1, 4))):
        if not isinstance(table, dict) or not table:
            break
        key = data.draw(st.sampled_from(sorted(table)))
        if data.draw(st.booleans()) and isinstance(table[key], dict):
            table = table[key]
        else:
            table[key] = data.draw(TREES)
    read = read_or_refuse(spec, read_spec)
    if read is not None and all(np.prod(b.shape or 1) < 1e6 for b in read.buffers.values()):
        try:
            run_spec(read, tw.Module(ADD, options=tw.EmulatorOptions(time_budget=5)))
        except (tw.ArgumentError, tw.ResourceError) as error:
            assert str(error)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | st.text('[]{}="#.,\n abc123', max_size=60), st.booleans())
def test_any_text_is_a_spec_or_refused(text, is_json):
    read_or_refuse(text, lambda text: parse_spec(text, is_json=is_json))


# Values


@pytest.mark.parametrize("name", ["f16", "bf16", "f32", "f64", "e4m3", "e5m2", "bool", "i8", "u64"])
def test_every_dtype_is_filled(name):
    dtype = DTYPES[name]
    for kind in ("zeros", "ones", "arange", "random"):
        values = cast(fill(Filling(kind), "x", (4, 5), dtype, 1, {}), dtype)
        assert (values.shape, values.dtype) == ((4, 5), dtype)
    assert values.tobytes() != bytes(values.nbytes)
    ones = cast(fill(Filling("ones"), "x", (3,), dtype, 1, {}), dtype)
    assert ones.astype(np.float64).tolist() == [1, 1, 1]


def test_random_integers_use_the_whole_range():
    values = fill(Filling("random"), "x", (10000,), DTYPES["i8"], 1, {})
    assert (values.min(), values.max()) == (-128, 127)
    values = fill(Filling("random", (3, 6)), "x", (1000,), DTYPES["i32"], 1, {})
    assert sorted(set(values.tolist())) == [3, 4, 5]


def test_integers_wrap_and_floats_round_to_them():
    assert cast(np.array([300, -1]), DTYPES["u8"]).tolist() == [44, 255]
    assert cast(np.array([2.6, -1.2]), DTYPES["i32"]).tolist() == [3, -1]
