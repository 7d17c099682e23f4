//===- MbarrierFormsTest.cpp - All forms of mbarrier -----------------------------===//
//
// One thread owns an object that expects four arrivals. A form that arrives is
// followed by single arrivals until the phase ends, and again for the next
// phase: so many more it takes. A form that waits is asked in both phases.
//
//===----------------------------------------------------------------------===//
#include "Forms.h"

using namespace tilewright::emulator;

namespace {

/// Declares the object, initialises it, and names it in %d1 to %d3 as the
/// statement needs it (a generic address where it names no space).
std::string prepare(const Statement &statement) {
  bool isGeneric = !statement.has("shared") && !statement.has("shared::cta");
  std::string text = ".reg .b64 %d<9>, %at, %s; .shared .align 8 .b64 object;\n"
                     "mov.u64 %at, object; mbarrier.init.shared.b64 [%at], 4;\n";
  if (isGeneric)
    text += "cvta.shared.u64 %at, %at;\n";
  return text;
}

/// Arrives until the phase ends; the number of arrivals is added to %r50 times
/// `weight`. Also completes eight bytes of transactions first if asked.
std::string countArrivals(unsigned label, unsigned weight, const std::string &space) {
  std::string n = std::to_string(label);
  return "mov.u32 %r51, 0;\nAGAIN" + n + ": mbarrier.arrive" + space +
         ".b64 %s, [%at]; add.u32 %r51, %r51, 1;\nmbarrier.test_wait" + space +
         ".b64 %p9, [%at], %s; @!%p9 bra AGAIN" + n + ";\nmad.lo.u32 %r50, %r51, " +
         std::to_string(weight) + ", %r50;\n";
}

uint64_t run(Snippet &snippet, const std::string &body) {
  auto out = snippet.run(body + "cvt.u64.u32 %rd1, %r50; st.global.u64 [%out], %rd1;", {}, 1);
  EXPECT_EQ(snippet.error, "") << body;
  return out[0];
}

class MbarrierForms : public testing::Test {
protected:
  MbarrierForms() { snippet.isRecorded = false; }
  Snippet snippet{"h200"};
};

TEST_F(MbarrierForms, Arrivals) {
  unsigned count = 0;
  for (const Statement &statement : readForms("barrier", "mbarrier")) {
    bool isDrop = statement.has("arrive_drop");
    if ((!statement.has("arrive") && !isDrop) || statement.has("shared::cluster"))
      continue;
    SCOPED_TRACE(statement.text);
    bool expects = statement.has("expect_tx"), hasCount = statement.operands.size() == 3;
    unsigned arrivals = hasCount && !expects ? 2 : 1;
    std::string space = statement.has("shared") || statement.has("shared::cta") ? ".shared" : "";
    std::string address = statement.operands[1];
    address = address.substr(1, address.size() - 2);
    std::string body = prepare(statement) + "mov.u32 %r50, 0; mov.b64 " + address + ", %at;\n";
    if (hasCount)
      body += "mov.u32 " + statement.operands[2] + ", " + (expects ? "8" : "2") + ";\n";
    body += statement.text + "\n";
    if (expects)
      body += "mov.u32 %r52, 8; mbarrier.complete_tx.relaxed.cta" + space + ".b64 [%at], %r52;\n";
    body += countArrivals(1, 1, space) + countArrivals(2, 10, space);
    unsigned next = isDrop ? 4 - arrivals : 4;
    EXPECT_EQ(run(snippet, body), (4 - arrivals) + 10 * next);
    Executed::add(llvm::StringRef(statement.text).split(' ').first);
    ++count;
  }
  EXPECT_EQ(count, 38u);
}

TEST_F(MbarrierForms, Waits) {
  unsigned count = 0;
  for (const Statement &statement : readForms("barrier", "mbarrier")) {
    if (!statement.has("test_wait") && !statement.has("try_wait"))
      continue;
    SCOPED_TRACE(statement.text);
    std::string space = statement.has("shared") || statement.has("shared::cta") ? ".shared" : "";
    std::string address = statement.operands[1], awaited = statement.operands[2];
    address = address.substr(1, address.size() - 2);
    std::string body = prepare(statement) + "mov.b64 " + address + ", %at; mov.u32 %r50, 0;\n";
    if (statement.operands.size() == 4)
      body += "mov.u32 " + statement.operands[3] + ", 100;\n";
    // Phase 0 is awaited; it ends with the fourth arrival.
    body += "mbarrier.arrive" + space + ".b64 %s, [%at];\n";
    body += statement.has("parity") ? "mov.u32 " + awaited + ", 0;\n"
                                    : "mov.b64 " + awaited + ", %s;\n";
    std::string note = " @%p1 add.u32 %r50, %r50, ";
    body += statement.text + note + "1;\n";
    for (unsigned i = 0; i < 3; ++i)
      body += "mbarrier.arrive" + space + ".b64 %s, [%at];\n";
    body += statement.text + note + "2;\n";
    EXPECT_EQ(run(snippet, body), 2u);
    Executed::add(llvm::StringRef(statement.text).split(' ').first);
    ++count;
  }
  EXPECT_EQ(count, 39u);
}

TEST_F(MbarrierForms, InvalidatedMemoryIsFreeAgain) {
  for (const Statement &statement : readForms("barrier", "mbarrier")) {
    if (!statement.has("inval"))
      continue;
    std::string address = statement.operands[0];
    address = address.substr(1, address.size() - 2);
    EXPECT_EQ(run(snippet, prepare(statement) + "mov.b64 " + address + ", %at;\n" + statement.text +
                               " mov.u64 %rd4, object; st.shared.b64 [%rd4], 5;\n"
                               "ld.shared.b32 %r50, [%rd4];\n"),
              5u)
        << statement.text;
    Executed::add(llvm::StringRef(statement.text).split(' ').first);
  }
}

} // namespace
