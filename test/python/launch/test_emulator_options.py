"""tilewright.EmulatorOptions: what is checked, how long a launch may take, what is kept."""

import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw
from launch_ptx import CALLING, EARLY, MANGLED, PRINTING, READING, SPIN, STRIDED, WAITING
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


#: Fields of the C++ Options whose names in Python are not just spelled another way.
RENAMED = {"timeBudgetSeconds": "time_budget"}


def test_the_fields_are_those_of_the_cpp_options():
    """Of runtime/Emulator/Machine/Options.h; `checks` stands for all check...: a name each."""
    header = Path(__file__).parents[3] / "runtime/Emulator/Machine/Options.h"
    struct = re.search(r"struct Options \{\n(.*?)\n\};", header.read_text(), re.DOTALL)[1]
    found = re.findall(r"^  [\w:]+ (\w+) = [^;]*;", struct, re.MULTILINE)
    assert len(found) == struct.count(" = "), "a declaration of a form that is not looked for"
    names = [RENAMED.get(n) or re.sub("[A-Z]", lambda c: f"_{c[0].lower()}", n) for n in found]
    checks = {name.removeprefix("check_") for name in names if name.startswith("check_")}
    fields = {field.name for field in dataclasses.fields(tw.EmulatorOptions)}
    assert fields == {n for n in names if not n.startswith("check_")} | {"checks"}
    assert checks == tw.EmulatorOptions().checks


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(tw.EmulatorOptions)])
def test_every_option_has_a_range_and_a_comment(field):
    kind = type(getattr(tw.EmulatorOptions(), field))
    for wrong in (-1, "many", None) if kind in (int, float) else (2, "many", None):
        with pytest.raises(tw.ArgumentError, match=field):
            tw.EmulatorOptions(**{field: wrong})
    source = inspect.getsource(tw.EmulatorOptions)
    above = source[: source.index(f"\n    {field}: ")].splitlines()[-1].strip()
    assert above.startswith("#:") or field in ("landing_seed",)


def test_launch_memory_has_a_limit():
    with pytest.raises(tw.CheckError, match="above the limit of 1000"):
        tw.Module(CALLING, options=tw.EmulatorOptions(launch_memory_limit=1000)).launch("call")


def test_printed_bytes_have_a_limit():
    report = tw.Module(PRINTING, options=tw.EmulatorOptions(output_bytes=10)).launch("print", 1, 32)
    assert report.output.startswith("xxxxxxxxxx\n[further output is dropped")


def test_calls_and_local_memory_have_limits():
    assert not tw.Module(CALLING).launch("call").findings
    with pytest.raises(tw.CheckError, match="deeper than 1"):
        tw.Module(CALLING, options=tw.EmulatorOptions(call_depth=1)).launch("call")
    with pytest.raises(tw.CheckError, match="above the limit of 63"):
        tw.Module(CALLING, options=tw.EmulatorOptions(local_bytes_per_thread=63)).launch("call")


def test_a_report_says_what_was_given_up():
    assert tw.Module(READING).launch("read", 1, 32).notes == []
    few = tw.EmulatorOptions(race_record_limit=1000)
    (note,) = tw.Module(READING, options=few).launch("read", 1, 32).notes
    assert "more than 1000 accesses are to be remembered" in note


def test_turns_of_a_loop_may_be_few():
    """Lane 0 waits for lane 1 of its warp: a round costs as many turns as it may spin."""
    issues = [
        tw.Module(WAITING, options=tw.EmulatorOptions(back_edge_budget=budget))
        .launch("wait", 1, 32)
        .counters["issues"]
        for budget in (16, 4096)
    ]
    assert issues[0] < 500 and issues[1] > 4096
