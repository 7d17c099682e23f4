"""Property tests of `tw check` with specs that cannot be used: status 2 and one line that
names the key, whatever the value; and of specs and files that are broken anywhere.
"""

import contextlib
import io
import json
import random
import sys
import tomllib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tilewright import cli
from tilewright.spec.values import DTYPES, WORDS

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "launch"))
from launch_ptx import ADD

SPEC = """\
seed = 5
device = "emulated:a100"

[options]
landing = "eager"
time_budget = 5
checks = ["races", "initialisation"]

[buffers.a]
dtype = "f32"
shape = [4, 25]
init = {random = [1, 2], seed = 3}

[buffers.b]
dtype = "float32"
shape = 100
init = "arange"

[buffers.c]
dtype = "f32"
shape = [100]
expect = {expression = "ravel(a) + b", rtol = 1e-6}

[launch]
kernel = "add"
grid = [1, 1]
block = 128
dynamic_shared = 16
args = ["a", "b", {buffer = "c"}, {u32 = 100}]
"""
TREE = tomllib.loads(SPEC)

TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=12)
NO_INTEGERS = st.one_of(
    st.none(), st.booleans(), TEXTS, st.floats(allow_nan=False), st.just({}), st.just({"x": 1})
)
HUGE = st.integers(min_value=1 << 63, max_value=1 << 80)
NEGATIVE = st.integers(min_value=-(1 << 70), max_value=-1)
EXTENT = st.one_of(NO_INTEGERS, NEGATIVE, st.just(0), HUGE, st.integers(1 << 31, 1 << 40))
BAD_EXTENTS = st.one_of(
    EXTENT,
    st.just([]),
    st.lists(st.integers(1, 9), min_size=4, max_size=8),
    st.tuples(st.integers(1, 9), EXTENT).map(list),
)
BAD_DTYPES = st.one_of(st.integers(), st.just([]), TEXTS.filter(lambda text: text not in DTYPES))
BAD_SHAPES = st.one_of(
    st.booleans(), TEXTS, st.floats(allow_nan=False), NEGATIVE, HUGE,
    st.just({}), st.just([1 << 39, 1 << 39]), st.just([1] * 17),
    st.lists(st.one_of(NEGATIVE, TEXTS, st.just([2])), min_size=1, max_size=3),
)  # fmt: skip
BAD_FILLINGS = st.one_of(
    st.booleans(),
    TEXTS.filter(lambda text: text not in WORDS),
    HUGE.map(lambda value: value << 1),
    st.lists(st.integers(), max_size=2),
    st.fixed_dictionaries(
        {"random": st.one_of(NO_INTEGERS, st.just([2, 1]), st.just([1]), st.just([1, "x"]))}
    ),
    st.fixed_dictionaries({"file": TEXTS.filter(lambda text: not text.endswith(".npy"))}),
    st.fixed_dictionaries({"constant": st.integers(), "seed": st.integers()}),
    st.fixed_dictionaries({"arange": st.just([0, 1]), "file": st.just("x.npy")}),
)
BAD_ARGUMENTS = st.one_of(
    TEXTS.filter(lambda text: text not in ("a", "b", "c")),
    st.booleans(),
    st.none(),
    st.just([]),
    st.just({}),
    st.fixed_dictionaries({"u8": st.one_of(NO_INTEGERS, NEGATIVE, st.integers(256, 1 << 70))}),
    st.fixed_dictionaries({"f32": st.one_of(st.booleans(), TEXTS, st.just([1]))}),
    st.fixed_dictionaries({"bytes": st.one_of(st.integers(), st.just("0g"), st.just("012"))}),
    st.fixed_dictionaries({"null": st.one_of(st.just(False), st.integers())}),
    st.fixed_dictionaries({"struct": st.one_of(st.integers(), st.just([]), st.just([{}]))}),
    st.fixed_dictionaries({"buffer": st.just("a"), "offset": st.one_of(NO_INTEGERS, NEGATIVE)}),
)

# Where, and values that can never stand there.
BAD = {
    "launch.grid": BAD_EXTENTS,
    "launch.block": BAD_EXTENTS,
    "launch.cluster": BAD_EXTENTS,
    "launch.dynamic_shared": st.one_of(NO_INTEGERS, NEGATIVE, HUGE),
    "launch.kernel": st.one_of(st.integers(), st.just(""), TEXTS.filter(lambda t: t != "add")),
    "launch.args": st.one_of(NO_INTEGERS, st.integers()),
    "launch.args[2]": BAD_ARGUMENTS,
    "launch": st.one_of(st.integers(), TEXTS, st.just([]), st.just([1])),
    "buffers": st.one_of(st.integers(), TEXTS, st.just([]), st.just({"a b": {}})),
    "buffers.a": st.one_of(st.integers(), TEXTS, st.just([])),
    "buffers.a.dtype": BAD_DTYPES,
    "buffers.a.shape": BAD_SHAPES,
    "buffers.a.init": BAD_FILLINGS,
    "buffers.c.expect": st.one_of(
        st.booleans(),
        st.just(""),
        st.just("uninitialised"),
        st.fixed_dictionaries({"constant": st.just(1), "rtol": st.one_of(NEGATIVE, TEXTS)}),
    ),
    "options": st.one_of(st.integers(), TEXTS, st.just([])),
    "options.landing": st.one_of(st.integers(), TEXTS),
    "options.time_budget": st.one_of(st.booleans(), TEXTS, NEGATIVE, st.just([])),
    "options.checks": st.one_of(st.integers(), TEXTS, st.just(["race"]), st.just([1])),
    "options.memory_limit": st.one_of(NO_INTEGERS, NEGATIVE, HUGE),
    "options.threads": st.one_of(NO_INTEGERS, NEGATIVE, st.integers(1025, 1 << 70)),
    "seed": st.one_of(NO_INTEGERS, NEGATIVE, HUGE),
    "device": st.one_of(st.integers(), st.just(""), st.just([])),
    "nvrtc_options": st.one_of(st.integers(), TEXTS, st.just([1])),
}  # fmt: skip
TABLES = ("", "launch", "buffers.a", "buffers.a.init", "buffers.c.expect", "options")

BOUNDED = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("specs")
    (path / "add.ptx").write_text(ADD)
    return path


def check(folder, spec, name="spec.json"):
    """Status and standard error of `tw check` with a spec."""
    (folder / name).write_text(spec if isinstance(spec, str) else json.dumps(spec))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = cli.main(["check", str(folder / "add.ptx"), "--launch", str(folder / name)])
    return status, err.getvalue()


def refused(folder, spec, name="spec.json"):
    """The one line with which a spec is refused."""
    status, err = check(folder, spec, name)
    assert status == 2, err
    assert err.startswith("tw: error: ")
    assert "(hint: " in err
    assert err.count("\n") == 1
    return err


def ends(folder, spec, name="spec.json"):
    """A spec is carried out or refused in one line."""
    status, err = check(folder, spec, name)
    assert status in (0, 1, 2)
    assert status != 2 or (err.startswith("tw: error: ") and err.count("\n") == 1), err
    return status


def changed(path, value):
    """TREE with one key set, or an element of a list."""
    tree = json.loads(json.dumps(TREE))
    *folders, last = path.replace("[2]", ".2").split(".")
    table = tree
    for key in folders:
        table = table[int(key) if isinstance(table, list) else key]
    table[int(last) if isinstance(table, list) else last] = value
    return tree


def test_the_spec_itself_is_clean(folder):
    assert check(folder, SPEC, "spec.toml") == (0, "")
    assert check(folder, TREE) == (0, "")


@pytest.mark.parametrize("path", BAD)
def test_a_value_that_cannot_stand_there_is_named(folder, path):
    @BOUNDED
    @given(BAD[path])
    def run(value):
        # A table that is no table, or a list within one, is named by its own place.
        named = path.split(".")[0] if path == "launch.kernel" else path
        assert named in refused(folder, changed(path, value))

    run()


@pytest.mark.parametrize("table", TABLES)
@BOUNDED
@given(st.data())
def test_an_unknown_key_is_named(folder, table, data):
    key = data.draw(st.from_regex(r"[a-z_]{3,12}", fullmatch=True).map(lambda text: text + "_x"))
    path = f"{table}.{key}" if table else key
    assert f"{path} is no key; " in refused(folder, changed(path, data.draw(st.integers())))


@BOUNDED
@given(st.sampled_from(["grid", "block"]), st.integers(0, 2), st.integers(1, (1 << 31) - 1))
def test_extents_that_no_device_takes_are_named(folder, key, dimension, extent):
    limits = {"grid": (0x7FFFFFFF, 65535, 65535), "block": (1024, 1024, 64)}[key]
    extents = [1, 1, 1]
    extents[dimension] = extent
    tree = changed(f"launch.{key}", extents)
    tree["options"]["instruction_budget"] = 10000
    if extent > limits[dimension]:
        assert key in refused(folder, tree)
    else:
        assert ends(folder, tree) in (0, 1)


# Files of arrays


def npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(100))
    return file.getvalue()


WITH_FILE = changed("buffers.a", {"dtype": "f32", "init": {"file": "a.npy"}})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no .npy file"),
        (b"PK\x03\x04 no archive", "is no .npy file"),
        (archive(), "is no .npy file of numbers: it is an archive"),
        (npy(np.zeros(100))[:90], "is no .npy file"),
        (npy(np.zeros(100))[:-1], "is no .npy file"),
        (npy(np.zeros(100)).replace(b"(100,)", b"(100, "), "is no .npy file"),
        (npy(np.zeros(100)).replace(b"(100,)", b"(-10,)"), "is no .npy file"),
        (npy(np.array([None, 1]), allow_pickle=True), "is no .npy file"),
        (npy(np.array(["a", "b"])), "a.npy holds <U1; expects numbers, or float32 itself"),
        (npy(np.zeros(4, "V4")), "a.npy holds |V4"),
        (npy(np.zeros(4, [("x", "f4")])), "a.npy holds [('x', '<f4')]"),
        (npy(np.zeros(4, complex)), "a.npy holds complex128"),
    ],
)
def test_a_file_that_is_no_array_of_numbers_is_named(folder, content, words):
    (folder / "a.npy").write_bytes(content)
    err = refused(folder, WITH_FILE)
    assert "buffers.a.init: " in err
    assert words in err


def test_a_file_of_another_shape_is_named(folder):
    (folder / "a.npy").write_bytes(npy(np.zeros((10, 10))))
    tree = changed("buffers.a.init", {"file": "a.npy"})
    assert "buffers.a.init: a in " in refused(folder, tree)
    assert "has shape [10, 10]; expects [4, 25]" in refused(folder, tree)


def test_numpy_saves_bfloat16_without_its_name(folder):
    (folder / "a.npy").write_bytes(npy(np.arange(100).astype(ml_dtypes.bfloat16)))
    tree = json.loads(json.dumps(WITH_FILE))
    tree["buffers"]["copy"] = {
        "dtype": "bf16", "init": {"file": "a.npy"}, "expect": "arange(100)",
    }  # fmt: skip
    tree["buffers"]["a"] = {"dtype": "f32", "shape": [100], "init": "ones"}
    assert ends(folder, tree) == 0
    tree["buffers"]["copy"]["expect"] = "arange(100) + 1"
    assert ends(folder, tree) == 1
    tree["buffers"]["copy"]["dtype"] = "f16"
    assert "buffers.copy.init: a.npy holds |V2" in refused(folder, tree)


SEEDS = st.integers(0, (1 << 32) - 1)
INSERTED = "0123456789(){}[],'\"<>|:=.\\ \n#abfxVL-+e\0\u00e9"


def damage(data, seed):
    """Bytes with a few of them changed, left out, put in or moved."""
    draw, data = random.Random(seed), bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, length = draw.randrange(min(len(data), 400) + 1), draw.randint(1, 20)
        piece = "".join(draw.choice(INSERTED) for _ in range(draw.randint(1, 6))).encode()
        match draw.randrange(5):
            case 0:
                data[at : at + len(piece)] = piece
            case 1:
                data[at:at] = piece
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at + length : at + 2 * length]
            case 4 if draw.random() < 0.2:
                del data[at:]
    return bytes(data)


ARRAYS = [npy(np.arange(100).astype(t)) for t in ("f4", "i8", "f2", "?")] + [
    npy(np.zeros((100,), "V2")),
    npy(np.array([None]), allow_pickle=True),
    archive(),
]


@settings(BOUNDED, max_examples=200)
@given(st.sampled_from(ARRAYS), SEEDS)
def test_a_damaged_file_is_read_or_refused(folder, content, seed):
    (folder / "a.npy").write_bytes(damage(content, seed))
    status, err = check(folder, WITH_FILE)
    assert status in (0, 1, 2)
    if status == 2:
        assert "buffers." in err or "launch: " in err, err


@settings(BOUNDED, max_examples=200)
@given(SEEDS, st.booleans())
def test_a_damaged_spec_is_carried_out_or_refused(folder, seed, is_json):
    name = "damaged.json" if is_json else "damaged.toml"
    text = json.dumps(TREE, indent=1) if is_json else SPEC
    (folder / name).write_bytes(damaged := damage(text.encode(), seed))
    try:
        text = damaged.decode()
    except UnicodeDecodeError:
        return
    ends(folder, text, name)
