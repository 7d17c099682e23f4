//===- MemoryFormsTest.cpp - All forms of ld, st, atom and red -----------------===//
//
// A statement works on one place in the space that it names; the test fills that
// place and the registers, runs the statement in one thread and looks at all of
// them. The models are written from the PTX ISA; sums of f16 and bf16 are taken
// of small whole numbers, which are exact.
//
//===----------------------------------------------------------------------===//
#include "Forms.h"
#include "llvm/ADT/StringExtras.h"
#include <bit>
#include <cmath>

using namespace tilewright::emulator;

namespace {

using u64 = uint64_t;

/// A statement with its registers taken apart: those of the value operands, and
/// the address.
struct Access {
  Statement statement;
  std::vector<std::vector<std::string>> groups; ///< of operands but the address
  std::string address;                          ///< "%d3", with an offset in `offset`
  unsigned offset = 0;
  bool isFirst = false; ///< the address comes first
  unsigned bytes = 0, width = 1;

  bool take(const Statement &from);
};

std::vector<std::string> registersOf(const std::string &operand) {
  std::vector<std::string> result;
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(operand).trim("{}").split(parts, ", ");
  for (llvm::StringRef part : parts)
    result.push_back(part.str());
  return result;
}

bool Access::take(const Statement &from) {
  statement = from;
  std::string text = from.text.substr(from.text.find(' ') + 1);
  text.pop_back(); // ;
  // Operands, with vectors whole.
  std::vector<std::string> operands(1);
  int depth = 0;
  for (char c : text) {
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      operands.emplace_back();
      continue;
    }
    if (c != ' ' || depth)
      operands.back() += c;
  }
  for (const std::string &operand : operands) {
    if (operand[0] == '[') {
      isFirst = &operand == &operands[0];
      llvm::StringRef inner = llvm::StringRef(operand).drop_front().drop_back();
      auto [base, rest] = inner.split('+');
      if (base[0] != '%')
        return false; // a variable: MemoryTest
      address = base.str();
      rest.getAsInteger(10, offset);
    } else if (operand[0] != '%' && operand[0] != '{') {
      return false; // a constant
    } else {
      groups.push_back(registersOf(operand));
    }
  }
  for (unsigned w : {2, 4, 8})
    if (from.has("v" + std::to_string(w)))
      width = w;
  std::string type = from.type();
  bytes = type.ends_with("x2") ? 4 : type == "bf16" ? 2 : std::stoi(type.substr(1)) / 8;
  return !address.empty();
}

/// Bytes of a register by its letter.
unsigned bytesOf(const std::string &reg) {
  switch (reg[1]) {
  case 'h':
    return 2;
  case 'r':
    return 4;
  case 'q':
    return 16;
  default:
    return 8;
  }
}

constexpr unsigned kPlace = 128; ///< bytes of the place that statements work on

/// What one run leaves: the place, and the registers.
struct Outcome {
  std::vector<uint8_t> place;
  std::vector<std::vector<uint8_t>> registers;
};

class MemoryForms : public testing::Test {
protected:
  /// The statement in the space it names; `place` is its memory before.
  Outcome run(const Access &access, const std::vector<uint8_t> &place,
              const std::vector<std::string> &registers,
              const std::vector<std::vector<uint8_t>> &values) {
    const Statement &s = access.statement;
    std::string space = s.has("local")                            ? "local"
                        : s.has("const")                          ? "const"
                        : s.has("shared") || s.has("shared::cta") ? "shared"
                                                                  : "global";
    Executed::add(llvm::StringRef(s.text).split(' ').first);
    // Input: the place, then 16 bytes a register. Output the same.
    std::vector<u64> in((kPlace + 16 * registers.size()) / 8);
    std::memcpy(in.data(), place.data(), kPlace);
    for (size_t i = 0; i < values.size(); ++i)
      std::memcpy(reinterpret_cast<uint8_t *>(in.data()) + kPlace + 16 * i, values[i].data(),
                  values[i].size());
    std::string body = ".reg .b64 %d<40>, %x, %y; .reg .b128 %q<20>;\n";
    std::string module, at = access.address;
    if (space == "const") {
      module = ".const .align 128 .b64 spot[16] = {";
      for (unsigned i = 0; i < kPlace / 8; ++i)
        module += (i ? ", 0x" : "0x") + llvm::utohexstr(in[i]);
      module += "};\n";
    } else if (space != "global") {
      body += "." + space + " .align 128 .b8 spot[128];\n";
    }
    bool isShort = at[1] == 'r';
    if (space == "global")
      body += "mov.b64 " + at + ", %in;\n";
    else
      body += (isShort ? "mov.u32 " : "mov.u64 ") + at + ", spot;\n";
    if (space == "shared" || space == "local")
      for (unsigned i = 0; i < kPlace; i += 8)
        body += "ld.global.b64 %x, [%in+" + std::to_string(i) + "]; st." + space + ".b64 [" + at +
                "+" + std::to_string(i) + "], %x;\n";
    for (size_t i = 0; i < registers.size(); ++i)
      body += move(registers[i], "%in", kPlace + 16 * i, true);
    auto shift = [&](const char *opcode) {
      return access.offset ? opcode + std::string(isShort ? ".u32 " : ".u64 ") + at + ", " + at +
                                 ", " + std::to_string(access.offset) + ";\n"
                           : std::string();
    };
    body += shift("sub") + s.text + "\n" + shift("add");
    for (size_t i = 0; i < registers.size(); ++i)
      body += move(registers[i], "%out", kPlace + 16 * i, false);
    std::string from = space == "global" ? "ld.global.b64" : "ld." + space + ".b64";
    for (unsigned i = 0; i < kPlace; i += 8)
      body += from + " %x, [" + at + "+" + std::to_string(i) + "]; st.global.b64 [%out+" +
              std::to_string(i) + "], %x;\n";
    SCOPED_TRACE(body);
    auto out = snippet.run(body, in, 1, module, {}, in.size());
    EXPECT_EQ(snippet.error, "");
    Outcome outcome;
    const auto *bytes = reinterpret_cast<const uint8_t *>(out.data());
    outcome.place.assign(bytes, bytes + kPlace);
    for (size_t i = 0; i < registers.size(); ++i)
      outcome.registers.emplace_back(bytes + kPlace + 16 * i,
                                     bytes + kPlace + 16 * i + bytesOf(registers[i]));
    return outcome;
  }

  static std::string move(const std::string &reg, const std::string &base, unsigned at,
                          bool isLoad) {
    std::string width = std::to_string(8 * bytesOf(reg)),
                place = "[" + base + "+" + std::to_string(at) + "]";
    if (reg[1] == 'q')
      return isLoad ? "ld.global.v2.b64 {%x, %y}, " + place + "; mov.b128 " + reg + ", {%x, %y};\n"
                    : "mov.b128 {%x, %y}, " + reg + "; st.global.v2.b64 " + place + ", {%x, %y};\n";
    return isLoad ? "ld.global.b" + width + " " + reg + ", " + place + ";\n"
                  : "st.global.b" + width + " " + place + ", " + reg + ";\n";
  }

  std::vector<uint8_t> randomBytes(size_t count) {
    std::vector<uint8_t> bytes(count);
    for (uint8_t &byte : bytes)
      byte = static_cast<uint8_t>(random());
    return bytes;
  }

  std::mt19937 random{11};
  Snippet snippet;
  MemoryForms() { snippet.isRecorded = false; }
};

TEST_F(MemoryForms, Loads) {
  unsigned count = 0;
  for (const Statement &statement : readForms("memory", "Loads and stores")) {
    Access access;
    bool isLoad = statement.opcode == "ld" || statement.opcode == "ldu";
    bool isParameter = statement.has("param") || statement.has("param::entry");
    if (!isLoad || isParameter || statement.has("shared::cluster") || !access.take(statement))
      continue;
    std::vector<std::string> registers = access.groups[0];
    auto place = randomBytes(kPlace);
    place[access.bytes * access.width - 1] |= 0x80; // a sign to extend
    std::vector<std::vector<uint8_t>> before;
    for (std::string &reg : registers)
      before.push_back(randomBytes(reg == "_" ? 0 : bytesOf(reg)));
    std::vector<std::string> named;
    for (std::string &reg : registers)
      if (reg != "_")
        named.push_back(reg);
    std::erase_if(before, [](const auto &bytes) { return bytes.empty(); });
    Outcome outcome = run(access, place, named, before);
    ASSERT_EQ(outcome.place, place) << statement.text;
    size_t next = 0;
    for (unsigned k = 0; k < registers.size(); ++k) {
      if (registers[k] == "_")
        continue;
      // The element, extended by its type's sign to the register's width.
      std::vector<uint8_t> expected(place.begin() + k * access.bytes,
                                    place.begin() + (k + 1) * access.bytes);
      bool isNegative = statement.type()[0] == 's' && expected.back() & 0x80;
      expected.resize(bytesOf(registers[k]), isNegative ? 0xff : 0);
      ASSERT_EQ(outcome.registers[next++], expected) << statement.text << " element " << k;
    }
    ++count;
  }
  EXPECT_GE(count, 350u);
}

TEST_F(MemoryForms, Stores) {
  unsigned count = 0;
  for (const Statement &statement : readForms("memory", "Loads and stores")) {
    Access access;
    if (statement.opcode != "st" || statement.has("param") || statement.has("shared::cluster") ||
        !access.take(statement))
      continue;
    auto place = randomBytes(kPlace), expected = place;
    std::vector<std::vector<uint8_t>> values;
    for (const std::string &reg : access.groups[0])
      values.push_back(randomBytes(bytesOf(reg)));
    for (unsigned k = 0; k < values.size(); ++k)
      std::copy_n(values[k].begin(), access.bytes, expected.begin() + k * access.bytes);
    Outcome outcome = run(access, place, access.groups[0], values);
    ASSERT_EQ(outcome.place, expected) << statement.text;
    ++count;
  }
  EXPECT_GE(count, 150u);
}

//===----------------------------------------------------------------------===//
// Atomics
//===----------------------------------------------------------------------===//

/// A whole number in -8..7 as an element of a type.
u64 encode(int value, const std::string &type) {
  if (type == "f64")
    return std::bit_cast<u64>(double(value));
  u64 single = std::bit_cast<uint32_t>(float(value));
  if (type == "f32")
    return single;
  if (type == "bf16")
    return single >> 16;
  if (value == 0)
    return 0;
  int exponent = std::ilogb(std::abs(value));
  return (value < 0 ? 0x8000u : 0) | (exponent + 15) << 10 |
         ((std::abs(value) << 10 >> exponent) & 1023);
}

/// One element of atom or red on whole numbers.
u64 update(const std::string &op, bool isFloat, bool isSigned, unsigned bits, u64 old, u64 b, u64 c,
           int oldValue, int bValue, const std::string &type) {
  auto extend = [&](u64 x) {
    return isSigned && bits < 64 ? int64_t(x << (64 - bits)) >> (64 - bits) : int64_t(x);
  };
  bool less = isSigned ? extend(old) < extend(b) : old < b;
  if (op == "add")
    return isFloat ? encode(oldValue + bValue, type) : old + b;
  if (op == "min")
    return isFloat ? encode(std::min(oldValue, bValue), type) : less ? old : b;
  if (op == "max")
    return isFloat ? encode(std::max(oldValue, bValue), type) : less ? b : old;
  if (op == "inc")
    return old >= b ? 0 : old + 1;
  if (op == "dec")
    return old == 0 || old > b ? b : old - 1;
  if (op == "and")
    return old & b;
  if (op == "or")
    return old | b;
  if (op == "xor")
    return old ^ b;
  return op == "exch" ? b : old == b ? c : old; // cas
}

TEST_F(MemoryForms, Atomics) {
  unsigned count = 0;
  for (const Statement &statement : readForms("memory", "Atomics")) {
    Access access;
    bool isAtom = statement.opcode == "atom";
    if ((!isAtom && statement.opcode != "red") || statement.has("shared::cluster") ||
        statement.has("async") || statement.has("b128") || !access.take(statement))
      continue;
    std::string type = statement.type(), element = type, op;
    bool isPacked = type.ends_with("x2");
    if (isPacked)
      element.resize(type.size() - 2);
    for (const char *name : {"add", "min", "max", "inc", "dec", "and", "or", "xor", "exch", "cas"})
      if (statement.has(name))
        op = name;
    bool isFloat = element.find('f') != std::string::npos;
    unsigned bytes = isPacked ? access.bytes / 2 : access.bytes, bits = 8 * bytes;
    unsigned count1 = access.width * (isPacked ? 2 : 1);
    for (unsigned round = 0; round < 2; ++round) {
      auto place = randomBytes(kPlace), expected = place;
      std::vector<std::vector<uint8_t>> values;
      std::vector<std::string> registers;
      for (const auto &group : access.groups)
        for (const std::string &reg : group) {
          registers.push_back(reg);
          values.push_back(randomBytes(bytesOf(reg)));
        }
      unsigned first = isAtom ? access.width : 0; // registers of the operand b
      auto at = [&](std::vector<uint8_t> &where, unsigned k) { return where.data() + k * bytes; };
      for (unsigned k = 0; k < count1; ++k) {
        uint8_t *b = values[first + k / (isPacked ? 2 : 1)].data() + (isPacked ? k % 2 * bytes : 0);
        int oldValue = int(random() % 16) - 8, bValue = int(random() % 16) - 8;
        u64 old = 0, operand = 0, c = 0;
        if (isFloat) {
          old = encode(oldValue, element);
          operand = encode(bValue, element);
          std::memcpy(at(place, k), &old, bytes);
          std::memcpy(b, &operand, bytes);
        }
        std::memcpy(&old, at(place, k), bytes);
        if (op == "cas" && round % 2) // a guess that is right
          std::memcpy(b, &old, bytes);
        std::memcpy(&operand, b, bytes);
        if (op == "cas")
          std::memcpy(&c, values[first + access.width + k].data(), bytes);
        u64 result = update(op, isFloat, element[0] == 's', bits, old, operand, c, oldValue, bValue,
                            element);
        std::memcpy(at(expected, k), at(place, k), bytes);
        std::memcpy(at(expected, k), &result, bytes);
      }
      Outcome outcome = run(access, place, registers, values);
      ASSERT_EQ(outcome.place, expected) << statement.text;
      for (unsigned k = 0; isAtom && k < access.width; ++k) {
        std::vector<uint8_t> old(place.begin() + k * access.bytes,
                                 place.begin() + (k + 1) * access.bytes);
        ASSERT_EQ(outcome.registers[k], old) << statement.text << " element " << k;
      }
    }
    ++count;
  }
  EXPECT_GE(count, 250u);
}

TEST_F(MemoryForms, AtomicsOf128Bits) {
  unsigned count = 0;
  for (const Statement &statement : readForms("memory", "Atomics")) {
    Access access;
    if (!statement.has("b128") || !access.take(statement))
      continue;
    bool isCas = statement.has("cas");
    for (bool isRight : {false, true}) {
      auto place = randomBytes(kPlace), expected = place;
      std::vector<std::string> registers;
      std::vector<std::vector<uint8_t>> values;
      for (const auto &group : access.groups) {
        registers.push_back(group[0]);
        values.push_back(randomBytes(16));
      }
      if (isCas && isRight) // d, guess, new value
        std::copy_n(place.begin(), 16, values[1].begin());
      if (!isCas || isRight)
        std::copy_n(values[isCas ? 2 : 1].begin(), 16, expected.begin());
      Outcome outcome = run(access, place, registers, values);
      ASSERT_EQ(outcome.place, expected) << statement.text;
      ASSERT_EQ(outcome.registers[0], std::vector<uint8_t>(place.begin(), place.begin() + 16))
          << statement.text;
    }
    ++count;
  }
  EXPECT_EQ(count, 12u);
}

/// Prefetches, priorities, policies, fences and waits of one thread.
TEST(Hints, ChangeNothing) {
  const std::pair<const char *, const char *> sections[] = {
      {"memory", "Loads and stores"}, {"barrier", "Barriers and fences"}, {"barrier", "Control"}};
  const char *opcodes[] = {"prefetch", "prefetchu",     "applypriority", "fence",
                           "membar",   "createpolicy",  "brkpt",         "nanosleep",
                           "pmevent",  "griddepcontrol"};
  Snippet snippet;
  snippet.isRecorded = false;
  unsigned count = 0;
  for (auto [file, section] : sections)
    for (const Statement &statement : readForms(file, section)) {
      bool isElsewhere = statement.has("shared::cluster") || statement.has("tensormap::generic");
      if (!llvm::is_contained(opcodes, statement.opcode) || isElsewhere)
        continue;
      SCOPED_TRACE(statement.text);
      std::string place = statement.has("local") ? "spot" : "%in";
      auto out =
          snippet.run(".reg .b64 %d<9>; .local .align 128 .b8 spot[128];\n"
                      "mov.b64 %d1, " +
                          place + "; mov.b64 %d2, " + place +
                          "; mov.u32 %r1, 1; mov.u32 %r2, 1; mov.u32 %r3, 1;\n" + statement.text +
                          "\nld.global.b64 %rd1, [%in]; add.u64 %rd1, %rd1, 1;"
                          "st.global.b64 [%out], %rd1;",
                      std::vector<uint64_t>(16, 41), 1);
      ASSERT_EQ(snippet.error, "");
      ASSERT_EQ(out[0], 42u);
      Executed::add(llvm::StringRef(statement.text).split(' ').first.rtrim(';'));
      ++count;
    }
  EXPECT_GE(count, 48u);
}

/// The body of one thread on 256 bytes: %d1, %d2 are the address of the second line.
std::string runOnLines(const std::string &body, unsigned threads = 1, Options options = {}) {
  Snippet snippet("h200", options);
  snippet.isRecorded = false;
  snippet.run(".reg .b64 %d<9>; .shared .align 128 .b8 near[128]; ld.param.b64 %d0, [in];\n"
              "add.s64 %d1, %d0, 128; mov.b64 %d2, %d1;\n" +
                  body,
              std::vector<uint64_t>(32, 41), threads);
  return snippet.error;
}

TEST(Hints, DiscardedBytesAreUndefinedUntilTheyAreWritten) {
  const std::string use = "; ld.global.b64 %rd1, [%d1+120]; st.global.b64 [%out], %rd1;";
  unsigned count = 0;
  for (const Statement &statement : readForms("memory", "Loads and stores")) {
    if (statement.opcode != "discard")
      continue;
    SCOPED_TRACE(statement.text);
    std::string error = runOnLines(statement.text + use);
    EXPECT_EQ(error.find("uninitialised: writes 8 undefined of 8 bytes"), 0u) << error;
    EXPECT_NE(error.find("read at global address"), std::string::npos) << error;
    EXPECT_EQ(runOnLines(statement.text + "st.global.b64 [%d1+120], %d1" + use), "");
    Executed::add(llvm::StringRef(statement.text).split(' ').first.rtrim(';'));
    ++count;
  }
  EXPECT_EQ(count, 2u);
  const std::string discard = "discard.global.L2 [%d1], 128; ";
  // The line before it is what it was; so is a line that is written whole.
  EXPECT_EQ(runOnLines(discard + "ld.global.b64 %rd1, [%d0+120]; st.global.b64 [%out], %rd1;"), "");
  // Twice: what is noted of the memory is given up when all of it is defined.
  const std::string refill = "mov.u32 %r1, 0; L: st.global.b64 [%d2], %d1; add.s64 %d2, %d2, 8; "
                             "add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 16; @%p1 bra L";
  EXPECT_EQ(runOnLines(discard + refill + use), "");
  EXPECT_EQ(runOnLines(discard + refill + "; " + discard + use).find("uninitialised: "), 0u);
  Options off;
  off.checkInitialisation = false;
  EXPECT_EQ(runOnLines(discard + use, 1, off), "");
}

TEST(Hints, ADiscardIsAStoreToTheRaceChecker) {
  const std::string discard = "discard.global.L2 [%d1], 128; ";
  EXPECT_EQ(runOnLines(discard, 64), ""); // all agree
  std::string error =
      runOnLines("setp.eq.u32 %p1, %t, 32; ld.global.b64 %rd1, [%d1+8]; @%p1 " + discard, 64);
  EXPECT_EQ(error.find("race: writes 16 bytes that another thread has read"), 0u) << error;
  EXPECT_EQ(runOnLines("setp.eq.u32 %p1, %t, 32; ld.global.b64 %rd1, [%d1+8]; bar.sync 0; @%p1 " +
                           discard,
                       64),
            "");
}

TEST(Hints, NameMemoryThatExists) {
  for (const char *hint : {"discard.global.L2 [%d3], 128;", "discard.L2 [%d3], 128;",
                           "applypriority.global.L2::evict_normal [%d3], 128;",
                           "applypriority.L2::evict_normal [%d3], 128;"}) {
    EXPECT_EQ(runOnLines(std::string("add.s64 %d3, %d0, 64; ") + hint).find("misaligned: "), 0u)
        << hint;
    EXPECT_EQ(runOnLines(std::string("add.s64 %d3, %d0, 256; ") + hint).find("out-of-bounds: "), 0u)
        << hint;
  }
  for (const char *hint :
       {"prefetch.global.L2 [%d3];", "prefetch.L1 [%d3];", "prefetchu.L1 [%d3];"}) {
    EXPECT_EQ(runOnLines(std::string("add.s64 %d3, %d0, 255; ") + hint), "") << hint;
    EXPECT_EQ(runOnLines(std::string("add.s64 %d3, %d0, 256; ") + hint).find("out-of-bounds: "), 0u)
        << hint;
    EXPECT_EQ(
        runOnLines(std::string("setp.eq.u32 %p1, %t, 9; add.s64 %d3, %d0, 256; @%p1 ") + hint), "")
        << "not executed: " << hint;
  }
  EXPECT_EQ(runOnLines("mov.b64 %d3, near; cvta.shared.u64 %d3, %d3; prefetch.L1 [%d3];"), "");
  EXPECT_EQ(runOnLines("mov.b64 %d3, near; cvta.shared.u64 %d3, %d3; discard.L2 [%d3], 128;")
                .find("wrong-space: discards what is no global memory"),
            0u);
}

} // namespace
