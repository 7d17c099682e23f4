//===- UnpackFloatsTest.cpp - Unpack programs of float codes ---------------===//
//
// The programs are executed on integers, as the instructions they stand for, on
// every code of every format in every place. What comes out is decoded as f16
// or bf16 and compared with the code decoded by the formats' definitions, both
// in doubles. Then the proof is shown programs with one thing wrong.
//
//===----------------------------------------------------------------------===//
#include "UnpackMachine.h"

#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace tilewright;
using namespace tilewright::layout;

namespace {

//===----------------------------------------------------------------------===//
// Numbers, written from their definitions
//===----------------------------------------------------------------------===//

/// The number of a code that has one: not infinity, not NaN.
double decode(unsigned code, unsigned exponentBits, unsigned mantissaBits) {
  int mantissa = code & ((1u << mantissaBits) - 1);
  int exponent = code >> mantissaBits & ((1u << exponentBits) - 1);
  int unit = (exponent == 0 ? 1 : exponent) - ((1 << (exponentBits - 1)) - 1) - int(mantissaBits);
  double size = std::ldexp(mantissa + (exponent == 0 ? 0 : 1 << mantissaBits), unit);
  return code >> (exponentBits + mantissaBits) & 1 ? -size : size;
}

double decode(unsigned code, const format::Format &format) {
  return decode(code, format.exponentBits, format.mantissaBits);
}

double decode(uint16_t word, Activation activation) {
  return activation == Activation::F16 ? decode(word, 5, 10) : decode(word, 8, 7);
}

/// What the last instructions make of a field of one half.
double readField(const UnpackProgram &program, uint32_t value, const UnpackField &field,
                 unsigned half, Activation activation) {
  uint32_t number = value & program.mask;
  if (program.scheme == UnpackScheme::PlaceByte)
    number = permute(value, 0, field.offset == 0 ? 0x2404 : 0x3414);
  return decode(uint16_t(number >> 16 * half), activation) * program.factor;
}

//===----------------------------------------------------------------------===//
// Every format
//===----------------------------------------------------------------------===//

struct Case {
  const format::Format *format;
  Activation activation;

  const UnpackProgram &getProgram() const { return getUnpackProgram(*format, activation); }
};

std::vector<Case> getCases() {
  std::vector<Case> cases;
  for (const format::Format &format : format::all())
    if (format.isWeight() && format.hasExponent())
      for (Activation activation : {Activation::F16, Activation::BF16})
        cases.push_back({&format, activation});
  return cases;
}

class Floats : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(All, Floats, testing::ValuesIn(getCases()), [](const auto &info) {
  return info.param.format->name + (info.param.activation == Activation::F16 ? "_f16" : "_bf16");
});

TEST(Floats, AllOfThemAreThere) { EXPECT_EQ(getCases().size(), 2u * 12u); }

/// As many exponent bits as f16 and all of them set: infinity or NaN, which
/// packing refuses.
bool isSpecial(unsigned code, const format::Format &format) {
  return format.exponentBits == 5 && (code >> format.mantissaBits & 31) == 31;
}

/// Numbers of 8 bits and less have few significant bits, so only range counts.
void expectExact(double value, Activation activation) {
  int exponent;
  std::frexp(value, &exponent);
  if (activation == Activation::BF16)
    EXPECT_TRUE(value == 0 || (exponent > -126 && exponent < 128)) << value;
  else
    EXPECT_TRUE(std::ldexp(value, 24) == std::trunc(std::ldexp(value, 24))) << value;
}

void expectUnpacks(const Case &c, const Codes &codes) {
  const UnpackProgram &program = c.getProgram();
  std::vector<uint32_t> values = run(program, codes);
  ASSERT_EQ(program.fields.size(), pairsPerFragment);
  for (const UnpackField &field : program.fields)
    for (unsigned half = 0; half < 2; ++half) {
      if (isSpecial(codes[field.pair][half], *c.format))
        continue;
      double operand = readField(program, values.at(field.value), field, half, c.activation);
      double expected = decode(codes[field.pair][half], *c.format);
      ASSERT_EQ(std::ldexp(operand, getSumExponent(*c.format, c.activation)), expected)
          << "pair " << field.pair << ", half " << half << ", code " << codes[field.pair][half];
      ASSERT_EQ(std::signbit(operand), std::signbit(expected)) << codes[field.pair][half];
      expectExact(operand, c.activation);
    }
}

TEST_P(Floats, EveryCodeInEveryPlaceUnpacksExactly) {
  unsigned count = 1u << GetParam().format->bits;
  for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
    for (unsigned half = 0; half < 2; ++half)
      for (unsigned code = 0; code < count; ++code)
        for (unsigned others : {0u, count - 1}) {
          Codes codes;
          for (auto &both : codes)
            both = {others, others};
          codes[pair][half] = code;
          expectUnpacks(GetParam(), codes);
        }
}

TEST_P(Floats, RandomCodesUnpackExactly) {
  unsigned seed = std::random_device{}(), bits = GetParam().format->bits;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  for (unsigned trial = 0; trial < 500; ++trial) {
    Codes codes;
    for (auto &both : codes)
      both = {unsigned(random() % (1u << bits)), unsigned(random() % (1u << bits))};
    expectUnpacks(GetParam(), codes);
  }
}

TEST_P(Floats, TheProofHolds) {
  const UnpackProgram &program = GetParam().getProgram();
  llvm::Error error = verifyUnpack(WordLayout::get(program.bits), program);
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
}

TEST_P(Floats, TheProofAgreesWithIntegersOnMutatedPrograms) {
  unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const Case &c = GetParam();
  if (c.getProgram().steps.empty())
    return; // nothing to mutate
  unsigned refused = 0;
  for (unsigned trial = 0; trial < 200; ++trial) {
    UnpackProgram program = c.getProgram();
    UnpackStep &step = program.steps[random() % program.steps.size()];
    switch (random() % 3) {
    case 0:
      step.a = random() % program.bits;
      break;
    case 1:
      if (step.kind == UnpackStep::Kind::Select)
        step.immediate ^= 1u << random() % 32;
      else if (step.kind != UnpackStep::Kind::Permute)
        step.immediate = 1 + random() % 31;
      break;
    default:
      if (step.kind == UnpackStep::Kind::RotateLeft)
        step.kind = UnpackStep::Kind::ShiftLeft;
      else if (step.kind == UnpackStep::Kind::Select)
        std::swap(step.a, step.b);
    }
    llvm::Error error = verifyUnpack(WordLayout::get(program.bits), program);
    bool holds = !error, unpacks = true;
    llvm::consumeError(std::move(error));
    for (unsigned sample = 0; sample < 40; ++sample) {
      Codes codes;
      for (auto &both : codes)
        both = {unsigned(random() % (1u << program.bits)),
                unsigned(random() % (1u << program.bits))};
      std::vector<uint32_t> values = run(program, codes), good = run(c.getProgram(), codes);
      for (unsigned pair = 0; pair < pairsPerFragment; ++pair)
        unpacks &= (values[program.fields[pair].value] & program.mask) ==
                   (good[program.fields[pair].value] & program.mask);
    }
    ASSERT_EQ(holds, unpacks) << "trial " << trial;
    refused += !holds;
  }
  EXPECT_GT(refused, 50u);
}

TEST(Floats, InstructionCounts) {
  const struct {
    const char *name;
    unsigned f16, bf16;
  } counts[] = {{"f4e2m1", 40, 56}, {"f5e3m1", 57, 68}, {"f5e2m2", 57, 63}, {"f6e3m2", 58, 76},
                {"f6e2m3", 60, 72}, {"f6e4m1", 58, 72}, {"f7e5m1", 37, 76}, {"f7e4m2", 60, 78},
                {"f7e3m3", 59, 78}, {"f7e2m4", 60, 76}, {"e4m3", 48, 64},   {"e5m2", 16, 64}};
  for (auto [name, f16, bf16] : counts) {
    const format::Format &format = format::get(name);
    EXPECT_EQ(getUnpackProgram(format, Activation::F16).countInstructions(), f16) << name;
    EXPECT_EQ(getUnpackProgram(format, Activation::BF16).countInstructions(), bf16) << name;
  }
}

TEST(FixedPoint, UnpackAsIntegersInUnitsOfTheLastMantissaBit) {
  for (const char *name : {"f3e1m1", "f4e1m2", "f5e1m3"}) {
    const format::Format &format = format::get(name);
    ASSERT_TRUE(format.isFixedPoint() && !format.hasExponent() && format.isWeight());
    for (Activation activation : {Activation::F16, Activation::BF16}) {
      EXPECT_EQ(&getUnpackProgram(format, activation), &getUnpackProgram(format.bits, activation));
      for (unsigned magnitude = 0; magnitude < 1u << (format.bits - 1); ++magnitude)
        EXPECT_EQ(decode(magnitude, format),
                  std::ldexp(magnitude, getSumExponent(format, activation)));
    }
  }
}

//===----------------------------------------------------------------------===//
// The proof refuses
//===----------------------------------------------------------------------===//

std::string refusal(const UnpackProgram &program) {
  llvm::Error error = verifyUnpack(WordLayout::get(program.bits), program);
  EXPECT_TRUE(bool(error)) << "expected a refusal";
  return llvm::toString(std::move(error));
}

TEST(VerifyFloats, RefusesNumbersThatAreNotPlacedAsAFloat) {
  const UnpackProgram &good = getUnpackProgram(format::get("f6e3m2"), Activation::F16);
  UnpackProgram program = good;
  program.mask = good.mask >> 1;
  EXPECT_EQ(refusal(program), "expects a mask of the number as f16 or bf16, but got 0x4F804F80");

  program = good;
  program.fields[3].offset = 7;
  EXPECT_EQ(refusal(program), "expects the field of pair 3 where its exponent is the activation's, "
                              "but got offset 7 for 6 bits");

  program = good;
  program.sumExponent = 11;
  EXPECT_EQ(refusal(program), "expects factor and exponent of the sum to be 2^12 together, but got "
                              "1.000000 and 2^11");

  program = good;
  program.exponentBits = 5;
  EXPECT_EQ(refusal(program), "expects floats of 3 to 8 bits with 1 to 5 exponent bits and a "
                              "mantissa, but got 6 and 5");

  program = good;
  program.fields[0] = good.fields[1];
  program.fields[0].pair = 0;
  EXPECT_EQ(refusal(program).substr(0, 40), "expects bit 0 of pair 0 (low half) at bi");
}

TEST(VerifyFloats, RefusesBytesOfOtherFormats) {
  UnpackProgram program = getUnpackProgram(format::get("e4m3"), Activation::F16);
  program.scheme = UnpackScheme::PlaceByte;
  EXPECT_EQ(refusal(program),
            "expects placed bytes with 8 bits, 5 of them exponent, but got 8 and 4");
}

} // namespace
