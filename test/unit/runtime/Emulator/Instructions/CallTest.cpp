//===- CallTest.cpp - Calls through registers -----------------------------------===//
#include "Snippet.h"

using namespace tilewright::emulator;

namespace {

/// Functions of one form, one of another, and a table of addresses.
constexpr const char *kModule = R"(
  .global .align 8 .u64 table[4] = {twice, square, fact, other};
  .func (.param .b32 y) twice(.param .b32 x) {
    .reg .b32 %r<3>; ld.param.b32 %r1, [x]; add.s32 %r1, %r1, %r1; st.param.b32 [y], %r1; ret; }
  .func (.param .b32 y) square(.param .b32 x) {
    .reg .b32 %r<3>; ld.param.b32 %r1, [x]; mul.lo.s32 %r1, %r1, %r1; st.param.b32 [y], %r1; ret; }
  .func (.param .b32 y) fact(.param .b32 x);
  .func other(.param .b64 x) { ret; }
  .func (.reg .b32 y) thrice(.reg .b32 x) { mul.lo.s32 y, x, 3; ret; }
  .func (.param .b32 y) fact(.param .b32 x) {
    .reg .b32 %r<4>; .reg .b64 %d; .reg .pred %p;
    ld.param.b32 %r1, [x]; setp.gt.u32 %p, %r1, 1; @%p bra MORE;
    st.param.b32 [y], 1; ret;
  MORE: sub.u32 %r2, %r1, 1; mov.u64 %d, fact;
    { .param .b32 a; .param .b32 b; st.param.b32 [a], %r2;
      Self: .calltargets fact, twice;
      call (b), %d, (a), Self; ld.param.b32 %r3, [b]; }
    mul.lo.s32 %r1, %r1, %r3; st.param.b32 [y], %r1; ret; }
)";

std::string callTable(const std::string &index) {
  return "{ .param .b32 x; .param .b32 y; .reg .b64 %at, %f;\n"
         "mov.u64 %at, table; mul.wide.u32 %f, " +
         index +
         ", 8; add.s64 %at, %at, %f; ld.global.u64 %f, [%at];\n"
         "st.param.b32 [x], %r2;\n"
         "Form: .callprototype (.param .b32 _) _ (.param .b32 _);\n"
         "call (y), %f, (x), Form; ld.param.b32 %r3, [y]; }\n";
}

TEST(Calls, LanesOfAWarpReachDifferentFunctionsThroughATable) {
  Snippet snippet;
  auto out = snippet.run("and.b32 %r2, %t, 7; rem.u32 %r1, %t, 3;\n" + callTable("%r1") +
                             "cvt.u64.u32 %rd1, %r3; st.global.u64 [%out], %rd1;",
                         {}, 32, kModule);
  ASSERT_EQ(snippet.error, "");
  const uint64_t factorial[] = {1, 1, 2, 6, 24, 120, 720, 5040};
  for (unsigned t = 0; t < 32; ++t) {
    uint64_t x = t & 7, expected[] = {2 * x, x * x, factorial[x]};
    EXPECT_EQ(out[t], expected[t % 3]) << "thread " << t;
  }
}

TEST(Calls, GuardAndRegisterParameters) {
  Snippet snippet;
  auto out = snippet.run("mov.u64 %rd2, thrice; setp.lt.u32 %p1, %t, 9; mov.u32 %r3, 100;\n"
                         "{ Form: .callprototype (.reg .b32 _) _ (.reg .b32 _);\n"
                         "@%p1 call (%r3), %rd2, (%t), Form; }\n"
                         "cvt.u64.u32 %rd1, %r3; st.global.u64 [%out], %rd1;",
                         {}, 32, kModule);
  ASSERT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], t < 9 ? 3 * t : 100);
}

TEST(Calls, RegistersAndConstantsForParameters) {
  Snippet snippet;
  auto out = snippet.run("call (%r1), square, (%t); call (%r2), twice, (21);\n"
                         "{ .param .b32 y; call (y), square, (-3); ld.param.b32 %r3, [y]; }\n"
                         "call (%r4), thrice, (5); mov.u64 %rd2, twice;\n"
                         "Form: .callprototype (.param .b32 _) _ (.param .b32 _);\n"
                         "call (%r5), %rd2, (500000), Form;\n"
                         "add.u32 %r1, %r1, %r5; mad.lo.u32 %r2, %r3, 100, %r2;\n"
                         "mad.lo.u32 %r2, %r4, 10000, %r2; mov.b64 %rd1, {%r1, %r2};\n"
                         "st.global.u64 [%out], %rd1;",
                         {}, 32, kModule);
  ASSERT_EQ(snippet.error, "");
  for (unsigned t = 0; t < 32; ++t)
    EXPECT_EQ(out[t], (t * t + 1000000) | uint64_t(42 + 900 + 150000) << 32);
}

TEST(Calls, BadAddressesAreFindings) {
  Snippet snippet;
  snippet.run("mov.u32 %r2, 1; mov.u32 %r1, 3;\n" + callTable("%r1"), {}, 32, kModule);
  EXPECT_NE(snippet.error.find("invalid-operand: calls 'other', whose parameters or results differ "
                               "from the call's"),
            std::string::npos)
      << snippet.error;
  snippet.run("mov.u64 %rd1, 12345; Form: .callprototype _; call %rd1, Form;", {}, 32, kModule);
  EXPECT_NE(snippet.error.find("calls address 0x3039, which is no function that the call may name"),
            std::string::npos)
      << snippet.error;
  // Outside of the list, though of the same form.
  snippet.run("mov.u64 %rd1, square; { .param .b32 x; .param .b32 y; st.param.b32 [x], 1;\n"
              "List: .calltargets fact; call (y), %rd1, (x), List; }",
              {}, 32, kModule);
  EXPECT_NE(snippet.error.find("which is no function that the call may name"), std::string::npos)
      << snippet.error;
}

TEST(Calls, BadFormsAreRefused) {
  Snippet snippet;
  auto refusal = [&](const std::string &text, const std::string &message) {
    snippet.run(text, {}, 32, kModule);
    EXPECT_NE(snippet.error.find(message), std::string::npos) << snippet.error;
  };
  refusal("call %rd1;", "an indirect call needs a .callprototype or .calltargets");
  refusal("Form: .callprototype _ (.param .b32 _); call %rd1, Form;",
          "'Form' has 1 parameters, but the call gives 0");
  refusal("Form: .callprototype (.param .b32 _ _; call %rd1, Form;", "expects ','");
  refusal("Form: .callprototype name; call %rd1, Form;",
          "expects '_' in place of the function's name, but got 'name'");
  refusal("List: .calltargets nothing; call %rd1, List;", "'nothing' is no function");
  refusal("call (%r1), 5, (%r2);",
          "expects a function or a register with a function's address, but got '5'");
  refusal("mov.u32 %r1, square;", "the address of 'square' has 64 bits");
}

} // namespace
