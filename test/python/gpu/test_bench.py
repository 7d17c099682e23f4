"""Timing, contenders and rows, on a torch of NumPy (fake_torch.py) and the emulated device."""

import dataclasses
import itertools

import fake_torch
import numpy as np
import pytest
import tilewright as tw
from gpu import bench, contenders, shapes, timing
from gpu.bench import Row
from gpu.shapes import Problem
from gpu.timing import GraphTimer, Spread, count_copies, time_in_turn

PROBLEM = Problem(3, 256, 64, "u4")


class EmulatedDriver:
    """Runs on the emulated device what is launched with addresses of fake tensors."""

    def load(self, ptx, plan):
        self.module = tw.Module(ptx, "emulated:h200")
        return self

    def launch(self, plan, addresses, stream):
        assert stream == 7
        arguments = [
            np.asarray(fake_torch.BY_ADDRESS[addresses[a.name]])
            if a.value is None
            else np.array(a.value, f"<i{a.nbytes}")[()]
            for a in plan.arguments
        ]
        self.module.launch(
            plan.kernel, plan.grid, plan.block, arguments, dynamic_shared=plan.dynamic_shared
        )


@pytest.fixture
def torch(monkeypatch):
    monkeypatch.setattr(contenders, "Driver", EmulatedDriver)
    return fake_torch.make(lambda: 1e-3, cache_bytes=10_000)


def make_bench(torch, problem=PROBLEM):
    weights = shapes.make_weights(problem.format, problem.k, problem.n)
    return contenders.Bench(torch, problem, weights, shapes.make_x(problem.m, problem.k))


class TestTiming:
    def test_copies_do_not_fit_the_cache(self):
        assert count_copies(8 << 20, 60 << 20) == 19  # 2.5 * 60 / 8
        assert count_copies(1 << 30, 60 << 20) == 1
        assert count_copies(1, 60 << 20) == timing.MAX_COPIES

    def test_spread(self):
        assert Spread.of([5.0, 1.0, 3.0, 2.0, 4.0]) == Spread(3.0, 2.0, 4.0, 5)
        assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0, 1)

    def test_seconds_are_of_one_call(self):
        """A replay of 4 calls takes 8 us: 2 us each, and 250 replays are a sample of 2 ms."""
        calls = []
        timer = GraphTimer(fake_torch.make(lambda: 8e-6), [lambda: calls.append(0)] * 4)
        assert len(calls) == 8  # once to warm up, once to capture
        assert timer.replays == 250
        np.testing.assert_allclose(timer.sample(), 2e-6)

    def test_contenders_take_turns_and_the_first_turn_does_not_count(self):
        order, numbers = [], itertools.count()

        class Timer:
            def __init__(self, name):
                self.name = name

            def sample(self):
                order.append(self.name)
                return float(next(numbers))

        spreads = time_in_turn({name: Timer(name) for name in "ab"}, rounds=3)
        assert "".join(order) == "abababab"
        assert spreads["a"] == Spread.of([2.0, 4.0, 6.0])
        assert spreads["b"].samples == 3

    def test_bandwidth_counts_reads_and_writes(self, monkeypatch):
        torch = fake_torch.make(lambda: 0.25)
        monkeypatch.setattr(torch, "empty", lambda size, **_: np.zeros(1, "u1").view(Large))
        monkeypatch.setattr(torch, "empty_like", lambda like: like)
        assert timing.measure_copy(torch, 2) == 2 * 2**30 / 0.25


class Large(fake_torch.Tensor):
    """A byte that says it is a GiB."""

    def numel(self):
        return 1 << 30


class TestContenders:
    @pytest.mark.parametrize("format", ["u4", "u3", "f6e3m2"])
    def test_ours_is_launched_from_metadata(self, torch, format):
        made = make_bench(torch, dataclasses.replace(PROBLEM, format=format))
        calls = made.ours("h200")
        assert len(calls) == count_copies(made.weights.nbytes, 10_000)
        calls[-1]()

    def test_the_others_compute_the_same(self, torch):
        made = make_bench(torch)
        made.fp16()
        made.int4pack()

    @pytest.mark.parametrize("name", ["fp16", "int4pack"])
    def test_a_wrong_product_is_refused(self, torch, name):
        made = make_bench(torch)
        made.expected = made.expected * 1.05
        with pytest.raises(AssertionError, match=r"u4 M=3 .*: error .*, expects at most"):
            getattr(made, name)()

    def test_nothing_written_is_refused(self, torch, monkeypatch):
        monkeypatch.setattr(EmulatedDriver, "launch", lambda *_: None)
        with pytest.raises(AssertionError, match="error nan"):
            make_bench(torch).ours("h200")

    def test_who_cannot_take_part_says_why(self, torch, monkeypatch):
        with pytest.raises(contenders.Absent, match="torch packs u4 only"):
            make_bench(torch, dataclasses.replace(PROBLEM, format="u3")).int4pack()
        monkeypatch.setitem(__import__("sys").modules, "kernels", None)
        with pytest.raises(contenders.Absent, match="no Triton"):
            make_bench(torch).triton((16, 64, 128, 4, 3))


class TestRows:
    def rows(self):
        spreads = [Spread.of([t]) for t in (1e-5, 4e-5, 3e-5, 2e-5)]
        names = ["tilewright", "torch float16", "Triton a", "Triton b"]
        return [Row(PROBLEM, n, 1000, s) for n, s in zip(names, spreads, strict=True)]

    def test_fractions(self):
        rows = self.rows()
        bench.relate(rows, copy_bandwidth=4e8)
        np.testing.assert_allclose(rows[0].of_bandwidth, 0.25)
        np.testing.assert_allclose([row.of_fp16 for row in rows], [0.25, 1, 0.75, 0.5])
        assert bench.format_row(rows[0]).endswith("25% of copy, 0.25 of float16")

    def test_the_best_triton_is_kept(self):
        rows = self.rows()
        kept = [row.contender for row in bench.keep_best_triton(rows)]
        assert kept == ["tilewright", "torch float16", "Triton b"]
        for row in rows[2:]:
            row.seconds, row.absent = None, "no Triton"
        assert [row.absent for row in bench.keep_best_triton(rows)] == ["", "", "no Triton"]

    def test_bytes_are_of_operands_and_result(self):
        weights = shapes.make_weights("u4", 256, 64)
        assert bench.ideal_bytes(PROBLEM, weights) == 2 * 3 * (256 + 64) + weights.nbytes
        assert bench.ideal_bytes(PROBLEM, None) == 2 * 3 * (256 + 64) + 2 * 256 * 64

    def test_all_contenders_of_all_problems(self, torch, monkeypatch):
        monkeypatch.setattr(bench, "measure_copy", lambda torch, rounds: 1e9)
        shown = []
        work = [(shapes.make_weights(f, 256, 64), [Problem(2, 256, 64, f)]) for f in ("u4", "u8")]
        device = tw.device("emulated:h200")
        bandwidth, rows = bench.time_all(torch, device, work, 2, shown.append)
        assert bandwidth == 1e9
        assert shown == rows
        got = {(row.problem.format, row.contender): row for row in rows}
        assert got["u4", "tilewright"].seconds.samples == 2
        assert got["u8", "torch float16"].of_fp16 == 1
        assert got["u4", "torch int4pack"].seconds
        assert got["u8", "torch int4pack"].absent == "torch packs u4 only"

    def test_an_emulated_row_has_counters_and_no_time(self):
        weights = shapes.make_weights("u4", 256, 64)
        row = bench.emulate(PROBLEM, weights, tw.device("emulated:h200"))
        assert row.seconds is None
        assert row.counters["matrixOperations"] >= 256 * 64 // (16 * 8 * 16)
        assert "no time: emulated" in bench.format_row(row)
