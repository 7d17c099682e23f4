//===- InitialisationTest.cpp - Where undefined values go, rule by rule ------===//
#include "Undefined.h"

using namespace tilewright::emulator;

namespace {

constexpr const char *kWrites = "uninitialised: writes";

TEST(Initialisation, ReadingAloneIsNoUse) {
  expectUses({
      {"nothing", ""},
      {"arithmetic", "add.u32 %r10, %r0, 1; mul.lo.u32 %r10, %r10, %r1; cvt.rn.f32.u32 %f1, %r10;"},
      {"store to shared", "st.shared.u32 [%r51+4], %r0;"},
      {"stored", "st.global.u32 [%out], %r0;", "uninitialised: writes 4 undefined of 4 bytes"},
      {"low byte", "st.global.u8 [%out], %r2;"},
      {"second byte", "st.global.u16 [%out], %r2;", "writes 1 undefined of 2 bytes"},
      {"overwritten", "mov.u32 %r0, 1; st.global.u32 [%out], %r0;"},
      {"overwritten in half the lanes",
       "setp.lt.u32 %p3, %t, 16; @%p3 mov.u32 %r0, 1;\n"
       "st.global.u32 [%out], %r0;",
       "lane 16"},
      {"the other half is clean", "setp.lt.u32 %p3, %t, 16; @%p3 mov.u32 %r0, 1;\n"
                                  "@%p3 st.global.u32 [%out], %r0;"},
      {"reduction", "red.global.add.u32 [%out], %r0;", kWrites},
      {"exchange", "atom.global.exch.b32 %r10, [%out], %r0;", kWrites},
      {"vector store", "st.global.v2.u32 [%out], {%r3, %r0};", "writes 4 undefined of 8 bytes"},
      {"vector store of defined", "st.global.v2.u32 [%out], {%r3, 9};"},
  });
}

TEST(Initialisation, AddressesAndControlMustBeDefined) {
  constexpr const char *address = "its address depends on undefined bits";
  expectUses({
      {"load", "and.b32 %r10, %r0, 4; add.u32 %r10, %r10, %r50; ld.shared.u32 %r11, [%r10];",
       address},
      {"load, defined part", "and.b32 %r10, %r2, 4; add.u32 %r10, %r10, %r50;\n"
                             "ld.shared.u32 %r11, [%r10];"},
      {"store", "and.b32 %r10, %r0, 4; add.u32 %r10, %r10, %r50; st.shared.u32 [%r10], 1;",
       address},
      {"atomic",
       "and.b64 %rd1, %rd0, 0; or.b64 %rd1, %rd1, %rd0; and.b64 %rd1, %rd1, 4;\n"
       "add.u64 %rd1, %rd1, %out; red.global.add.u32 [%rd1], 1;",
       address},
      {"copy",
       "and.b32 %r10, %r0, 16; add.u32 %r10, %r10, %r50;\n"
       "cp.async.ca.shared.global [%r10], [%in], 8; cp.async.wait_all;",
       address},
      {"branch", "@%p0 bra L; add.u32 %r3, %r3, 1; L:", "branches on undefined bits"},
      {"guarded store", "@%p0 st.shared.u32 [%r51], 1;",
       "undefined bits decide whether this instruction runs"},
      {"guarded barrier", "@%p0 bar.sync 0;", "undefined bits decide"},
      {"guarded exit", "@%p0 exit;", "undefined bits decide"},
      {"guarded move, unused", "@%p0 mov.u32 %r10, 1;"},
      {"guarded move", "mov.u32 %r10, 2; @%p0 mov.u32 %r10, 1; st.global.u32 [%out], %r10;",
       kWrites},
      {"guarded load",
       "mov.u32 %r10, 2; @%p0 ld.global.u32 %r10, [%in];\n"
       "st.global.u32 [%out], %r10;",
       kWrites},
      {"branch index", "and.b32 %r10, %r0, 1; T: .branchtargets A, B; brx.idx %r10, T; A: B:",
       "branches by an index with undefined bits"},
      {"barrier number", "and.b32 %r10, %r0, 3; bar.sync %r10, 32;",
       "takes an operand with undefined bits"},
      {"barrier's predicate", "bar.red.or.pred %p3, 0, %p0;",
       "takes an operand with undefined bits"},
      {"member mask", "or.b32 %r10, %r0, -1; shfl.sync.idx.b32 %r11, %t, 0, 31, %r10;"},
      {"undefined member mask", "add.u32 %r10, %r0, 1; vote.sync.any.pred %p3, %p1, %r10;",
       "its member mask has undefined bits"},
      {"source size",
       "and.b32 %r10, %r0, 8;\n"
       "cp.async.ca.shared.global [%r51], [%in], 8, %r10; cp.async.wait_all;",
       "takes an operand with undefined bits"},
  });
}

TEST(Initialisation, LogicKnowsWhatDecides) {
  expectUses({
      {"and 0", "and.b32 %r10, %r0, 0; st.global.u32 [%out], %r10;"},
      {"and register 0", "and.b32 %r10, %r0, %r4; st.global.u32 [%out], %r10;"},
      {"and defined byte", "and.b32 %r10, %r2, 255; st.global.u32 [%out], %r10;"},
      {"and one bit more", "and.b32 %r10, %r2, 0x1ff; st.global.u32 [%out], %r10;", kWrites},
      {"or ones", "or.b32 %r10, %r5, %r0; st.global.u32 [%out], %r10;"},
      {"or", "or.b32 %r10, %r3, %r0; st.global.u32 [%out], %r10;", kWrites},
      {"xor itself", "xor.b32 %r10, %r0, %r0; st.global.u32 [%out], %r10;"},
      {"xor another", "xor.b32 %r10, %r0, %r1; st.global.u32 [%out], %r10;", kWrites},
      {"not", "not.b32 %r10, %r0; st.global.u32 [%out], %r10;", kWrites},
      {"64 bits", "and.b64 %rd1, %rd0, 0; st.global.u64 [%out], %rd1;"},
      {"16 bits", "and.b16 %h5, %h1, 0; st.global.u16 [%out], %h5;"},
      {"16 bits undefined", "or.b16 %h5, %h1, %h0; st.global.u16 [%out], %h5;", kWrites},
      {"lop3 (a & b) | c, b = 0",
       "lop3.b32 %r10, %r0, %r4, %r3, 0xEA; st.global.u32 [%out], %r10;"},
      {"lop3 (a & b) | c, c = ~0", "lop3.b32 %r10, %r0, %r1, %r5, 0xEA;\n"
                                   "st.global.u32 [%out], %r10;"},
      {"lop3 (a & b) | c", "lop3.b32 %r10, %r0, %r5, %r3, 0xEA; st.global.u32 [%out], %r10;",
       kWrites},
      {"lop3 a ^ b ^ c, a = b", "lop3.b32 %r10, %r0, %r0, %r3, 0x96; st.global.u32 [%out], %r10;"},
      {"lop3 a ^ b ^ c, a = c", "lop3.b32 %r10, %r0, %r3, %r0, 0x96; st.global.u32 [%out], %r10;"},
      {"lop3 a ^ b ^ c, b = c", "lop3.b32 %r10, %r3, %r0, %r0, 0x96; st.global.u32 [%out], %r10;"},
      {"lop3 of nothing", "lop3.b32 %r10, %r0, %r1, %r0, 0xFF; st.global.u32 [%out], %r10;"},
      {"predicates: and false", "and.pred %p3, %p0, %p2; @%p3 bra L; L:"},
      {"predicates: and not true", "and.pred %p3, !%p1, %p0; @%p3 bra L; L:"},
      {"predicates: or true", "or.pred %p3, %p0, %p1; @%p3 bra L; L:"},
      {"predicates: and true", "and.pred %p3, %p0, %p1; @%p3 bra L; L:", "branches"},
      {"predicates: not", "not.pred %p3, %p0; @%p3 bra L; L:", "branches"},
      {"predicates: moved", "mov.pred %p3, %p0; mov.pred %p4, %p1; @%p4 bra L; L:"},
      {"predicates: move is a use", "mov.pred %p3, %p0; @!%p3 bra L; L:", "branches"},
      {"predicates: xor itself", "xor.pred %p3, %p0, %p0; @%p3 bra L; L:"},
  });
}

TEST(Initialisation, BitsMoveExactly) {
  expectUses({
      {"shl", "shl.b32 %r10, %r2, 24; st.global.u32 [%out], %r10;"},
      {"shl too little", "shl.b32 %r10, %r2, 23; st.global.u32 [%out], %r10;", kWrites},
      {"shr", "shr.u32 %r10, %r2, 1; and.b32 %r10, %r10, 127; st.global.u32 [%out], %r10;"},
      {"shr of the sign", "shr.s32 %r10, %r2, 31; st.global.u32 [%out], %r10;", kWrites},
      {"shr.u out", "shr.u32 %r10, %r0, 32; st.global.u32 [%out], %r10;"},
      {"undefined amount",
       "and.b32 %r10, %r0, 1; shl.b32 %r10, %r3, %r10;\n"
       "st.global.u32 [%out], %r10;",
       kWrites},
      {"shf", "shf.l.wrap.b32 %r10, %r0, %r3, 0; st.global.u32 [%out], %r10;"},
      {"shf by 1", "shf.l.wrap.b32 %r10, %r0, %r3, 1; st.global.u32 [%out], %r10;", kWrites},
      {"bfe", "bfe.u32 %r10, %r2, 4, 4; st.global.u32 [%out], %r10;"},
      {"bfe across", "bfe.u32 %r10, %r2, 4, 5; st.global.u32 [%out], %r10;", kWrites},
      {"bfi", "bfi.b32 %r10, %r3, %r2, 8, 24; st.global.u32 [%out], %r10;"},
      {"bfi leaves some", "bfi.b32 %r10, %r3, %r2, 8, 23; st.global.u32 [%out], %r10;", kWrites},
      {"brev", "brev.b32 %r10, %r2; shr.u32 %r10, %r10, 24; st.global.u32 [%out], %r10;"},
      {"prmt", "prmt.b32 %r10, %r2, %r3, 0x4040; st.global.u32 [%out], %r10;"},
      {"prmt of an undefined byte", "prmt.b32 %r10, %r2, %r3, 0x4140; st.global.u32 [%out], %r10;",
       kWrites},
      {"prmt sign", "prmt.b32 %r10, %r2, %r3, 0x8888; st.global.u32 [%out], %r10;"},
      {"cvt narrows", "cvt.u8.u32 %r10, %r2; st.global.u32 [%out], %r10;"},
      {"cvt narrows less", "cvt.u16.u32 %r10, %r2; st.global.u16 [%out], %r10;", kWrites},
      {"cvt extends zero",
       "cvt.u64.u32 %rd1, %r0; shr.u64 %rd1, %rd1, 32; st.global.u64 [%out], %rd1;"},
      {"cvt extends the sign",
       "cvt.s64.s32 %rd1, %r0; shr.u64 %rd1, %rd1, 32;\n"
       "st.global.u64 [%out], %rd1;",
       kWrites},
      {"pack", "mov.b32 %r10, {%h0, %h1}; st.global.u16 [%out], %r10;"},
      {"pack all", "mov.b32 %r10, {%h0, %h1}; st.global.u32 [%out], %r10;", kWrites},
      {"pack with a constant", "mov.b32 %r10, {%h1, 3}; shr.u32 %r10, %r10, 16;\n"
                               "st.global.u32 [%out], %r10;"},
      {"unpack", "mov.b32 %r10, {%h0, %h1}; mov.b32 {%h5, %h6}, %r10; st.global.u16 [%out], %h5;"},
      {"unpack undefined",
       "mov.b32 %r10, {%h0, %h1}; mov.b32 {_, %h6}, %r10;\n"
       "st.global.u16 [%out], %h6;",
       kWrites},
      {"selp, chosen", "selp.u32 %r10, %r3, %r0, %p1; st.global.u32 [%out], %r10;"},
      {"selp, not chosen", "selp.u32 %r10, %r3, %r0, %p2; st.global.u32 [%out], %r10;", kWrites},
      {"selp, undefined choice", "selp.u32 %r10, 1, 2, %p0; st.global.u32 [%out], %r10;", kWrites},
      {"slct", "slct.u32.s32 %r10, %r3, %r0, %r4; st.global.u32 [%out], %r10;"},
      {"slct, undefined choice", "slct.u32.s32 %r10, 1, 2, %r0; st.global.u32 [%out], %r10;",
       kWrites},
  });
}

TEST(Initialisation, ArithmeticSpreadsUpward) {
  expectUses({
      {"add", "shl.b32 %r10, %r0, 16; add.u32 %r10, %r10, %r3; st.global.u16 [%out], %r10;"},
      {"add upward", "add.u32 %r10, %r2, 1; st.global.u8 [%out], %r10;"},
      {"add, upper byte", "add.u32 %r10, %r2, 1; shr.u32 %r10, %r10, 8; st.global.u8 [%out], %r10;",
       kWrites},
      {"add carries into the next byte",
       "and.b32 %r10, %r0, 255; add.u32 %r10, %r10, 1;\n"
       "shr.u32 %r10, %r10, 8; st.global.u8 [%out], %r10;",
       kWrites},
      {"add.sat mixes",
       "shl.b32 %r10, %r0, 31; add.sat.s32 %r10, %r10, -1; st.global.u8 [%out], %r10;", kWrites},
      {"mul by 0 stays undefined", "mul.lo.u32 %r10, %r0, %r4; st.global.u32 [%out], %r10;",
       kWrites},
      {"mul.wide",
       "shl.b32 %r10, %r0, 31; mul.wide.u32 %rd1, %r10, 1; st.global.u16 [%out], %rd1;"},
      {"mul.hi", "shl.b32 %r10, %r0, 31; mul.hi.u32 %r10, %r10, 1; st.global.u8 [%out], %r10;",
       kWrites},
      {"min", "min.u32 %r10, %r2, 3; st.global.u8 [%out], %r10;", kWrites},
      {"popc", "popc.b32 %r10, %r2; st.global.u8 [%out], %r10;", kWrites},
      {"float", "mov.b32 %f1, %r2; add.f32 %f1, %f1, 0f3F800000; st.global.f32 [%out], %f1;",
       kWrites},
      {"carry", "add.cc.u32 %r10, %r0, 1; addc.u32 %r11, 0, 0; st.global.u32 [%out], %r11;",
       kWrites},
      {"defined carry",
       "add.cc.u32 %r10, %r3, 1; addc.u32 %r11, 0, 0; st.global.u32 [%out], %r11;"},
      {"halves apart", "mov.b32 %r10, {%h0, %h1}; add.f16x2 %r10, %r10, %r3;\n"
                       "st.global.u16 [%out], %r10;"},
      {"upper half",
       "mov.b32 %r10, {%h0, %h1}; add.f16x2 %r10, %r10, %r3; shr.u32 %r10, %r10, 16;\n"
       "st.global.u16 [%out], %r10;",
       kWrites},
      {"fma.bf16x2", "mov.b32 %r10, {%h1, %h0}; fma.rn.bf16x2 %r10, %r10, %r3, %r3;\n"
                     "shr.u32 %r10, %r10, 16; st.global.u16 [%out], %r10;"},
      {"cvt.f16x2, lower", "mov.b32 %f1, %r0; cvt.rn.f16x2.f32 %r10, %f1, 0f3F800000;\n"
                           "st.global.u16 [%out], %r10;"},
      {"cvt.f16x2, upper",
       "mov.b32 %f1, %r0; cvt.rn.f16x2.f32 %r10, %f1, 0f3F800000;\n"
       "st.global.u32 [%out], %r10;",
       kWrites},
      {"cvt e4m3x2 to f16x2", "cvt.rn.f16x2.e4m3x2 %r10, %h0; mov.b32 {%h5, %h6}, %r10;\n"
                              "st.global.u16 [%out], %h5;"},
  });
}

TEST(Initialisation, ComparisonsDecideWhatTheyCan) {
  expectUses({
      {"less", "setp.lt.u32 %p3, %r0, 5; @%p3 bra L; L:", "branches"},
      {"unused", "setp.lt.u32 %p3, %r0, 5;"},
      {"differs in a defined bit", "setp.eq.u32 %p3, %r2, 8; @%p3 bra L; L:"},
      {"may be equal", "setp.eq.u32 %p3, %r2, 7; @%p3 bra L; L:", "branches"},
      {"and false", "setp.lt.and.u32 %p3, %r0, 5, %p2; @%p3 bra L; L:"},
      {"and true", "setp.lt.and.u32 %p3, %r0, 5, %p1; @%p3 bra L; L:", "branches"},
      {"both undefined", "setp.lt.and.u32 %p3, %r0, 5, %p0; @%p3 bra L; L:", "branches"},
      {"or both undefined", "setp.lt.or.u32 %p3, %r0, 5, %p0; @%p3 bra L; L:", "branches"},
      {"and not", "setp.lt.and.u32 %p3, %r0, 5, !%p1; @%p3 bra L; L:"},
      {"or true", "setp.lt.or.u32 %p3, %r0, 5, %p1; @%p3 bra L; L:"},
      {"false and undefined", "setp.gt.and.u32 %p3, %r3, 5, %p0; @%p3 bra L; L:"},
      {"true and undefined", "setp.ge.and.u32 %p3, %r3, 5, %p0; @%p3 bra L; L:", "branches"},
      {"true or undefined", "setp.ge.or.u32 %p3, %r3, 5, %p0; @%p3 bra L; L:"},
      {"xor", "setp.ge.xor.u32 %p3, %r3, 5, %p0; @%p3 bra L; L:", "branches"},
      {"second result", "setp.ge.and.u32 %p3|%p4, %r3, 5, %p0; @%p4 bra L; L:"},
      {"second result undefined",
       "setp.gt.and.u32 %p3|%p4, %r3, 5, %p0; @%p4 bra L; L:", "branches"},
      {"float", "mov.b32 %f1, %r0; setp.lt.f32 %p3, %f1, %f1; @%p3 bra L; L:", "branches"},
      {"set", "set.eq.u32.u32 %r10, %r0, 5; st.global.u32 [%out], %r10;", kWrites},
  });
}

TEST(Initialisation, LanesExchangeTaintWithValues) {
  // Lane 3 alone is undefined.
  constexpr const char *one = "setp.eq.u32 %p3, %t, 3; mov.u32 %r20, %t; @%p3 mov.u32 %r20, %r0;\n"
                              "setp.lt.u32 %p4, %r20, 100;\n";
  auto run = [&](const char *body) { return runUse(one + std::string(body)); };
  EXPECT_EQ(run("shfl.sync.idx.b32 %r21, %r20, 4, 31, -1; st.global.u32 [%out], %r21;"), "");
  EXPECT_NE(
      run("shfl.sync.idx.b32 %r21, %r20, 3, 31, -1; st.global.u32 [%out], %r21;").find("lane 0"),
      std::string::npos);
  EXPECT_NE(
      run("shfl.sync.bfly.b32 %r21, %r20, 4, 31, -1; st.global.u32 [%out], %r21;").find("lane 7"),
      std::string::npos);
  EXPECT_EQ(run("shfl.sync.bfly.b32 %r21|%p5, %r20, 4, 31, -1; @%p5 st.global.u32 [%out], 1;"), "");
  EXPECT_NE(
      run("shfl.sync.idx.b32 %r21, %t, %r20, 31, -1; st.global.u32 [%out], %r21;").find("lane 3"),
      std::string::npos);
  // Ballot: one bit of everyone's result.
  EXPECT_EQ(run("vote.sync.ballot.b32 %r21, %p4, -1; and.b32 %r21, %r21, 0xfffffff7;\n"
                "st.global.u32 [%out], %r21;"),
            "");
  EXPECT_NE(run("vote.sync.ballot.b32 %r21, %p4, -1; st.global.u32 [%out], %r21;"), "");
  // All others are true: any is known, all is not; with a false one all is.
  EXPECT_EQ(run("vote.sync.any.pred %p5, %p4, -1; @%p5 bra L; L:"), "");
  EXPECT_NE(run("vote.sync.all.pred %p5, %p4, -1; @%p5 bra L; L:"), "");
  EXPECT_EQ(run("setp.ne.and.u32 %p4, %t, 9, %p4; vote.sync.all.pred %p5, %p4, -1; @%p5 bra L; L:"),
            "");
  EXPECT_NE(run("vote.sync.any.pred %p5, !%p4, -1; @%p5 bra L; L:"), "");
  EXPECT_EQ(run("setp.ne.and.u32 %p4, %t, 9, %p4; vote.sync.uni.pred %p5, %p4, -1; @%p5 bra L; L:"),
            "");
  EXPECT_NE(run("match.any.sync.b32 %r21, %r20, -1; st.global.u32 [%out], %r21;"), "");
  EXPECT_NE(run("redux.sync.add.u32 %r21, %r20, -1; st.global.u32 [%out], %r21;"), "");
  // Only the group with lane 3.
  EXPECT_EQ(run("setp.ge.u32 %p5, %t, 8; selp.b32 %r22, 0xffffff00, 0xff, %p5;\n"
                "redux.sync.add.u32 %r21, %r20, %r22; @%p5 st.global.u32 [%out], %r21;"),
            "");
}

TEST(Initialisation, OneFindingAnInstruction) {
  Snippet snippet;
  snippet.run(kUndefined + std::string("add.u32 %r10, %r0, 1;\nst.global.u32 [%out], %r10;\n"
                                       "st.global.u32 [%out+4], %r10;\n"
                                       "setp.eq.u32 %p3, %r10, 0;\n@%p3 bra L;\n@%p3 bra L;\nL:"));
  // The second branch finds a predicate that the first has reported.
  EXPECT_EQ(snippet.device->getLastReport().findings.size(), 3u);
}

TEST(Initialisation, FindingsNameTheirSource) {
  Snippet snippet;
  snippet.run(kUndefined + std::string("add.u32 %r10, %r1, %r3;\nst.global.u32 [%out], %r10;"));
  const Finding &finding = snippet.device->getLastReport().findings.at(0);
  EXPECT_EQ(finding.kind, FindingKind::Uninitialised);
  EXPECT_EQ(finding.instruction, "st.global.u32");
  EXPECT_EQ(finding.lane, 0);
  ASSERT_TRUE(finding.other);
  EXPECT_EQ(finding.other->instruction, "ld.shared.u32");
  EXPECT_EQ(finding.other->what, "the undefined bytes were read at shared address 0x404 (s + 4), "
                                 "which nobody has written, by");
  EXPECT_EQ(finding.remedy, "write these bytes before they are read, or do not use the value");
}

TEST(Initialisation, ARaceSaysItAll) {
  // Each warp reads what the other one writes; the first finds nothing written.
  constexpr const char *body = R"(
    .shared .align 4 .b8 s[256]; mov.u32 %r1, s; shl.b32 %r2, %t, 2; add.u32 %r3, %r1, %r2;
    st.shared.u32 [%r3], %t; xor.b32 %r4, %r2, 128; add.u32 %r4, %r1, %r4;
    ld.shared.u32 %r5, [%r4]; st.global.u32 [%out], %r5;)";
  Options options;
  for (bool checkRaces : {true, false}) {
    options.checkRaces = checkRaces;
    Snippet snippet("a100", options);
    snippet.run(body, {}, 64);
    const auto &findings = snippet.device->getLastReport().findings;
    EXPECT_FALSE(findings.empty());
    for (const Finding &finding : findings)
      EXPECT_EQ(finding.kind, checkRaces ? FindingKind::Race : FindingKind::Uninitialised);
  }
}

TEST(Initialisation, CanBeTurnedOff) {
  Options options;
  options.checkInitialisation = false;
  EXPECT_EQ(runUse("st.global.u32 [%out], %r0; @%p0 bra L; L:", options), "");
}

} // namespace
