"""The mutation proof's own parts, and a sample of it; `make mutation` runs all of it."""

import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2].parent))

from tools.mutation.judge import Run, Subject, read_reasons
from tools.mutation.sites import find, kind_of, places, split
from tools.mutation.subjects import subjects

TEXT = """
\t.file 1 "programs/k.cu"
\t.file 2 "cuda/lib.h"
\t.loc 1 3 1
\tst.shared.u32 [%r1], %r2;
\tbar.sync 0;
\t.loc 1 4 1
\t.loc 2 90 5, function_name $L__info_string0, inlined_at 1 4 1
\t@%p1 cp.async.wait_group 1;
\tld.shared.u32 %r3, [%r1];
$L:
\tmbarrier.try_wait.shared.b64 %p2, [%r4], %rd1;
\tatom.acq_rel.gpu.global.add.u32 %r5, [%rd2], 1;
\tmembar.gl;
\tret;
"""
LINES = TEXT.split("\n")


def line_of(words: str) -> int:
    return next(i for i, line in enumerate(LINES, 1) if words in line)


def changes_at(words: str) -> dict[str, list[str]]:
    number = line_of(words)
    return {m.change: m.text.split("\n") for m in find(TEXT, {number})}


def test_kinds():
    kinds = {
        "bar.sync": "barrier",
        "barrier.cta.arrive": "barrier",
        "bar.warp.sync": "warp barrier",
    }
    kinds |= {"cp.async.wait_all": "wait", "mbarrier.try_wait.parity.shared.b64": "wait"}
    kinds |= {"fence.acq_rel.gpu": "fence", "ld.acquire.gpu.global.u32": "order"}
    kinds |= {"ld.shared.u32": None, "bar.red.popc.u32": None, "atom.add.u32": None}
    assert {opcode: kind_of(opcode) for opcode in kinds} == kinds


def test_only_instructions_alone_on_a_line_count():
    assert split("\t@!%p1 bra $L;") == ("@!%p1 ", "bra", "$L")
    assert split("\tbar.sync 0; // wait")[1:] == ("bar.sync", "0")
    for line in ("$L__BB0_1:", "{ bar.sync 0; bar.sync 1; }", ".reg .b32 %r<4>;", ""):
        assert split(line) is None


def test_places_are_those_of_the_outermost_call():
    where = places(TEXT)
    assert where[line_of("bar.sync") - 1] == "k.cu:3"
    assert where[line_of("wait_group") - 1] == "k.cu:4"


def test_a_barrier_is_deleted_and_moved():
    barrier, store = "\tbar.sync 0;", "\tst.shared.u32 [%r1], %r2;"
    changed = changes_at("bar.sync")
    assert set(changed) == {"delete", "earlier"}  # another wait is below
    assert barrier not in changed["delete"] and len(changed["delete"]) == len(LINES)
    assert changed["earlier"].index(barrier) == changed["earlier"].index(store) - 1
    assert sorted(changed["earlier"]) == sorted(LINES)


def test_waits_move_past_reads_and_get_weaker():
    changed = changes_at("wait_group")
    assert set(changed) == {"delete", "later", "weaken"}
    wait, load = "\t@%p1 cp.async.wait_group 1;", "\tld.shared.u32 %r3, [%r1];"
    assert changed["later"].index(wait) == changed["later"].index(load) + 1
    assert "@%p1 cp.async.wait_group 2;" in changed["weaken"]


def test_a_polled_wait_ends_at_once():
    assert "setp.eq.u32 %p2, 0, 0;" in changes_at("try_wait")["delete"]


def test_orders_get_weaker_and_scopes_narrower():
    changed = changes_at("atom.acq_rel")
    assert "\tatom.relaxed.gpu.global.add.u32 %r5, [%rd2], 1;" in changed["weaken"]
    assert "\tatom.acq_rel.cta.global.add.u32 %r5, [%rd2], 1;" in changed["narrow"]
    assert "\tmembar.cta;" in changes_at("membar")["narrow"]


def test_what_is_not_executed_is_left_alone():
    assert list(find(TEXT, {line_of("st.shared")})) == []


LINE = SimpleNamespace(ptx_line=line_of("bar.sync"))
REPORT = SimpleNamespace(counters={"issues": 10}, lines=[LINE])


def subject_where(findings, wrong):
    """A subject whose mutants all end so."""

    def execute(text, options):
        return Run([], [], [REPORT]) if text == TEXT else Run(findings, wrong, [])

    return Subject("program.case", "sm_80", TEXT, execute)


FOUND = SimpleNamespace(kind="race")


@pytest.mark.parametrize(
    "findings, wrong, outcome",
    [([FOUND], [], "caught"), ([], ["1 differs"], "missed"), ([], [], "unexplained")],
)
def test_verdicts(findings, wrong, outcome):
    subject = subject_where(findings, wrong)
    mutant = next(subject.mutants())
    assert subject.judge(mutant, {}).outcome == outcome
    key = ("program", "k.cu:3", "bar.sync", "delete")
    known = subject.judge(mutant, {("redundant", *key): "why", ("missed", *key): "why not"})
    expected = {"unexplained": "redundant"}.get(outcome, outcome)
    assert known.outcome == expected
    assert known.is_known == (outcome == "missed")


def test_what_is_wrong_from_the_start_is_refused():
    with pytest.raises(ValueError, match="is not correct"):
        Subject("a.b", "sm_80", TEXT, lambda text, options: Run([], ["1 differs"], [REPORT]))


def test_reasons_name_things_that_exist():
    programs = {name for _, name, *_ in read_reasons()}
    known = {path.stem for path in Path("test/cuda/programs").glob("*.cu")} | {"tilewright"}
    assert not known or programs <= known | {"tilewright"}


#: Small programs of every kind of synchronisation, and one of our own kernels.
SAMPLED = ["reduce.", "pipelines.in_place", "pipelines.of_a_thread", "flags.chain", "barriers.by"]
#: Waits, arrivals and transaction counts of sm_90's mbarriers.
SAMPLED_HOPPER = ["hopper.", "pipelines.in_place", "barriers.by"]


def test_a_sample_is_caught():
    seed = 20261121
    print(f"seed {seed}")
    reasons = read_reasons()
    chosen = [(s, m) for s in subjects(SAMPLED, ["sm_80"]) for m in s.mutants()]
    chosen = random.Random(seed).sample(chosen, 24)
    hopper = [(s, m) for s in subjects(SAMPLED_HOPPER, ["sm_90"]) for m in s.mutants()]
    chosen += random.Random(seed).sample(hopper, 12)
    own = [(s, m) for s in subjects(["tilewright.two_stages"], ["sm_80"]) for m in s.mutants()]
    verdicts = [subject.judge(mutant, reasons) for subject, mutant in chosen + own]
    bad = [verdict for verdict in verdicts if not verdict.is_good and not verdict.is_known]
    assert not bad, "\n".join(map(str, bad))
    assert sum(verdict.outcome == "caught" for verdict in verdicts) >= len(verdicts) // 2
