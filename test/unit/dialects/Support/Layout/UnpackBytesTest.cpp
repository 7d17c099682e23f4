//===- UnpackBytesTest.cpp - Packed weights beside 8-bit activations -------===//
//
// The programs are executed on integers, as the instructions they stand for, and
// what they make is read as signed and as unsigned bytes, independently of the
// symbolic proof; then the proof is shown layouts and programs with one thing
// wrong.
//
//===----------------------------------------------------------------------===//
#include "dialects/Support/Layout/Packing.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

using namespace tilewright;
using namespace tilewright::layout;

namespace {

constexpr auto bytes = ActivationClass::Bits8;
constexpr unsigned quads = 8;

using Codes = std::array<std::array<unsigned, 4>, quads>; // [quad][byte]

const WordLayout &layoutOf(unsigned bits) { return WordLayout::get(bits, bytes); }

std::vector<uint32_t> run(const UnpackProgram &program, const WordLayout &layout,
                          const Codes &codes) {
  std::vector<uint32_t> values(layout.getBits());
  for (unsigned quad = 0; quad < quads; ++quad)
    for (unsigned bit = 0; bit < layout.getBits(); ++bit)
      for (unsigned byte = 0; byte < 4; ++byte) {
        BitPosition at = layout.locate(quad, bit);
        values[at.word] |= (codes[quad][byte] >> bit & 1) << (at.offset + 8 * byte);
      }
  for (const UnpackStep &step : program.steps) {
    uint32_t a = values.at(step.a), b = values.at(step.b);
    switch (step.kind) {
    case UnpackStep::Kind::ShiftRight:
      values.push_back(a >> step.immediate);
      break;
    case UnpackStep::Kind::ShiftLeft:
      values.push_back(a << step.immediate);
      break;
    case UnpackStep::Kind::Select:
      values.push_back((a & step.immediate) | (b & ~step.immediate));
      break;
    default:
      ADD_FAILURE() << "a step of halves";
    }
  }
  return values;
}

/// The operand register of a field.
uint32_t readField(const UnpackProgram &program, const std::vector<uint32_t> &values,
                   const UnpackField &field) {
  uint32_t top = (1u << program.bits) - 1;
  return values.at(field.value) & (top << (8 - program.bits)) * 0x01010101u;
}

/// The code's number in two's complement.
int toSigned(unsigned code, unsigned bits) {
  return int(code) - (code >> (bits - 1) & 1 ? 1 << bits : 0);
}

void expectUnpacks(unsigned bits, const Codes &codes) {
  const UnpackProgram &program = getUnpackProgram(bits, Activation::I8);
  std::vector<uint32_t> values = run(program, layoutOf(bits), codes);
  ASSERT_EQ(program.fields.size(), quads);
  for (const UnpackField &field : program.fields)
    for (unsigned byte = 0; byte < 4; ++byte) {
      auto operand = uint8_t(readField(program, values, field) >> 8 * byte);
      unsigned code = codes[field.pair][byte];
      ASSERT_EQ(operand, code << (8 - bits)) << bits << " bits, quad " << field.pair;
      ASSERT_EQ(int8_t(operand), toSigned(code, bits) * (1 << (8 - bits)))
          << bits << " bits, quad " << field.pair;
    }
}

class ByteWidths : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Bits, ByteWidths, testing::Range(1u, 9u));

TEST_P(ByteWidths, EveryCodeInEveryPlaceUnpacksExactly) {
  unsigned bits = GetParam(), count = 1u << bits;
  for (unsigned quad = 0; quad < quads; ++quad)
    for (unsigned byte = 0; byte < 4; ++byte)
      for (unsigned code = 0; code < count; ++code)
        for (unsigned others : {0u, count - 1}) {
          Codes codes;
          for (auto &all : codes)
            all.fill(others);
          codes[quad][byte] = code;
          expectUnpacks(bits, codes);
        }
}

TEST_P(ByteWidths, RandomCodesUnpackExactly) {
  unsigned bits = GetParam(), seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 500; ++trial) {
    Codes codes;
    for (auto &all : codes)
      for (unsigned &code : all)
        code = random() % (1u << bits);
    expectUnpacks(bits, codes);
  }
}

TEST_P(ByteWidths, TheProofHolds) {
  unsigned bits = GetParam();
  llvm::Error error = verifyUnpack(layoutOf(bits), getUnpackProgram(bits, Activation::I8));
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

TEST_P(ByteWidths, TheSumTakesWhatCodesWereMultipliedBy) {
  int bits = GetParam();
  EXPECT_EQ(getUnpackProgram(bits, Activation::I8).sumExponent, bits - 8);
  for (const char *kind : {"u", "i"})
    EXPECT_EQ(getSumExponent(format::get(kind + std::to_string(bits)), Activation::I8), bits - 8);
}

TEST(UnpackBytes, InstructionCounts) {
  const unsigned expected[] = {15, 14, 17, 12, 19, 18, 21, 0};
  for (unsigned bits = 1; bits <= 8; ++bits)
    EXPECT_EQ(getUnpackProgram(bits, Activation::I8).countInstructions(), expected[bits - 1])
        << bits;
}

//===----------------------------------------------------------------------===//
// The proof refuses
//===----------------------------------------------------------------------===//

using Positions = llvm::SmallVector<BitPosition, 128>;

Positions positionsOf(unsigned bits) {
  Positions positions;
  for (unsigned quad = 0; quad < quads; ++quad)
    for (unsigned bit = 0; bit < bits; ++bit)
      positions.push_back(layoutOf(bits).locate(quad, bit));
  return positions;
}

std::string message(llvm::Error error) {
  EXPECT_TRUE(bool(error)) << "expected a refusal";
  return llvm::toString(std::move(error));
}

TEST_P(ByteWidths, EverySwapOfTwoCodeBitsIsRefused) {
  unsigned bits = GetParam();
  Positions original = positionsOf(bits);
  for (unsigned i = 0; i < original.size(); ++i)
    for (unsigned j = 0; j < i; ++j) {
      Positions positions = original;
      std::swap(positions[i], positions[j]);
      WordLayout broken(bits, positions, bytes);
      llvm::Error error = verifyUnpack(broken, getUnpackProgram(bits, Activation::I8));
      ASSERT_TRUE(bool(error)) << i << " and " << j;
      llvm::consumeError(std::move(error));
    }
}

/// Whether integers come out right: the judge of mutated programs.
bool unpacksIntegers(const UnpackProgram &program) {
  std::mt19937 random(7);
  for (unsigned trial = 0; trial < 40; ++trial) {
    Codes codes;
    for (auto &all : codes)
      for (unsigned &code : all)
        code = random() % (1u << program.bits);
    std::vector<uint32_t> values = run(program, layoutOf(program.bits), codes);
    for (const UnpackField &field : program.fields)
      for (unsigned byte = 0; byte < 4; ++byte)
        if ((readField(program, values, field) >> 8 * byte & 255) != codes[field.pair][byte]
                                                                         << (8 - program.bits))
          return false;
  }
  return true;
}

TEST(UnpackBytes, TheProofAgreesWithIntegersOnMutatedPrograms) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  unsigned refused = 0, accepted = 0;
  for (unsigned trial = 0; trial < 4000; ++trial) {
    UnpackProgram program = getUnpackProgram(1 + random() % 7, Activation::I8);
    UnpackStep &step = program.steps[random() % program.steps.size()];
    switch (random() % 3) {
    case 0:
      step.a = random() % program.bits;
      break;
    case 1:
      if (step.kind == UnpackStep::Kind::Select)
        step.immediate ^= 1u << random() % 32;
      else
        step.immediate = random() % 8;
      break;
    default:
      if (step.kind == UnpackStep::Kind::Select)
        std::swap(step.a, step.b);
      else if (random() % 2)
        step.kind = UnpackStep::Kind::ShiftRight;
    }
    llvm::Error error = verifyUnpack(layoutOf(program.bits), program);
    bool holds = !error;
    llvm::consumeError(std::move(error));
    ASSERT_EQ(holds, unpacksIntegers(program)) << "trial " << trial << ", width " << program.bits;
    ++(holds ? accepted : refused);
  }
  EXPECT_GT(refused, 500u);
  EXPECT_GT(accepted, 100u);
}

TEST(UnpackBytes, RefusesMalformedPrograms) {
  const UnpackProgram &good = getUnpackProgram(3, Activation::I8);
  auto refusal = [](const UnpackProgram &program) {
    return message(verifyUnpack(layoutOf(program.bits), program));
  };
  UnpackProgram program = good;
  program.fields[3].offset = 4;
  EXPECT_EQ(refusal(program), "expects the field of quad 3 at the top of its bytes, but got offset "
                              "4 for 3 bits");
  program = good;
  program.fields[3].value = program.fields[2].value;
  EXPECT_EQ(refusal(program),
            "expects bit 0 of quad 3 (byte 0) at bit 5 of value 4, but got bit 0 of quad 2 (byte "
            "0)");
  program = good;
  program.fields.push_back(good.fields[4]);
  EXPECT_EQ(refusal(program), "expects one field a quad, but got two for quad 4");
  program = good;
  program.fields.pop_back();
  EXPECT_EQ(refusal(program), "expects one field a quad, but got none for quad 7");
  program = good;
  program.fields[0].pair = 8;
  EXPECT_NE(refusal(program).find("expects fields of 8 quads"), std::string::npos);
  program = good;
  program.sumExponent = 0;
  EXPECT_EQ(refusal(program),
            "expects codes at the top of bytes to leave 2^-5 to the sum, but got 2^0");
  program = good;
  program.scheme = UnpackScheme::MagicFma;
  EXPECT_EQ(refusal(program),
            "expects codes at the top of bytes exactly beside 8-bit activations, but got 8-bit");
  // A program and words of different classes.
  EXPECT_EQ(message(verifyUnpack(WordLayout::get(3), good)),
            "expects a program for 16-bit activations, but got one for 8-bit");
  EXPECT_EQ(message(verifyUnpack(layoutOf(3), getUnpackProgram(3, Activation::F16))),
            "expects a program for 8-bit activations, but got one for 16-bit");
}

//===----------------------------------------------------------------------===//
// Layouts and blocks
//===----------------------------------------------------------------------===//

TEST_P(ByteWidths, TheLayoutIsABijection) {
  llvm::Error error = layoutOf(GetParam()).verify();
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

TEST(ByteLayout, StorageIsFrozen) {
  // Version 1 of the storage layout, in places that tell layouts apart. A
  // change here is a new packingVersion.
  EXPECT_EQ(packingVersion, 1u);
  auto at = [](unsigned bits, unsigned quad, unsigned bit) {
    BitPosition position = layoutOf(bits).locate(quad, bit);
    return std::pair<unsigned, unsigned>(position.word, position.offset);
  };
  using P = std::pair<unsigned, unsigned>;
  EXPECT_EQ(at(1, 7, 0), P(0, 7));
  EXPECT_EQ(at(2, 5, 1), P(1, 3));
  EXPECT_EQ(at(3, 2, 0), P(1, 2));
  EXPECT_EQ(at(3, 6, 0), P(1, 0));
  EXPECT_EQ(at(3, 6, 2), P(0, 1));
  EXPECT_EQ(at(3, 7, 0), P(1, 1));
  EXPECT_EQ(at(3, 7, 2), P(2, 1));
  EXPECT_EQ(at(4, 5, 3), P(2, 7));
  EXPECT_EQ(at(5, 4, 0), P(4, 3));
  EXPECT_EQ(at(5, 5, 0), P(1, 0));
  EXPECT_EQ(at(5, 6, 0), P(1, 2));
  EXPECT_EQ(at(5, 6, 1), P(3, 2));
  EXPECT_EQ(at(5, 7, 4), P(4, 2));
  EXPECT_EQ(at(6, 6, 5), P(0, 1));
  EXPECT_EQ(at(6, 7, 0), P(5, 0));
  EXPECT_EQ(at(7, 7, 6), P(0, 0));
  EXPECT_EQ(at(7, 7, 0), P(6, 0));
  EXPECT_EQ(at(8, 7, 7), P(7, 7));
}

TEST(ByteLayout, RefusesWhatIsNoBijection) {
  Positions positions = positionsOf(3);
  positions[5 * 3 + 1] = positions[2 * 3 + 0];
  EXPECT_EQ(message(WordLayout(3, positions, bytes).verify()),
            "expects one code bit at word 1 offset 2, but got bit 0 of quad 2 and bit 1 of quad 5");
  positions = positionsOf(3);
  positions[4] = {0, 8};
  EXPECT_EQ(message(WordLayout(3, positions, bytes).verify()),
            "expects bit 1 of quad 1 in words 0 to 2 at offsets 0 to 7, but got word 0 offset 8");
  EXPECT_EQ(message(WordLayout(2, positionsOf(1), bytes).verify()),
            "expects 16 bit positions for width 2, but got 8");
}

TEST(ByteBlocks, PositionsFollowTheFragmentMap) {
  // The header's formulae, from the fragment's indices to coordinates.
  std::set<std::pair<unsigned, unsigned>> seen;
  for (unsigned kBlock = 0; kBlock < 2; ++kBlock)
    for (unsigned nBlock = 0; nBlock < 2; ++nBlock)
      for (unsigned kb = 0; kb < 2; ++kb)
        for (unsigned nb = 0; nb < 2; ++nb)
          for (unsigned kh = 0; kh < 2; ++kh)
            for (unsigned g = 0; g < 8; ++g)
              for (unsigned t = 0; t < 4; ++t)
                for (unsigned kq = 0; kq < 4; ++kq) {
                  BlockCoordinates at{64 * kBlock + 32 * kb + 16 * kh + 4 * t + kq,
                                      16 * nBlock + 8 * nb + g};
                  BlockPosition position{2 * kBlock + nBlock, 4 * g + t, (kb * 2 + nb) * 2 + kh,
                                         kq};
                  ASSERT_EQ(getBlockPosition(at, bytes), position);
                  ASSERT_EQ(getBlockCoordinates(position, bytes), at);
                  seen.insert({at.k, at.n});
                }
  EXPECT_EQ(seen.size(), blockK * blockN);
}

TEST(ActivationClasses, HaveNames) {
  for (ActivationClass each : {ActivationClass::Bits16, ActivationClass::Bits8})
    EXPECT_EQ(llvm::cantFail(parseActivationClass(getName(each))), each);
  EXPECT_NE(message(parseActivationClass("4-bit").takeError()).find("'4-bit'"), std::string::npos);
}

} // namespace
