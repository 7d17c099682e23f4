"""tilewright.EmulatorOptions: what is checked, how long a launch may take, what is kept."""

import dataclasses
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
import tilewright as tw
from launch_ptx import CALLING, EARLY, HEAD, MANGLED, PRINTING, READING, SPIN, STRIDED, WAITING
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


#: The first lane of each warp takes two tickets, one after the other.
TICKETS = (
    HEAD
    + """
.visible .entry tickets(.param .u64 counter, .param .u64 out) {
  .reg .pred %p;
  .reg .b32 %r<5>;
  .reg .b64 %d<4>;
  ld.param.u64 %d0, [counter];
  ld.param.u64 %d1, [out];
  mov.u32 %r0, %tid.x;
  and.b32 %r1, %r0, 31;
  setp.ne.u32 %p, %r1, 0;
  @%p bra done;
  shr.u32 %r2, %r0, 5;
  mul.wide.u32 %d2, %r2, 8;
  add.s64 %d3, %d1, %d2;
  atom.global.add.u32 %r3, [%d0], 1;
  st.global.u32 [%d3], %r3;
  atom.global.add.u32 %r4, [%d0], 1;
  st.global.u32 [%d3+4], %r4;
done:
  ret;
}
"""
)


def draw_tickets(**options):
    """[warp, first or second]"""
    out = np.zeros((8, 2), np.uint32)
    module = tw.Module(TICKETS, options=tw.EmulatorOptions(**options))
    module.launch("tickets", 1, 256, [np.zeros(1, np.uint32), out])
    assert sorted(out.ravel()) == list(range(16))
    return out


def test_warps_take_turns_as_the_seeds_say():
    plain = draw_tickets()
    orders = [draw_tickets(warp_order_seed=seed)[:, 0].tolist() for seed in range(1, 5)]
    assert (np.diff(plain[:, 0].astype(int)) > 0).all()
    assert all(order != sorted(order) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    # A warp that keeps its turn draws both tickets in a row, one that gives it up does not.
    apart = [draw_tickets(preemption_seed=seed) for seed in range(5)]
    together = [(tickets[:, 1] == tickets[:, 0] + 1).sum() for tickets in apart]
    assert together[0] == 8
    assert max(together[1:]) < 8
    assert len({tickets.tobytes() for tickets in apart}) > 2


def test_copies_land_as_the_options_say():
    """What a thread reads before the wait: the copy, or what was there."""

    def read_early(**options):
        b = np.zeros(1, np.int32)
        options = tw.EmulatorOptions(**options).without("async", "races", "initialisation")
        tw.Module(EARLY, options=options).launch("early", args=[np.full(4, 77, np.int32), b])
        return int(b[0]) == 77

    assert read_early(landing="eager")
    assert not read_early(landing="late")
    assert {read_early(landing="random", landing_seed=seed) for seed in range(20)} == {True, False}


def find(body, grid=1, **options):
    """Kinds of what the checkers find in a kernel of one warp with `tile` and [%d0]."""
    ptx = f"""{HEAD}
.visible .entry body(.param .u64 words) {{
  .reg .pred %p<4>;
  .reg .b32 %r<9>;
  .reg .b64 %d<2>;
  .shared .align 4 .b8 tile[256];
  ld.param.u64 %d0, [words];
  mov.u32 %r0, %tid.x;
  setp.eq.u32 %p0, %r0, 0;
  {body}
  ret;
}}
"""
    module = tw.Module(ptx, options=tw.EmulatorOptions(**options))
    words = [np.zeros(4, np.uint32)]
    return [f.kind for f in module.launch("body", grid, 32, words, allow_findings=True).findings]


def test_lanes_in_step_race_if_asked():
    exchange = """
  mov.u32 %r1, tile;
  shl.b32 %r2, %r0, 2;
  xor.b32 %r3, %r2, 4;
  add.u32 %r2, %r2, %r1;
  add.u32 %r3, %r3, %r1;
  st.volatile.shared.u32 [%r2], %r0;
  ld.volatile.shared.u32 %r4, [%r3];
"""
    assert find(exchange) == []
    assert find(exchange, strict_warps=True) == ["race"]


def test_an_atomic_acquires_nothing_if_asked():
    """The last block reads after a barrier what the others wrote before a fence and an atomic."""
    last_block = """
  mov.u32 %r1, %ctaid.x;
  mul.wide.u32 %d1, %r1, 4;
  add.s64 %d1, %d0, %d1;
  @%p0 st.global.u32 [%d1 + 4], 1;
  membar.gl;
  @%p0 atom.global.inc.u32 %r2, [%d0], 10;
  @%p0 st.shared.u32 [tile], %r2;
  bar.sync 0;
  ld.shared.u32 %r2, [tile];
  setp.ne.u32 %p1, %r2, 2;
  @%p1 exit;
  ld.global.u32 %r3, [%d0 + 4];
  ld.global.u32 %r3, [%d0 + 8];
"""
    assert find(last_block, 3) == []
    assert set(find(last_block, 3, strict_acquire=True)) == {"race"}


#: Two uses of bytes that nobody wrote.
UNDEFINED = """
  ld.shared.u32 %r1, [tile];
  st.global.u32 [%d0], %r1;
  ld.shared.u32 %r2, [tile + 4];
  st.global.u32 [%d0 + 4], %r2;
"""


@pytest.mark.parametrize(
    ("check", "body", "found"),
    [
        ("initialisation", UNDEFINED, 2),
        ("alignment", "ld.global.u32 %r1, [%d0 + 2];", 1),
        ("races", "st.global.u32 [%d0], %r0;", 1),
    ],
)
def test_a_checker_that_is_off_finds_nothing(check, body, found):
    assert len(find(body)) == found
    assert find(body, checks=set(tw.EmulatorOptions().checks) - {check}) == []


def test_findings_have_a_limit():
    assert find(UNDEFINED) == 2 * find(UNDEFINED, max_findings=1)


def test_blocks_that_wait_for_each_other_need_to_be_resident():
    wait_for_the_second = """
  mov.u32 %r1, %ctaid.x;
  setp.eq.u32 %p1, %r1, 1;
  @%p1 st.release.gpu.global.u32 [%d0], 1;
  @%p1 exit;
wait:
  ld.acquire.gpu.global.u32 %r2, [%d0];
  setp.eq.u32 %p2, %r2, 0;
  @%p2 bra wait;
"""
    budget = {"instruction_budget": 1 << 20}
    assert find(wait_for_the_second, 2, **budget) == []
    assert find(wait_for_the_second, 2, max_resident_blocks=1, **budget) != []
