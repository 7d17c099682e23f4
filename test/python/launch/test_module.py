"""tilewright.Module: arguments of every kind, memory, variables, findings, errors."""

import ctypes
import threading

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from launch_ptx import ADD, ECHO, HEAD, MANGLED, SPIN, TABLE
from tilewright.cuda_toolkit import load_library


def operands(n, seed=3):
    rng = np.random.default_rng(seed)
    return rng.random(n, np.float32), rng.random(n, np.float32), np.zeros(n, np.float32)


def test_arrays_go_to_the_device_and_back():
    a, b, c = operands(1000)
    report = tw.Module(ADD).launch("add", grid=8, block=(128,), args=[a, b, c, np.int32(1000)])
    np.testing.assert_array_equal(c, a + b)
    assert (report.kernel, report.device, report.blocks, report.warps) == (
        "add", "emulated:a100", 8, 32,
    )  # fmt: skip
    assert report.findings == []
    # 3 arrays of 1000 floats: 125 sectors each, and 32 requests (the last warp has 8 lanes).
    assert report.counters["globalSectors"] == 375
    assert report.counters["globalLoadBytes"] == 8000
    adds = [line for line in report.lines if line.instruction == "add.f32"]
    assert [line.counters["activeLanes"] for line in adds] == [1000]
    assert adds[0].ptx_line == 1 + ADD.splitlines().index("  add.f32 %f2, %f0, %f1;")
    assert adds[0].instruction_class == "float"


def test_a_read_only_array_is_not_written_back():
    a, b, c = operands(32)
    c.flags.writeable = False
    tw.Module(ADD).launch("add", 1, 32, [a, b, c, 32])
    assert not c.any()


def test_an_array_given_twice_is_one_buffer():
    a, b, _ = operands(32)
    expected = a + b
    tw.Module(ADD).launch("add", 1, 32, [a, b, a, 32])
    np.testing.assert_array_equal(a, expected)


def test_arrays_that_overlap_in_part_are_refused():
    a = np.zeros(40, np.float32)
    with pytest.raises(tw.ArgumentError, match=r"argument 1 .* overlaps an earlier argument"):
        tw.Module(ADD).launch("add", 1, 32, [a[:32], a[8:], a[:32], 32])


def test_a_buffer_has_exactly_its_size():
    a, b, c = operands(32)
    with pytest.raises(tw.CheckError, match="out-of-bounds") as caught:
        tw.Module(ADD).launch("add", 1, 33, [a, b, c, 33])
    report = caught.value.report
    first = report.findings[0]
    assert (first.kind, first.space) == ("out-of-bounds", "global")
    assert (first.place.warp, first.place.lane, first.place.block) == (1, 0, (0, 0, 0))
    assert first.place.ptx_line == 1 + ADD.splitlines().index("  ld.global.f32 %f0, [%d0];")
    assert "128 bytes" in first.symbol
    assert str(first) == str(caught.value).split(" (and ")[0]


def test_findings_can_be_returned():
    a, b, c = operands(32)
    report = tw.Module(ADD).launch("add", 1, 33, [a, b, c, 33], allow_findings=True)
    assert report.findings[0].kind == "out-of-bounds"


def test_structs_halves_and_bytes_arrive_bit_for_bit():
    class Pair(ctypes.Structure):
        _fields_ = [("a", ctypes.c_int32), ("b", ctypes.c_float), ("c", ctypes.c_uint32)]

    out = np.zeros(28, np.uint8)
    values = [Pair(-5, 1.5, 7), ml_dtypes.bfloat16(2.5), np.uint8(200), 0.1, np.float32(-3)]
    tw.Module(ECHO).launch("echo", args=[out, *values])
    assert out[:12].tobytes() == np.int32(-5).tobytes() + np.float32(1.5).tobytes() + bytes(
        [7, 0, 0, 0]
    )
    assert out[12:14].view(ml_dtypes.bfloat16)[0] == 2.5
    assert out[14] == 200
    assert out[16:24].view(np.float64)[0] == 0.1
    assert out[24:28].view(np.float32)[0] == -3
    record = np.array([(1, 2, 3)], "i4,i4,i4")[0]
    tw.Module(ECHO).launch("echo", args=[out, record, b"\x01\x02", np.bool_(True), 2, -1])
    assert out[:12].view(np.int32).tolist() == [1, 2, 3]
    assert out[12:15].tolist() == [1, 2, 1]
    assert out[16:24].view(np.float64)[0] == 2
    assert out[24:28].view(np.int32)[0] == -1


GOOD = [np.zeros(28, np.uint8), bytes(12), np.float16(1), np.uint8(1), 1.0, 1]


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (0, np.float32(1), [".u64 out", "float32"]),
        (0, 1.5, ["1.5", "integer"]),
        (0, "text", ["'text'", "NumPy array"]),
        (0, 1 << 64, ["18446744073709551616", "expects"]),
        (1, bytes(11), [".b8 pair[12]", "bytes of 11 bytes", "expects 12"]),
        (1, 3, ["Python number 3"]),
        (1, np.zeros(3, np.int32), ["array int32[3]", "pointer"]),
        (1, (ctypes.c_double * 1)(), ["aligned to 8", "aligned to 4"]),
        (2, 1, ["Python number 1"]),
        (2, np.float32(1), ["float32 of 4 bytes", "expects 2"]),
        (3, True, ["True"]),
        (3, 1, ["Python number 1"]),
        (4, np.float32(1), ["float32 of 4 bytes", "expects 8"]),
        (4, np.int64(1), [".f64 wide", "int64"]),
        (4, None, [".f64 wide", "None"]),
        (5, 1 << 32, ["4294967296", "expects -2147483648 to 4294967295"]),
        (5, np.int64(1), ["int64 of 8 bytes", "expects 4"]),
        (5, 1e300, ["1e+300", "too large"]),
        (5, np.array([object()]), ["array"]),
    ],
)
def test_a_value_that_does_not_fit_is_named(index, value, words):
    values = list(GOOD)
    values[index] = value
    with pytest.raises(tw.ArgumentError) as caught:
        tw.Module(ECHO).launch("echo", args=values)
    for word in [f"argument {index} of kernel 'echo'", *words]:
        assert word in str(caught.value)


def test_a_wrong_number_of_arguments_lists_the_parameters():
    with pytest.raises(tw.ArgumentError, match=r"takes 4 arguments \(.u64 a, .*, .u32 n\), .* 1$"):
        tw.Module(ADD).launch("add", args=[1])


def test_an_array_with_strides_is_refused():
    a, b, c = operands(64)
    with pytest.raises(tw.ShapeError, match=r"argument 1 .*strides \(8,\).*contiguous"):
        tw.Module(ADD).launch("add", 1, 32, [a, b[::2], c, 32])


def test_memory_stays_on_the_device_between_launches():
    module = tw.Module(ADD)
    a, b, _ = operands(32)
    total, step = module.from_numpy(a), module.from_numpy(b)
    for _ in range(3):
        module.launch("add", 1, 32, [total, step, total, 32])
    np.testing.assert_array_equal(total.to_numpy(), ((a + b) + b) + b)
    assert (total.shape, total.dtype, total.nbytes) == ((32,), np.float32, 128)
    # An address within it.
    module.launch("add", 1, 1, [np.uint64(step.address + 4), step, total, 1])
    assert total.to_numpy()[0] == b[1] + b[0]


def test_empty_memory_is_written_and_read():
    module = tw.Module(ADD)
    array = module.empty((3, 5), "bf16")
    values = np.arange(15).reshape(3, 5).astype(ml_dtypes.bfloat16)
    array.write(values)
    np.testing.assert_array_equal(array.to_numpy(), values)
    array.write(bytes(30))
    assert array.tobytes() == bytes(30)
    assert array.view(np.uint16, (5, 3)).shape == (5, 3)
    with pytest.raises(tw.ShapeError, match="29 bytes; expects 30"):
        array.write(bytes(29))
    with pytest.raises(tw.ShapeError, match=r"int32\[15\]; expects bfloat16\[3, 5\]"):
        array.write(np.zeros(15, np.int32))
    with pytest.raises(tw.ShapeError, match="30 bytes"):
        array.view(np.float64)
    with pytest.raises(tw.ArgumentError, match="dtype is 'flaot'"):
        module.empty(3, "flaot")
    with pytest.raises(tw.ShapeError, match="-1"):
        module.empty(-1, np.int8)
    assert module.empty(0, np.int8).to_numpy().size == 0


def test_memory_is_released_with_its_last_array():
    limit = tw.EmulatorOptions(memory_limit=1 << 20)
    module = tw.Module(ADD, options=limit)
    for _ in range(8):
        array = module.empty(1 << 19, np.uint8).view(np.int32)
        assert array.nbytes == 1 << 19
    with pytest.raises(tw.ResourceError, match="bytes are free"):
        module.empty(1 << 20, np.uint8)


def test_memory_of_another_module_is_refused():
    module, other = tw.Module(ADD), tw.Module(ADD)
    a = other.from_numpy(np.zeros(32, np.float32))
    with pytest.raises(tw.ArgumentError, match=r"argument 0 .* of another module"):
        module.launch("add", 1, 32, [a, a, a, 32])


def test_variables_are_read_and_written():
    module = tw.Module(TABLE)
    table, factor = module.symbol("table", np.int32), module.symbol("factor")
    assert table.to_numpy().tolist() == [1, 2, 3, 4]
    assert factor.tobytes() == b"\x0a\0\0\0"
    factor.write(np.int32(100).tobytes())
    module.launch("bump", 1, 4)
    assert table.to_numpy().tolist() == [101, 102, 103, 104]
    with pytest.raises(tw.ArgumentError, match=r"no variable 'tabel'.*factor, table"):
        module.symbol("tabel")


def test_mangled_names_can_be_spelled_as_in_the_source():
    module = tw.Module(MANGLED)
    assert module.kernel("_Z4onlyv") == module.kernel("only")
    assert module.kernel("ns::scale<int>").name == "_ZN2ns5scaleIiEEvPT_"
    assert module.kernel("scale(float*)").name == "_Z5scalePf"
    with pytest.raises(tw.ArgumentError, match="'scale' may be any of"):
        module.kernel("scale")
    with pytest.raises(tw.ArgumentError, match="no kernel 'olny'; did you mean 'only'"):
        module.launch("olny")


def test_kernels_know_their_parameters():
    signature = tw.Module(ADD).kernels["add"]
    assert str(signature) == "add(.u64 a, .u64 b, .u64 c, .u32 n)"
    assert [p.offset for p in signature.parameters] == [0, 8, 16, 24]
    assert signature.nbytes == 28


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"grid": 0}, "grid is 0"),
        ({"grid": (1, 70000)}, "grid is .*65535"),
        ({"grid": (1, 1, 1, 1)}, "grid is"),
        ({"block": (1, 1, 65)}, "block is .*64"),
        ({"block": 1.5}, "block is 1.5"),
        ({"block": (1024, 2)}, "2048 threads a block, above the limit of 1024"),
        ({"cluster": 2}, "clusters"),
        ({"dynamic_shared": -1}, "dynamic_shared is -1"),
        ({"dynamic_shared": 1 << 20}, "1048576 bytes of shared memory"),
    ],
)
def test_a_launch_that_cannot_be_is_refused(settings, words):
    with pytest.raises(tw.ArgumentError, match=words):
        tw.Module(SPIN).launch("spin", **settings)


def test_the_device_follows_the_code():
    assert tw.Module(ADD).device == "emulated:a100"
    assert tw.Module(ADD.replace("sm_80", "sm_90")).device == "emulated:h200"
    assert tw.Module(ADD.replace("sm_80", "sm_81")).device == "emulated:a10"
    assert tw.Module(ADD.replace("sm_80", "sm_999")).device == "emulated:a100"
    assert tw.Module(ADD, device="emulated:h200").device == "emulated:h200"
    with pytest.raises(tw.DeviceError, match="a1000"):
        tw.Module(ADD, device="emulated:a1000")
    with pytest.raises(tw.ArgumentError, match="options are for emulated devices"):
        tw.Module(ADD, device="cuda:0", options=tw.EmulatorOptions())


def test_a_file_is_named_in_errors(tmp_path):
    path = tmp_path / "kernel.ptx"
    path.write_text(ADD)
    assert tw.Module(path).path == str(path)
    path.write_text(ADD.replace("add.f32", "add.sideways.f32"))
    line = 1 + ADD.splitlines().index("  add.f32 %f2, %f0, %f1;")
    with pytest.raises(tw.CompileError, match=f"^{path}:{line}:[0-9]+: .*sideways"):
        tw.Module(str(path))
    with pytest.raises(tw.CompileError, match=f"^ptx:{line}:[0-9]+: .*sideways"):
        tw.Module(path.read_text())
    with pytest.raises(tw.ArgumentError, match=r"cannot read .*missing"):
        tw.Module(tmp_path / "missing.ptx")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(tw.ArgumentError, match="no PTX text"):
        tw.Module(path)
    with pytest.raises(tw.CompileError):
        tw.Module(HEAD + "nonsense")


def test_launches_are_profiled():
    a, b, c = operands(32)
    with tw.profile(report=True) as profile:
        tw.Module(ADD).launch("add", 1, 32, [a, b, c, 32])
    (launch,) = profile.launches
    assert (launch.kernel, launch.device) == ("add", "emulated:a100")
    assert launch.problem == "grid 1x1x1, block 32x1x1"
    assert launch.counters["globalSectors"] == 12
    assert launch.report["lines"]


def test_threads_share_a_module():
    module = tw.Module(ADD)
    failures = []

    def work(seed):
        a, b, c = operands(256, seed)
        for _ in range(5):
            module.launch("add", 2, 128, [a, b, c, 256])
            if not np.array_equal(c, a + b):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


needs_nvrtc = pytest.mark.skipif(load_library("nvrtc") is None, reason="there is no NVRTC")


@needs_nvrtc
def test_cuda_source_is_compiled(tmp_path):
    path = tmp_path / "scale.cu"
    (tmp_path / "factor.h").write_text("#define FACTOR 3\n")
    path.write_text(
        '#include "factor.h"\n'
        "__global__ void scale(float *x) {\n"
        "  int unused;\n"
        "  x[threadIdx.x] *= FACTOR * N;\n"
        '  printf("%d ", threadIdx.x);\n'
        "}\n"
    )
    module = tw.Module.from_cuda(path, "sm_90", nvrtc_options=["-DN=2"])
    assert (module.target, module.device) == ("sm_90", "emulated:h200")
    assert "unused" in module.warnings
    x = np.arange(4, dtype=np.float32)
    report = module.launch("scale", 1, 4, [x])
    np.testing.assert_array_equal(x, 6 * np.arange(4))
    assert report.output == "0 1 2 3 "
    sums = {line.source_line: line for line in report.source_lines}
    assert sums[4].source_file == str(path)
    assert sums[4].counters["globalStoreBytes"] == 16


@needs_nvrtc
def test_cuda_source_that_is_refused(tmp_path):
    with pytest.raises(tw.CompileError, match=r"^source.cu\(1\): error: expected an expression"):
        tw.Module.from_cuda("__global__ void f() { int x = }")
    with pytest.raises(tw.ArgumentError, match="--bogus"):
        tw.Module.from_cuda("__global__ void f() {}", nvrtc_options=["--bogus"])
    with pytest.raises(tw.ArgumentError, match="target is 'a100'"):
        tw.Module.from_cuda("__global__ void f() {}", "a100")
    with pytest.raises(tw.ArgumentError, match="NVRTC_ERROR_INVALID_OPTION"):
        tw.Module.from_cuda("__global__ void f() {}", "sm_12")
    with pytest.raises(tw.ArgumentError, match=r"cannot read .*gone.cu"):
        tw.Module.from_cuda(tmp_path / "gone.cu")
    with pytest.raises(tw.ArgumentError, match="NUL"):
        tw.Module.from_cuda("__global__ void f() {}\0")
