//===- UnpackTablesTest.cpp - Unpack programs of codes that index a table --===//
//
// The programs and the lookups after them are executed on integers, as the
// instructions they stand for, on every code in every place. The table's entries
// are arbitrary words, so that any wrong byte shows.
//
//===----------------------------------------------------------------------===//
#include "UnpackMachine.h"

#include <gtest/gtest.h>
#include <random>

using namespace tilewright;
using namespace tilewright::layout;

namespace {

using Table = std::vector<uint16_t>;

/// The words of the low (0) or high (8) bytes of the entries.
std::vector<uint32_t> splitBytes(const Table &table, unsigned shift) {
  std::vector<uint32_t> words(table.size() / 4);
  for (unsigned i = 0; i < table.size(); ++i)
    words[i / 4] |= (table[i] >> shift & 255u) << i % 4 * 8;
  return words;
}

uint32_t lookUp(const std::vector<uint32_t> &bytes, uint32_t selector, uint32_t top) {
  uint32_t low = permute(bytes[0], bytes.size() > 1 ? bytes[1] : 0, selector & 0xffff);
  if (bytes.size() <= 2)
    return low;
  uint32_t high = permute(bytes[2], bytes[3], selector & 0xffff);
  return (high & top) | (low & ~top);
}

void expectLooksUp(unsigned bits, const Table &table, const Codes &codes) {
  const UnpackProgram &program = getTableProgram(bits);
  std::vector<uint32_t> values = run(program, codes);
  ASSERT_EQ(program.fields.size(), pairsPerFragment);
  for (const UnpackField &field : program.fields) {
    uint32_t selector = values.at(field.value), top = values.at(field.top);
    uint32_t pair =
        permute(lookUp(splitBytes(table, 0), selector, top),
                lookUp(splitBytes(table, 8), selector, top), field.offset == 0 ? 0x6240 : 0x7351);
    const auto &code = codes[field.pair];
    ASSERT_EQ(pair, table[code[0]] | uint32_t(table[code[1]]) << 16)
        << bits << " bits, pair " << field.pair << ", codes " << code[0] << " and " << code[1];
  }
}

class Tables : public testing::TestWithParam<unsigned> {
protected:
  void SetUp() override {
    seed = std::random_device{}();
    random.seed(seed);
    for (unsigned i = 0; i < 1u << GetParam(); ++i)
      table.push_back(random());
  }

  unsigned seed;
  std::mt19937 random;
  Table table;
};

INSTANTIATE_TEST_SUITE_P(Bits, Tables, testing::Range(2u, 5u));

TEST_P(Tables, EveryCodeInEveryPlaceIsLookedUp) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  unsigned count = table.size();
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned half = 0; half < 2; ++half)
      for (unsigned code = 0; code < count; ++code)
        for (unsigned others : {0u, count - 1}) {
          Codes codes;
          for (auto &both : codes)
            both = {others, others};
          codes[pair][half] = code;
          expectLooksUp(GetParam(), table, codes);
        }
}

TEST_P(Tables, RandomCodesAreLookedUp) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  for (unsigned trial = 0; trial < 500; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % table.size()), unsigned(random() % table.size())};
    expectLooksUp(GetParam(), table, codes);
  }
}

TEST_P(Tables, TheProofHolds) {
  llvm::Error error = verifyUnpack(WordLayout::get(GetParam()), getTableProgram(GetParam()));
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

/// Whether random codes come out right: the judge of mutated programs.
bool looksUp(const UnpackProgram &program, std::mt19937 &random) {
  const UnpackProgram &good = getTableProgram(program.bits);
  for (unsigned trial = 0; trial < 40; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % (1u << program.bits)), unsigned(random() % (1u << program.bits))};
    std::vector<uint32_t> values = run(program, codes), expected = run(good, codes);
    for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
      if ((values[program.fields[pair].value] & 0xffff) !=
              (expected[good.fields[pair].value] & 0xffff) ||
          (program.bits == 4 &&
           values[program.fields[pair].top] != expected[good.fields[pair].top]))
        return false;
  }
  return true;
}

TEST_P(Tables, TheProofAgreesWithIntegersOnOtherMasks) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  unsigned refused = 0;
  for (unsigned i = 0; i < getTableProgram(GetParam()).steps.size(); ++i)
    for (unsigned bit = 0; bit < 32; ++bit) {
      UnpackProgram program = getTableProgram(GetParam());
      if (program.steps[i].kind != UnpackStep::Kind::And)
        continue;
      program.steps[i].immediate ^= 1u << bit;
      llvm::Error error = verifyUnpack(WordLayout::get(GetParam()), program);
      bool holds = !error;
      llvm::consumeError(std::move(error));
      ASSERT_EQ(holds, looksUp(program, random)) << "step " << i << ", bit " << bit;
      refused += !holds;
    }
  EXPECT_GT(refused, 100u);
}

TEST(Tables, InstructionCounts) {
  EXPECT_EQ(getTableProgram(2).countInstructions(), 46u);
  EXPECT_EQ(getTableProgram(3).countInstructions(), 69u);
  EXPECT_EQ(getTableProgram(4).countInstructions(), 88u);
}

std::string refusal(const UnpackProgram &program) {
  llvm::Error error = verifyUnpack(WordLayout::get(program.bits), program);
  EXPECT_TRUE(bool(error)) << "expected a refusal";
  return llvm::toString(std::move(error));
}

TEST(VerifyTables, RefusesSelectorsThatAreNotTheCodes) {
  const UnpackProgram &good = getTableProgram(4);
  UnpackProgram program = good;
  program.fields[3].offset = 8;
  EXPECT_EQ(refusal(program), "expects the digit of pair 3 at bit 0 or 4 of a byte, but got 8");

  program = good;
  program.fields[3].top = 99;
  EXPECT_EQ(refusal(program), "expects the top bits of pair 3 in 28 values, but got value 99");

  program = good;
  program.fields[0].top = good.fields[2].top;
  EXPECT_EQ(refusal(program).substr(0, 47), "expects bit 3 of pair 0 (low half) at bit 0 of ");

  program = good;
  std::swap(program.fields[0].value, program.fields[2].value);
  EXPECT_EQ(refusal(program).substr(0, 47), "expects bit 0 of pair 0 (low half) at bit 0 of ");

  program = getUnpackProgram(5, Activation::F16);
  program.scheme = UnpackScheme::TableLookup;
  EXPECT_EQ(refusal(program), "expects codes of 2 to 4 bits for a table, but got 5");
}

} // namespace
