"""tools/assembler on text that was written for it: reports, machine code, PTX, the cache."""

import assembler
import pytest
from assembler import ptx, sass

REPORT = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'k' for 'sm_80'
ptxas info    : Function properties for k
    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 92 registers, used 2 barriers, 30720 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 27.710 ms
"""


def test_reads_every_number_of_a_report():
    kernels, warnings = assembler.parse_report(REPORT)
    assert warnings == ()
    assert kernels == {
        "k": assembler.Resources(
            registers=92, stack=16, spill_stores=4, spill_loads=8, shared=30720, barriers=2
        )
    }


def test_spills_and_stack_are_defects():
    kernels, warnings = assembler.parse_report(REPORT)
    assert assembler.Assembly("sm_80", b"", kernels, warnings).defects == [
        "kernel 'k' has 16 bytes of stack",
        "kernel 'k' has 4 bytes of spill stores",
        "kernel 'k' has 8 bytes of spill loads",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "ptxas info    : (C7508) setmaxnreg ignored to maintain minimum register requirements.",
        "ptxas info    : (C7510) Potential Performance Loss: wgmma is serialized",
        "ptxas warning : Local memory used for function 'k', size of stack frame: 16 bytes",
        "ptxas /tmp/kernel.ptx, line 9; warning : something nobody has seen before",
    ],
)
def test_what_is_not_known_is_a_warning(line):
    _, warnings = assembler.parse_report(REPORT + line + "\n")
    assert len(warnings) == 1
    assert warnings[0] in line


# A loop of two blocks with a guarded block inside it, left by the idiom of ptxas: a call that
# does not return. Before the loop a constant; in it an address and the making of an operand.
LISTING = """\
\t.section\t.text.k,"ax",@progbits
k:
.text.k:
        /*0000*/                   MOV R9, 0x64006400 ;
        /*0010*/                   CS2R R16, SRZ ;
.L_x_1:
        /*0020*/                   LDS.128 R4, [R2] ;
        /*0030*/                   IMAD R2, R20, 0x80, R21 ;
        /*0040*/              @P0 BRA `(.L_x_2) ;
        /*0050*/                   LDGSTS.E.BYPASS.128 [R2], [R30.64], P1 ;
.L_x_2:
        /*0060*/                   IMAD.MOV.U32 R10, RZ, RZ, 0x2c00 ;
        /*0070*/                   LOP3.LUT R8, R4.reuse, 0xf000f, R9, 0xea, !PT ;
        /*0080*/                   LOP3.LUT R7, R4, 0xf000f0, R9, 0xea, !PT ;
        /*0090*/                   HADD2 R8, R8, -1024, -1024 ;
        /*00a0*/                   HFMA2 R9, R7, R10.H0_H0, -64, -64 ;
        /*00b0*/                   LDSM.16.M88.4 R12, [R3+UR4] ;
        /*00c0*/                   HMMA.16816.F32 R16, R12, R8, R16 ;
        /*00d0*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*00e0*/              @!P2 CALL.REL.NOINC `(.L_x_3) ;
        /*00f0*/                   BRA `(.L_x_1) ;
.L_x_3:
        /*0100*/                   STG.E.64 [R30.64], R16 ;
        /*0110*/                   EXIT ;
.L_x_4:
        /*0120*/                   BRA `(.L_x_4);
"""


@pytest.fixture
def kernel():
    return assembler.parse(LISTING)["k"]


def test_blocks_and_their_edges(kernel):
    assert [block.successors for block in kernel.blocks] == [[1], [3, 2], [3], [5, 4], [1], [], [6]]


def test_main_loop_is_the_one_with_the_mma(kernel):
    assert len(kernel.loops) == 1  # what follows EXIT is not reached
    loop = kernel.main_loop
    assert loop.mmas == 1
    assert [i.address for i in loop.instructions] == list(range(0x20, 0x100, 0x10))
    assert loop.counts["copy"] == loop.counts["barrier"] == loop.counts["shared load"] == 1


def test_operands_are_what_lies_between_load_and_mma(kernel):
    loop = kernel.main_loop
    assert [i.address for i in loop.operands] == [0x70, 0x80, 0x90, 0xA0]
    assert [str(i) for i in loop.constants] == ["IMAD.MOV.U32 R10, RZ, RZ, 0x2c00"]


def test_operands_that_an_earlier_turn_loaded():
    """The load comes last in the body: its words reach the next turn's mma."""
    lines = [line for line in LISTING.splitlines() if "LDS.128" not in line]
    last = next(i for i, line in enumerate(lines) if "BAR.SYNC" in line)
    lines.insert(last, "        /*00c8*/                   LDS.128 R4, [R2] ;")
    loop = assembler.parse("\n".join(lines))["k"].main_loop
    assert [i.address for i in loop.operands] == [0x70, 0x80, 0x90, 0xA0]


def test_a_kernel_without_a_loop_says_so():
    listing = LISTING.replace("BRA `(.L_x_1)", "BRA `(.L_x_3)")
    with pytest.raises(assembler.AssemblerError, match="no loop with an mma; it has 1 outside"):
        assert assembler.parse(listing)["k"].main_loop


@pytest.mark.parametrize("text", ["", "nothing here", ".L_x_1:\n"])
def test_no_kernel_is_an_error(text):
    with pytest.raises(assembler.AssemblerError, match="no kernel"):
        assembler.parse(text)


def test_an_unreadable_instruction_is_an_error():
    with pytest.raises(assembler.AssemblerError, match="cannot read"):
        assembler.parse(LISTING.replace("EXIT ;", "??? ;"))


def test_an_unknown_shape_of_mma_is_an_error():
    loop = assembler.parse(LISTING.replace("HMMA.16816", "HMMA.9999"))["k"].main_loop
    with pytest.raises(assembler.AssemblerError, match=r"unknown shape of mma 'HMMA\.9999"):
        assert loop.operands


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("LDGSTS.E.BYPASS.128", "copy"),
        ("LDG.E.128", "global"),
        ("LDS", "shared load"),
        ("LDSM.16.M88.4", "matrix load"),
        ("LDL", "local"),
        ("STL.64", "local"),
        ("HADD2.F32", "conversion"),
        ("HADD2.BF16_V2", "half"),
        ("BAR.SYNC.DEFER_BLOCKING", "barrier"),
        ("DEPBAR.LE", "copy wait"),
        ("IMAD.MOV.U32", "move"),
        ("IMAD.WIDE.U32", "integer"),
        ("SHF.R.U32.HI", "logic"),
        ("UISETP.NE.U32.AND", "predicate"),
    ],
)
def test_classes(text, kind):
    assert kind in assembler.CLASSES
    assert assembler.classify(sass.Instruction(0, "", text, ())) == kind


# The same loop as PTX, over lines as the backend prints them.
PTX = """\
.version 8.0
.target sm_80
.visible .entry k()
{
\t.reg .b32 \t%r<20>;
\tmov.b32 \t%r1, 1677747200;
$L__BB0_1:                              // of a loop
\tld.shared.v2.b32 \t{%r2, %r3}, [%r4];
\tadd.s32 \t%r4, %r4, 128;
\t@%p1 bra \t$L__BB0_2;
\tcp.async.cg.shared.global [%r4], [%rd1], 16;
$L__BB0_2:
\tmov.b32 \t%r5, 983055;
\t// begin inline asm
\tlop3.b32 %r6, %r2, %r5, %r1, 234;
\t// end inline asm
\tfma.rn.f16x2 \t%r7, %r6, %r8, %r9;
\tadd.rn.f16x2 \t%r10, %r6, %r9;
\tldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r11, %r12, %r13, %r14}, [%r4];
\tmma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
\t\t{%r15, %r16, %r17, %r18},
\t\t{%r11, %r12, %r13, %r14},
\t\t{%r7, %r10},
\t\t{%r15, %r16, %r17, %r18};
\t@%p2 bra \t$L__BB0_1;
\tret;
}
"""


def test_ptx_operands():
    loop = ptx.find_main_loop(PTX)
    assert loop.mmas == 1
    assert [s.opcode for s in loop.operands] == ["lop3.b32", "fma.rn.f16x2", "add.rn.f16x2"]


def test_ptx_without_a_loop():
    with pytest.raises(assembler.AssemblerError, match="no loop with an mma"):
        ptx.find_main_loop(PTX.replace("@%p2 bra \t$L__BB0_1;", ""))


def test_target_of_ptx():
    assert assembler.get_target(PTX) == "sm_80"
    with pytest.raises(assembler.AssemblerError, match=r"no \.target"):
        assembler.get_target(".version 8.0")


def test_cache_makes_each_entry_once(tmp_path):
    cache = assembler.Cache(tmp_path / "entries")
    made = []

    def make():
        made.append(1)
        return b"bytes"

    assert cache.get(("a", "b"), "cubin", make) == b"bytes"
    assert cache.get(("a", "b"), "cubin", make) == b"bytes"
    assert len(made) == 1
    assert (cache.hits, cache.misses) == (1, 1)
    assert len(list(cache.folder.iterdir())) == 1  # nothing half written is left
    # Neither another content nor the same letters cut elsewhere.
    cache.get(("ab", ""), "cubin", make)
    cache.get(("a", "c"), "cubin", make)
    assert len(made) == 3


def test_cache_keeps_no_failure(tmp_path):
    cache = assembler.Cache(tmp_path)

    def fail():
        raise assembler.AssemblerError("refused")

    for _ in range(2):
        with pytest.raises(assembler.AssemblerError, match="refused"):
            cache.get(("a",), "cubin", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(assembler.find_tool("ptxas") is None, reason=assembler.explain_missing("ptxas"))
class TestWithPtxas:
    KERNEL = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k() { ret; }\n"

    def test_assembles_once(self, tmp_path):
        cache = assembler.Cache(tmp_path)
        first = assembler.assemble(self.KERNEL, cache=cache)
        assert first == assembler.assemble(self.KERNEL, cache=cache)
        assert (cache.hits, cache.misses) == (1, 1)
        assert first.cubin.startswith(b"\x7fELF")
        assert first.kernel.registers > 0
        # Flags are part of what an entry follows from.
        assembler.assemble(self.KERNEL, flags=("-O1",), cache=cache)
        assert cache.misses == 2

    def test_refusals_carry_the_words_of_ptxas(self, tmp_path):
        broken = self.KERNEL.replace("ret;", "frobnicate;")
        with pytest.raises(assembler.AssemblerError, match=r"for sm_80:\n.*frobnicate"):
            assembler.assemble(broken, cache=assembler.Cache(tmp_path))

    def test_another_target(self, tmp_path):
        with pytest.raises(assembler.AssemblerError, match="sm_12"):
            assembler.assemble(
                self.KERNEL.replace("sm_80", "sm_12"), cache=assembler.Cache(tmp_path)
            )
