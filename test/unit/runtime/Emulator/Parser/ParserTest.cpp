//===- ParserTest.cpp - PTX text to AST, and what is refused ---------------===//
#include "runtime/Emulator/Parser/Parser.h"
#include "gtest/gtest.h"
#include <random>

using namespace tilewright::parser;

namespace {

constexpr llvm::StringLiteral kHeader = ".version 8.0\n.target sm_80\n.address_size 64\n";

std::string bodyOf(llvm::StringRef body) {
  return (kHeader + ".visible .entry k() {\n" + body + "\n}\n").str();
}

Module parseOk(llvm::StringRef text) {
  llvm::Expected<Module> module = parse(text);
  if (!module) {
    ADD_FAILURE() << llvm::toString(module.takeError());
    return {};
  }
  return std::move(*module);
}

std::string errorOf(llvm::StringRef text) {
  llvm::Expected<Module> module = parse(text);
  if (module)
    return "(none)";
  return llvm::toString(module.takeError());
}

TEST(Parser, ReadsHeaderAndDirectives) {
  Module module = parseOk(R"(.version 8.7
.target sm_90a, debug
.address_size 64
.file 1 "a b.cu", 12, 34
.global .align 16 .b8 table[12] = {1, 2, 0x7f, -1};
.const .f32 weights[2][2] = {{1.0, 0f40000000}, {3.0}};
.global .u64 pointer = generic(table)+4;
.extern .shared .align 1024 .b8 dynamic[];
.weak .func (.param .b32 r) f (.param .b64 a, .param .align 8 .b8 s[24]);
.visible .entry k(.param .u64 .ptr .global .align 16 p, .param .u32 n)
.maxntid 128, 2
.minnctapersm 3
.maxnreg 64
{ ret; }
.section .debug_str { L: .b8 116,101 .b32 L+4 }
)");
  EXPECT_EQ(module.versionMajor, 8u);
  EXPECT_EQ(module.versionMinor, 7u);
  EXPECT_EQ(module.target, "sm_90a");
  EXPECT_EQ(module.files[1], "a b.cu");
  ASSERT_EQ(module.variables.size(), 4u);
  EXPECT_EQ(module.variables[0].initial, (std::vector<uint8_t>{1, 2, 0x7f, 0xff}));
  const Variable &weights = module.variables[1];
  EXPECT_EQ(weights.bytes, 16u);
  ASSERT_EQ(weights.initial.size(), 12u);
  EXPECT_EQ(weights.initial[3], 0x3f);  // 1.0f
  EXPECT_EQ(weights.initial[7], 0x40);  // 2.0f
  EXPECT_EQ(weights.initial[10], 0x40); // 3.0f begins the second row
  EXPECT_EQ(module.variables[2].relocations[0].symbol, "table");
  EXPECT_EQ(module.variables[2].relocations[0].addend, 4);
  EXPECT_TRUE(module.variables[3].isUnsized);
  EXPECT_EQ(module.variables[3].alignment, 1024u);
  ASSERT_EQ(module.functions.size(), 2u);
  EXPECT_FALSE(module.functions[0].hasBody);
  EXPECT_EQ(module.functions[0].parameters[1].bytes, 24u);
  const Function &kernel = module.functions[1];
  EXPECT_EQ(kernel.parameters[0].bytes, 8u);
  EXPECT_EQ(kernel.directives.maxThreads, (std::array<uint32_t, 3>{128, 2, 1}));
  EXPECT_EQ(kernel.directives.minBlocksPerSM, 3u);
  EXPECT_EQ(kernel.directives.maxRegisters, 64u);
}

TEST(Parser, CollectsWhereFunctionsWereInlined) {
  Module module = parseOk(bodyOf(R"(
  .loc 1 30 3
  .loc 1 20 5, function_name f, inlined_at 1 30 3
  .loc 1 1 7, function_name g, inlined_at 1 20 5
  bar.sync 0;
  .loc 1 20 5, function_name f, inlined_at 1 31 3
  .loc 1 1 7, function_name g, inlined_at 1 20 5
  bar.sync 0;
)"));
  const Function &kernel = module.functions[0];
  EXPECT_EQ(kernel.body[1].source.inlinedAt, (SourcePlace{1, 20, 5}));
  EXPECT_EQ(kernel.callers,
            (SourceCallers{{{1, 1, 7}, {{1, 20, 5}}}, {{1, 20, 5}, {{1, 30, 3}, {1, 31, 3}}}}));
}

TEST(Parser, ReadsOperandForms) {
  Module module = parseOk(bodyOf(R"(
  .reg .pred %p<3>; .reg .b32 %r<9>; .reg .b64 %rd1; .reg .v2 .f32 v;
  .shared .align 4 .b8 s[64];
  .loc 1 42 7, function_name $L__info+3, inlined_at 1 50 3
  @!%p1 ld.shared.v2.b32 {%r1, _}, [s+8];
  setp.lt.and.s32 %p1|%p2, %r1, -5, !%p1;
  mov.b64 %rd1, {%r1, %r2};
  st.global.L1::no_allocate.f32 [%rd1+-16], v.y;
  mov.u32 %r3, %tid.x;
  mov.b32 %r4, 0b101U; mov.b32 %r4, 017; mov.b32 %r4, ~0; mov.b32 %r4, 0f3F800000;
)"));
  const Function &kernel = module.functions[0];
  ASSERT_EQ(kernel.body.size(), 9u);
  const Instruction &load = kernel.body[0];
  EXPECT_TRUE(load.hasGuard && load.guardNegated);
  EXPECT_EQ(kernel.registers[load.guard].name, "%p1");
  EXPECT_EQ(load.source.line, 42u);
  EXPECT_EQ(load.source.column, 7u);
  EXPECT_EQ(load.source.inlinedAt, (SourcePlace{1, 50, 3}));
  EXPECT_EQ(load.operands[0].parts[1].kind, Operand::Kind::Sink);
  EXPECT_EQ(load.operands[1].kind, Operand::Kind::Address);
  EXPECT_EQ(load.operands[1].parts[0].kind, Operand::Kind::Local);
  EXPECT_EQ(load.operands[1].value, 8u);
  EXPECT_EQ(load.location.line, 9u);
  EXPECT_EQ(load.location.column, 9u);
  const Instruction &setp = kernel.body[1];
  EXPECT_EQ(setp.operands[0].kind, Operand::Kind::Pair);
  EXPECT_EQ(setp.operands[2].value, uint64_t(-5));
  EXPECT_TRUE(setp.operands[3].isNegated);
  const Instruction &store = kernel.body[3];
  EXPECT_EQ(store.modifiers[1].name, "L1::no_allocate");
  EXPECT_EQ(store.operands[0].value, uint64_t(-16));
  EXPECT_EQ(kernel.registers[store.operands[1].index].name, "v.y");
  EXPECT_EQ(kernel.body[4].operands[1].name, "%tid.x");
  EXPECT_EQ(kernel.body[5].operands[1].value, 5u);
  EXPECT_EQ(kernel.body[6].operands[1].value, 15u);
  EXPECT_EQ(kernel.body[7].operands[1].value, ~uint64_t(0));
  EXPECT_EQ(kernel.body[8].operands[1].value, 0x3f800000u);
  // Registers are made on first use: the dense numbering has no holes.
  EXPECT_EQ(kernel.registers.size(), 9u);
}

TEST(Parser, LabelsBelongToScopes) {
  Module module = parseOk(bodyOf(R"(
  bra L;
  { bra L; exit; L: ret; }
  { bra OUTER; }
  L: trap;
  OUTER: ret;
)"));
  const Function &kernel = module.functions[0];
  auto target = [&](unsigned i) {
    return kernel.labels[kernel.body[i].operands[0].index].instruction;
  };
  EXPECT_EQ(target(0), 5u);
  EXPECT_EQ(target(1), 3u);
  EXPECT_EQ(target(4), 6u);
}

TEST(Parser, ReadsBranchTargetsAndCalls) {
  Module module = parseOk((kHeader + R"(
.extern .func (.param .b32 r) f (.param .b64 a);
.entry k() {
  .reg .b32 %r<2>; .reg .b64 %rd<2>;
  T: .branchtargets A, B;
  brx.idx %r1, T;
  A: { .param .b64 p; .param .b32 q; st.param.b64 [p+0], %rd1; call.uni (q), f, (p); }
  proto: .callprototype (.param .b32 _) _ (.param .b64 _);
  call (%r1), %rd1, (%rd1), proto;
  B: ret;
})")
                              .str());
  const Function &kernel = module.functions[1];
  EXPECT_EQ(kernel.branchTargets[0].size(), 2u);
  EXPECT_EQ(kernel.body[0].operands[1].kind, Operand::Kind::Targets);
  const Instruction &call = kernel.body[2];
  EXPECT_EQ(call.operands[0].kind, Operand::Kind::List);
  EXPECT_EQ(call.operands[1].kind, Operand::Kind::Function);
  EXPECT_EQ(kernel.body[3].operands[3].kind, Operand::Kind::Prototype);
}

TEST(Parser, ReadsSelectorsAndSigns) {
  Module module = parseOk(bodyOf(".reg .b32 %r<9>; .reg .pred %p<2>;\n"
                                 "vmad.u32.u32.u32 %r1.h1, -%r2.b3, -5, %r4;\n"
                                 "vadd4.u32.u32.u32 %r1, %r2.b7654, %r3, %r4;\n"
                                 "add.u32 %r1, %r2, -WARP_SZ; @!%p1 ret;"));
  ASSERT_EQ(module.functions[0].body.size(), 4u);
  const auto &first = module.functions[0].body[0].operands;
  EXPECT_EQ(first[0].selector, "h1");
  EXPECT_EQ(first[1].selector, "b3");
  EXPECT_TRUE(first[1].isMinus);
  EXPECT_EQ(first[1].kind, Operand::Kind::Register);
  EXPECT_FALSE(first[2].isMinus);
  EXPECT_EQ(first[2].value, uint64_t(-5));
  EXPECT_EQ(first[3].selector, "");
  EXPECT_EQ(module.functions[0].body[1].operands[1].selector, "b7654");
  EXPECT_EQ(module.functions[0].body[2].operands[2].value, uint64_t(-32));
}

struct BadText {
  const char *name, *body, *error;
};

class ParserRefuses : public testing::TestWithParam<BadText> {};

TEST_P(ParserRefuses, WithPlaceAndReason) {
  EXPECT_EQ(errorOf(bodyOf(GetParam().body)), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, ParserRefuses,
    testing::Values(
        BadText{"UnknownName", "bra nowhere;", "ptx line 5, column 5: unknown name 'nowhere'"},
        BadText{"LabelTwice", "A: ret;\nA: ret;",
                "ptx line 6, column 1: label 'A' is already defined"},
        BadText{"RegisterTwice", ".reg .b32 a, a;",
                "ptx line 5, column 14: 'a' is already declared"},
        BadText{"GuardNotPredicate", ".reg .b32 a; @a ret;",
                "ptx line 5, column 15: expects a predicate, but got 'a'"},
        BadText{"MissingSemicolon", "ret\n}",
                "ptx line 6, column 1: expects an operand, but got '}'"},
        BadText{"MalformedNumber", "mov.b32 x, 0xZZ;", "ptx line 5, column 12: malformed number"},
        BadText{"ShortFloat", "mov.b32 x, 0f12;", "ptx line 5, column 12: malformed number"},
        BadText{"UnendedString", ".pragma \"abc;",
                "ptx line 5, column 9: string that does not end"},
        BadText{"Character", "ret; #", "ptx line 5, column 6: unexpected character"},
        BadText{"AlignmentNotPower", ".shared .align 3 .b8 s[4];",
                "ptx line 5, column 9: expects a power of two as alignment, but got 3"},
        BadText{"HugeArray", ".shared .b8 s[4294967296][4294967296];",
                "ptx line 5, column 13: 's' is larger than 68719476736 bytes"},
        BadText{"HugeFamily", ".reg .b32 %r<4000000000>;",
                "ptx line 5, column 14: a number of registers is 4000000000, above the limit of "
                "16777216"},
        BadText{"TooManyInitials", ".global .b8 s[1] = {1, 2};",
                "ptx line 5, column 24: more initial values than 's' has room for"},
        BadText{"DeepInitials", ".global .b8 s[1] = {{1}};",
                "ptx line 5, column 21: initialiser nested deeper than the array"},
        BadText{"NestedVector", "mov.b32 x, {{y}};",
                "ptx line 5, column 13: expects a number, but got '{'"}),
    [](const testing::TestParamInfo<BadText> &info) { return info.param.name; });

TEST(Parser, RefusesBadModules) {
  EXPECT_EQ(errorOf(""), "ptx line 1, column 1: expects '.version', but got 'end of text'");
  EXPECT_EQ(errorOf(".version 8"),
            "ptx line 1, column 10: expects a version such as 8.0, but got '8'");
  EXPECT_EQ(errorOf(".version 8.0\n.target sm_80\n.address_size 32"),
            "ptx line 3, column 15: expects an address size of 64, but got 32");
  EXPECT_EQ(errorOf((kHeader + ".tex .u64 t;").str()),
            "ptx line 4, column 1: expects a module-level directive, but got '.tex'");
  EXPECT_EQ(errorOf((kHeader + "/* open").str()),
            "ptx line 4, column 1: comment that does not end");
  EXPECT_EQ(errorOf((kHeader + ".entry k() { ret; } .entry k() { ret; }").str()),
            "ptx line 4, column 28: 'k' is already defined");
}

/// No text crashes or hangs the parser: every prefix of a module that uses
/// everything, and copies with random bytes changed.
TEST(Parser, SurvivesDamagedText) {
  std::string text = bodyOf(R"(
  .reg .pred %p<3>; .reg .b32 %r<9>; .reg .v4 .b32 v; .shared .b8 s[4][2] = {{1,2},{3}};
  T: .branchtargets A, A;
  .loc 1 2 3, function_name A, inlined_at 1 2 3
  @!%p1 setp.lt.s32 %p1|%p2, %r1, -0x5, !%p2;
  ld.v4.b32 {%r1, %r2, %r3, _}, [s+-4]; /* c */ brx.idx %r1, T; // d
  A: { call (%r1), k, (%r2); } cp [s, {1, %r1}], 1.5e3;)");
  for (size_t length = 0; length < text.size(); ++length)
    llvm::consumeError(parse(llvm::StringRef(text).take_front(length)).takeError());
  constexpr unsigned seed = 7;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 4000; ++round) {
    std::string damaged = text;
    for (int i = 0; i < 1 + round % 4; ++i)
      damaged[random() % damaged.size()] = "{}()[];,.:@!%0x1 \"\n/*"[random() % 21];
    llvm::Expected<Module> module = parse(damaged);
    if (!module)
      llvm::consumeError(module.takeError());
  }
  // Depth costs no stack.
  EXPECT_NE(errorOf(bodyOf(std::string(1 << 20, '{'))), "(none)");
}

} // namespace
