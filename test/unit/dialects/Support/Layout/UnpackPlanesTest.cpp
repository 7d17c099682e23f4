//===- UnpackPlanesTest.cpp - Unpack programs of nested codes --------------===//
//
// The programs are executed on integers, as the instructions they stand for, and
// what lop3 and fma make of their fields is compared with the numbers that nested
// codes are by definition, 2q + 1 - 2^b, on every code in every place. Words are
// filled from codes of eight bits by the definition of planes: a program of b planes
// sees b of eight words.
//
//===----------------------------------------------------------------------===//
#include "UnpackMachine.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright;
using namespace tilewright::layout;

namespace {

constexpr unsigned storedBits = 8;

/// All eight planes: word p has bit 7 - p of pair i at bit (i - p) mod 16.
std::vector<uint32_t> makePlanes(const Codes &codes) {
  std::vector<uint32_t> words(storedBits);
  for (unsigned plane = 0; plane < storedBits; ++plane)
    for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
      for (unsigned half = 0; half < 2; ++half) {
        unsigned at = (16 + pair - plane) % 16;
        words[plane] |= (codes[pair][half] >> (storedBits - 1 - plane) & 1) << (at + 16 * half);
      }
  return words;
}

/// The number with these bits, for f16 or bf16; positive or negative and normal.
double decode(uint16_t word, Activation activation) {
  unsigned mantissaBits = activation == Activation::F16 ? 10 : 7;
  int bias = activation == Activation::F16 ? 15 : 127;
  int exponent = (word >> mantissaBits & ((1 << (15 - mantissaBits)) - 1)) - bias;
  double mantissa = 1 + std::ldexp(word & ((1 << mantissaBits) - 1), -int(mantissaBits));
  return (word >> 15 ? -1 : 1) * std::ldexp(mantissa, exponent);
}

/// `value`, which the activation type must hold as it is.
double exact(double value, Activation activation) {
  int exponent, digits = activation == Activation::F16 ? 11 : 8;
  double scaled = std::ldexp(std::frexp(value, &exponent), digits);
  EXPECT_EQ(scaled, std::trunc(scaled)) << value << " is rounded";
  return value;
}

/// What the instructions make of a field of one half.
double readField(const UnpackProgram &program, uint32_t pair, unsigned offset, unsigned half,
                 Activation activation) {
  auto number = [&](uint32_t bits) { return decode(bits >> 16 * half, activation); };
  double middle = std::ldexp(1, program.bits - 1);
  if (program.scheme == UnpackScheme::MagicSplit) {
    double low = number((pair & 0x007f007f) | program.magic);
    double top = number((~pair & 0x00800080) | (program.magic ^ 0x80008000));
    return exact(2 * exact(low + top, activation) + 1, activation);
  }
  uint32_t mask = (((1u << program.bits) - 1) << offset) * 0x10001u;
  if (offset == 0) {
    double code = number((pair & mask) | program.magic) - exact(program.base + middle, activation);
    return exact(2 * exact(code, activation) + 1, activation);
  }
  double scale = std::ldexp(1, 1 - int(offset));
  return exact(number((pair & mask) | program.magic) * scale -
                   exact(program.base * scale + 2 * middle - 1, activation),
               activation);
}

class Planes : public testing::TestWithParam<std::tuple<unsigned, Activation>> {
protected:
  void expectNumbers(const Codes &codes) {
    auto [bits, activation] = GetParam();
    const UnpackProgram &program = getPlaneProgram(bits, activation);
    std::vector<uint32_t> values = makePlanes(codes);
    values.resize(bits); // the kernel has no others
    for (const UnpackStep &step : program.steps)
      values.push_back(runStep(step, values.at(step.a), values.at(step.b)));
    ASSERT_EQ(program.fields.size(), pairsPerFragment);
    for (const UnpackField &field : program.fields)
      for (unsigned half = 0; half < 2; ++half) {
        int code = codes[field.pair][half] >> (storedBits - bits);
        ASSERT_EQ(readField(program, values.at(field.value), field.offset, half, activation),
                  2 * code + 1 - (1 << bits))
            << bits << " bits, pair " << field.pair << ", half " << half << ", code " << code;
      }
  }
};

INSTANTIATE_TEST_SUITE_P(All, Planes,
                         testing::Combine(testing::Range(1u, 9u),
                                          testing::Values(Activation::F16, Activation::BF16)));

TEST_P(Planes, EveryCodeInEveryPlaceIsItsOddNumber) {
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned half = 0; half < 2; ++half)
      for (unsigned code = 0; code < 256; ++code)
        for (unsigned others : {0u, 255u}) {
          Codes codes;
          for (auto &both : codes)
            both = {others, others};
          codes[pair][half] = code;
          expectNumbers(codes);
        }
}

TEST_P(Planes, RandomCodesAreTheirOddNumbers) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 300; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % 256), unsigned(random() % 256)};
    expectNumbers(codes);
  }
}

TEST_P(Planes, TheProofHolds) {
  auto [bits, activation] = GetParam();
  llvm::Error error = verifyUnpack(WordLayout::getPlanes(bits), getPlaneProgram(bits, activation));
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

/// One plane alone lies like words of one bit.
TEST(PlanePrograms, TheProofRefusesTheWordsOfOtherStorage) {
  for (Activation activation : {Activation::F16, Activation::BF16})
    for (unsigned bits = 2; bits <= 8; ++bits)
      for (const WordLayout *other : {&WordLayout::get(bits), &WordLayout::getPlanes(bits, true)}) {
        llvm::Error error = verifyUnpack(*other, getPlaneProgram(bits, activation));
        EXPECT_TRUE(bool(error)) << "expected a refusal of " << bits << " bits";
        llvm::consumeError(std::move(error));
      }
}

TEST(PlaneLayouts, AreBijectionsAndFrozen) {
  for (bool isStack : {false, true})
    for (unsigned bits = 1; bits <= 8; ++bits) {
      const WordLayout &layout = WordLayout::getPlanes(bits, isStack);
      llvm::Error error = layout.verify();
      EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
      for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
        for (unsigned plane = 0; plane < bits; ++plane) {
          BitPosition at = layout.locate(pair, bits - 1 - plane);
          EXPECT_EQ(at.word, plane);
          EXPECT_EQ(at.offset, isStack ? pair : (16 + pair - plane) % 16);
        }
    }
}

/// The table of docs/reference/tables.md, loads not counted.
TEST(PlanePrograms, InstructionCounts) {
  const unsigned f16[] = {33, 36, 43, 47, 61, 65, 71, 75};
  const unsigned bf16[] = {35, 40, 50, 53, 66, 70, 91, 110};
  for (unsigned bits = 1; bits <= 8; ++bits) {
    EXPECT_EQ(getPlaneProgram(bits, Activation::F16).countInstructions(), f16[bits - 1]) << bits;
    EXPECT_EQ(getPlaneProgram(bits, Activation::BF16).countInstructions(), bf16[bits - 1]) << bits;
  }
}

TEST(VerifyPlanes, RefusesOddNumbersOfOtherSchemes) {
  UnpackProgram program = getUnpackProgram(8, Activation::F16); // MagicByte
  program.isOdd = true;
  llvm::Error error = verifyUnpack(WordLayout::get(8), program);
  ASSERT_TRUE(bool(error));
  EXPECT_EQ(llvm::toString(std::move(error)),
            "expects odd numbers of magic numbers or split codes, but got another scheme");
}

} // namespace
