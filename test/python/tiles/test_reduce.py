"""tile.reduce, iota, splat and masks, on layouts of products and of plain loads."""

import numpy as np
import pytest
from tile_programs import compile_program, dimension, kernel, pointer, tensor, view
from tilewright.testing import assert_within_bound

UFUNC = {"add": np.sum, "max": np.max, "min": np.min}
NUMPY = {"f32": np.float32, "i32": np.int32}


def reduce_program(shape, dim, kind, dtype, *, warps, of_product=False):
    """y = reduce(x). Of a product: x is the accumulator of one that adds zero."""
    result = list(shape)
    result[dim] = 1
    offsets = ", ".join(["%c0"] * len(shape))
    value, products = "%x_tile", ""
    if of_product:
        a, b = tensor((shape[0], 16), "f16"), tensor((16, shape[1]), "f16")
        products = f"""
  %a = arith.constant dense<0.0> : {a}
  %b = arith.constant dense<0.0> : {b}
  %sum = tile.dot %a, %b, %x_tile : {a}, {b} -> {tensor(shape, dtype)}"""
        value = "%sum"
    body = f"""
  %xv = tile.view %x : {view(shape, dtype)}
  %yv = tile.view %y : {view(result, dtype)}
  %x_tile = tile.load %xv[{offsets}] : {view(shape, dtype)} -> {tensor(shape, dtype)}{products}
  %r = tile.reduce {kind} {value} along {dim} : {tensor(shape, dtype)} -> {tensor(result, dtype)}
  tile.store %r, %yv[{offsets}] : {tensor(result, dtype)}, {view(result, dtype)}"""
    return kernel("reduce", [pointer("x", dtype), pointer("y", dtype, written=True)], body,
                  warps=warps)  # fmt: skip


def run_reduce(x, dim, kind, **options):
    dtype = "f32" if x.dtype == np.float32 else "i32"
    program = compile_program(reduce_program(x.shape, dim, kind, dtype, **options))
    y = np.full([1 if d == dim else n for d, n in enumerate(x.shape)], 77, x.dtype)
    program.launch([x, y])
    return program, y


SHAPES = [
    ((16, 8), (1, 1)),
    ((64, 64), (4, 1)),
    ((64, 64), (1, 4)),
    ((32, 96), (2, 2)),
    ((16, 72), (1, 1)),
    ((48, 192), (1, 4)),
]


@pytest.mark.parametrize("kind", UFUNC)
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("shape,warps", SHAPES)
def test_accumulators_reduce_exactly(shape, warps, dim, kind):
    """Small integers: every order of summation gives the same number."""
    x = np.random.default_rng(7).integers(-50, 50, shape).astype(np.float32)
    _, y = run_reduce(x, dim, kind, warps=warps, of_product=True)
    np.testing.assert_array_equal(y, UFUNC[kind](x, axis=dim, keepdims=True))


def test_any_layout_reduces_exactly():
    """Random shapes of rank 1 to 3, odd factors and more threads than elements among them."""
    seed = 4711
    random = np.random.default_rng(seed)
    for _ in range(24):
        rank = int(random.integers(1, 4))
        shape = tuple(int(random.choice([1, 2, 3, 4, 6, 8, 16, 20])) for _ in range(rank))
        dim, warps = int(random.integers(rank)), (1, int(random.choice([1, 2, 4])))
        kind, dtype = random.choice(list(UFUNC)), random.choice(list(NUMPY))
        x = random.integers(-1000, 1000, shape).astype(NUMPY[dtype])
        _, y = run_reduce(x, dim, kind, warps=warps)
        expected = UFUNC[kind](x, axis=dim, keepdims=True)
        np.testing.assert_array_equal(y, expected, err_msg=f"{seed} {shape} {dim} {kind} {warps}")


def test_sums_are_within_the_error_of_pairwise_summation():
    x = np.random.default_rng(3).standard_normal((64, 64)).astype(np.float32)
    _, y = run_reduce(x, 1, "add", warps=(4, 1), of_product=True)
    wide = x.astype(np.float64)
    # Six levels of pairs, each rounds once (Higham, "Accuracy and Stability", 4.2).
    bound = 6 * 2.0**-24 * np.abs(wide).sum(axis=1, keepdims=True)
    assert (np.abs(y - wide.sum(axis=1, keepdims=True)) <= bound).all()


@pytest.mark.parametrize("warps", [(4, 1), (1, 4)])
def test_only_the_lanes_of_a_row_exchange(warps):
    """Two shuffles for each row a thread has, none for the eight rows of a warp; shared
    memory only where warps share a row."""
    program, _ = run_reduce(np.ones((64, 64), np.float32), 1, "max", warps=warps, of_product=True)
    rows = 2 * (64 // 16) // warps[0]
    assert program.ptx.count("shfl.sync.bfly") == 2 * rows
    assert ("bar.sync" in program.ptx) == (warps[1] > 1)


def test_results_do_not_depend_on_the_order_of_warps():
    x = np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32) * 1e3
    program = compile_program(
        reduce_program(x.shape, 1, "add", "f32", warps=(1, 4), of_product=True)
    )
    results = []
    for seed in range(4):
        y = np.zeros((64, 1), np.float32)
        program.launch([x, y], warp_order_seed=seed)
        results.append(y.tobytes())
    assert len(set(results)) == 1


@pytest.mark.parametrize("warps", [(1, 1), (1, 2)])
def test_extrema_of_nan_infinity_and_zeros(warps):
    """NaN wins, in whichever lane it is; -0 is below +0; a row of -inf is -inf."""
    x = np.full((16, 16), -np.inf, np.float32)
    for row in range(8):
        x[row, 2 * row] = np.nan
        x[row, 2 * row + 1] = np.inf
    x[9, 15], x[10] = np.inf, -0.0
    x[10, 6] = 0.0
    _, y = run_reduce(x, 1, "max", warps=warps, of_product=False)
    expected = np.array([np.nan] * 8 + [-np.inf, np.inf, 0.0] + [-np.inf] * 5, np.float32)
    np.testing.assert_array_equal(y[:, 0], expected)
    assert not np.signbit(y[10, 0])
    _, y = run_reduce(-x, 1, "min", warps=warps, of_product=False)
    np.testing.assert_array_equal(y[:, 0], -expected)
    assert np.signbit(y[10, 0])


def test_sums_of_i32_wrap():
    x = np.full((2, 64), 1 << 27, np.int32)
    x[1] = np.arange(64)
    _, y = run_reduce(x, 1, "add", warps=(1, 1))
    np.testing.assert_array_equal(y[:, 0], np.array([np.int64(64 << 27), 64 * 63 // 2])
                                  .astype(np.int32))  # fmt: skip


def softmax_program(rows, columns, warps):
    """Masked softmax of an accumulator: key j is visible to row i iff j <= i + shift."""
    tile, rows1 = tensor((rows, columns), "f32"), tensor((rows, 1), "f32")
    integers, mask = tensor((rows, columns), "i32"), tensor((rows, columns), "i1")
    a, b = tensor((rows, 16), "f16"), tensor((16, columns), "f16")
    body = f"""
  %xv = tile.view %x : {view((rows, columns), "f32")}
  %yv = tile.view %y : {view((rows, columns), "f32")}
  %a = arith.constant dense<0.0> : {a}
  %b = arith.constant dense<0.0> : {b}
  %hidden = arith.constant dense<0xFF800000> : {tile}
  %loaded = tile.load %xv[%c0, %c0] : {view((rows, columns), "f32")} -> {tile}
  %s = tile.dot %a, %b, %loaded : {a}, {b} -> {tile}
  %queries0 = tile.iota %shift along 0 : {tensor((rows, 1), "i32")}
  %queries = tile.broadcast %queries0 : {tensor((rows, 1), "i32")} -> {integers}
  %keys = tile.iota %c0 along 1 : {integers}
  %visible = arith.cmpi sle, %keys, %queries : {integers}
  %masked = arith.select %visible, %s, %hidden : {mask}, {tile}
  %max = tile.reduce max %masked along 1 : {tile} -> {rows1}
  %maxes = tile.broadcast %max : {rows1} -> {tile}
  %scale = arith.constant 1.4426950408889634 : f32
  %scales = tile.splat %scale : f32 -> {tile}
  %shifted = arith.subf %masked, %maxes : {tile}
  %exponents = arith.mulf %shifted, %scales : {tile}
  %p = math.exp2 %exponents fastmath<afn> : {tile}
  %sum = tile.reduce add %p along 1 : {tile} -> {rows1}
  %sums = tile.broadcast %sum : {rows1} -> {tile}
  %r = arith.divf %p, %sums : {tile}
  tile.store %r, %yv[%c0, %c0] : {tile}, {view((rows, columns), "f32")}"""
    return kernel("softmax", [pointer("x", "f32"), pointer("y", "f32", written=True),
                              dimension("shift")], body, warps=warps)  # fmt: skip


@pytest.mark.parametrize(
    "shape,warps", [((64, 64), (4, 1)), ((16, 128), (1, 4)), ((32, 96), (2, 2))]
)
def test_masked_softmax_of_an_accumulator(shape, warps):
    rows, columns = shape
    shift = columns - rows
    program = compile_program(softmax_program(rows, columns, warps))
    x = np.random.default_rng(11).standard_normal(shape).astype(np.float32) * 4
    y = np.zeros_like(x)
    program.launch([x, y, np.int32(shift)])
    visible = np.arange(columns)[None] <= np.arange(rows)[:, None] + shift
    ref = softmax(np.where(visible, x, -np.inf).astype(np.float64))
    low = softmax(np.where(visible, x, -np.inf))
    assert_within_bound(y, ref, low, magnitude=ref, k=columns)
    assert (y[~visible] == 0).all()


def softmax(x):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


READ = kernel(
    "read",
    [pointer("x", "i32"), pointer("y", "i32", written=True), dimension("n"), dimension("i")],
    f"""
  %xv = tile.view %x sizes(%n) : {view(("?",), "i32")}
  %yv = tile.view %y : {view((64,), "i32")}
  %one = tile.read %xv[%i] : {view(("?",), "i32")} -> i32
  %t = tile.splat %one : i32 -> {tensor((64,), "i32")}
  tile.store %t, %yv[%c0] : {tensor((64,), "i32")}, {view((64,), "i32")}""",
)


@pytest.mark.parametrize("i,expected", [(0, 10), (2, 30), (3, 0), (1 << 30, 0)])
def test_one_element_reaches_the_whole_block(i, expected):
    y = np.full(64, -1, np.int32)
    compile_program(READ).launch(
        [np.array([10, 20, 30], np.int32), y, np.int32(3), np.int32(i)], {"n": 3, "i": i}
    )
    assert (y == expected).all()
