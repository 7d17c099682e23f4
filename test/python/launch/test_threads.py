"""Python threads that share an emulated device: each launch has a report of its own."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tilewright as tw
from launch_ptx import ADD, EARLY
from tilewright._extension import native, runtime

DEVICE = "emulated:a100"
#: Rows of x: each makes another grid, so that counters tell launches apart.
ROWS = (1, 17, 40, 70)
THREADS, TURNS = 4, 6


def run_together(work):
    """work(i) for THREADS * TURNS numbers; the threads start at the same time."""
    barrier = threading.Barrier(THREADS)

    def run(thread):
        barrier.wait()
        return [(i, work(i)) for i in range(thread, THREADS * TURNS, THREADS)]

    with ThreadPoolExecutor(THREADS) as pool:
        return [outcome for done in pool.map(run, range(THREADS)) for outcome in done]


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(3)
    return tw.quantize(rng.standard_normal((256, 64)), "u4", layout="kn", group_size=128)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(4)
    return [rng.integers(-4, 5, (rows, 256)).astype(np.float16) for rows in ROWS]


def test_linear_reports_its_own_launch(weights, inputs):
    def work(i):
        with tw.profile(report=True) as profile:
            y = tw.linear(inputs[i % len(ROWS)], weights, device=DEVICE)
        (launch,) = profile.launches
        return y, launch.counters, launch.report["total"], launch.report["blocks"]

    alone = [work(i) for i in range(len(ROWS))]
    assert len({counters["issues"] for _, counters, _, _ in alone}) == len(ROWS)
    for i, (y, counters, total, blocks) in run_together(work):
        expected = alone[i % len(ROWS)]
        np.testing.assert_array_equal(y, expected[0])
        assert (counters, total, blocks) == expected[1:]


def test_artifacts_on_one_device_report_their_own_launch(weights, inputs):
    kernels = []
    for x in inputs:
        kernel = tw.compile("linear", weights, m=len(x), target="sm_80")
        metadata = json.dumps(kernel.metadata)
        kernels.append(native().LoadedArtifact(runtime(), kernel.ptx, metadata, DEVICE))

    def work(i):
        x = inputs[i % len(ROWS)]
        y = np.zeros((len(x), 64), np.float16)
        facts = kernels[i % len(ROWS)].quant_matmul(x, weights.packed(), None, y, report=True)
        report = json.loads(facts["report"])
        return y, facts["counters"], report["total"], report["blocks"]

    alone = [work(i) for i in range(len(ROWS))]
    for i, (y, *counted) in run_together(work):
        np.testing.assert_array_equal(y, alone[i % len(ROWS)][0])
        assert counted == list(alone[i % len(ROWS)][1:])


def test_a_report_is_made_where_it_is_asked_for(weights, inputs):
    kernel = tw.compile("linear", weights, m=1, target="sm_80")
    artifact = native().LoadedArtifact(runtime(), kernel.ptx, json.dumps(kernel.metadata), DEVICE)
    y = np.zeros((1, 64), np.float16)
    facts = artifact.quant_matmul(inputs[0], weights.packed(), None, y)
    assert facts["report"] is None and facts["counters"]["issues"] > 0


def test_a_finding_belongs_to_the_launch_that_made_it():
    module = tw.Module(ADD + EARLY.split("address_size 64\n")[1])

    def work(i):
        if i % 2:
            a, b = np.arange(4, dtype=np.int32), np.zeros(1, np.int32)
            return module.launch("early", args=[a, b], allow_findings=True)
        a = np.ones(i + 1, np.float32)
        return module.launch("add", 1, 64, [a, a, np.empty_like(a), np.uint32(i + 1)])

    for i, report in run_together(work):
        assert report.kernel == ("early" if i % 2 else "add")
        kinds = {finding.kind for finding in report.findings}
        assert "async-read-early" in kinds if i % 2 else not kinds
        if not i % 2:
            assert report.counters["globalStoreBytes"] == 4 * (i + 1)


def test_options_may_change_while_others_launch(weights, inputs):
    """Each launch runs with the old or with the new ones, whole."""
    counting = tw.EmulatorOptions().to_native()
    without = tw.EmulatorOptions(count_accesses=False).to_native()

    def work(i):
        if i % 4 == 0:
            runtime().set_emulator_options(DEVICE, without if i % 8 else counting)
            return None
        with tw.profile() as profile:
            tw.linear(inputs[1], weights, device=DEVICE)
        return profile.launches[0].counters

    try:
        runtime().set_emulator_options(DEVICE, counting)
        known = [work(1)]
        runtime().set_emulator_options(DEVICE, without)
        known.append(work(1))
        assert known[0] != known[1]
        for i, counters in run_together(work):
            assert i % 4 == 0 or counters in known
    finally:
        runtime().set_emulator_options(DEVICE, counting)
