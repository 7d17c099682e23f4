//===- TaintMovesTest.cpp - Undefined bits in vectors, calls and stacks ----------===//
//
// Moves of several registers at once, calls through a register, and memory of
// alloca: which part is undefined, where it goes, and that its use is found.
//
//===----------------------------------------------------------------------===//
#include "Undefined.h"

using namespace tilewright;
using namespace tilewright::emulator;

namespace {

constexpr const char *kWrites = "uninitialised: writes";

TEST(TaintMoves, VectorsMoveElementByElement) {
  constexpr const char *two = "mov.v2.u32 {%r10, %r11}, {%r3, %r0}; ",
                       *four = "mov.v4.b32 {%r10, %r11, %r12, %r13}, {%r3, %r0, %r4, %r2}; ",
                       *swap = "mov.v2.u32 {%r0, %r3}, {%r3, %r0}; ",
                       *wide = "mov.v2.b64 {%rd1, %rd2}, {%rd0, %o}; ";
  auto then = [](const char *move, const char *store) { return std::string(move) + store; };
  const std::pair<std::string, bool> cases[] = {
      {then(two, "st.global.u32 [%out], %r10;"), false},
      {then(two, "st.global.u32 [%out], %r11;"), true},
      {then(four, "st.global.u32 [%out], %r10;"), false},
      {then(four, "st.global.u32 [%out], %r11;"), true},
      {then(four, "st.global.u32 [%out], %r12;"), false},
      {then(four, "st.global.u8 [%out], %r13;"), false},
      {then(four, "st.global.u16 [%out], %r13;"), true},
      // Sources are read before results are written.
      {then(swap, "st.global.u32 [%out], %r0;"), false},
      {then(swap, "st.global.u32 [%out], %r3;"), true},
      {then(wide, "st.global.u64 [%out], %rd1;"), true},
      {then(wide, "st.global.u64 [%out], %rd2;"), false},
      {"mov.v4.u32 {%r0, %r1, %r10, %r11}, %tid; add.u32 %r0, %r0, %r1; "
       "st.global.u32 [%out], %r0;",
       false},
      {"mov.v4.u32 {%r10, %r11, %r12, %r13}, %tid; mov.v2.u32 {%r10, %r12}, {%r0, %r13}; "
       "st.global.v2.u32 [%out], {%r11, %r12};",
       false},
      // Half of the lanes.
      {"mov.v2.u32 {%r10, %r11}, {%r3, %r4}; setp.lt.u32 %p3, %t, 16; "
       "@%p3 mov.v2.u32 {%r10, %r11}, {%r0, %r1}; @!%p3 st.global.v2.u32 [%out], {%r10, %r11};",
       false},
      {"mov.v2.u32 {%r10, %r11}, {%r3, %r4}; setp.lt.u32 %p3, %t, 16; "
       "@%p3 mov.v2.u32 {%r10, %r11}, {%r0, %r1}; @%p3 st.global.u32 [%out], %r11;",
       true},
  };
  for (const auto &[body, isFinding] : cases)
    EXPECT_EQ(runUse(body).find(kWrites) == 0, isFinding) << body << "\n" << runUse(body);
}

TEST(TaintMoves, PackingMovesEachPart) {
  constexpr const char *wide = "mov.b64 %rd1, {%r3, %r0}; ",
                       *halves = "mov.b64 %rd1, {%h0, %h1, %h0, %h0}; ",
                       *longest = ".reg .b128 %q1; mov.b128 %q1, {%o, %rd0}; ";
  auto then = [](const char *move, const char *store) { return std::string(move) + store; };
  const std::pair<std::string, bool> cases[] = {
      {then(wide, "st.global.u32 [%out], %rd1;"), false},
      {then(wide, "shr.u64 %rd1, %rd1, 31; st.global.u8 [%out], %rd1;"), true},
      {then(wide, "mov.b64 {%r10, %r11}, %rd1; st.global.u32 [%out], %r10;"), false},
      {then(wide, "mov.b64 {%r10, %r11}, %rd1; st.global.u32 [%out], %r11;"), true},
      {then(wide, "mov.b64 {_, %r11}, %rd1; st.global.u32 [%out], %r11;"), true},
      {then(wide, "mov.b64 {%h5, %h6, %h7, %h8}, %rd1; st.global.u16 [%out], %h6;"), false},
      {then(wide, "mov.b64 {%h5, %h6, %h7, %h8}, %rd1; st.global.u16 [%out], %h7;"), true},
      {then(halves, "mov.b64 {%r10, %r11}, %rd1; st.global.u32 [%out], %r11;"), false},
      {then(halves, "mov.b64 {%r10, %r11}, %rd1; st.global.u32 [%out], %r10;"), true},
      {then(longest, "mov.b128 {%rd1, %rd2}, %q1; st.global.u64 [%out], %rd1;"), false},
      {then(longest, "mov.b128 {%rd1, %rd2}, %q1; st.global.u64 [%out], %rd2;"), true},
  };
  for (const auto &[body, isFinding] : cases)
    EXPECT_EQ(runUse(body).find(kWrites) == 0, isFinding) << body << "\n" << runUse(body);
}

/// `same` gives what it gets, `other` a constant.
constexpr const char *kFunctions = R"(
.func (.param .b32 y) same (.param .b32 x) {
  .reg .b32 %r1; ld.param.b32 %r1, [x]; st.param.b32 [y], %r1; ret; }
.func (.param .b32 y) other (.param .b32 x) { st.param.b32 [y], 5; ret; }
.func (.reg .b32 y) twice (.reg .b32 x) { add.u32 y, x, x; ret; }
)";

/// Calls the function whose address is in %rd1 with `argument`; the result is %r11.
std::string callThrough(const std::string &argument) {
  return "{ .param .b32 x; .param .b32 y; st.param.b32 [x], " + argument +
         "; Form: .callprototype (.param .b32 _) _ (.param .b32 _);\n"
         "call (y), %rd1, (x), Form; ld.param.b32 %r11, [y]; }\n";
}

TEST(TaintMoves, AnIndirectCallNeedsADefinedAddress) {
  constexpr const char *calls = "calls an address with undefined bits";
  // Bit 2 of what nobody has written is 0, here: the address is right by chance.
  const std::string undefined = "mov.u64 %rd1, same; and.b64 %rd2, %rd0, 4; or.b64 %rd1, %rd1, "
                                "%rd2; ",
                    defined = "mov.u64 %rd1, same; and.b64 %rd2, %rd0, 0; or.b64 %rd1, %rd1, "
                              "%rd2; ",
                    store = "st.global.u32 [%out], %r11;";
  std::string error = runUse(undefined + callThrough("%r3") + store, {}, kFunctions);
  EXPECT_NE(error.find(calls), std::string::npos) << error;
  EXPECT_NE(error.find("which nobody has written"), std::string::npos) << error;
  EXPECT_EQ(runUse(defined + callThrough("%r3") + store, {}, kFunctions), "");
  // Of half of the lanes, which do not call.
  EXPECT_EQ(runUse("mov.u64 %rd1, same; setp.lt.u32 %p3, %t, 16; @%p3 mov.u64 %rd1, %rd0; "
                   "@%p3 bra L;\n" +
                       callThrough("%r3") + store + " L:",
                   {}, kFunctions),
            "");
}

TEST(TaintMoves, ValuesPassThroughAnIndirectCall) {
  const std::string store = "st.global.u32 [%out], %r11;";
  auto run = [&](const char *name, const char *argument) {
    return runUse(std::string("mov.u64 %rd1, ") + name + "; " + callThrough(argument) + store, {},
                  kFunctions);
  };
  EXPECT_EQ(run("same", "%r0").find(kWrites), 0u);
  EXPECT_EQ(run("same", "%r3"), "");
  EXPECT_EQ(run("other", "%r0"), "");
  // Each lane has the result of its own callee.
  const std::string choose =
      "mov.u64 %rd1, same; setp.lt.u32 %p3, %t, 16; @%p3 mov.u64 %rd1, other; ";
  EXPECT_EQ(runUse(choose + callThrough("%r0") + "@%p3 " + store, {}, kFunctions), "");
  EXPECT_EQ(runUse(choose + callThrough("%r0") + "@!%p3 " + store, {}, kFunctions).find(kWrites),
            0u);
  // Parameters in registers.
  auto pass = [&](const char *argument) {
    return runUse(std::string("mov.u64 %rd1, twice; { Form: .callprototype (.reg .b32 _) _ "
                              "(.reg .b32 _);\ncall (%r11), %rd1, (") +
                      argument + "), Form; }\n" + store,
                  {}, kFunctions);
  };
  EXPECT_EQ(pass("%r0").find(kWrites), 0u);
  EXPECT_EQ(pass("%r3"), "");
}

TEST(TaintMoves, AllocatedMemoryIsUndefined) {
  expectUses({
      {"size", "and.b64 %rd1, %rd0, 4; add.u64 %rd1, %rd1, 16; alloca.u64 %rd2, %rd1;",
       "takes an operand with undefined bits that must be defined"},
      {"defined part of a size",
       "and.b64 %rd1, %rd0, 0; add.u64 %rd1, %rd1, 16; alloca.u64 %rd2, %rd1;"},
      {"read", "alloca.u64 %rd2, 16; ld.local.u32 %r10, [%rd2]; st.global.u32 [%out], %r10;",
       kWrites},
      {"read through a generic address",
       "alloca.u64 %rd2, 16; cvta.local.u64 %rd3, %rd2; ld.u32 %r10, [%rd3+4]; "
       "st.global.u32 [%out], %r10;",
       kWrites},
      {"written", "alloca.u64 %rd2, 16; st.local.u32 [%rd2], %r3; ld.local.u32 %r10, [%rd2]; "
                  "st.global.u32 [%out], %r10;"},
      {"undefined bits are stored and read",
       "alloca.u64 %rd2, 16; st.local.u32 [%rd2], %r2; ld.local.u32 %r10, [%rd2]; "
       "st.global.u8 [%out], %r10; st.global.u16 [%out+2], %r10;",
       "uninitialised: writes 1 undefined of 2 bytes"},
      {"the place beside it",
       "alloca.u64 %rd2, 16; st.local.u32 [%rd2], %r3; "
       "ld.local.u32 %r10, [%rd2+4]; st.global.u32 [%out], %r10;",
       kWrites},
      {"the same place once more",
       "stacksave.u64 %rd1; alloca.u64 %rd2, 16; st.local.u32 [%rd2], %r3; "
       "stackrestore.u64 %rd1; alloca.u64 %rd2, 16; ld.local.u32 %r10, [%rd2]; "
       "st.global.u32 [%out], %r10;",
       kWrites},
      {"what was saved stays",
       "alloca.u64 %rd2, 16; st.local.u32 [%rd2], %r3; stacksave.u64 %rd1; alloca.u64 %rd3, 16; "
       "stackrestore.u64 %rd1; ld.local.u32 %r10, [%rd2]; st.global.u32 [%out], %r10;"},
      {"lanes", "alloca.u64 %rd2, 16; setp.lt.u32 %p3, %t, 16; @%p3 st.local.u32 [%rd2], %r3; "
                "ld.local.u32 %r10, [%rd2]; @%p3 st.global.u32 [%out], %r10;"},
      {"other lanes",
       "alloca.u64 %rd2, 16; setp.lt.u32 %p3, %t, 16; @%p3 st.local.u32 [%rd2], %r3; "
       "ld.local.u32 %r10, [%rd2]; @!%p3 st.global.u32 [%out], %r10;",
       kWrites},
      {"the place to restore",
       "stacksave.u64 %rd1; and.b64 %rd2, %rd0, 4; or.b64 %rd1, %rd1, "
       "%rd2; stackrestore.u64 %rd1;",
       "takes an operand with undefined bits that must be defined"},
  });
}

} // namespace
