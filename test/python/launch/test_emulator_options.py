"""tilewright.EmulatorOptions: what is checked, how long a launch may take, what is kept."""

import numpy as np
import pytest
import tilewright as tw
from launch_ptx import EARLY, MANGLED, SPIN, STRIDED
from tilewright._extension import native


def test_checkers_are_turned_off_by_name():
    a, b = np.arange(4, dtype=np.int32), np.zeros(1, np.int32)
    with pytest.raises(tw.CheckError, match="async-read-early"):
        tw.Module(EARLY).launch("early", args=[a, b])
    off = tw.EmulatorOptions(landing="eager").without("async", "races", "initialisation")
    assert tw.Module(EARLY, options=off).launch("early", args=[a, b]).findings == []


@pytest.mark.parametrize(
    ("ptx", "kernel", "grid", "block"),
    [
        (SPIN, "spin", 1, 32),
        # A barrier in each turn, of several warps; and blocks that end, but never all of them.
        (SPIN.replace("loop:", "loop:\n  bar.sync 0;"), "spin", 1, 256),
        (MANGLED, "only", (1 << 31) - 1, 1024),
    ],
)
@pytest.mark.parametrize("budget", ["instruction", "time"])
def test_budgets_end_a_launch(budget, ptx, kernel, grid, block):
    value = {"instruction": 100000, "time": 0.05}[budget]
    module = tw.Module(ptx, options=tw.EmulatorOptions(**{f"{budget}_budget": value}))
    with pytest.raises(tw.CheckError, match=f"{budget}-budget") as caught:
        module.launch(kernel, grid, block)
    issues = caught.value.report.counters["issues"]
    assert budget == "time" or 100000 < issues < 300000


def test_options_are_checked():
    with pytest.raises(tw.ArgumentError, match="'raecs'; did you mean 'races'"):
        tw.EmulatorOptions(checks={"raecs"})
    with pytest.raises(tw.ArgumentError, match="landing is 'soon'"):
        tw.EmulatorOptions(landing="soon")
    with pytest.raises(tw.ArgumentError, match="warp_order_seed is -1"):
        tw.EmulatorOptions(warp_order_seed=-1)
    with pytest.raises(tw.ArgumentError, match="time_budget is nan"):
        tw.EmulatorOptions(time_budget=float("nan"))
    with pytest.raises(tw.ArgumentError, match="checks is 'races'"):
        tw.EmulatorOptions(checks="races")


def test_the_options_of_nobody_are_those_of_the_device():
    assert tw.EmulatorOptions().to_native() == native().default_emulator_options()


@pytest.mark.parametrize("stride", [1, 2, 4, 32, 33, 0])
def test_the_worst_access_has_its_addresses(stride):
    options = tw.EmulatorOptions(keep_worst_access=True).without("races")
    out = np.zeros(32 * 33, np.int32)
    report = tw.Module(STRIDED, options=options).launch("strided", 1, 32, [out, stride])
    shared, wide = (line.worst_access for line in report.lines if line.worst_access)
    offsets = [4 * stride * lane for lane in range(32)]
    assert [address - shared.addresses[0] for address in shared.addresses] == offsets
    assert [address - wide.addresses[0] for address in wide.addresses] == offsets
    # Independently: the most words in a bank, the sectors under the words.
    words = {offset // 4 for offset in offsets}
    assert shared.cost == max(sum(word % 32 == bank for word in words) for bank in range(32))
    assert wide.cost == len({offset // 32 for offset in offsets})
    assert (shared.space, shared.ideal, shared.nbytes) == ("shared", 1, 4)
    assert (wide.space, wide.ideal, wide.warp) == ("global", min(4, wide.cost), 0)
    plain = tw.Module(STRIDED, options=tw.EmulatorOptions().without("races"))
    report = plain.launch("strided", 1, 32, [out, stride])
    assert all(line.worst_access is None for line in report.lines)
