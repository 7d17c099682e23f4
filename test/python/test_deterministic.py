"""deterministic=True: the same bits whatever the schedule and the other rows."""

import random

import ml_dtypes
import numpy as np
import pytest
import tilewright as tw
from tilewright import testing

K, N = 2176, 96  # 17 tiles of 128: chunks of two, the last of one, at most 9 splits
SEED = 20250


def make(format="u4", k=K, n=N, rows=160, **options):
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    qw = tw.quantize(rng.standard_normal((n, k)).astype(np.float32), format, layout="nk", **options)
    # Of many magnitudes, so that sums in another order have other bits.
    x = rng.standard_normal((rows, k)) * np.exp2(rng.integers(-6, 3, (rows, k)))
    return qw, x.astype(np.float16)


def run(x, qw, **options):
    return tw.linear(x, qw, out_dtype="f32", device="emulated:a100", **options).view(np.uint32)


CASES = {
    "u4": {"group_size": 128, "zero_point": True},
    "i8": {"group_size": "channel"},
    "u3": {"group_size": 32},
}


@pytest.fixture(scope="module", params=CASES)
def product(request):
    qw, x = make(request.param, **CASES[request.param])
    return qw, x, run(x, qw, deterministic=True)


@pytest.mark.parametrize("m", [1, 7, 9, 24, 65])
def test_a_row_has_the_same_bits_in_every_batch(product, m):
    """Each number of rows has a schedule of its own, of the three families."""
    qw, x, whole = product
    start = 160 - m
    np.testing.assert_array_equal(run(x[start:], qw, deterministic=True), whole[start:])
    for row in range(min(m, 2)):
        got = run(x[row : row + 1], qw, deterministic=True)
        np.testing.assert_array_equal(got[0], whole[row])


def sample_schedules(count):
    """Texts of schedules for K; not all fit the rows or the device."""
    rng = random.Random(SEED)
    for _ in range(count):
        tile_m = rng.choice([8, 16, 32, 64, 128])
        warps_m = rng.choice([w for w in (1, 2, 4) if w == 1 or 16 * w <= tile_m])
        warps_n = rng.choice([1, 2])
        tile_n = 32 * warps_n * rng.choice([1, 2])
        split, stages = rng.choice([1, 2, 3, 4, 5, 8, 9]), rng.randint(2, 6)
        yield (
            f"quant_matmul{{chunk_k=256, split_k={split}, stages={stages}, "
            f"tile_k={rng.choice([128, 256])}, "
            f"tile_m={tile_m}, tile_n={tile_n}, warps_m={warps_m}, warps_n={warps_n}}}"
        )


def test_all_schedules_give_the_same_bits(product):
    qw, x, whole = product
    rows = 40
    tried = 0
    for schedule in sample_schedules(60):
        if tried == 8:
            break
        try:
            got = run(x[:rows], qw, deterministic=True, schedule=schedule)
        except tw.ResourceError as error:
            resources = ("registers", "accumulators", "shared memory")
            assert any(name in str(error) for name in resources), schedule
            continue
        tried += 1
        np.testing.assert_array_equal(got, whole[:rows], err_msg=schedule)
    assert tried == 8


def test_runs_in_any_order_give_the_same_bits():
    qw, x = make(group_size=128)
    split = next(s for s in sample_schedules(20) if "split_k=1," not in s and "tile_m=8" in s)
    once = run(x[:3], qw, deterministic=True, schedule=split)
    for seed in range(1, 5):
        options = tw.EmulatorOptions(
            warp_order_seed=seed, preemption_seed=seed, landing="random", landing_seed=seed
        )
        again = tw.check(
            tw.linear, x[:3], qw, out_dtype="f32", deterministic=True, schedule=split,
            device="emulated:a100", options=options,
        )  # fmt: skip
        np.testing.assert_array_equal(again.view(np.uint32), once)


def test_without_it_schedules_differ():
    """So the tests above can fail."""
    qw, x = make(group_size=128)
    texts = [s.replace("chunk_k=256, ", "") for s in sample_schedules(20)]
    one = next(s for s in texts if "split_k=1," in s)
    many = next(s for s in texts if "split_k=8," in s)
    assert (run(x[:8], qw, schedule=one) != run(x[:8], qw, schedule=many)).any()


def test_it_is_as_exact():
    qw, x = make(group_size=128)
    y = tw.linear(x[:4], qw, out_dtype="f32", deterministic=True, device="emulated:a100")
    ref, low, magnitude = testing.linear_reference(x[:4], qw, out_dtype=np.float32)
    testing.assert_within_bound(y, ref, low, magnitude=magnitude, k=K, name="y")


def test_a_schedule_of_other_chunks_is_refused():
    qw, x = make(group_size=128)
    schedule = next(sample_schedules(1)).replace("chunk_k=256", "chunk_k=128")
    with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 128; the nearest is 256"):
        run(x[:1], qw, deterministic=True, schedule=schedule)
    with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 128; the nearest is 0"):
        run(x[:1], qw, schedule=schedule)


def test_its_kernel_is_another():
    qw, _ = make(group_size=128)
    plain = tw.compile("linear", qw, target="a100", m=8)
    chunked = tw.compile("linear", qw, target="a100", m=8, deterministic=True)
    assert "chunk_k" not in plain.schedule and "chunk_k=256" in chunked.schedule
    assert chunked.metadata["problem"]["attributes"]["deterministic"] == "true"
    assert "deterministic" not in plain.metadata["problem"]["attributes"]


DENSE_K = 2100  # chunks of 256, the last of 52 rows, which ends within a tile
DTYPES = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32}


def run_dense(x, w, layout, deterministic=True, **options):
    y = tw.matmul(
        x, w, layout=layout, out_dtype="f32", device="emulated:a100",
        deterministic=deterministic, **options,
    )  # fmt: skip
    return y.view(np.uint32)


@pytest.fixture(scope="module", params=["f16-nk", "bf16-kn", "f32-nk"])
def dense_product(request):
    dtype, layout = request.param.split("-")
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((160, DENSE_K)) * np.exp2(rng.integers(-6, 3, (160, DENSE_K)))
    w = rng.standard_normal((N, DENSE_K) if layout == "nk" else (DENSE_K, N))
    x, w = x.astype(DTYPES[dtype]), w.astype(DTYPES[dtype])
    return x, w, layout, run_dense(x, w, layout)


class TestDense:
    """The same of tw.matmul."""

    @staticmethod
    def sample_schedules(count):
        rng = random.Random(SEED)
        for _ in range(count):
            warps_m, warps_n = rng.choice([1, 2, 4]), rng.choice([1, 2])
            tile_m, tile_n = 16 * warps_m * rng.choice([1, 2]), rng.choice([32, 64, 128])
            split, stages = rng.choice([1, 2, 3, 5, 9]), rng.randint(2, 5)
            yield (
                f"matmul{{chunk_k=256, split_k={split}, stages={stages}, "
                f"tile_k={rng.choice([16, 32, 64, 128])}, tile_m={tile_m}, tile_n={tile_n}, "
                f"warps_m={warps_m}, warps_n={warps_n}}}"
            )

    @pytest.mark.parametrize("m", [1, 17, 65])
    def test_a_row_has_the_same_bits_in_every_batch(self, dense_product, m):
        x, w, layout, whole = dense_product
        np.testing.assert_array_equal(run_dense(x[-m:], w, layout), whole[-m:])

    def test_all_schedules_give_the_same_bits(self, dense_product):
        x, w, layout, whole = dense_product
        for schedule in self.sample_schedules(6):
            got = run_dense(x[:24], w, layout, schedule=schedule)
            np.testing.assert_array_equal(got, whole[:24], err_msg=schedule)

    def test_without_it_schedules_differ(self, dense_product):
        """So the test above can fail."""
        x, w, layout, _ = dense_product
        texts = [s.replace("chunk_k=256, ", "") for s in self.sample_schedules(20)]
        results = [run_dense(x[:8], w, layout, False, schedule=text) for text in texts[:4]]
        assert any((results[0] != other).any() for other in results[1:])

    def test_runs_in_any_order_give_the_same_bits(self):
        rng = np.random.default_rng(SEED)
        x, w = (rng.standard_normal((rows, DENSE_K)).astype(np.float16) for rows in (3, 40))
        split = next(s for s in self.sample_schedules(20) if "split_k=9" in s)
        once = run_dense(x, w, "nk", schedule=split)
        for seed in range(1, 4):
            options = tw.EmulatorOptions(
                warp_order_seed=seed, preemption_seed=seed, landing="random", landing_seed=seed
            )
            again = tw.check(
                tw.matmul, x, w, layout="nk", out_dtype="f32", deterministic=True, schedule=split,
                device="emulated:a100", options=options,
            )  # fmt: skip
            np.testing.assert_array_equal(again.view(np.uint32), once)

    def test_it_is_as_exact(self, dense_product):
        x, w, layout, whole = dense_product
        wide = w.T if layout == "nk" else w
        ref, low, magnitude = testing.matmul_reference(x, wide, out_dtype=np.float32)
        if x.dtype != np.float32:  # rounds its operands
            testing.assert_within_bound(
                whole.view(np.float32), ref, low, magnitude=magnitude, k=DENSE_K
            )

    def test_bytes_are_exact_anyway(self):
        rng = np.random.default_rng(SEED)
        x, w = (rng.integers(-128, 128, (rows, 700)).astype(np.int8) for rows in (20, 33))
        y = tw.matmul(x, w, layout="nk", out_dtype=np.float32, deterministic=True)
        np.testing.assert_array_equal(y, x.astype(np.int64) @ w.astype(np.int64).T)

    def test_a_schedule_without_chunks_is_refused(self):
        x = np.ones((1, DENSE_K), np.float16)
        schedule = next(self.sample_schedules(1))
        with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 256; the nearest is 0"):
            tw.matmul(x, x, layout="nk", schedule=schedule)
        with pytest.raises(tw.ResourceError, match=r"chunk_k .* but got 0; the nearest is 256"):
            run_dense(x, x, "nk", schedule=schedule.replace("chunk_k=256, ", ""))
